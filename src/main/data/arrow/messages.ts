// Walks over the messages of an Arrow file or stream: the schema, and where the buffers of each batch lie.

import { SoftshardError } from '../../../errors.js';
import type { DataFile } from '../data-file.js';
import { damagedTable } from '../table/column-table.js';
import { Table } from './flatbuffer.js';
import { type Field, readFields } from './schema.js';

/** Bytes of the file. */
export interface Region {
  readonly begin: number;
  readonly length: number;
}

/** A field in a batch. */
export interface FieldData {
  readonly length: number;
  /** Nulls, or -1 where they have not been counted. */
  readonly nulls: number;
  readonly buffers: readonly Region[];
  readonly children: readonly FieldData[];
  readonly codec: 'lz4' | 'zstd' | undefined;
}

export interface DictionaryPart {
  readonly values: FieldData;
}

export interface Batch {
  readonly rows: number;
  readonly rowBegin: number;
  readonly fields: readonly FieldData[];
  /** The parts of each dictionary, by its number, that the batch is written with. */
  readonly dictionaries: ReadonlyMap<number, readonly DictionaryPart[]>;
}

export interface Messages {
  readonly fields: readonly Field[];
  readonly batches: readonly Batch[];
}

const FILE_MAGIC = 'ARROW1';
/** The length of the footer, and the magic bytes. */
const TAIL_BYTES = 10;
const FILE_BEGIN = 8;
/** Where a message is, and how long its parts are. */
const BLOCK_BYTES = 24;
const MESSAGE = { schema: 1, dictionary: 2, batch: 3 } as const;
/** Version 4 came with Arrow 0.8, 5 with Arrow 1.0. */
const VERSIONS = { v4: 3, v5: 4 } as const;
const CONTINUED = -1;
const CODECS = ['lz4', 'zstd'] as const;

export const isArrowFile = (head: Uint8Array): boolean =>
  Buffer.from(head.subarray(0, 8)).toString('latin1') === `${FILE_MAGIC}\0\0`;

/** A stream has no magic bytes: its first message is a schema, and has a length that is a multiple of 8. */
export function isArrowStream(head: Uint8Array): boolean {
  if (head.length < 16) return false;
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const length = view.getInt32(4, true);
  return (
    view.getInt32(0, true) === CONTINUED && length > 0 && length % 8 === 0 && view.getUint32(8, true) < length
  );
}

export async function readMessages(file: DataFile): Promise<Messages> {
  const head = new Uint8Array(16);
  await file.read(head, 0);
  if (!isArrowFile(head)) {
    const walk = new MessageWalk(file, file.sizeBytes);
    await walk.stream();
    return walk.messages();
  }
  const { begin, footer } = await readFooter(file);
  const walk = new MessageWalk(file, begin);
  await walk.blocks(footer);
  return walk.messages();
}

/** In a file messages lie between magic bytes and a footer, which has the schema and says where they are. */
async function readFooter(file: DataFile): Promise<{ begin: number; footer: Table }> {
  const { path, sizeBytes } = file;
  const tail = Buffer.alloc(TAIL_BYTES);
  await file.read(tail, Math.max(0, sizeBytes - TAIL_BYTES));
  const length = tail.readInt32LE(0);
  const begin = sizeBytes - TAIL_BYTES - length;
  if (tail.toString('latin1', 4) !== FILE_MAGIC || begin < FILE_BEGIN || length <= 0) {
    throw damagedTable(
      path,
      `byte ${sizeBytes}: expected the end of an Arrow file, ARROW1, found other bytes`,
    );
  }
  const bytes = new Uint8Array(length);
  await file.read(bytes, begin);
  try {
    return { begin, footer: Table.root(bytes) };
  } catch (cause) {
    throw damagedTable(path, `byte ${begin}: expected the footer of an Arrow file, found damage`, cause);
  }
}

class MessageWalk {
  readonly #file: DataFile;
  readonly #end: number;
  #fields: Field[] | undefined;
  readonly #batches: Batch[] = [];
  #rows = 0;
  #dictionaries: ReadonlyMap<number, readonly DictionaryPart[]> = new Map();

  constructor(file: DataFile, end: number) {
    this.#file = file;
    this.#end = end;
  }

  messages(): Messages {
    if (this.#fields) return { fields: this.#fields, batches: this.#batches };
    throw damagedTable(this.#file.path, 'expected the schema of Arrow data, found none');
  }

  /** One message after the other. */
  async stream(): Promise<void> {
    for (let at = 0; at < this.#end; ) {
      const end = await this.#take(at);
      if (end === undefined) return;
      at = end;
    }
  }

  /** Those that a footer names; its dictionaries are whole before the batches. */
  async blocks(footer: Table): Promise<void> {
    const begins = this.#checked(this.#end, () => {
      this.#setSchema(footer.table(1), footer.short(0));
      return [...footer.firstLongs(2, BLOCK_BYTES), ...footer.firstLongs(3, BLOCK_BYTES)];
    });
    for (const begin of begins) {
      const end = await this.#take(begin);
      if (end !== undefined) continue;
      throw damagedTable(this.#file.path, `byte ${begin}: expected a message of Arrow data, found none`);
    }
  }

  /** The end of the message at `at`; undefined at the end of the stream. */
  async #take(at: number): Promise<number | undefined> {
    const message = await this.#next(at);
    return (
      message &&
      this.#checked(at, () => {
        const { root, body } = message;
        const bodyLength = root.long(3);
        if (bodyLength < 0 || body + bodyLength > this.#end) throw new Error(`a body of ${bodyLength} bytes`);
        this.#add(root, { begin: body, length: bodyLength });
        return body + bodyLength;
      })
    );
  }

  #checked<Result>(at: number, work: () => Result): Result {
    try {
      return work();
    } catch (cause) {
      if (cause instanceof SoftshardError) throw cause;
      throw damagedTable(
        this.#file.path,
        `byte ${at}: expected a message of Arrow data, found damage`,
        cause,
      );
    }
  }

  /** Undefined at the end of the stream. */
  async #next(at: number): Promise<{ root: Table; body: number } | undefined> {
    const { path } = this.#file;
    const mark = new DataView(new ArrayBuffer(8));
    const count = at < 0 ? 0 : await this.#file.read(new Uint8Array(mark.buffer), at);
    const first = mark.getInt32(0, true);
    // Before version 0.15 the length stood alone.
    const begin = at + (first === CONTINUED ? 8 : 4);
    const length = first === CONTINUED ? mark.getInt32(4, true) : first;
    if (count >= 4 && length === 0) return undefined;
    if (at < 0 || length < 0 || begin + length > this.#end) {
      throw damagedTable(path, `byte ${at}: expected a message of Arrow data, found one of ${length} bytes`);
    }
    const bytes = new Uint8Array(length);
    await this.#file.read(bytes, begin);
    try {
      return { root: Table.root(bytes), body: begin + length };
    } catch (cause) {
      throw damagedTable(path, `byte ${at}: expected a message of Arrow data, found damage`, cause);
    }
  }

  #add(root: Table, body: Region): void {
    const type = root.byte(1);
    const header = root.table(2);
    const version = root.short(0);
    if (type === MESSAGE.schema) {
      this.#setSchema(header, version);
      return;
    }
    if (!header) throw new Error('a message without a header');
    expectVersion(version);
    const fields = this.#fields;
    if (!fields) throw new Error('values before the schema');
    if (type === MESSAGE.batch) {
      const rows = header.long(0);
      const batch = { rows, rowBegin: this.#rows, fields: placesOf(header, fields, body) };
      if (rows < 0) throw new Error(`${rows} rows`);
      this.#rows += rows;
      this.#batches.push({ ...batch, dictionaries: this.#dictionaries });
    } else if (type === MESSAGE.dictionary) this.#addDictionary(header, fields, body);
  }

  #setSchema(schema: Table | undefined, version: number): void {
    if (!schema || this.#fields) throw new Error(schema ? 'a second schema' : 'no schema');
    expectVersion(version);
    this.#fields = readFields(schema, version >= VERSIONS.v5);
  }

  #addDictionary(header: Table, fields: readonly Field[], body: Region): void {
    const id = header.long(0);
    const data = header.table(1);
    const field = fieldOf(fields, id);
    if (!data || !field) throw new Error(`a dictionary ${id} of no column`);
    // Its values have the type that the field names.
    const [values] = placesOf(
      data,
      [{ ...field, dictionary: undefined, buffers: field.buffersOfValues }],
      body,
    );
    const former = header.byte(2) !== 0 ? (this.#dictionaries.get(id) ?? []) : [];
    // A new map: batches so far keep theirs.
    this.#dictionaries = new Map(this.#dictionaries).set(id, [...former, { values: values! }]);
  }
}

function expectVersion(version: number): void {
  if (version >= VERSIONS.v4 && version <= VERSIONS.v5) return;
  throw new Error(`version ${version + 1} of the format`);
}

function fieldOf(fields: readonly Field[], id: number): Field | undefined {
  for (const field of fields) {
    const found = field.dictionary?.id === id ? field : fieldOf(field.children, id);
    if (found) return found;
  }
  return undefined;
}

/** The buffers of each field, which come in the order of a walk over the fields. */
function placesOf(batch: Table, fields: readonly Field[], body: Region): FieldData[] {
  const nodes = batch.longs(1, 2);
  const buffers = batch.longs(2, 2);
  const compression = batch.table(3);
  const views = batch.longs(4);
  const codec = compression && CODECS[compression.byte(0)];
  if (compression && codec === undefined) throw new Error(`codec ${compression.byte(0)}`);
  let [node, buffer, view] = [0, 0, 0];
  const nextBuffer = (): Region => {
    const [offset, length] = [buffers[buffer++], buffers[buffer++]];
    if (offset === undefined || length === undefined) throw new Error('a buffer is missing');
    if (offset < 0 || length < 0 || offset + length > body.length) {
      throw new Error(`a buffer of ${length} bytes at ${offset} of ${body.length}`);
    }
    return { begin: body.begin + offset, length };
  };
  const place = (field: Field): FieldData => {
    const [length, nulls] = [nodes[node++], nodes[node++]];
    if (length === undefined || nulls === undefined || length < 0) throw new Error('a length is missing');
    const isView = !field.dictionary && (field.type === 'string_view' || field.type === 'binary_view');
    const count = field.buffers + (isView ? (views[view++] ?? 0) : 0);
    const own: Region[] = [];
    for (let i = 0; i < count; i++) own.push(nextBuffer());
    const children = field.dictionary ? [] : field.children.map(place);
    return { length, nulls, buffers: own, children, codec };
  };
  return fields.map(place);
}

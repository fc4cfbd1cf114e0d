// JSON Lines: one record a line, an object with named fields or an array; read twice, as CSV is, first to count its rows.

import { isUtf8 } from 'node:buffer';
import type { SoftshardError } from '../../../errors.js';
import { quoted, shortened } from '../../../printable.js';
import { inspectValue } from '../../checks.js';
import type { DataFile } from '../data-file.js';
import { changedError, formatError } from '../errors.js';
import type { CsvOptions } from '../read-options.js';
import {
  type Cell,
  type ColumnRequest,
  type ColumnTable,
  raggedRow,
  type TableColumn,
} from '../table/column-table.js';
import { tableFormat } from '../table/table-format.js';
import { readLines } from '../text-lines.js';

export const jsonlFormat = tableFormat({
  name: 'jsonl',
  title: 'JSON Lines',
  extensions: ['.jsonl', '.ndjson'],
  matches: isJsonLines,
  open: openLines,
});

/** A line that is a whole record, or the beginning of a long one. */
function isJsonLines(head: Uint8Array): boolean {
  const text = Buffer.from(head).toString('utf8').replace('\ufeff', '').trimStart();
  const end = text.indexOf('\n');
  if (end < 0 && head.length === HEAD_BYTES) return /^(?:\{\s*"|\[\s*(?:["\d-]|true|false|null))/.test(text);
  try {
    const record: unknown = JSON.parse(text.slice(0, end < 0 ? undefined : end));
    // An array of arrays or objects is a whole table.
    if (Array.isArray(record)) return record.length > 0 && !record.every((value) => isObject(value));
    return isObject(record);
  } catch {
    // What follows shows what is wrong with it; a bracket that is alone belongs to other JSON.
    return /^\{\s*"[^\n]*\}/.test(text);
  }
}

/** As many as `matches` gets. */
const HEAD_BYTES = 4096;
/** Their fields are the columns. */
const SAMPLED_ROWS = 100;
/** Fraction of the progress for counting; parsing takes the rest. */
const COUNTING_SHARE = 0.1;
const MOST_VALUES_AT_ONCE = 1 << 16;

type Fields = Readonly<Record<string, unknown>>;
type Kind = TableColumn['kind'];

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

interface Sample {
  kind: Kind | undefined;
  typeName: string;
  width: number;
}

async function openLines(file: DataFile, options: CsvOptions): Promise<ColumnTable> {
  const { onProgress } = options;
  const source = file.content(onProgress && ((fraction) => onProgress(fraction * COUNTING_SHARE)));
  const samples = new Map<string, Sample>();
  const lines = new LineOfRow();
  let rows = 0;
  await readLines(source, (bytes, line) => {
    lines.add(rows, line);
    if (rows < SAMPLED_ROWS) sample(samples, recordOf(file.path, bytes, line));
    rows++;
  });
  return new LineTable(file, { rows, contentBytes: source.offset, lines, samples }, options);
}

/** Rows and lines differ by the blank lines before; only where that changes is noted. */
class LineOfRow {
  readonly #rows: number[] = [];
  readonly #lines: number[] = [];

  add(row: number, line: number): void {
    const last = this.#rows.length - 1;
    if (last >= 0 && line - row === this.#lines[last]! - this.#rows[last]!) return;
    this.#rows.push(row);
    this.#lines.push(line);
  }

  of(row: number): number {
    let [low, high] = [0, this.#rows.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#rows[middle]! <= row) low = middle;
      else high = middle - 1;
    }
    return row + (this.#lines[low] ?? 1) - (this.#rows[low] ?? 0);
  }
}

function recordOf(path: string, bytes: Buffer, line: number): Fields {
  const refuse = (found: string, remedy: string, cause?: unknown) =>
    formatError(path, `line ${line}: expected a JSON object or array, found ${found}`, remedy, { cause });
  if (!isUtf8(bytes)) throw refuse('bytes that are no UTF-8', 'Save the file as UTF-8.');
  const text = bytes.toString('utf8');
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch (cause) {
    const token = /[[,:]\s*(-?(?:NaN|Infinity))/.exec(text)?.[1];
    if (token)
      throw refuse(`${token}, which JSON does not have`, 'Write null where a number is missing.', cause);
    throw refuse(shortened(quoted(text.trim()), 60), 'Write one record a line, as json.dumps does.', cause);
  }
  if (isObject(record)) return record as Fields;
  throw refuse(
    inspectValue(record),
    'Write each row as an object, such as {"features": [1, 2], "label": "a"}.',
  );
}

/** Fields with their own names; prototypes have some, too. */
const fieldOf = (record: Fields, name: string): unknown =>
  Object.hasOwn(record, name) ? record[name] : undefined;

function sample(samples: Map<string, Sample>, record: Fields): void {
  for (const name of Object.keys(record)) {
    const value = record[name];
    const known = samples.get(name);
    const found = kindOf(value);
    if (!known) {
      const width = Array.isArray(value) ? value.length : 1;
      samples.set(name, { kind: found, typeName: typeNameOf(value), width });
    } else if (known.kind === undefined) {
      known.kind = found;
      known.typeName = typeNameOf(value);
      known.width = Array.isArray(value) ? value.length : 1;
    } else if (found !== undefined && found !== known.kind) {
      const isSingle = (kind: Kind) => kind === 'number' || kind === 'text';
      known.typeName = `${known.typeName} and ${typeNameOf(value)}`;
      known.kind = isSingle(known.kind) && isSingle(found) ? 'text' : 'other';
    }
  }
}

const isNumber = (value: unknown): value is number | boolean =>
  typeof value === 'number' || typeof value === 'boolean';

/** Undefined for null. */
function kindOf(value: unknown): Kind | undefined {
  if (value === null) return undefined;
  if (isNumber(value)) return 'number';
  if (typeof value === 'string') return 'text';
  const isVector =
    Array.isArray(value) && value.length > 0 && value.every((item) => isNumber(item) || item === null);
  return isVector ? 'vector' : 'other';
}

function typeNameOf(value: unknown): string {
  if (Array.isArray(value)) return kindOf(value) === 'vector' ? 'array of numbers' : 'array';
  return value === null ? 'null' : typeof value;
}

interface Counted {
  readonly rows: number;
  readonly contentBytes: number;
  readonly lines: LineOfRow;
  readonly samples: ReadonlyMap<string, Sample>;
}

class LineTable implements ColumnTable {
  readonly path: string;
  readonly rows: number;
  readonly columns: readonly TableColumn[];
  readonly placeOf: (row: number) => string;
  readonly #file: DataFile;
  readonly #counted: Counted;
  readonly #options: CsvOptions;

  constructor(file: DataFile, counted: Counted, options: CsvOptions) {
    this.path = file.path;
    this.rows = counted.rows;
    this.columns = Array.from(counted.samples, ([name, { kind = 'other', typeName }]) => ({
      name,
      kind,
      typeName,
    }));
    this.placeOf = (row) => `line ${counted.lines.of(row)}`;
    this.#file = file;
    this.#counted = counted;
    this.#options = options;
  }

  async widthOf(column: number): Promise<number> {
    const { width } = this.#counted.samples.get(this.columns[column]!.name)!;
    // A value takes a digit and a comma: some row has fewer, or none at all. Say which, before memory is asked for.
    if (2 * width * this.rows > this.#counted.contentBytes + this.rows) {
      await this.read([{ column, width, take: () => {} }]);
    }
    return width;
  }

  async read(requests: readonly ColumnRequest[], onProgress?: (fraction: number) => void): Promise<void> {
    await this.#file.expectInPlace();
    const source = this.#file.content(
      onProgress && ((fraction) => onProgress(COUNTING_SHARE + fraction * (1 - COUNTING_SHARE))),
    );
    const buffers = requests.map((request) => new Gathered(this, request));
    const { featureColumns, featureNames } = this.#options;
    const isStrict = featureColumns === undefined && featureNames === undefined;
    const rows = this.rows;
    let row = 0;
    await readLines(source, (bytes, line) => {
      if (row === rows) throw changedError(this.path);
      const record = recordOf(this.path, bytes, line);
      if (isStrict) this.#expectKnown(record, line);
      for (const buffer of buffers) buffer.add(record, row);
      row++;
    });
    if (row !== rows) throw changedError(this.path);
    for (const buffer of buffers) buffer.pass();
  }

  /** A field that begins late would be left out unseen. */
  #expectKnown(record: Fields, line: number): void {
    for (const name of Object.keys(record)) {
      if (this.#counted.samples.has(name)) continue;
      throw formatError(
        this.path,
        `line ${line}: expected the fields of the first ${SAMPLED_ROWS} records, found ${quoted(name)} besides`,
        'Give all records the same fields, or name those that are features in options.featureColumns.',
      );
    }
  }
}

/** Values of a column, passed on some thousand at a time. */
class Gathered {
  readonly #table: ColumnTable;
  readonly #request: ColumnRequest;
  readonly #name: string;
  readonly #kind: Kind;
  readonly #most: number;
  #begin = 0;
  #values: Cell[] = [];
  #missing: number[] = [];

  constructor(table: ColumnTable, request: ColumnRequest) {
    const { name, kind } = table.columns[request.column]!;
    this.#table = table;
    this.#request = request;
    this.#name = name;
    this.#kind = kind;
    this.#most = Math.max(request.width, MOST_VALUES_AT_ONCE);
  }

  add(record: Fields, row: number): void {
    const { width, column } = this.#request;
    if (this.#values.length + width > this.#most) this.pass();
    const value = fieldOf(record, this.#name) ?? null;
    if (value === null) {
      for (let i = 0; i < width; i++) this.#addMissing();
    } else if (this.#kind !== 'vector') this.#addSingle(value, row);
    else {
      if (!Array.isArray(value)) throw this.#otherType(row, 'an array of numbers', value);
      if (value.length !== width) throw raggedRow(this.#table, column, row, width, String(value.length));
      for (const item of value as unknown[]) {
        if (item === null) this.#addMissing();
        else if (isNumber(item)) this.#values.push(item);
        else throw this.#otherType(row, 'an array of numbers', value);
      }
    }
  }

  #addMissing(): void {
    this.#missing.push(this.#values.length);
    this.#values.push(0);
  }

  #addSingle(value: unknown, row: number): void {
    if (isNumber(value) || (this.#kind === 'text' && typeof value === 'string')) this.#values.push(value);
    else throw this.#otherType(row, this.#kind === 'text' ? 'text or a number' : 'a number', value);
  }

  #otherType(row: number, expected: string, value: unknown): SoftshardError {
    return formatError(
      this.#table.path,
      `${this.#table.placeOf(row)}, column ${quoted(this.#name)}: expected ${expected}, found ${inspectValue(value)}`,
      'Write it as the records before do, or leave the column out of featureColumns.',
      { row },
    );
  }

  pass(): void {
    const values = this.#values;
    if (values.length === 0) return;
    const missing = this.#missing.length === 0 ? undefined : new Uint8Array(values.length);
    for (const at of this.#missing) missing![at] = 1;
    this.#request.take({ begin: this.#begin, values, missing });
    this.#begin += values.length;
    this.#values = [];
    this.#missing = [];
  }
}

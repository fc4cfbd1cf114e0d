// The header of safetensors files, of data and of models: JSON that says where each tensor lies.

import type { SoftshardError } from '../../../errors.js';
import { shortened } from '../../../printable.js';
import { isWithin, type JsonBounds } from '../../json-bounds.js';
import type { ByteSource } from '../byte-source.js';
import { formatError } from '../errors.js';
import { type Expectation, refuseForeignAfter } from '../foreign-files.js';

/**
 * byte 0                            | 8                                        | 8 + length, a multiple of 8
 *      header length, uint64, LE    | JSON header, spaces at its end           | tensors, LE, no gaps
 * The header: {"__metadata__": {string: string}, name: {"dtype", "shape", "data_offsets": [begin, end]}, …}, offsets
 * in bytes from the first tensor. Source: https://github.com/huggingface/safetensors#format
 */
export const LENGTH_BYTES = 8;

/** The format's own limit. */
export const MAX_HEADER_BYTES = 100_000_000;

export type Metadata = Readonly<Record<string, string>>;

/** What differs between those who read headers. */
export interface HeaderReader extends Required<Expectation> {
  readonly bounds: JsonBounds;
  /** For a header that is not as it should be. */
  readonly damagedRemedy: string;
}

/** A tensor as the header describes it; offsets are checked to cover the file without gaps. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: string;
  readonly dims: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** Reads one header, and makes the errors about it. */
export class SafetensorsHeader {
  readonly metadata: Metadata;
  readonly #source: ByteSource;
  readonly #reader: HeaderReader;
  readonly #tensors: readonly (readonly [name: string, description: unknown])[];

  private constructor(source: ByteSource, reader: HeaderReader, header: Record<string, unknown>) {
    const { __metadata__: metadata = {}, ...descriptions } = header;
    this.#source = source;
    this.#reader = reader;
    if (!isStringRecord(metadata)) {
      throw this.#damaged('"__metadata__" to map strings to strings', metadata);
    }
    this.metadata = metadata;
    this.#tensors = Object.entries(descriptions);
  }

  /** Leaves the source at the first tensor. */
  static async read(source: ByteSource, reader: HeaderReader): Promise<SafetensorsHeader> {
    return new SafetensorsHeader(source, reader, await readJson(source, reader));
  }

  /** By name, before offsets and types are looked at. */
  shapes(): ReadonlyMap<string, readonly number[]> {
    return new Map(this.#tensors.map(([name, description]) => [name, this.#shapeOf(name, description)]));
  }

  /** In the order of the file. `widths`: bytes an element of each type that is read. */
  entries(widths: ReadonlyMap<string, number>): readonly TensorEntry[] {
    const entries = this.#tensors.map(([name, description]) => this.#entryOf(name, description, widths));
    entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
    let end = 0;
    for (const entry of entries) {
      if (entry.begin !== end) {
        throw this.#damaged(
          `tensor "${entry.name}" to begin at offset ${end}, without gap or overlap`,
          entry.begin,
        );
      }
      end = entry.end;
    }
    this.#source.expectRoomFor(end, `${end} bytes of tensors`);
    return entries;
  }

  #entryOf(name: string, description: unknown, widths: ReadonlyMap<string, number>): TensorEntry {
    const { dtype, data_offsets: offsets } = description as Record<string, unknown>;
    const dims = this.#shapeOf(name, description);
    const width = typeof dtype === 'string' ? widths.get(dtype) : undefined;
    if (typeof dtype !== 'string' || width === undefined) {
      const known = [...widths.keys()].map((type) => `"${type}"`).join(', ');
      throw this.#damaged(`tensor "${name}" to have dtype ${known}`, dtype);
    }
    if (!isCounts(offsets) || offsets.length !== 2) {
      throw this.#damaged(`tensor "${name}" to have two "data_offsets"`, offsets);
    }
    const [begin, end] = offsets as [number, number];
    const bytes = dims.reduce((product, dim) => product * dim, width);
    if (end - begin !== bytes) {
      throw this.#damaged(
        `tensor "${name}" of shape [${dims.join(', ')}] to take ${bytes} bytes`,
        end - begin,
      );
    }
    return { name, dtype, dims, begin, end };
  }

  #shapeOf(name: string, description: unknown): readonly number[] {
    const shape = isRecord(description) ? description.shape : undefined;
    if (isCounts(shape)) return shape;
    throw this.#damaged(`tensor "${name}" to have a "shape" of counts`, description);
  }

  #damaged(expected: string, found: unknown): SoftshardError {
    return damagedHeader(this.#source, this.#reader.damagedRemedy, expected, found);
  }
}

async function readJson(source: ByteSource, reader: HeaderReader): Promise<Record<string, unknown>> {
  const { bounds, damagedRemedy } = reader;
  const damaged = (expected: string, found: unknown, cause?: unknown) =>
    damagedHeader(source, damagedRemedy, expected, found, cause);
  const lengthBytes = Buffer.alloc(LENGTH_BYTES);
  await source.readExactly(lengthBytes, '8 bytes of header length');
  const length = Number(lengthBytes.readBigUInt64LE());
  if (length > MAX_HEADER_BYTES) {
    await refuseForeignAfter(source, lengthBytes, reader);
    throw damaged(`a header of at most ${MAX_HEADER_BYTES} bytes`, length);
  }
  if (length > source.maxContentBytes - LENGTH_BYTES) {
    throw source.truncated(`a header of ${length} bytes`, source.maxContentBytes);
  }
  const bytes = Buffer.alloc(length);
  await source.readExactly(bytes, `a header of ${length} bytes`);
  if (bytes[0] !== 0x7b) throw damaged('a header that begins with "{"', bytes.toString('latin1', 0, 8));
  const json = bytes.toString('utf8');
  if (!isWithin(bounds, json)) {
    const { depth, entries } = bounds;
    throw damaged(`a header of at most ${entries} entries, ${depth} levels deep`, json);
  }
  try {
    const header: unknown = JSON.parse(json);
    return header as Record<string, unknown>;
  } catch (cause) {
    throw damaged('a header of JSON', (cause as SyntaxError).message, cause);
  }
}

/** `found` is shown as JSON, cut short. */
export function damagedHeader(
  source: ByteSource,
  remedy: string,
  expected: string,
  found: unknown,
  cause?: unknown,
): SoftshardError {
  // A structure would stay in memory with the error, whatever its size.
  const value = typeof found === 'object' ? inShort(found) : found;
  return formatError(
    source.path,
    `header: expected ${shortened(expected)}, found ${inShort(found)}`,
    remedy,
    cause === undefined ? { value } : { value, cause },
  );
}

/** What a file holds, as JSON for messages. */
export const inShort = (found: unknown): string =>
  shortened(
    JSON.stringify(found, (_, part) => (typeof part === 'string' ? shortened(part) : part)) ?? 'nothing',
  );

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const isStringRecord = (value: unknown): value is Metadata =>
  isRecord(value) && Object.values(value).every((entry) => typeof entry === 'string');

const isCounts = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && entry >= 0);

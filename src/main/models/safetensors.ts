// The safetensors format, for float32 tensors: what models are stored in, readable by Python's safetensors too.

import { SoftshardError } from '../../errors.js';
import { FLOAT32_BYTES } from '../../kernels/layout.js';
import { shortened } from '../../printable.js';
import type { ByteSource } from '../data/byte-source.js';
import { formatError } from '../data/errors.js';
import { refuseForeignAfter } from '../data/foreign-files.js';
import type { Write } from '../outputs/write-atomically.js';
import { isWithin } from './json-bounds.js';

/**
 * byte 0                            | 8                                        | 8 + length, a multiple of 8
 *      header length, uint64, LE    | JSON header, spaces at its end           | tensors, LE, no gaps
 * The header: {"__metadata__": {string: string}, name: {"dtype", "shape", "data_offsets": [begin, end]}, …}, offsets
 * in bytes from the first tensor. Source: https://github.com/huggingface/safetensors#format
 */
const LENGTH_BYTES = 8;
const ALIGNMENT_BYTES = 8;

/** The format's own limit. */
const MAX_HEADER_BYTES = 100_000_000;

/** A model has a few tensors and strings, in objects of objects of arrays; only its strings may be long. */
const HEADER_BOUNDS = { depth: 3, entries: 1000 };

export interface Float32Tensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

export type Metadata = Readonly<Record<string, string>>;

export async function writeSafetensors(
  write: Write,
  tensors: ReadonlyMap<string, Float32Tensor>,
  metadata: Metadata,
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const [name, { dims, data }] of tensors) {
    const begin = end;
    end += data.byteLength;
    header[name] = { dtype: 'F32', shape: dims, data_offsets: [begin, end] };
  }
  const json = Buffer.from(JSON.stringify(header));
  if (json.length > MAX_HEADER_BYTES - ALIGNMENT_BYTES) {
    const message = `the model's names and options take ${json.length} bytes, a model file has room for ${MAX_HEADER_BYTES}: shorten classNames or trainingOptions`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'model', value: json.length });
  }
  const bytes = Buffer.alloc(LENGTH_BYTES + Math.ceil(json.length / ALIGNMENT_BYTES) * ALIGNMENT_BYTES, ' ');
  bytes.writeBigUInt64LE(BigInt(bytes.length - LENGTH_BYTES));
  json.copy(bytes, LENGTH_BYTES);
  await write(bytes);
  // The host's float32 is little-endian, as WebAssembly's memory is.
  for (const { data } of tensors.values()) {
    await write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
}

/** A tensor as the header describes it; offsets are checked to cover the file without gaps. */
interface Entry {
  readonly name: string;
  readonly dims: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads a file of float32 tensors. `accept` sees the metadata and the shapes before anything is allocated, and throws
 * where they are not what the caller reads.
 */
export async function readSafetensors(
  source: ByteSource,
  accept: (metadata: Metadata, shapes: ReadonlyMap<string, readonly number[]>) => void,
): Promise<{ metadata: Metadata; tensors: Map<string, Float32Tensor> }> {
  const header = await readHeader(source);
  const { __metadata__: metadata = {}, ...descriptions } = header;
  if (!isStringRecord(metadata)) {
    throw damaged(source, '"__metadata__" to map strings to strings', metadata);
  }
  const shapes = Object.entries(descriptions).map(([name, it]) => [name, shapeOf(source, name, it)] as const);
  accept(metadata, new Map(shapes));
  const entries = Object.entries(descriptions).map(([name, it]) => parseEntry(source, name, it));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  for (const entry of entries) {
    if (entry.begin !== end) {
      throw damaged(
        source,
        `tensor "${entry.name}" to begin at offset ${end}, without gap or overlap`,
        entry.begin,
      );
    }
    end = entry.end;
  }
  source.expectRoomFor(end, `${end} bytes of tensors`);
  const tensors = new Map<string, Float32Tensor>();
  for (const { name, dims, begin, end } of entries) {
    const data = new Float32Array((end - begin) / FLOAT32_BYTES);
    await source.readExactly(new Uint8Array(data.buffer), `${end - begin} bytes of tensor "${name}"`);
    tensors.set(name, { dims, data });
  }
  await source.expectEnd(`${end} bytes of tensors`);
  return { metadata, tensors };
}

const FOREIGN = { expected: 'a model file', remedy: 'Name a model file written by softshard.' };

async function readHeader(source: ByteSource): Promise<Record<string, unknown>> {
  const lengthBytes = Buffer.alloc(LENGTH_BYTES);
  await source.readExactly(lengthBytes, '8 bytes of header length');
  const length = Number(lengthBytes.readBigUInt64LE());
  if (length > MAX_HEADER_BYTES) {
    await refuseForeignAfter(source, lengthBytes, FOREIGN);
    throw damaged(source, `a header of at most ${MAX_HEADER_BYTES} bytes`, length);
  }
  if (length > source.maxContentBytes - LENGTH_BYTES) {
    throw source.truncated(`a header of ${length} bytes`, source.maxContentBytes);
  }
  const bytes = Buffer.alloc(length);
  await source.readExactly(bytes, `a header of ${length} bytes`);
  if (bytes[0] !== 0x7b)
    throw damaged(source, 'a header that begins with "{"', bytes.toString('latin1', 0, 8));
  const json = bytes.toString('utf8');
  if (!isWithin(HEADER_BOUNDS, json)) {
    const { depth, entries } = HEADER_BOUNDS;
    throw damaged(source, `a header of at most ${entries} entries, ${depth} levels deep`, json);
  }
  try {
    const header: unknown = JSON.parse(json);
    return header as Record<string, unknown>;
  } catch (cause) {
    throw damaged(source, 'a header of JSON', (cause as SyntaxError).message, cause);
  }
}

function shapeOf(source: ByteSource, name: string, description: unknown): readonly number[] {
  const shape = isRecord(description) ? description.shape : undefined;
  if (isCounts(shape)) return shape;
  throw damaged(source, `tensor "${name}" to have a "shape" of counts`, description);
}

function parseEntry(source: ByteSource, name: string, description: unknown): Entry {
  const { dtype, data_offsets: offsets } = description as Record<string, unknown>;
  const dims = shapeOf(source, name, description);
  if (dtype !== 'F32') throw damaged(source, `tensor "${name}" to have dtype "F32"`, dtype);
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw damaged(source, `tensor "${name}" to have two "data_offsets"`, offsets);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = dims.reduce((product, dim) => product * dim, FLOAT32_BYTES);
  if (end - begin !== bytes) {
    throw damaged(
      source,
      `tensor "${name}" of shape [${dims.join(', ')}] to take ${bytes} bytes`,
      end - begin,
    );
  }
  return { name, dims, begin, end };
}

/** `found` is shown as JSON, cut short. */
export function damaged(
  source: ByteSource,
  expected: string,
  found: unknown,
  cause?: unknown,
): SoftshardError {
  // A structure would stay in memory with the error, whatever its size.
  const value = typeof found === 'object' ? inShort(found) : found;
  return formatError(
    source.path,
    `header: expected ${shortened(expected)}, found ${inShort(found)}`,
    'Name a model file written by softshard; if it is one, it is damaged: save or fetch it again.',
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

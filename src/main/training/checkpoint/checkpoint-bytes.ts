// Checkpoints as bytes: a safetensors file, whose arrays are the typed arrays of the state and, as JSON, the rest of it, with a hash
// over all. Numbers keep every bit.
import { createHash } from 'node:crypto';
import { messageOf, SoftshardError } from '../../../errors.js';
import { inspectValue } from '../../checks.js';
import { LENGTH_BYTES, MAX_HEADER_BYTES } from '../../data/safetensors/safetensors-header.js';
import { isWithin, type JsonBounds } from '../../json-bounds.js';
import { arrayClassOf, isArrayOf } from '../../memory/arrays.js';
import {
  CHECKPOINT_VERSION,
  type Checkpoint,
  type CheckpointArray,
  type CheckpointState,
} from './checkpoint.js';

const ALIGNMENT_BYTES = 8;
const FORMAT = 'softshard-checkpoint';
/** The array with the JSON. */
const STATE = 'state';
/** Reports of epochs and heads are in it. */
const BOUNDS: JsonBounds = { depth: 64, entries: 20_000_000 };

type Bytes = Uint8Array<ArrayBuffer>;

interface ArrayType {
  readonly dtype: string;
  readonly width: number;
  readonly of: (bytes: Bytes) => CheckpointArray;
}

/** By the names of classes, which are the same in any realm. */
const TYPES: Readonly<Record<string, ArrayType>> = {
  Float32Array: { dtype: 'F32', width: 4, of: ({ buffer }) => new Float32Array(buffer) },
  Float64Array: { dtype: 'F64', width: 8, of: ({ buffer }) => new Float64Array(buffer) },
  Int32Array: { dtype: 'I32', width: 4, of: ({ buffer }) => new Int32Array(buffer) },
  Uint32Array: { dtype: 'U32', width: 4, of: ({ buffer }) => new Uint32Array(buffer) },
  Uint8Array: { dtype: 'U8', width: 1, of: (bytes) => bytes },
};

const typeOf = (dtype: unknown): ArrayType | undefined =>
  Object.values(TYPES).find((type) => type.dtype === dtype);

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** A safetensors file. Throws ERR_TYPE for what is no checkpoint. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  try {
    return encode(checkpoint);
  } catch (cause) {
    const message = `checkpoint is ${inspectValue(checkpoint)} (${messageOf(cause)}): pass what onCheckpoint was called with`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'checkpoint', value: checkpoint, cause });
  }
}

function encode(checkpoint: Checkpoint): Uint8Array {
  const { kind, version, position, conditions, state } = checkpoint;
  if (!isRecord(conditions) || !isRecord(position)) throw new TypeError('it has no conditions');
  const arrays: CheckpointArray[] = [];
  const entries: Record<string, Entry> = {};
  let end = 0;
  const add = (name: string, array: CheckpointArray, dtype: string) => {
    const begin = end;
    end += array.byteLength;
    arrays.push(array);
    entries[name] = { dtype, shape: [array.length], data_offsets: [begin, end] };
    return name;
  };
  const json = toJson(state, (array, { dtype }) => add(`array-${arrays.length}`, array, dtype));
  add(STATE, Buffer.from(JSON.stringify(json)), 'U8');
  const metadata = {
    format: FORMAT,
    version: String(version),
    kind,
    position: JSON.stringify(position),
    conditions: JSON.stringify(conditions),
  };
  const hash = hashOf(metadata, entries, arrays.map(bytesOf));
  const header = Buffer.from(JSON.stringify({ __metadata__: { ...metadata, hash }, ...entries }));
  const headerBytes = Math.ceil(header.length / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  const bytes = new Uint8Array(LENGTH_BYTES + headerBytes + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + headerBytes);
  bytes.set(header, LENGTH_BYTES);
  let offset = LENGTH_BYTES + headerBytes;
  for (const array of arrays) {
    bytes.set(bytesOf(array), offset);
    offset += array.byteLength;
  }
  return bytes;
}

/** The reverse. `name` (a path) is for errors: ERR_FORMAT where the bytes are cut off, damaged, or of something else. */
export function decodeCheckpoint(bytes: Uint8Array, name = 'the checkpoint'): Checkpoint {
  if (!isArrayOf('uint8', bytes)) {
    const message = `bytes is ${inspectValue(bytes)}: pass the Uint8Array that encodeCheckpoint gave`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'bytes', value: bytes });
  }
  if (typeof name !== 'string') {
    const message = `name is ${inspectValue(name)}: pass the path of the file, for errors`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'name', value: name });
  }
  const damaged = (finding: string, cause?: unknown) => {
    const message = `${name}: ${finding}. It is damaged, or no checkpoint of softshard: take an earlier one`;
    return new SoftshardError('ERR_FORMAT', message, { value: name, ...(cause !== undefined && { cause }) });
  };
  const { metadata, entries, begin } = readHeader(bytes, damaged);
  const { hash, ...others } = metadata;
  if (others.format !== FORMAT)
    throw damaged(`metadata "format" is ${inspectValue(others.format)}, not "${FORMAT}"`);
  if (others.version !== String(CHECKPOINT_VERSION)) {
    const message = `${name}: it is of checkpoint version ${inspectValue(others.version)}, and this softshard reads version ${CHECKPOINT_VERSION}: go on with the softshard that wrote it`;
    throw new SoftshardError('ERR_FORMAT', message, { value: others.version });
  }
  const parts = new Map<string, Bytes>();
  let end = 0;
  for (const [array, { data_offsets }] of Object.entries(entries)) {
    if (data_offsets[0] !== end) throw damaged(`"${array}" begins at ${data_offsets[0]} instead of ${end}`);
    end = data_offsets[1];
    // A copy: aligned, and apart from the caller's bytes.
    parts.set(array, Uint8Array.from(bytes.subarray(begin + data_offsets[0], begin + end)));
  }
  if (begin + end !== bytes.length) {
    throw damaged(`expected ${begin + end} bytes, found ${bytes.length}`);
  }
  if (hashOf(others, entries, [...parts.values()]) !== hash) {
    throw damaged('its content is not what its hash was made of');
  }
  const parse = (part: string, text = ''): unknown => {
    if (!isWithin(BOUNDS, text)) throw damaged(`"${part}" has more than ${BOUNDS.entries} entries`);
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw damaged(`"${part}" is no JSON (${messageOf(cause)})`, cause);
    }
  };
  const text = Buffer.from(parts.get(STATE) ?? []).toString('utf8');
  const state = fromJson(parse(STATE, text), (array) => {
    const type = typeOf(entries[array]?.dtype);
    const part = parts.get(array);
    if (type === undefined || part === undefined) throw damaged(`there is no array "${array}"`);
    return type.of(part);
  });
  return {
    kind: others.kind === 'fitMany' ? 'fitMany' : 'fit',
    version: CHECKPOINT_VERSION,
    position: parse('position', others.position) as Checkpoint['position'],
    conditions: parse('conditions', others.conditions) as Checkpoint['conditions'],
    state,
  };
}

type Damaged = (finding: string, cause?: unknown) => SoftshardError;

function readHeader(bytes: Uint8Array, damaged: Damaged) {
  if (bytes.length < LENGTH_BYTES) throw damaged(`it has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES || length > bytes.length - LENGTH_BYTES) {
    throw damaged(`a header of ${length} bytes does not fit ${bytes.length} bytes`);
  }
  const begin = LENGTH_BYTES + Number(length);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + LENGTH_BYTES, Number(length)).toString('utf8');
  let header: unknown;
  try {
    header = isWithin(BOUNDS, text) ? JSON.parse(text) : undefined;
  } catch (cause) {
    throw damaged(`its header is no JSON (${messageOf(cause)})`, cause);
  }
  const { __metadata__: metadata, ...entries } = isRecord(header) ? header : {};
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw damaged('its header has no metadata');
  }
  for (const [name, entry] of Object.entries(entries)) {
    if (!isEntry(entry)) throw damaged(`"${name}" is described as ${inspectValue(entry)}`);
  }
  return {
    metadata: metadata as Record<string, string>,
    entries: entries as Record<string, Entry>,
    begin,
  };
}

function isEntry(value: unknown): value is Entry {
  if (!isRecord(value)) return false;
  const { dtype, shape, data_offsets: offsets } = value;
  const type = typeOf(dtype);
  if (type === undefined || !isCounts(shape, 1) || !isCounts(offsets, 2)) return false;
  return offsets[1]! - offsets[0]! === shape[0]! * type.width;
}

const isCounts = (value: unknown, length: number): value is readonly number[] =>
  Array.isArray(value) &&
  value.length === length &&
  value.every((entry) => Number.isSafeInteger(entry) && entry >= 0);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const bytesOf = ({ buffer, byteOffset, byteLength }: CheckpointArray): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

function hashOf(
  metadata: Readonly<Record<string, string>>,
  entries: Readonly<Record<string, Entry>>,
  arrays: readonly Uint8Array[],
): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([Object.entries(metadata), Object.entries(entries)]));
  for (const array of arrays) hash.update(array);
  return hash.digest('hex');
}

/** Numbers that JSON has no form for, and what is undefined, are records of one entry with this name, as arrays are. */
const SPECIAL = '$';

function toJson(state: CheckpointState, keep: (array: CheckpointArray, type: ArrayType) => string): unknown {
  if (state === undefined) return { [SPECIAL]: 'undefined' };
  if (typeof state === 'number' && (!Number.isFinite(state) || Object.is(state, -0))) {
    return { [SPECIAL]: Object.is(state, -0) ? '-0' : String(state) };
  }
  if (state === null || ['number', 'string', 'boolean'].includes(typeof state)) return state;
  const type = TYPES[arrayClassOf(state) ?? ''];
  if (type !== undefined) return { [SPECIAL]: keep(state as CheckpointArray, type) };
  if (Array.isArray(state)) return state.map((part: CheckpointState) => toJson(part, keep));
  if (typeof state !== 'object') throw new TypeError(`it has a ${typeof state}`);
  return Object.fromEntries(Object.entries(state).map(([name, part]) => [name, toJson(part, keep)]));
}

const NUMBERS: ReadonlyMap<string, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['-0', -0],
]);

function fromJson(json: unknown, arrayOf: (name: string) => CheckpointArray): CheckpointState {
  if (Array.isArray(json)) return json.map((part: unknown) => fromJson(part, arrayOf));
  if (!isRecord(json)) return json as CheckpointState;
  const special = json[SPECIAL];
  if (typeof special === 'string') {
    if (special === 'undefined') return undefined;
    return NUMBERS.get(special) ?? arrayOf(special);
  }
  return Object.fromEntries(Object.entries(json).map(([name, part]) => [name, fromJson(part, arrayOf)]));
}

// Models as safetensors files of float32 tensors, readable by Python's safetensors too.

import { SoftshardError } from '../../errors.js';
import { FLOAT32_BYTES } from '../../kernels/layout.js';
import type { ByteSource } from '../data/byte-source.js';
import {
  damagedHeader,
  type HeaderReader,
  LENGTH_BYTES,
  MAX_HEADER_BYTES,
  type Metadata,
  SafetensorsHeader,
} from '../data/safetensors/safetensors-header.js';
import type { Write } from '../outputs/write-atomically.js';

export { inShort, isRecord, type Metadata } from '../data/safetensors/safetensors-header.js';

const ALIGNMENT_BYTES = 8;

export interface Float32Tensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

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

/** A model has a few tensors and strings, in objects of objects of arrays; only its strings may be long. */
const MODEL: HeaderReader = {
  bounds: { depth: 3, entries: 1000 },
  expected: 'a model file',
  remedy: 'Name a model file written by softshard.',
  damagedRemedy:
    'Name a model file written by softshard; if it is one, it is damaged: save or fetch it again.',
};

const WIDTHS = new Map([['F32', FLOAT32_BYTES]]);

/**
 * Reads a file of float32 tensors. `accept` sees the metadata and the shapes before anything is allocated, and throws
 * where they are not what the caller reads.
 */
export async function readSafetensors(
  source: ByteSource,
  accept: (metadata: Metadata, shapes: ReadonlyMap<string, readonly number[]>) => void,
): Promise<{ metadata: Metadata; tensors: Map<string, Float32Tensor> }> {
  const header = await SafetensorsHeader.read(source, MODEL);
  const { metadata } = header;
  accept(metadata, header.shapes());
  const tensors = new Map<string, Float32Tensor>();
  let bytes = 0;
  for (const { name, dims, begin, end } of header.entries(WIDTHS)) {
    const data = new Float32Array((end - begin) / FLOAT32_BYTES);
    await source.readExactly(new Uint8Array(data.buffer), `${end - begin} bytes of tensor "${name}"`);
    tensors.set(name, { dims, data });
    bytes = end;
  }
  await source.expectEnd(`${bytes} bytes of tensors`);
  return { metadata, tensors };
}

export const damaged = (
  source: ByteSource,
  expected: string,
  found: unknown,
  cause?: unknown,
): SoftshardError => damagedHeader(source, MODEL.damagedRemedy, expected, found, cause);

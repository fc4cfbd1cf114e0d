// Inflates the pages of a Parquet file: by Node where it can, in threads of its own; else by hyparquet-compressors.

import { promisify } from 'node:util';
import zlib from 'node:zlib';
import type { CompressionCodec } from 'hyparquet';
import { MAX_RATIOS } from '../compression.js';
import { inflateZstd } from '../zstd.js';
import type { ParquetLibrary } from './library.js';

type Inflate = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Uint8Array>;

const gunzip: Inflate = promisify(zlib.gunzip);
const brotli: Inflate = promisify(zlib.brotliDecompress);

/** How many times as long as its code content can be at most. */
const RATIOS: Partial<Record<CompressionCodec, number>> = {
  UNCOMPRESSED: 1,
  // A copy of 64 bytes takes 3.
  SNAPPY: 64 / 3,
  GZIP: MAX_RATIOS.gzip,
  LZ4: MAX_RATIOS.lz4,
  LZ4_RAW: MAX_RATIOS.lz4,
  ZSTD: MAX_RATIOS.zstd,
};
/** Headers of codes, which short contents may be made of. */
const SLACK_BYTES = 64;

/** Whether a page header's sizes are possible: asked before anything is allocated. */
export const canInflateTo = (codec: CompressionCodec, compressed: number, size: number): boolean =>
  codec === 'UNCOMPRESSED'
    ? compressed === size
    : size <= compressed * (RATIOS[codec] ?? Number.POSITIVE_INFINITY) + SLACK_BYTES;

/** Resolves to `size` bytes. Throws what the libraries throw. */
export async function inflate(
  { compressors }: ParquetLibrary,
  codec: CompressionCodec,
  bytes: Uint8Array,
  size: number,
): Promise<Uint8Array> {
  if (codec === 'UNCOMPRESSED') return bytes;
  const content = size === 0 ? new Uint8Array(0) : await inflateAny(compressors, codec, bytes, size);
  if (content.length !== size) throw new Error(`${content.length} bytes`);
  return content;
}

async function inflateAny(
  compressors: ParquetLibrary['compressors'],
  codec: CompressionCodec,
  bytes: Uint8Array,
  size: number,
): Promise<Uint8Array> {
  if (codec === 'GZIP') return gunzip(bytes, { maxOutputLength: size });
  if (codec === 'BROTLI') return brotli(bytes, { maxOutputLength: size });
  if (codec === 'ZSTD') return inflateZstd(bytes, size, async () => (code) => compressors.ZSTD!(code, size));
  // The library writes as many bytes as the code says into room for `size`.
  if (codec === 'SNAPPY' && snappyLength(bytes) !== size) throw new Error(`${snappyLength(bytes)} bytes`);
  const decompress = compressors[codec];
  if (!decompress) throw new Error(`the codec ${codec}`);
  return decompress(bytes, size);
}

/** What the code says of its content's length: a number in 7-bit groups in front. */
function snappyLength(bytes: Uint8Array): number {
  let length = 0;
  for (let i = 0; i < Math.min(5, bytes.length); i++) {
    length += (bytes[i]! & 127) * 2 ** (7 * i);
    if (bytes[i]! < 128) return length;
  }
  return -1;
}

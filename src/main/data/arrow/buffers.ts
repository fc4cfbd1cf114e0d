// Reads and decodes the buffers of a field in a batch: only the bytes asked for, unless they are compressed.

import { MAX_RATIOS } from '../compression.js';
import type { DataFile } from '../data-file.js';
import { bytesPerElement, decodeFloat32, type StoredType, typedView } from '../elements.js';
import { loadOptional } from '../optional-package.js';
import { type ColumnPart, FloatBytes } from '../table/column-table.js';
import { inflateZstd } from '../zstd.js';
import { inflateLz4 } from './lz4.js';
import type { FieldData, Region } from './messages.js';
import { type Field, isText } from './schema.js';

export type Values = ColumnPart['values'];

/** In front of a compressed buffer: its length, or -1 where it is not compressed after all. */
const LENGTH_BYTES = 8;
/** Headers of codes, which short contents may be made of. */
const SLACK_BYTES = 64;

const ratioOf = (codec: FieldData['codec']): number => (codec ? MAX_RATIOS[codec] : 1);

/** Whether a buffer may hold so many bytes: asked before anything is allocated. */
export const mayHold = ({ codec }: FieldData, region: Region | undefined, bytes: number): boolean =>
  bytes === 0 || bytes <= (region?.length ?? 0) * ratioOf(codec) + (codec ? SLACK_BYTES : 0);

/** Whether the values may be there, of so many bits each. */
export const holds = (data: FieldData, bits: number): boolean =>
  mayHold(data, data.buffers[1], Math.ceil((data.length * bits) / 8));

/** One buffer; a compressed one is inflated once, when it is first read. */
export class ArrowBuffer {
  readonly #file: DataFile;
  readonly #region: Region;
  readonly #codec: FieldData['codec'];
  #content: Promise<Uint8Array> | undefined;

  constructor(file: DataFile, region: Region | undefined, codec: FieldData['codec']) {
    if (!region) throw new Error('a buffer is missing');
    this.#file = file;
    this.#region = region;
    this.#codec = region.length === 0 ? undefined : codec;
  }

  /** Bytes [begin, end), in a buffer of their own where they are not compressed. Throws where there are fewer. */
  async bytes(begin: number, end: number): Promise<Uint8Array> {
    if (begin > end) throw new Error(`bytes ${begin} to ${end}`);
    if (this.#codec) {
      const content = await this.whole();
      if (end > content.length) throw new Error(`${content.length} bytes in place of ${end}`);
      return content.subarray(begin, end);
    }
    if (end > this.#region.length) throw new Error(`${this.#region.length} bytes in place of ${end}`);
    return this.#read(begin, end);
  }

  async whole(): Promise<Uint8Array> {
    if (!this.#codec) return this.#read(0, this.#region.length);
    this.#content ??= this.#inflate();
    return this.#content;
  }

  async #read(begin: number, end: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(end - begin);
    const count = await this.#file.read(bytes, this.#region.begin + begin);
    if (count < bytes.length) throw new Error('the file ends before');
    return bytes;
  }

  async #inflate(): Promise<Uint8Array> {
    const { length } = this.#region;
    const bytes = await this.#read(0, length);
    if (length < LENGTH_BYTES) throw new Error(`${length} bytes in place of a compressed buffer`);
    const size = Number(new DataView(bytes.buffer).getBigInt64(0, true));
    const code = bytes.subarray(LENGTH_BYTES);
    if (size === -1) return code;
    if (!(size >= 0 && size <= code.length * ratioOf(this.#codec) + SLACK_BYTES)) {
      throw new Error(`${size} bytes in ${code.length} bytes of ${this.#codec}`);
    }
    if (size === 0) return new Uint8Array(0);
    if (this.#codec === 'lz4') return inflateLz4(code, size);
    const content = await inflateZstd(code, size, () => loadZstd(this.#file.path));
    if (content.length !== size) throw new Error(`${content.length} bytes in place of ${size}`);
    return content;
  }
}

async function loadZstd(path: string): Promise<(bytes: Uint8Array) => Uint8Array> {
  const packages = ['hyparquet-compressors'];
  const { decompressZstd } = await loadOptional(
    path,
    'reading zstd before Node 22.15',
    packages,
    () => import('hyparquet-compressors'),
  );
  return (bytes) => decompressZstd(bytes);
}

/** Reads the fields of one batch, whose compressed buffers are kept until it is let go. */
export class BatchReader {
  readonly #file: DataFile;
  readonly #buffers = new Map<Region, ArrowBuffer>();

  constructor(file: DataFile) {
    this.#file = file;
  }

  buffer({ buffers, codec }: FieldData, index: number): ArrowBuffer {
    const region = buffers[index];
    let buffer = region && this.#buffers.get(region);
    if (!buffer) {
      buffer = new ArrowBuffer(this.#file, region, codec);
      this.#buffers.set(region!, buffer);
    }
    return buffer;
  }

  /** Flags of the nulls among elements [begin, end); undefined where there are none. */
  async missing(data: FieldData, begin: number, end: number): Promise<Uint8Array | undefined> {
    if (data.nulls === 0 || (data.buffers[0]?.length ?? 0) === 0) return undefined;
    const first = begin >> 3;
    const bits = await this.buffer(data, 0).bytes(first, Math.ceil(end / 8));
    const flags = new Uint8Array(end - begin);
    for (let i = 0; i < flags.length; i++) {
      const at = begin - 8 * first + i;
      flags[i] = ((bits[at >> 3]! >> (at & 7)) & 1) ^ 1;
    }
    return flags.includes(1) ? flags : undefined;
  }

  /** Numbers [begin, end). */
  async numbers(data: FieldData, stored: StoredType, begin: number, end: number): Promise<Values> {
    if (stored === 'bool') {
      const first = begin >> 3;
      const bits = await this.buffer(data, 1).bytes(first, Math.ceil(end / 8));
      return Uint8Array.from({ length: end - begin }, (_, i) => {
        const at = begin - 8 * first + i;
        return (bits[at >> 3]! >> (at & 7)) & 1;
      });
    }
    const width = bytesPerElement(stored);
    return numbersOf(stored, await this.buffer(data, 1).bytes(begin * width, end * width));
  }

  /** Entries [begin, end] of a buffer of offsets, one more than there are elements; they rise. */
  async offsets(data: FieldData, isLarge: boolean, begin: number, end: number): Promise<number[]> {
    const width = isLarge ? 8 : 4;
    const bytes = await this.buffer(data, 1).bytes(begin * width, (end + 1) * width);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let last = 0;
    return Array.from({ length: end - begin + 1 }, (_, i) => {
      const offset = isLarge ? Number(view.getBigInt64(8 * i, true)) : view.getInt32(4 * i, true);
      if (offset < last || !Number.isSafeInteger(offset)) throw new Error(`offset ${offset} after ${last}`);
      last = offset;
      return offset;
    });
  }

  async texts(data: FieldData, isLarge: boolean, begin: number, end: number): Promise<string[]> {
    const offsets = await this.offsets(data, isLarge, begin, end);
    const first = offsets[0]!;
    const bytes = Buffer.from(await this.buffer(data, 2).bytes(first, offsets.at(-1)!));
    return Array.from({ length: end - begin }, (_, i) =>
      bytes.toString('utf8', offsets[i]! - first, offsets[i + 1]! - first),
    );
  }

  /** Texts of up to 12 bytes lie in their view, others in one of the buffers after it. */
  async views(data: FieldData, begin: number, end: number): Promise<string[]> {
    const views = Buffer.from(await this.buffer(data, 1).bytes(16 * begin, 16 * end));
    const wholes = await Promise.all(
      data.buffers.slice(2).map((_, index) => this.buffer(data, 2 + index).whole()),
    );
    return Array.from({ length: end - begin }, (_, i) => {
      const at = 16 * i;
      const length = views.readInt32LE(at);
      if (length >= 0 && length <= 12) return views.toString('utf8', at + 4, at + 4 + length);
      const whole = wholes[views.readInt32LE(at + 8)];
      const from = views.readInt32LE(at + 12);
      if (!whole || length < 0 || from < 0 || from + length > whole.length)
        throw new Error('a text that is not there');
      return Buffer.from(whole.buffer, whole.byteOffset, whole.length).toString('utf8', from, from + length);
    });
  }
}

/** Little-endian numbers. */
export function numbersOf(stored: StoredType, bytes: Uint8Array): Values {
  if (stored === 'float32') return new FloatBytes(bytes);
  const width = bytesPerElement(stored);
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  const buffer = Buffer.from(aligned.buffer, aligned.byteOffset, aligned.length);
  if (stored !== 'float16') return typedView({ type: stored, bigEndian: false }, buffer) as Values;
  const floats = new Float32Array(buffer.length / 2);
  decodeFloat32({ type: stored, bigEndian: false }, buffer, floats);
  return floats;
}

/** Each flag so many times. */
export function repeated(flags: Uint8Array, times: number): Uint8Array {
  const all = new Uint8Array(flags.length * times);
  for (let i = 0; i < flags.length; i++) if (flags[i]) all.fill(1, i * times, (i + 1) * times);
  return all;
}

/** Elements of a column of numbers or text, or of a dictionary's values. */
export async function readSingles(
  field: Field,
  data: FieldData,
  reader: BatchReader,
  begin: number,
  end: number,
): Promise<Values> {
  if (!isText(field)) return reader.numbers(data, field.stored!, begin, end);
  if (field.type === 'string_view') return reader.views(data, begin, end);
  return reader.texts(data, field.type === 'large_string', begin, end);
}

// Where zstd frames end, without unpacking them. Source: RFC 8878, section 3.1.

/** Bytes of the magic number at the beginning of a frame. */
export const MAGIC_BYTES = 4;

/** A frame of data, or one to be skipped, with which parallel compressors begin. */
export function isZstd(bytes: Uint8Array, at = 0): boolean {
  const [a, b, c, d] = bytes.subarray(at, at + MAGIC_BYTES);
  return (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) || isSkippable(bytes, at);
}

/** 50 to 5f 2a 4d 18, then the length of what is to be skipped. */
export function isSkippable(bytes: Uint8Array, at: number): boolean {
  const [a, b, c, d] = bytes.subarray(at, at + MAGIC_BYTES);
  return a !== undefined && a >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18;
}

/** A block unpacks to 128 KiB at most. */
const MOST_BLOCKS = 8;
const [RLE, RESERVED] = [1, 3];

/** The end of a frame that lies in `bytes` as a whole and unpacks to at most 1 MiB; undefined for others. */
export function smallFrameEnd(bytes: Uint8Array, at: number): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const within = (end: number) => (end <= bytes.length ? end : undefined);
  if (at + 9 > bytes.length || !isZstd(bytes, at)) return undefined;
  if (isSkippable(bytes, at)) return within(at + 8 + view.getUint32(at + 4, true));
  const descriptor = bytes[at + 4]!;
  const isSingle = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  let end = at + 5 + (isSingle ? 0 : 1) + dictionaryBytes + sizeBytes;
  for (let blocks = 0; blocks < MOST_BLOCKS && end + 3 <= bytes.length; blocks++) {
    const header = view.getUint16(end, true) + bytes[end + 2]! * 0x10000;
    const type = (header >> 1) & 3;
    if (type === RESERVED) return undefined;
    end += 3 + (type === RLE ? 1 : header >> 3);
    // A checksum may follow the last block.
    if ((header & 1) === 1) return within(end + ((descriptor & 4) === 4 ? 4 : 0));
  }
  return undefined;
}

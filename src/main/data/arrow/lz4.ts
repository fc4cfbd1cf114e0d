// Inflates LZ4 frames, which Node cannot: the compression of Feather files unless another is asked for.

const MAGIC = 0x184d2204;
const UNCOMPRESSED = 0x80000000;

/** Resolves all blocks of a frame to `size` bytes. Throws for damage, and for the rare frames with a dictionary. */
export function inflateLz4(frame: Uint8Array, size: number): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (view.getUint32(0, true) !== MAGIC) throw new Error('no LZ4 frame');
  const flags = view.getUint8(4);
  const [hasBlockChecksums, hasSize, hasDictionary] = [flags & 16, flags & 8, flags & 1];
  if (flags >> 6 !== 1 || hasDictionary) throw new Error('an unknown kind of LZ4 frame');
  // Flags and block size, the content's size, and a checksum of these.
  let at = 4 + 2 + (hasSize ? 8 : 0) + 1;
  const output = new Uint8Array(size);
  let end = 0;
  for (;;) {
    const length = view.getUint32(at, true);
    at += 4;
    if (length === 0) break;
    const bytes = length & ~UNCOMPRESSED;
    if (at + bytes > frame.length) throw new Error('a block that goes beyond its frame');
    const block = frame.subarray(at, at + bytes);
    if (length >= UNCOMPRESSED) {
      if (end + bytes > size) throw new Error('a block that is too long');
      output.set(block, end);
      end += bytes;
    } else end = inflateBlock(block, output, end);
    at += bytes + (hasBlockChecksums ? 4 : 0);
  }
  if (end !== size) throw new Error(`${end} bytes in place of ${size}`);
  return output;
}

/** Writes from `end` on, copying from what was written, also by blocks before. Gives the new end. */
function inflateBlock(block: Uint8Array, output: Uint8Array, begin: number): number {
  let [at, end] = [0, begin];
  const lengthOf = (nibble: number): number => {
    let length = nibble;
    if (nibble < 15) return length;
    for (;;) {
      const byte = block[at++];
      if (byte === undefined) throw new Error('the end of a block is missing');
      length += byte;
      if (byte < 255) return length;
    }
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = lengthOf(token >> 4);
    copyLiterals(output, end, block, at, literals);
    at += literals;
    end += literals;
    // The last sequence has literals only.
    if (at === block.length) return end;
    if (at + 2 > block.length) throw new Error('an offset is missing');
    const offset = block[at]! | (block[at + 1]! << 8);
    at += 2;
    const length = 4 + lengthOf(token & 15);
    copyBack(output, end, offset, length);
    end += length;
  }
  return end;
}

/** Below it a loop is as fast as a call. */
const FEW_BYTES = 32;

/** Copies `length` bytes from `offset` before `end` to `end`; what is copied may grow meanwhile. Throws where they are not there. */
function copyBack(output: Uint8Array, end: number, offset: number, length: number): void {
  if (offset === 0 || offset > end || end + length > output.length) {
    throw new Error('a copy of what is not there');
  }
  if (length >= FEW_BYTES && offset >= length) output.copyWithin(end, end - offset, end - offset + length);
  else for (let i = end; i < end + length; i++) output[i] = output[i - offset]!;
}

/** Copies bytes [at, at + length) of the code to `end`. Throws where they are not there. */
function copyLiterals(output: Uint8Array, end: number, code: Uint8Array, at: number, length: number): void {
  if (at + length > code.length || end + length > output.length)
    throw new Error('literals that are not there');
  if (length >= FEW_BYTES) output.set(code.subarray(at, at + length), end);
  else for (let i = 0; i < length; i++) output[end + i] = code[at + i]!;
}

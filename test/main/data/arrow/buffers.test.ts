import { expect, test } from 'vitest';
import { ArrowBuffer } from '#softshard/main/data/arrow/buffers.js';
import { withDataFile } from '#softshard/main/data/data-file.js';
import { useFolder } from '../workbench.js';

const folder = useFolder();

/** Bytes [begin, end) of a buffer that is said to be compressed by lz4. */
async function bytesOf(stored: Buffer, begin: number, end: number): Promise<number[]> {
  const path = folder.file('buffer', stored);
  return withDataFile(path, {}, async (file) => {
    const buffer = new ArrowBuffer(file, { begin: 0, length: stored.length }, 'lz4');
    return [...(await buffer.bytes(begin, end))];
  });
}

const withLength = (length: bigint, ...bytes: number[]): Buffer => {
  const stored = Buffer.alloc(8 + bytes.length);
  stored.writeBigInt64LE(length);
  stored.set(bytes, 8);
  return stored;
};

test('a buffer that compression would lengthen is stored as it is, with the length -1', async () => {
  expect(await bytesOf(withLength(-1n, 1, 2, 3, 4), 1, 3)).toEqual([2, 3]);
});

test('a length that its bytes cannot have is refused before memory is asked for', async () => {
  await expect(bytesOf(withLength(2n ** 40n, 1, 2), 0, 1)).rejects.toThrow('1099511627776 bytes in 2 bytes');
  await expect(bytesOf(withLength(-2n, 1, 2), 0, 1)).rejects.toThrow('-2 bytes');
  await expect(bytesOf(Buffer.of(1, 2), 0, 1)).rejects.toThrow('in place of a compressed buffer');
  await expect(bytesOf(withLength(-1n, 1, 2), 0, 3)).rejects.toThrow('2 bytes in place of 3');
});

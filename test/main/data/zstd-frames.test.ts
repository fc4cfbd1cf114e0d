import { expect, it } from 'vitest';
import { smallFrameEnd } from '#softshard/main/data/zstd-frames.js';
import { zstdCompressSync } from './dense-fixtures.js';

const block = (size: number, type: number, isLast: boolean): number[] => {
  const header = (size << 3) | (type << 1) | (isLast ? 1 : 0);
  return [header & 255, (header >> 8) & 255, header >> 16];
};
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];

it.each<[what: string, bytes: number[], end: number | undefined]>([
  ['a raw block', [...MAGIC, 0x20, 3, ...block(3, 0, true), 1, 2, 3, 99], 12],
  ['a run, with a window and a checksum', [...MAGIC, 0x04, 0x58, ...block(1000, 1, true), 7, 1, 2, 3, 4], 14],
  [
    'two blocks, a dictionary and a size of two bytes',
    [...MAGIC, 0x61, 9, 1, 1, ...block(1, 0, false), 5, ...block(0, 0, true)],
    15,
  ],
  ['one to be skipped', [0x5f, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2, 3], 10],
  ['one that is not complete', [...MAGIC, 0x20, 3, ...block(3, 0, true), 1, 2], undefined],
  ['a block of no type', [...MAGIC, 0x20, 3, ...block(1, 3, true), 1, 2, 3], undefined],
  [
    'many blocks',
    [
      ...MAGIC,
      0x00,
      0x58,
      ...Array(8)
        .fill([...block(1, 0, false), 5])
        .flat(),
      ...block(0, 0, true),
    ],
    undefined,
  ],
  ['none', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], undefined],
])('the end of %s', (_, bytes, end) => {
  expect(smallFrameEnd(Uint8Array.from([0, ...bytes]), 1)).toBe(end === undefined ? end : end + 1);
});

it.runIf(zstdCompressSync)('frames of Node end where it says', () => {
  for (const length of [0, 1, 300, 5000, 300_000]) {
    const frame = zstdCompressSync!(Buffer.alloc(length, 'abc'));
    expect(smallFrameEnd(frame, 0)).toBe(frame.length);
    expect(smallFrameEnd(frame.subarray(0, -1), 0)).toBeUndefined();
  }
});

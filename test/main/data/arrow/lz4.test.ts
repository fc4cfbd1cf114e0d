import { expect, test } from 'vitest';
import { inflateLz4 } from '#softshard/main/data/arrow/lz4.js';

const HEAD = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
const frame = (...blocks: (readonly number[])[]): Uint8Array =>
  Uint8Array.from([
    ...HEAD,
    ...blocks.flatMap((block) => [block.length, 0, 0, 0, ...block]),
    ...[0, 0, 0, 0],
  ]);
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

test('literals and copies become text; a copy may reach into the block before, and into itself', () => {
  // abc, then 5 bytes from 3 before: abcab; then cd.
  const first = [0x31, 97, 98, 99, 3, 0, 0x20, 99, 100];
  const second = [0x02, 4, 0, 0x10, 33];
  expect(text(inflateLz4(frame(first), 10))).toBe('abcabcabcd');
  expect(text(inflateLz4(frame(first, second), 17)).slice(10)).toBe('abcdab!');
});

test('a block may be stored as it is', () => {
  const bytes = Uint8Array.from([...HEAD, 2, 0, 0, 0x80, 97, 98, 0, 0, 0, 0]);
  expect(text(inflateLz4(bytes, 2))).toBe('ab');
});

test('damage is refused: no frame, ends that are missing, copies of nothing, other lengths', () => {
  expect(() => inflateLz4(Uint8Array.of(1, 2, 3, 4, 5), 1)).toThrow('no LZ4 frame');
  expect(() => inflateLz4(frame([0x31, 97]), 3)).toThrow();
  expect(() => inflateLz4(frame([0x11, 97, 9, 0, 0x10, 97]), 7)).toThrow('not there');
  expect(() => inflateLz4(frame([0x10, 97]), 2)).toThrow('1 bytes in place of 2');
  expect(() => inflateLz4(frame([0x10, 97]), 0)).toThrow('not there');
  expect(() => inflateLz4(frame([0xf0, 255, 255]), 600)).toThrow('missing');
});

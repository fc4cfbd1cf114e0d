import { expect, test } from 'vitest';
import { Table } from '#softshard/main/data/arrow/flatbuffer.js';

/** A root table of one field, a byte, whose list of fields is said to take so many bytes. */
function tableOf(listBytes: number): Table {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(10, 0);
  bytes.writeUInt16LE(listBytes, 4);
  bytes.writeUInt16LE(5, 6);
  bytes.writeUInt16LE(4, 8);
  bytes.writeInt32LE(6, 10);
  bytes[14] = 7;
  return Table.root(bytes);
}

test('fields of a table are found by their list', () => {
  expect(tableOf(6).byte(0)).toBe(7);
  expect(tableOf(6).byte(1)).toBe(0);
});

// Other libraries take such a list for empty, and all columns for nameless ones without values.
test.each([0, 2, 7, 14, 0x8006])('a list of fields of %i bytes is damage', (bytes) => {
  expect(() => tableOf(bytes)).toThrow(`a table whose fields take ${bytes} bytes`);
});

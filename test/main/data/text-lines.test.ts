import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { withByteSource } from '#softshard/main/data/data-file.js';
import { readLines } from '#softshard/main/data/text-lines.js';
import { failure, useFolder } from './workbench.js';

const folder = useFolder();

async function linesOf(content: string | Uint8Array): Promise<[text: string, line: number][]> {
  const found: [string, number][] = [];
  await withByteSource(folder.file('text', content), {}, (source) =>
    readLines(source, (bytes, line) => void found.push([bytes.toString(), line])),
  );
  return found;
}

test('lines come with their numbers, blank ones and a byte order mark left out', async () => {
  expect(await linesOf('\ufeffa\n\n \t\r\nb\r\n\nc')).toEqual([
    ['a', 1],
    ['b\r', 4],
    ['c', 6],
  ]);
  expect(await linesOf('')).toEqual([]);
  expect(await linesOf(' \n\n\ta \n \n\r')).toEqual([['\ta ', 3]]);
});

test('blank lines go by, many of them and across what is read at a time', async () => {
  const blank = ' \t\r\n'.repeat(3 << 18);
  expect(await linesOf(`${blank}a\n${blank}  b`)).toEqual([
    ['a', (3 << 18) + 1],
    ['  b', 2 * (3 << 18) + 2],
  ]);
});

test('a line may be longer than what is read at a time, but not endless', async () => {
  const long = 'x'.repeat(3 << 20);
  expect(await linesOf(`a\n${long}\nb\n`)).toEqual([
    ['a', 1],
    [long, 2],
    ['b', 3],
  ]);
  const member = gzipSync(Buffer.alloc(1 << 20, 'x'));
  const endless = Buffer.concat([gzipSync('a\n'), ...Array.from({ length: 66 }, () => member)]);
  await failure(linesOf(endless), 'ERR_FORMAT', 'line 2: expected at most 67108864 bytes', 'one row a line');
});

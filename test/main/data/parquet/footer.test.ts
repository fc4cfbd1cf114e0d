import { test } from 'vitest';
import { readMatrix } from '#softshard/main/data/index.js';
import { fixtureBytes } from '../table/fixtures.js';
import { failure, useAllocator, useFolder } from '../workbench.js';

const folder = useFolder();
const allocator = useAllocator();

/** In Thrift: the physical type of a column, that it is optional, and the beginning of its name. */
const elementOf = (type: number) => Buffer.from([0x15, 2 * type, 0x25, 2, 0x18, 7]);
const [FLOAT, DOUBLE] = [4, 5];

test('a column whose chunks have another type than the schema says is damage', async () => {
  const bytes = fixtureBytes('list.parquet');
  bytes.set(elementOf(DOUBLE), bytes.indexOf(elementOf(FLOAT)));
  const path = folder.file('types.parquet', bytes);
  const reading = readMatrix(allocator, path, { labelColumn: 'genre' });
  await failure(reading, 'ERR_FORMAT', 'the place of column embedding.list.element, found damage');
});

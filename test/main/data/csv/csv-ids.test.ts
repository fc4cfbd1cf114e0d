// The id column of CSV: no feature, its cells as text.
import { describe, expect, it } from 'vitest';
import { readCsv } from '#softshard/main/index.js';
import { CountingAllocator, failure, useFolder } from '../workbench.js';

const folder = useFolder();
const allocator = new CountingAllocator();
const text = 'key,width,height,kind\n007,1,2,a\n b x ,3,4,b\n"7,0",5,6,a\n';
const path = () => folder.file('a.csv', text);

describe('idColumn', () => {
  it('is found by name or index, and gives its cells as they are written', async () => {
    for (const idColumn of ['key', 0, -4]) {
      const file = await readCsv(allocator, path(), { idColumn, labelColumn: 'kind' });
      expect([file.ids, file.idName]).toEqual([['007', 'b x', '7,0'], 'key']);
      expect(file.featureNames).toEqual(['width', 'height']);
      expect([...file.matrix.data]).toEqual([1, 2, 3, 4, 5, 6]);
      expect(file).not.toHaveProperty('unusedColumns');
    }
  });

  it('stays out of a model’s features, and beside columns that are asked for', async () => {
    const named = await readCsv(allocator, path(), { idColumn: 'kind', featureNames: ['height', 'width'] });
    expect([named.ids, named.unusedColumns]).toEqual([['a', 'b', 'a'], ['key']]);
    expect([...named.matrix.data]).toEqual([2, 1, 4, 3, 6, 5]);
    const chosen = await readCsv(allocator, path(), { idColumn: 'key', featureColumns: ['height'] });
    expect([chosen.ids?.length, chosen.matrix.dims]).toEqual([3, [3, 1]]);
  });

  it('has no name in a file without names, and keeps line 1 where that turns out to be a row', async () => {
    const plain = await readCsv(allocator, folder.file('b.csv', 'x,1.5\ny,2.5\n'), {
      idColumn: 0,
      header: false,
    });
    expect([plain.ids, plain.idName, [...plain.matrix.data]]).toEqual([['x', 'y'], undefined, [1.5, 2.5]]);
    const counting = folder.file('c.csv', '0,1,a\n1,0,b\n5,1,a\n');
    const settled = await readCsv(allocator, counting, { idColumn: 0, labelColumn: 2 });
    expect([settled.header, settled.ids]).toEqual([false, ['0', '1', '5']]);
  });

  it('is an error where it does not exist, or is no column', async () => {
    await failure(
      readCsv(allocator, path(), { idColumn: 'id' }),
      'ERR_OPTION',
      'options.idColumn',
      '"id"',
      '"key"',
    );
    await failure(
      readCsv(allocator, path(), { idColumn: 4 }),
      'ERR_OPTION',
      'options.idColumn',
      'from -4 to 3',
    );
    await failure(
      readCsv(allocator, path(), { idColumn: true as never }),
      'ERR_OPTION',
      'options.idColumn is true',
    );
  });
});

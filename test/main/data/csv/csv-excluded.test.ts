// Columns of CSV that are excluded from the features.
import { describe, expect, it } from 'vitest';
import { type Files, readCsv } from '#softshard/main/index.js';
import { CountingAllocator, failure, useFolder } from '../workbench.js';

const folder = useFolder();
const allocator = new CountingAllocator();
const read = (text: string, options: Files.CsvOptions) =>
  readCsv(allocator, folder.file('a.csv', text), options);

const TEXT = 'id,name,a,b,kind\n7,ann,1,2,x\n8,bob,3,4,y\n';

describe('excludeColumns', () => {
  it('leaves columns out by name or index, whatever their cells, without naming them as unused', async () => {
    for (const excludeColumns of [
      ['id', 'name'],
      [0, 1],
      [-5, 'name'],
    ]) {
      const file = await read(TEXT, { excludeColumns, labelColumn: 'kind' });
      expect(file.featureNames).toEqual(['a', 'b']);
      expect([...file.matrix.data]).toEqual([1, 2, 3, 4]);
      expect(file.classNames).toEqual(['x', 'y']);
      expect(file).not.toHaveProperty('unusedColumns');
    }
  });

  it('goes with labels or ids that are excluded, too, and with columns that have no names', async () => {
    const file = await read(TEXT, { excludeColumns: ['id', 'kind'], labelColumn: 'kind', idColumn: 'name' });
    expect([file.featureNames, file.ids, [...file.targets!]]).toEqual([
      ['a', 'b'],
      ['ann', 'bob'],
      [0, 1],
    ]);
    const plain = await read('x,1.5,2\ny,2.5,3\n', { excludeColumns: [0], header: false });
    expect([...plain.matrix.data]).toEqual([1.5, 2, 2.5, 3]);
  });

  it('takes a column of lists as one', async () => {
    const lists = 'id,v,a\n1,"[1, 2]",5\n2,"[3, 4]",6\n';
    const withoutLists = await read(lists, { excludeColumns: ['v'] });
    expect([withoutLists.featureNames, [...withoutLists.matrix.data]]).toEqual([
      ['id', 'a'],
      [1, 5, 2, 6],
    ]);
    const withLists = await read(lists, { excludeColumns: [0, -1] });
    expect([withLists.featureNames, [...withLists.matrix.data]]).toEqual([
      ['v[0]', 'v[1]'],
      [1, 2, 3, 4],
    ]);
  });

  it('leaves the names of a model to choose', async () => {
    const file = await read(TEXT, { excludeColumns: ['name'], featureNames: ['b', 'a'] });
    expect([...file.matrix.data]).toEqual([2, 1, 4, 3]);
    expect(file.unusedColumns).toEqual(['id', 'kind']);
  });

  it('refuses columns that are none, all columns, and featureColumns beside it', async () => {
    await failure(
      read(TEXT, { excludeColumns: ['nam'] }),
      'ERR_OPTION',
      'options.excludeColumns: expected a column of',
      'got "nam"',
    );
    await failure(
      read(TEXT, { excludeColumns: [5] }),
      'ERR_OPTION',
      'options.excludeColumns: expected an index',
    );
    await failure(read(TEXT, { excludeColumns: [0, 1, 2, 3, 4] }), 'ERR_FORMAT', 'expected feature columns');
    await failure(
      read(TEXT, { excludeColumns: ['id'], featureColumns: ['a'] }),
      'ERR_OPTION',
      'give one of them',
    );
    await failure(
      read(TEXT, { excludeColumns: 'id' as unknown as string[] }),
      'ERR_OPTION',
      'options.excludeColumns',
    );
  });
});

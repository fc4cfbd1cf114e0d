import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  checkInput,
  detectFormat,
  listDataFiles,
  readFeatures,
  readLabels,
  readMatrix,
} from '#softshard/main/data/index.js';
import {
  encode,
  expectNothingLeft,
  failure,
  idxFile,
  npyFile,
  useAllocator,
  useFolder,
} from './workbench.js';

const folder = useFolder();
const allocator = useAllocator();
const at = (name: string) => join(folder.path, name);

function shards(): void {
  mkdirSync(at('deep/er'), { recursive: true });
  folder.file('b.csv', 'x,y,k\n5,6,c\n');
  folder.file('a.csv', 'x,y,k\n1,2,b\n3,4,a\n');
  folder.file('deep/c.csv', '7,8,aa\n');
  folder.file('deep/er/d.csv', '9,9,b\n');
  folder.file('_SUCCESS', '');
  folder.file('.hidden.csv', 'x');
}

describe('listDataFiles', () => {
  it.each([
    ['', ['a.csv', 'b.csv']],
    ['*.csv', ['a.csv', 'b.csv']],
    ['?.csv', ['a.csv', 'b.csv']],
    ['.*.csv', ['.hidden.csv']],
    ['*/*.csv', ['deep/c.csv']],
    ['**/*.csv', ['a.csv', 'b.csv', 'deep/c.csv', 'deep/er/d.csv']],
    ['de*/**', ['deep/c.csv', 'deep/er/d.csv']],
    ['a.csv', ['a.csv']],
  ])('%j', async (pattern, names) => {
    shards();
    expect(await listDataFiles(at(pattern))).toEqual(names.map(at));
  });

  it('takes a name that looks like a pattern for itself, follows links, and says where there is nothing', async () => {
    shards();
    const path = folder.file('a*b[1].csv', '1,2\n');
    expect(await listDataFiles(path)).toEqual([path]);
    symlinkSync(at('deep'), at('deep/er/circle'));
    expect(await listDataFiles(at('**/d.csv'))).toEqual([at('deep/er/d.csv')]);
    await failure(listDataFiles(at('*.npy')), 'ERR_FILE', '*.npy: no file matches');
    symlinkSync(at('nowhere'), at('deep/z.csv'));
    await failure(listDataFiles(at('deep')), 'ERR_FILE', 'deep/z.csv: what is there', 'Mend or remove it');
    await failure(listDataFiles(at('de*/z*')), 'ERR_FILE', 'deep/z.csv');
    expect(await listDataFiles(at('deep/c*'))).toEqual([at('deep/c.csv')]);
    mkdirSync(at('empty'));
    await failure(listDataFiles(at('empty')), 'ERR_FILE', 'the folder has no files of its own');
  });
});

describe('several files are one', () => {
  it('rows in the order of their names, classes as though they were in one file', async () => {
    shards();
    const progress: number[] = [];
    const onProgress = (fraction: number) => void progress.push(fraction);
    const { matrix, targets, classNames, featureNames } = await readMatrix(allocator, at('**/*.csv'), {
      labelColumn: -1,
      onProgress,
    });
    expect([matrix.dims, [...matrix.data]]).toEqual([
      [5, 2],
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 9],
    ]);
    expect(classNames).toEqual(['a', 'aa', 'b', 'c']);
    expect([...targets!]).toEqual([2, 0, 3, 1, 2]);
    expect(featureNames).toEqual(['x', 'y']);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toBe(1);
    await checkInput(folder.path);
    expect(await detectFormat(folder.path)).toBe('csv');
  });

  it('labels, numbers by value whatever their spelling, indices as they are', async () => {
    folder.file('l1.txt', '1\n10\n');
    folder.file('l2.txt', '9\n1.0\n');
    expect(await readLabels(at('l*.txt'))).toMatchObject({
      targets: Int32Array.of(0, 2, 1, 0),
      classNames: ['1', '9', '10'],
    });
    for (const [name, values] of [
      ['y1.npy', [3, 1]],
      ['y2.npy', [0]],
    ] as const) {
      folder.file(
        name,
        npyFile({ descr: '<i8', shape: `(${values.length},)`, values: encode('i8', [...values], true) }),
      );
    }
    expect(await readLabels(at('y?.npy'))).toEqual({ format: 'npy', targets: Int32Array.of(3, 1, 0) });
  });

  it('bytes stay bytes', async () => {
    folder.file('1.idx', idxFile(8, [1, 2], Buffer.from([1, 255])));
    folder.file('2.idx', idxFile(8, [2, 2], Buffer.from([3, 4, 5, 6])));
    const { matrix } = await readFeatures(allocator, at('*.idx'));
    expect([matrix.type, matrix.dims, [...matrix.data]]).toEqual(['uint8', [3, 2], [1, 255, 3, 4, 5, 6]]);
  });

  it.each<[what: string, name: string, content: string | Buffer, parts: readonly string[]]>([
    ['other columns', 'z.csv', 'x,z,k\n1,2,b\n', ['expected columns x, y', 'found x, z']],
    ['another width', 'z.csv', '1,2,3,b\n', ['expected features a row 2', 'found 3']],
    [
      'another format',
      'z.csv',
      idxFile(8, [1, 2], Buffer.from([1, 2])),
      ['expected the format csv', 'found idx'],
    ],
  ])('%s: both files are named, and nothing is left', async (_, name, content, parts) => {
    shards();
    folder.file(name, content);
    const reading = readMatrix(allocator, folder.path, { labelColumn: -1 });
    await failure(reading, 'ERR_FORMAT', at(name), ...parts, at('a.csv'));
    expectNothingLeft(allocator, folder);
  });

  it('an abort in the second file rejects with its reason', async () => {
    shards();
    const controller = new AbortController();
    const onProgress = (fraction: number) => fraction > 0.5 && controller.abort('stop');
    const { signal } = controller;
    const options = { labelColumn: -1, signal, onProgress: (fraction: number) => void onProgress(fraction) };
    await expect(readMatrix(allocator, folder.path, options)).rejects.toBe('stop');
    expectNothingLeft(allocator, folder);
  });
});

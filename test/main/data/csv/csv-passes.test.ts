// CSV files are read twice: what a first pass keeps from the second, and files that change between the two.
import { renameSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { RECORD_BOUNDS } from '#softshard/main/data/csv/record-scanner.js';
import { openNpy, readCsv, readIdxMatrix, readLabels, readMatrix } from '#softshard/main/data/index.js';
import {
  encode,
  expectNothingLeft,
  failure,
  idxFile,
  npyFile,
  useAllocator,
  useFolder,
} from '../workbench.js';

const folder = useFolder();
const allocator = useAllocator();

/** `times` gzip members of a mebibyte of `text`: some kilobytes for each gigabyte. */
function bomb(text: string, times: number): Buffer {
  const member = gzipSync(Buffer.alloc(1 << 20, text));
  return Buffer.concat(Array.from({ length: times }, () => member));
}

describe('a record that is too long', () => {
  it.each([
    ['cells', '1,', 2 * (RECORD_BOUNDS.cells / (1 << 20)) + 1, `at most ${RECORD_BOUNDS.cells} cells`],
    ['bytes', '1', RECORD_BOUNDS.bytes / (1 << 20) + 1, `at most ${RECORD_BOUNDS.bytes} bytes`],
  ])(
    'of %s is refused before it is parsed, by all that reads CSV (R1, R5)',
    async (_, text, times, finding) => {
      const path = folder.file('w.csv.gz', bomb(text, times));
      await failure(readCsv(allocator, path), 'ERR_FORMAT', path, 'line 1', finding);
      await failure(readMatrix(allocator, path), 'ERR_FORMAT', path, finding);
      await failure(readLabels(path), 'ERR_FORMAT', path, finding);
      expect(allocator.allocated).toBe(0);
    },
  );

  it('is shown in short where a quote in it is wrong (R6)', async () => {
    const path = folder.file('q.csv', `a,b\n1,${'2'.repeat(100_000)}"\n3,4"\n`);
    const error = await failure(readCsv(allocator, path, { header: true }), 'ERR_FORMAT', 'line 2');
    expect(error.message.length).toBeLessThan(path.length + 500);
    const cell = folder.file('c.csv', `a,b\n1,${'x'.repeat(100_000)}\n`);
    const bad = await failure(readCsv(allocator, cell), 'ERR_FORMAT', 'line 2, column 2');
    expect(bad.message.length).toBeLessThan(cell.length + 500);
  });
});

describe('blank lines', () => {
  it('in any number cost no parsing and keep the lines of messages right (R8)', async () => {
    const path = folder.file('b.csv.gz', Buffer.concat([bomb('\n \r\n', 8), gzipSync('1,2\n\n3,x\n')]));
    const blank = Math.floor((8 << 20) / 4) * 2;
    await failure(readCsv(allocator, path), 'ERR_FORMAT', `line ${blank + 3}, column 2: expected a number`);
    expectNothingLeft(allocator, folder);
  });

  it('do not disturb the line of a wrong quote', async () => {
    const path = folder.file('q.csv', '1,2\n\n\n\n3,"4"x\n');
    await failure(readCsv(allocator, path), 'ERR_FORMAT', 'at line 5');
  });
});

/** Longer than a block of the file, so that changes come before its end. */
const ROWS = '0.25,0.5,7\n'.repeat(100_000);

describe.each([
  ['plain', (text: string) => Buffer.from(text)],
  ['gzip', (text: string) => gzipSync(text, { level: 0 })],
])('a CSV file (%s) that changes between its two passes', (_, pack) => {
  /** Changes the file once the reader is so far. */
  const readChanging = (change: (path: string) => void, at: number, labelsOnly = false) => {
    const path = folder.file('t.csv', pack(ROWS));
    let isChanged = false;
    const onProgress = (fraction: number) => {
      if (isChanged || fraction < at) return;
      isChanged = true;
      change(path);
    };
    const options = { labelColumn: 2, onProgress };
    return labelsOnly ? readLabels(path, options) : readCsv(allocator, path, options);
  };

  const changes: [string, (path: string) => void][] = [
    ['is cut', (path) => truncateSync(path, 500_000)],
    ['is cut at the end of a row', (path) => writeFileSync(path, pack(ROWS.slice(0, ROWS.length / 2)))],
    ['grows', (path) => writeFileSync(path, pack(`${ROWS}0.5,0.5,7\n`))],
    ['has other values', (path) => writeFileSync(path, pack(ROWS.replaceAll('0.25', '0.75')))],
    [
      'is another',
      (path) => {
        writeFileSync(`${path}.new`, pack(ROWS));
        utimesSync(`${path}.new`, 1, 1);
        renameSync(`${path}.new`, path);
      },
    ],
  ];

  it.each(changes)('is refused and freed when it %s after counting (R4)', async (_, change) => {
    await failure(readChanging(change, 0.05), 'ERR_FORMAT', 't.csv', 'changed while it was read');
    await failure(readChanging(change, 0.05, true), 'ERR_FORMAT', 't.csv', 'changed while it was read');
    expectNothingLeft(allocator, folder);
  });

  it.each(changes.slice(0, 4))(
    'is refused and freed when it %s while it is counted (R4)',
    async (_, change) => {
      await failure(readChanging(change, 0.02), 'ERR_FORMAT', 't.csv');
      expectNothingLeft(allocator, folder);
    },
  );
});

it('an IDX file whose values change while they are read is refused and freed (R4)', async () => {
  const values = Buffer.alloc(4 << 20, 1);
  const path = folder.file('a.idx', idxFile(8, [4, 1 << 20], values));
  let isChanged = false;
  const onProgress = () => {
    if (!isChanged) writeFileSync(path, idxFile(8, [4, 1 << 20], values.fill(2)));
    isChanged = true;
  };
  await failure(
    readIdxMatrix(allocator, path, { onProgress }),
    'ERR_FORMAT',
    path,
    'changed while it was read',
  );
  expectNothingLeft(allocator, folder);
});

describe('a .npy file that is read in windows', () => {
  const npy = (value: number, fortran = false) =>
    npyFile({ descr: '<f4', shape: '(4, 2)', fortran, values: encode('f4', Array(8).fill(value), true) });

  it.each([false, true])('is refused once its values change (Fortran order: %s) (R4)', async (fortran) => {
    const path = folder.file('a.npy', npy(1, fortran));
    const file = await openNpy(path);
    expect([...(await file.readRows(0, 2))]).toEqual([1, 1, 1, 1]);
    writeFileSync(path, npy(2, fortran));
    await failure(file.readRows(2, 4), 'ERR_FORMAT', path, 'changed while it was read');
    await failure(file.readElements(2, 4), 'ERR_FORMAT', path, 'changed while it was read');
    await file.close();
  });

  it('stays what was opened when another file takes its name', async () => {
    const path = folder.file('a.npy', npy(1));
    const file = await openNpy(path);
    renameSync(folder.file('b.npy', npy(2)), path);
    expect([...(await file.readRows(2, 3))]).toEqual([1, 1]);
    await file.close();
  });
});

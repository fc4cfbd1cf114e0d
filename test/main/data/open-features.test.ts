// Rows that stay on disk: the numbers of readFeatures, in any order, from files of any element type.
import { readFileSync } from 'node:fs';
import { open, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { type Files, hostMemory, openFeatures, readFeatures, writeNpy } from '#softshard/main/index.js';
import { MIXED_BLOCKS, planBlockRows } from '#softshard/main/plans/row-blocks.js';
import { encode, failure, type NumberCode, useFolder } from './workbench.js';

const folder = useFolder();
const opened: Files.OpenFeatures[] = [];
// Before the folder's own check that no file is open.
afterEach(async () => {
  for (const rows of opened.splice(0)) await rows.close();
});

async function open_(path: string): Promise<Files.OpenFeatures> {
  const rows = await openFeatures(path);
  opened.push(rows);
  return rows;
}

function npy(code: NumberCode, dims: readonly number[], { little = true, fortran = false } = {}): Buffer {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const values = Array.from({ length: count }, (_, i) => (code === 'f2' ? 1.5 : (i * 7) % 100));
  const order = code.endsWith('1') ? '|' : little ? '<' : '>';
  const header = `{'descr': '${order}${code}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${dims.join(', ')}${dims.length === 1 ? ',' : ''}), }`;
  const padded = `${header.padEnd(117, ' ')}\n`;
  const magic = Buffer.from([
    0x93,
    0x4e,
    0x55,
    0x4d,
    0x50,
    0x59,
    1,
    0,
    padded.length & 255,
    padded.length >> 8,
  ]);
  return Buffer.concat([magic, Buffer.from(padded, 'latin1'), encode(code, values, little)]);
}

/** A file of bytes [count × features] that takes no room on the disk until it is written to. */
async function sparseFile(count: number, features: number) {
  const path = folder.file('sparse.npy', npy('u1', [1, 1]).subarray(0, 128));
  const file = await open(path, 'r+');
  const header = `{'descr': '|u1', 'fortran_order': False, 'shape': (${count}, ${features}), }`;
  await file.write(Buffer.from(`${header.padEnd(117, ' ')}\n`), 0, 118, 10);
  await file.truncate(128 + count * features);
  return Object.assign(file, { path });
}

/** The rows as an array, by number. */
async function gathered(rows: Files.OpenFeatures, rowNumbers: readonly number[]): Promise<number[]> {
  const length = rowNumbers.length * rows.features;
  const into = rows.type === 'uint8' ? new Uint8Array(length) : new Float32Array(length);
  await rows.gather(Uint32Array.from(rowNumbers), into);
  return [...into];
}

describe('openFeatures', () => {
  const CODES = ['u1', 'i1', 'u2', 'i2', 'u4', 'i4', 'i8', 'f2', 'f4', 'f8'] as const;
  test.each(CODES.flatMap((code) => [true, false].map((little) => [code, little] as const)))(
    'gives the numbers of readFeatures: %s, little-endian %s',
    async (code, little) => {
      const path = folder.file('x.npy', npy(code, [50, 3, 2], { little }));
      const { matrix } = await readFeatures(hostMemory, path);
      const rows = await open_(path);
      expect(rows.dims).toEqual([50, 6]);
      expect(rows.featureDims).toEqual([3, 2]);
      expect(rows.type).toBe(code === 'u1' ? 'uint8' : 'float32');
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat(49)), async (rowNumbers) => {
          const expected = rowNumbers.flatMap((row) => [...matrix.data.subarray(row * 6, row * 6 + 6)]);
          expect(await gathered(rows, rowNumbers)).toEqual(expected);
        }),
        { numRuns: 20 },
      );
    },
  );

  test('reads long runs and single rows alike, of more rows than it keeps', async () => {
    const features = 256 * 1024;
    const count = MIXED_BLOCKS + 40;
    const file = await sparseFile(count, features);
    for (let row = 0; row < count; row++)
      await file.write(Buffer.from([row & 255, 7]), 0, 2, 128 + row * features + 5);
    await file.close();
    const rows = await open_(file.path);
    const into = new Uint8Array(2 * features);
    const seen: number[] = [];
    for (let row = 0; row < count; row++) {
      const other = (row * 37) % count;
      await rows.gather(Uint32Array.of(row, other), into);
      seen.push(into[5]!, into[features + 5]!);
      expect(into[6]).toBe(7);
    }
    expect(seen).toEqual(
      Array.from({ length: count }, (_, row) => [row & 255, ((row * 37) % count) & 255]).flat(),
    );
    const run = new Uint8Array(3 * features);
    await rows.gather(Uint32Array.of(100, 101, 102), run);
    expect([run[5], run[features + 5], run[2 * features + 5]]).toEqual([100, 101, 102]);
  });

  test('keeps no more than a training needs of rows that lie far apart', async () => {
    const [features, blocks] = [1024, 4 * MIXED_BLOCKS];
    const rowsOfBlock = planBlockRows(features);
    const file = await sparseFile(blocks * rowsOfBlock, features);
    const far = Uint32Array.from({ length: blocks }, (_, block) => block * rowsOfBlock + 1);
    for (const [i, row] of far.entries())
      await file.write(Buffer.from([i % 251]), 0, 1, 128 + row * features);
    await file.close();
    const rows = await open_(file.path);
    const into = new Uint8Array(far.length * features);
    const { arrayBuffers } = process.memoryUsage();
    await rows.gather(far, into);
    const kept = (process.memoryUsage().arrayBuffers - arrayBuffers) / (rowsOfBlock * features);
    expect(kept).toBeLessThan(1.1 * MIXED_BLOCKS);
    expect(far.every((_, i) => into[i * features] === i % 251)).toBe(true);
  });

  test('calls overlap in time', async () => {
    const path = folder.file('x.npy', npy('f8', [200, 4]));
    const rows = await open_(path);
    const { matrix } = await readFeatures(hostMemory, path);
    const calls = Array.from({ length: 20 }, (_, i) => [(i * 31) % 200, (i * 17) % 200, i]);
    const results = await Promise.all(calls.map((rowNumbers) => gathered(rows, rowNumbers)));
    expect(results).toEqual(
      calls.map((rowNumbers) => rowNumbers.flatMap((row) => [...matrix.data.subarray(row * 4, row * 4 + 4)])),
    );
  });

  test.each(['X-y.npz', 'X-y.safetensors'])('finds the features of %s', async (name) => {
    const path = fileURLToPath(new URL(`../../fixtures/dense/${name}`, import.meta.url));
    const { matrix, arrays } = await readFeatures(hostMemory, path);
    const rows = await open_(path);
    expect(rows.dims).toEqual(matrix.dims);
    expect(rows.arrays).toEqual(arrays);
    expect(arrays?.labels).toMatch(/^(?:y|labels)$/);
    expect(await gathered(rows, [...Array(rows.rows).keys()])).toEqual([...matrix.data]);
  });

  test('refuses an array that is compressed', async () => {
    const path = fileURLToPath(new URL('../../fixtures/dense/X-y-deflated.npz', import.meta.url));
    await failure(openFeatures(path), 'ERR_FORMAT', 'rows that can be read one by one');
  });

  test('refuses an array whose header promises more or less than its own bytes', async () => {
    const fixture = fileURLToPath(new URL('../../fixtures/dense/X-y.npz', import.meta.url));
    const archive = readFileSync(fixture, 'latin1');
    for (const [rows, found] of [
      ['13', 'found the end'],
      ['11', 'found more bytes'],
    ] as const) {
      const changed = archive.replace("'shape': (12,", `'shape': (${rows},`);
      expect(changed).not.toBe(archive);
      const path = folder.file('x.npz', Buffer.from(changed, 'latin1'));
      await failure(openFeatures(path), 'ERR_FORMAT', 'x.npz: array "X"', found);
    }
  });

  test('refuses what it cannot read row by row', async () => {
    const zipped = folder.file('x.npy.gz', gzipSync(npy('f4', [4, 2])));
    await failure(openFeatures(zipped), 'ERR_FORMAT', 'x.npy.gz', 'found gzip', 'Unpack it');
    const fortran = folder.file('f.npy', npy('f4', [4, 2], { fortran: true }));
    await failure(openFeatures(fortran), 'ERR_FORMAT', 'f.npy', 'C order', 'readFeatures');
    const csv = folder.file('x.csv', '1,2\n3,4\n');
    await failure(openFeatures(csv), 'ERR_FORMAT', 'x.csv', 'CSV');
    const short = folder.file('short.npy', npy('f4', [4, 2]).subarray(0, 150));
    await failure(openFeatures(short), 'ERR_FORMAT', 'short.npy', 'found the end');
  });

  test('refuses rows that there are not, and arrays of another type or length', async () => {
    const rows = await open_(folder.file('x.npy', npy('f4', [4, 2])));
    const into = new Float32Array(2);
    await failure(rows.gather(Uint32Array.of(4), into), 'ERR_OPTION', 'rowNumbers[0] is 4', '4 rows');
    await failure(rows.gather(Uint32Array.of(1, 2), into), 'ERR_SHAPE', 'into', '4 elements');
    await failure(rows.gather(Uint32Array.of(1), new Uint8Array(2)), 'ERR_SHAPE', 'into', 'Float32Array');
    const call = (...args: readonly unknown[]) => Reflect.apply(rows.gather, rows, args) as Promise<void>;
    await failure(call([-1], into), 'ERR_TYPE', 'rowNumbers', 'Uint32Array');
    await failure(call(), 'ERR_TYPE', 'rowNumbers is undefined', 'Uint32Array');
    await failure(call(Uint32Array.of(1)), 'ERR_SHAPE', 'into is undefined', 'Float32Array');
  });

  test('names row and feature of a value beyond float32', async () => {
    const path = join_('big.npy');
    await writeNpy(path, { dims: [3, 2], data: Float64Array.of(1, 2, 3, 1e300, 5, 6) });
    const rows = await open_(path);
    await failure(
      rows.gather(Uint32Array.of(0, 1), new Float32Array(4)),
      'ERR_FORMAT',
      'row 1, feature 1',
      '1e+300',
    );
  });

  test('notices that the file changes, is cut off, or was closed', async () => {
    const path = folder.file('x.npy', npy('f4', [400, 2]));
    const rows = await open_(path);
    await gathered(rows, [0]);
    await utimes(path, 1, 1);
    await failure(gathered(rows, [1]), 'ERR_FORMAT', 'the file changed');
    const cut = folder.file('cut.npy', npy('f4', [400, 2]));
    const ofCut = await open_(cut);
    await truncate(cut, 300);
    await failure(gathered(ofCut, [399]), 'ERR_FORMAT', 'the file changed');
    await ofCut.close();
    await ofCut.close();
    await failure(gathered(ofCut, [0]), 'ERR_CLOSED', 'openFeatures()');
    const closing = await open_(folder.file('y.npy', npy('f8', [400, 2000])));
    const reading = gathered(
      closing,
      Array.from({ length: 400 }, (_, row) => row),
    );
    const refused = failure(reading, 'ERR_CLOSED', 'openFeatures()');
    await closing.close();
    await refused;
    await rm(cut);
    await writeFile(cut, '');
  });
});

const join_ = (name: string): string => `${folder.path}/${name}`;

test('the signal of the opening ends no read afterwards: calls have signals of their own', async () => {
  const path = folder.file('x.npy', npy('f4', [2, 2]));
  const stop = new AbortController();
  const rows = await openFeatures(path, { signal: stop.signal });
  opened.push(rows);
  stop.abort();
  expect(await gathered(rows, [1, 0])).toEqual([14, 21, 0, 7]);
  await expect(openFeatures(path, { signal: stop.signal })).rejects.toBe(stop.signal.reason);
});

test('rows that ascend leave their blocks behind', async () => {
  const [count, features] = [100 * planBlockRows(1024), 1024];
  const file = await sparseFile(count, features);
  for (let row = 0; row < count; row++)
    await file.write(Buffer.from([row % 251]), 0, 1, 128 + row * features);
  await file.close();
  const rows = await open_(file.path);
  const { arrayBuffers } = process.memoryUsage();
  const into = new Uint8Array(1200 * features);
  for (let begin = 0; begin + 1500 <= count; begin += 1500) {
    const fourOfFive = Uint32Array.from({ length: 1200 }, (_, i) => begin + Math.floor(i * 1.25));
    await rows.gather(fourOfFive, into);
    expect(fourOfFive.every((row, i) => into[i * features] === row % 251)).toBe(true);
  }
  const kept =
    (process.memoryUsage().arrayBuffers - arrayBuffers - into.length) / (planBlockRows(1024) * features);
  expect(kept).toBeLessThan(20);
});

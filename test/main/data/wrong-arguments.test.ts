// Readers and writers called wrongly: what they say, before they look at a file.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createNpyWriter,
  csvBlocks,
  type Files,
  formatCsvRecord,
  hostMemory,
  openNpy,
  readCsv,
  readFeatures,
  readIdxLabels,
  readIdxMatrix,
  readLabels,
  readMatrix,
  readNpyLabels,
  readNpyMatrix,
  writeCsv,
  writeNpy,
} from '#softshard/main/index.js';
import { failure, useFolder } from './workbench.js';

const nowhere = '/not/there';
const wrong = (value: unknown) => value as never;

describe.each<[string, (options: never) => Promise<unknown>]>([
  ['readMatrix', (options) => readMatrix(hostMemory, nowhere, options)],
  ['readFeatures', (options) => readFeatures(hostMemory, nowhere, options)],
  ['readLabels', (options) => readLabels(nowhere, options)],
  ['readCsv', (options) => readCsv(hostMemory, nowhere, options)],
  ['readIdxMatrix', (options) => readIdxMatrix(hostMemory, nowhere, options)],
  ['readIdxLabels', (options) => readIdxLabels(nowhere, options)],
  ['readNpyMatrix', (options) => readNpyMatrix(hostMemory, nowhere, options)],
  ['readNpyLabels', (options) => readNpyLabels(nowhere, options)],
  ['openNpy', (options) => openNpy(nowhere, options)],
])('%s', (name, readWith) => {
  const refused = (options: unknown, ...parts: string[]) =>
    failure(readWith(wrong(options)), 'ERR_OPTION', ...parts);

  it('refuses misspelled options, what is no object, and a signal that is none', async () => {
    await refused({ signa: 1 }, "no option 'signa'", 'signal');
    await refused(null, 'options is null', 'signal');
    await refused({ signal: 'x' }, "options.signal is 'x'", 'AbortSignal');
  });

  it.skipIf(name === 'openNpy')('refuses an onProgress that is no function', async () => {
    await refused({ onProgress: 1 }, 'options.onProgress is 1', 'function');
  });
});

describe.each<[string, (options: never) => Promise<unknown>]>([
  ['readMatrix', (options) => readMatrix(hostMemory, nowhere, options)],
  ['readFeatures', (options) => readFeatures(hostMemory, nowhere, options)],
  ['readLabels', (options) => readLabels(nowhere, options)],
  ['readCsv', (options) => readCsv(hostMemory, nowhere, options)],
])('%s', (_, readWith) => {
  it.each<[string, unknown, string]>([
    ['featureColumns', 'x', 'array of columns'],
    ['classNames', 'x', 'array of strings'],
    ['header', 'yes', "true, false or 'auto'"],
    ['delimiter', ';"', 'one character'],
    ['delimiter', '', 'one character'],
    ['delimiter', '"', 'one character'],
    ['delimiter', '\n', 'one character'],
    ['delimiter', 9, 'one character'],
  ])('refuses %s %j', async (name, value, remedy) => {
    const error = await failure(readWith(wrong({ [name]: value })), 'ERR_OPTION', remedy);
    expect(error.message).toContain(`options.${name} is `);
    expect(error).toMatchObject({ argument: `options.${name}`, value });
  });

  it('refuses names of classes that are no strings', async () => {
    const classNames = wrong(['a', 2]);
    await failure(readWith(wrong({ classNames })), 'ERR_OPTION', 'options.classNames[1] is 2', 'string');
  });
});

describe.each<[string, (allocator: never, path: never) => Promise<unknown>]>([
  ['readMatrix', readMatrix],
  ['readFeatures', readFeatures],
  ['readCsv', readCsv],
  ['readIdxMatrix', readIdxMatrix],
  ['readNpyMatrix', readNpyMatrix],
])('%s', (_, read) => {
  it.each([undefined, null, {}, nowhere])('refuses %j for the engine', async (allocator) => {
    const error = await failure(read(wrong(allocator), wrong(nowhere)), 'ERR_TYPE', 'allocator is ');
    expect(error.message).toContain('pass an engine or hostMemory');
    expect(error).toMatchObject({ argument: 'allocator', value: allocator });
  });
});

describe('writers', () => {
  const folder = useFolder();
  let path: string;
  beforeEach(() => {
    path = join(folder.path, 'a');
  });
  afterEach(() => {
    const left = readdirSync(folder.path);
    folder.remove();
    expect(left).toEqual([]);
  });

  it('refuse misspelled options, and a signal that is none', async () => {
    const data = Float32Array.of(1);
    const calls: ((options: object) => Promise<unknown>)[] = [
      (options) => writeNpy(path, { dims: [1], data }, wrong(options)),
      (options) => writeCsv(path, [['a']], wrong(options)),
      (options) => createNpyWriter(path, wrong({ dims: [1], type: 'float32', ...options })),
    ];
    for (const call of calls) {
      await failure(call({ signa: 1 }), 'ERR_OPTION', "no option 'signa'", 'signal');
      await failure(call({ signal: 'x' }), 'ERR_OPTION', "options.signal is 'x'", 'AbortSignal');
    }
  });

  it('writeNpy refuses what is no array with dims', async () => {
    await failure(writeNpy(path, wrong(undefined)), 'ERR_TYPE', 'content is undefined', '{ dims, data }');
    await failure(writeNpy(path, wrong(null)), 'ERR_TYPE', 'content is null');
    const data = new Float32Array(3);
    await failure(writeNpy(path, wrong({ data })), 'ERR_OPTION', 'content.dims is undefined', 'array');
    await failure(writeNpy(path, wrong({ dims: 3, data })), 'ERR_OPTION', 'content.dims is 3', 'array');
    await failure(writeNpy(path, wrong({ dims: [3] })), 'ERR_TYPE', 'data', 'got undefined');
    await failure(writeNpy(path, { dims: wrong([2n]), data }), 'ERR_SHAPE', 'got [2]');
  });

  it('createNpyWriter refuses options that are none, misspelled or of another kind', async () => {
    await failure(
      createNpyWriter(path, wrong(undefined)),
      'ERR_OPTION',
      'options is undefined',
      'dims, type',
    );
    const misspelled = wrong({ dims: [1], type: 'float32', dtype: 1 });
    await failure(createNpyWriter(path, misspelled), 'ERR_OPTION', "no option 'dtype'");
    const scalar = wrong({ dims: 1, type: 'float32' });
    await failure(createNpyWriter(path, scalar), 'ERR_OPTION', 'options.dims is 1', 'array');
    const symbol = wrong({ dims: [1], type: Symbol('f') });
    await failure(createNpyWriter(path, symbol), 'ERR_TYPE', 'Symbol(f)');
  });

  it.each([undefined, null, 3, {}])('writeCsv and csvBlocks refuse %j for records', async (records) => {
    const parts = ['records is ', 'iterable'];
    await failure(writeCsv(path, wrong(records)), 'ERR_TYPE', ...parts);
    await failure(csvBlocks(wrong(records)).next(), 'ERR_TYPE', ...parts);
  });

  it.each([undefined, null, 3, 'a,b'])('formatCsvRecord refuses %j for cells', async (cells) => {
    const formatted = async () => formatCsvRecord(wrong(cells));
    const error = await failure(formatted(), 'ERR_OPTION', 'cells is ', 'an array');
    expect(error).toMatchObject({ argument: 'cells', value: cells });
    const records = [['a'], cells] as Files.CsvCell[][];
    await failure(writeCsv(path, records), 'ERR_OPTION', 'cells is ');
  });

  it('readElements refuses an `into` that is no array', async () => {
    const file = join(folder.path, 'b.npy');
    await writeNpy(file, { dims: [2], data: Float32Array.of(1, 2) });
    const npy = await openNpy(file);
    for (const into of [null, 8, [0, 0]]) {
      await failure(npy.readElements(0, 2, wrong(into)), 'ERR_TYPE', 'into: expected a typed array');
    }
    await npy.close();
    rmSync(file);
  });
});

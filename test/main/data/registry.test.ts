// The proof that a file format can be added without touching src: one with its row count at the end, as Parquet has it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  detectFormat,
  Engine,
  type Files,
  fileFormats,
  hostMemory,
  readFeatures,
  readLabels,
  readMatrix,
  registerFileFormat,
  SoftmaxClassifier,
  writeNpy,
} from '#softshard/main/index.js';
import { softshard } from '../cli/workbench.js';
import { expectNothingLeft, failure, useAllocator, useFolder } from './workbench.js';

const folder = useFolder();
const allocator = useAllocator();

/** "ROWS", float32 values [rows × features], labels as bytes [rows], then rows and features as uint32. */
function rowsFile(values: readonly number[], labels: readonly number[]): Buffer {
  const footer = Uint32Array.of(labels.length, values.length / labels.length);
  return Buffer.concat([
    Buffer.from('ROWS'),
    new Uint8Array(Float32Array.from(values).buffer),
    Buffer.from(labels),
    new Uint8Array(footer.buffer),
  ]);
}

async function readFooter(file: Files.DataFile): Promise<{ rows: number; features: number }> {
  const footer = new Uint32Array(2);
  await file.read(new Uint8Array(footer.buffer), file.sizeBytes - 8);
  const [rows = 0, features = 0] = footer;
  return { rows, features };
}

const rowsFormat: Files.FileFormat = {
  name: 'rows',
  title: 'ROWS',
  extensions: ['.rows'],
  options: [],
  matches: (head) => Buffer.from(head.subarray(0, 4)).toString('latin1') === 'ROWS',
  async readMatrix(file, allocator) {
    const { rows, features } = await readFooter(file);
    const matrix = allocator.matrix(rows, features);
    try {
      const { buffer, byteOffset, byteLength } = matrix.data;
      await file.read(new Uint8Array(buffer, byteOffset, byteLength), 4);
      await file.expectUnchanged();
    } catch (error) {
      matrix.free();
      throw error;
    }
    return { matrix, elementType: 'float32' };
  },
  async readLabels(file) {
    const { rows } = await readFooter(file);
    const labels = new Uint8Array(rows);
    await file.read(labels, file.sizeBytes - 8 - rows);
    return { targets: Int32Array.from(labels) };
  },
  async writeArray(path, { dims, data }) {
    const rows = dims[0] ?? 0;
    writeFileSync(path, rowsFile([...data], Array(rows).fill(0)));
  },
};

const values = Array.from({ length: 40 }, (_, i) => Math.sin(i));
const labels = Array.from({ length: 20 }, (_, row) => (values[2 * row]! > 0 ? 1 : 0));
const file = () => folder.file('x.rows', rowsFile(values, labels));

const BUILT_IN = ['npy', 'npz', 'safetensors', 'idx', 'parquet', 'arrow', 'jsonl', 'svmlight', 'csv'];

describe('a registered format', () => {
  let remove: () => void;

  beforeAll(() => {
    remove = registerFileFormat(rowsFormat);
  });

  afterAll(() => {
    remove();
    remove();
    expect(fileFormats().map(({ name }) => name)).toEqual(BUILT_IN);
  });

  it('is asked before the others, which are still there', async () => {
    expect(fileFormats().map(({ name }) => name)).toEqual(['rows', ...BUILT_IN]);
    expect(await detectFormat(file())).toBe('rows');
    expect(await detectFormat(folder.file('a.csv', '1,2\n'))).toBe('csv');
  });

  it('is read by readMatrix, readFeatures and readLabels, into memory of the caller', async () => {
    for (const read of [readMatrix, readFeatures]) {
      const { matrix, ...others } = await read(allocator, file());
      expect(matrix.dims).toEqual([20, 2]);
      expect([...matrix.data]).toEqual(values.map(Math.fround));
      expect(others).toEqual({ format: 'rows', elementType: 'float32' });
    }
    expect(await readLabels(file())).toEqual({ format: 'rows', targets: Int32Array.from(labels) });
  });

  it('gets passes alone of a compressed file: parts are refused, and what was allocated is freed', async () => {
    const path = folder.file('x.rows.gz', gzipSync(rowsFile(values, labels)));
    expect(await detectFormat(path)).toBe('rows');
    await failure(readMatrix(allocator, path), 'ERR_FORMAT', path, 'of which parts can be read, found gzip');
    expectNothingLeft(allocator, folder);
  });

  it('trains a classifier', async () => {
    await using engine = await Engine.create({ threads: 2 });
    const { matrix } = await readMatrix(engine, file());
    const { targets } = await readLabels(file());
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    await classifier.fit(matrix, targets, { epochs: 50, learningRate: 1 });
    expect((await classifier.evaluate(matrix, targets)).accuracy).toBe(1);
  });

  it('works on the command line: to train, to predict from and to write predictions', async () => {
    const path = file();
    const run = (...args: string[]) =>
      softshard([...args, '--threads', '1', '--quiet'], { cwd: folder.path });
    const model = ['--model', 'model.safetensors', '--data', path];
    const trained = await run(
      'train',
      '--data',
      path,
      '--labels',
      path,
      '--epochs',
      '99',
      '--learning-rate',
      '1',
    );
    expect(trained.stderr).toBe('');
    const evaluated = await run('evaluate', ...model, '--labels', path, '--json');
    expect(JSON.parse(evaluated.stdout)).toMatchObject({ rows: 20, accuracy: 1 });
    const written = await run('predict', ...model, '--probabilities', '--output', 'p.rows');
    expect(written.stderr).toBe('');
    expect((await readMatrix(allocator, join(folder.path, 'p.rows'))).matrix.dims).toEqual([20, 2]);
    const refused = await run('train', '--data', path, '--label-column', '1', '--force');
    expect(refused.stderr).toMatch(
      /--label is for \.npz, safetensors, Parquet, Arrow, JSON Lines or CSV, and .*x\.rows is ROWS/,
    );
    const unknown = await run('predict', ...model, '--output', 'p.txt');
    expect(unknown.stderr).toMatch(/its name must end in \.csv, \.jsonl, \.npy, \.parquet, \.rows or \.tsv/);
  });

  it.each<[string, unknown, string]>([
    ['readMatrix', {}, 'gives {}'],
    ['readMatrix', null, 'gives null'],
    ['readMatrix', { matrix: { type: 'float32', dims: [2, 3], data: new Float32Array(5) } }, '{ matrix }'],
    ['readMatrix', { matrix: { type: 'uint8', dims: [1, 1], data: new Uint8Array(1) } }, '{ matrix }'],
    [
      'readMatrix',
      { matrix: hostMemory.matrix(2, 3), targets: new Int32Array(3) },
      'Int32Array of 2 entries',
    ],
    ['readLabels', [1, 2], 'gives [ 1, 2 ]'],
    ['readLabels', { targets: [1, 2] }, '{ targets: Int32Array'],
    ['readLabels', { targets: new Int32Array(1), classNames: 'a' }, 'classNames?: string[]'],
  ])('is named where its %s returns %j', async (reader, content, finding) => {
    const wrong = { ...rowsFormat, name: 'wrong', [reader]: async () => content };
    const remove = registerFileFormat(wrong);
    try {
      const reads =
        reader === 'readLabels'
          ? [() => readLabels(file())]
          : [() => readMatrix(allocator, file()), () => readFeatures(allocator, file())];
      for (const read of reads) {
        await failure(read(), 'ERR_TYPE', `${reader} of the format 'wrong'`, finding);
      }
    } finally {
      remove();
    }
  });

  it('refuses options that it does not take, as .npy does', async () => {
    await failure(readMatrix(allocator, file(), { labelColumn: 0 }), 'ERR_OPTION', 'labelColumn', "'rows'");
    const npy = join(folder.path, 'x.npy');
    await writeNpy(npy, { dims: [2, 1], data: Int32Array.of(0, 1) });
    for (const options of [{ labelColumn: 0 }, { featureColumns: [0] }, { missingCells: 'nan' }] as const) {
      const finding = `options.${Object.keys(options)[0]} is not for the format 'npy'`;
      await failure(readMatrix(allocator, npy, options), 'ERR_OPTION', finding, npy);
      await failure(readFeatures(allocator, npy, options), 'ERR_OPTION', finding);
      await failure(readLabels(npy, options), 'ERR_OPTION', finding);
    }
    expect((await readLabels(npy, { labelColumn: undefined })).targets).toEqual(Int32Array.of(0, 1));
  });

  it('needs extensions with a dot, and options that there are', async () => {
    const register = async (parts: object) =>
      registerFileFormat({ ...rowsFormat, name: 'vec', ...parts } as Files.FileFormat);
    for (const extension of ['vec', '', 1]) {
      await failure(
        register({ extensions: ['.a', extension] }),
        'ERR_OPTION',
        "format.extensions[1] of 'vec'",
      );
    }
    await failure(register({ options: ['foo'] }), 'ERR_OPTION', "format.options[0] of 'vec' is 'foo'");
  });

  it('needs a name of its own, and all its parts', async () => {
    const register = async (format: unknown) => registerFileFormat(format as Files.FileFormat);
    await failure(register(rowsFormat), 'ERR_OPTION', "format.name is 'rows', which is there already");
    await failure(register({ ...rowsFormat, name: 'csv' }), 'ERR_OPTION', "'csv'");
    for (const wrong of [undefined, 'rows', {}, { ...rowsFormat, name: 'b', matches: undefined }]) {
      await failure(register(wrong), 'ERR_TYPE', 'format is ', 'it must have name, title');
    }
  });
});

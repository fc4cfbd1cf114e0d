// .npz files with scikit-learn's arrays: read by a reader of the tests' own and, where it is installed, by scikit-learn.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { exportSklearn } from '#softshard/main/index.js';
import { failure } from '../../../failure.js';
import { pythonFor } from '../../../optional.js';
import { largestDifference } from '../../training/workbench.js';
import { EXPORTED, type Exported, predictionsOf } from './models.js';

const folder = mkdtempSync(join(tmpdir(), 'softshard-sklearn-'));
afterAll(() => rmSync(folder, { recursive: true }));

const path = join(folder, 'model.npz');

interface StoredArray {
  readonly dtype: string;
  readonly shape: string;
  readonly values: readonly (number | string)[];
}

/** The arrays of an archive, found by its directory; each header, size and checksum is looked at. */
function readNpz(file: Buffer): Map<string, StoredArray> {
  const end = file.length - 22;
  expect(file.readUInt32LE(end)).toBe(0x06054b50);
  const count = file.readUInt16LE(end + 10);
  const arrays = new Map<string, StoredArray>();
  let at = file.readUInt32LE(end + 16);
  for (let i = 0; i < count; i++) {
    expect(file.readUInt32LE(at)).toBe(0x02014b50);
    const [method, checksum, size] = [
      file.readUInt16LE(at + 10),
      file.readUInt32LE(at + 16),
      file.readUInt32LE(at + 24),
    ];
    const nameEnd = at + 46 + file.readUInt16LE(at + 28);
    const name = file.toString('latin1', at + 46, nameEnd);
    const local = file.readUInt32LE(at + 42);
    expect(file.readUInt32LE(local)).toBe(0x04034b50);
    // What both headers say alike: from the version to the length of the name.
    expect(file.subarray(local + 4, local + 28).equals(file.subarray(at + 6, at + 30))).toBe(true);
    const begin = local + 30 + name.length;
    const bytes = file.subarray(begin, begin + size);
    expect({ method, checksum }).toEqual({ method: 0, checksum: crc32(bytes) });
    arrays.set(name, readNpy(bytes));
    at = nameEnd;
  }
  expect(at).toBe(end);
  return arrays;
}

function readNpy(bytes: Buffer): StoredArray {
  const begin = 10 + bytes.readUInt16LE(8);
  const [, dtype = '', shape = ''] =
    /'descr': '(.*?)', .*'shape': (\(.*?\))/.exec(bytes.toString('latin1', 10, begin)) ?? [];
  const data = Uint8Array.from(bytes.subarray(begin)).buffer;
  if (dtype === '<f8') return { dtype, shape, values: [...new Float64Array(data)] };
  if (dtype === '<i8') return { dtype, shape, values: Array.from(new BigInt64Array(data), Number) };
  const width = Number(dtype.slice('<U'.length));
  const units = [...new Uint32Array(data)];
  const values = Array.from({ length: units.length / width }, (_, i) =>
    String.fromCodePoint(...units.slice(i * width, (i + 1) * width)).replace(/\0+$/, ''),
  );
  return { dtype, shape, values };
}

/** By the formulas of scikit-learn's predict_proba, in float64. */
function probabilitiesBy(arrays: Map<string, StoredArray>, { model, inputs, rows }: Exported): number[] {
  const { features } = model;
  const [coefficients, intercepts] = ['coef_.npy', 'intercept_.npy'].map(
    (name) => arrays.get(name)!.values as number[],
  );
  return Array.from({ length: rows }, (_, row) => {
    const scores = intercepts!.map((intercept, index) =>
      Array.from({ length: features }, (_, i) => i).reduce(
        (sum, i) => sum + inputs[row * features + i]! * coefficients![index * features + i]!,
        intercept,
      ),
    );
    const all = scores.length === 1 ? [0, scores[0]!] : scores;
    const powers = all.map((score) => Math.exp(score - Math.max(...all)));
    return powers.map((power) => power / powers.reduce((sum, value) => sum + value, 0));
  }).flat();
}

test.each(EXPORTED)(
  'a model of $name has the probabilities of predict within 1e-6, by coef_ and intercept_',
  async (exported) => {
    await exportSklearn(exported.model, path);
    const arrays = readNpz(readFileSync(path));
    const { probabilities } = await predictionsOf(exported);
    expect(largestDifference(probabilitiesBy(arrays, exported), probabilities)).toBeLessThan(1e-6);
    const { features, classes, classNames, featureNames } = exported.model;
    const functions = classes === 2 ? 1 : classes;
    expect(arrays.get('coef_.npy')).toMatchObject({ dtype: '<f8', shape: `(${functions}, ${features})` });
    expect(arrays.get('intercept_.npy')).toMatchObject({ dtype: '<f8', shape: `(${functions},)` });
    const numbers = classNames?.map(Number) ?? Array.from({ length: classes }, (_, index) => index);
    const areNumbers = numbers.every(Number.isInteger);
    const { dtype, values } = arrays.get('classes_.npy')!;
    expect(values).toEqual(areNumbers ? numbers : classNames);
    expect(dtype.startsWith(areNumbers ? '<i8' : '<U')).toBe(true);
    expect(arrays.get('feature_names_in_.npy')?.values).toEqual(featureNames);
  },
);

/** The loader of docs/export.md, for each model. */
const PYTHON = `
import json, numpy as np, sys, warnings
from sklearn.linear_model import LogisticRegression
warnings.simplefilter('ignore')
results = []
for path in sys.argv[1:]:
    model = LogisticRegression()
    vars(model).update(np.load(path))
    with open(path + '.json') as file:
        inputs = np.array(json.load(file), dtype=np.float32)
    results.append([model.predict_proba(inputs).ravel().tolist(), model.predict(inputs).tolist()])
print(json.dumps(results))
`;
const python = pythonFor('import sklearn');

test.skipIf(python === undefined)(
  'scikit-learn, by the loader of the docs, gives the probabilities and classes of predict within 1e-6',
  async () => {
    const paths = EXPORTED.map((_, i) => join(folder, `m${i}.npz`));
    for (const [i, { model, inputs, rows }] of EXPORTED.entries()) {
      await exportSklearn(model, paths[i]!);
      const matrix = Array.from({ length: rows }, (_, row) => [
        ...inputs.subarray(row * model.features, (row + 1) * model.features),
      ]);
      writeFileSync(`${paths[i]}.json`, JSON.stringify(matrix));
    }
    const { stdout, stderr } = spawnSync(python!, ['-c', PYTHON, ...paths], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const results = JSON.parse(stdout) as [number[], (number | string)[]][];
    for (const [i, exported] of EXPORTED.entries()) {
      const { probabilities, classes } = await predictionsOf(exported);
      const { classNames } = exported.model;
      expect(largestDifference(results[i]![0], probabilities), exported.name).toBeLessThan(1e-6);
      const names = Array.from(classes, (index) => classNames?.[index] ?? String(index));
      expect(results[i]![1].map(String), exported.name).toEqual(names);
    }
  },
);

test('equal models make equal files; what is wrong is refused, and a file stays as it was', async () => {
  const { model } = EXPORTED[0]!;
  await exportSklearn(model, path);
  const before = readFileSync(path);
  await exportSklearn({ ...model, weights: model.weights.slice() }, path);
  expect(readFileSync(path).equals(before)).toBe(true);
  for (const [call, code] of [
    [() => exportSklearn({ ...model, bias: new Float32Array(2) }, path), 'ERR_SHAPE'],
    [() => exportSklearn(model, path, { force: true } as never), 'ERR_OPTION'],
    [() => exportSklearn(model, folder), 'ERR_FILE'],
  ] as const) {
    expect((await failure(call)).code).toBe(code);
  }
  const reason = new Error('enough');
  expect(await failure(() => exportSklearn(model, path, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  expect(readFileSync(path).equals(before)).toBe(true);
});

// Models from scikit-learn's arrays: those that exportSklearn writes, and those of scikit-learn where it is installed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { encodeNpyHeader } from '#softshard/main/data/npy/npy-header.js';
import { exportSklearn, importSklearn, Predictor, SoftmaxClassifier } from '#softshard/main/index.js';
import { writeZip } from '#softshard/main/models/export/zip.js';
import { sharedEngines } from '../../../engines.js';
import { failure } from '../../../failure.js';
import { pythonFor } from '../../../optional.js';
import { largestDifference } from '../../training/workbench.js';
import { EXPORTED, predictionsOf } from '../export/models.js';

const folder = mkdtempSync(join(tmpdir(), 'softshard-import-'));
afterAll(() => rmSync(folder, { recursive: true }));

const path = join(folder, 'model.npz');

// Columns far from 0 with the scaling folded in lose digits in float32: see the next test but one.
const near = EXPORTED.filter(({ model }) => typeof model.featureScaling?.shift !== 'object');

test.each(near)(
  'a model of $name comes back with its names and, within 1e-6, its probabilities',
  async (exported) => {
    // A bias of -Infinity stays one where there are more than two classes.
    await exportSklearn(exported.model, path);
    const model = await importSklearn(path);
    const { features, classes, classNames } = exported.model;
    expect(model).toMatchObject({ features, classes, ...(classNames && { classNames }) });
    expect(model.featureScaling).toBeUndefined();
    const [before, after] = [await predictionsOf(exported), await predictionsOf({ ...exported, model })];
    expect(largestDifference(after.probabilities, before.probabilities)).toBeLessThan(1e-6);
    expect(after.classes).toEqual(before.classes);
  },
);

test('feature names come back, and a classifier goes on from the parameters', async () => {
  const named = EXPORTED.find(({ model }) => model.featureNames !== undefined)!;
  await exportSklearn(named.model, path);
  const model = await importSklearn(path);
  expect(model.featureNames).toEqual(named.model.featureNames);
  expect(model.classNames).toEqual(named.model.classNames);
  const engine = await engineWith({ threads: 1 });
  const classifier = SoftmaxClassifier.fromModel(engine, model);
  expect(classifier.weights).toEqual(model.weights);
  expect(classifier.weights).not.toBe(model.weights);
  expect(classifier.featureNames).toEqual(model.featureNames);
});
const engineWith = sharedEngines();

const float64s = (name: string, dims: number[], values: number[]) => ({
  name: `${name}.npy`,
  parts: [encodeNpyHeader('<f8', dims), new Uint8Array(Float64Array.from(values).buffer)],
});
type Member = ReturnType<typeof float64s>;

async function write(...members: Member[]): Promise<void> {
  const parts: Uint8Array[] = [];
  await writeZip(async (bytes) => void parts.push(bytes), members);
  await writeFile(path, Buffer.concat(parts));
}

const coef = float64s('coef_', [3, 2], [1, 2, 3, 4, 5, 6]);
const intercept = float64s('intercept_', [3], [7, 8, 9]);
const classNumbers = float64s('classes_', [3], [0, 1, 2]);

test('mean_ and scale_ of a StandardScaler become the scaling of the model', async () => {
  await write(
    coef,
    intercept,
    classNumbers,
    float64s('mean_', [2], [1000, -3]),
    float64s('scale_', [2], [4, 0.5]),
  );
  const model = await importSklearn(path);
  expect(model).toMatchObject({ features: 2, classes: 3 });
  const { shift, scale } = model.featureScaling!;
  expect([shift, scale].map((values) => Array.from(values as Float32Array))).toEqual([
    [1000, -3],
    [0.25, 2],
  ]);
  expect(model).not.toHaveProperty('classNames');
  expect([...model.weights]).toEqual([1, 3, 5, 2, 4, 6]);
  expect([...model.bias]).toEqual([7, 8, 9]);
});

test.each<[string, Member[], string]>([
  ['no classes_', [coef, intercept], 'expected an array "classes_", found coef_, intercept_'],
  [
    'too few classes',
    [coef, intercept, float64s('classes_', [2], [0, 1])],
    'expected 3 values of "classes_"',
  ],
  [
    'an intercept of others',
    [coef, float64s('intercept_', [1], [1]), classNumbers],
    'expected 3 values of "intercept_"',
  ],
  [
    'a scaler of others',
    [coef, intercept, classNumbers, float64s('mean_', [3], [1, 2, 3]), float64s('scale_', [3], [1, 2, 3])],
    'expected 2 values of "mean_" beside coef_ [3, 2], found 3',
  ],
])('%s is ERR_FORMAT with the remedy', async (_, members, message) => {
  await write(...members);
  const error = await failure(() => importSklearn(path));
  expect(error.code).toBe('ERR_FORMAT');
  expect(error.message).toContain(message);
  expect(error.message).toContain('numpy.savez');
});

test('parameters that are not finite, other files and aborts are refused', async () => {
  await write(float64s('coef_', [3, 2], [1, 2, Number.NaN, 4, 5, 6]), intercept, classNumbers);
  expect(await failure(() => importSklearn(path))).toMatchObject({ code: 'ERR_NOT_FINITE' });
  const text = join(folder, 'x.csv');
  writeFileSync(text, 'a,b\n1,2\n');
  expect(await failure(() => importSklearn(text))).toMatchObject({
    code: 'ERR_FORMAT',
    message: expect.stringContaining('expected an .npz file, found csv'),
  });
  expect((await failure(() => importSklearn(join(folder, 'nowhere.npz')))).code).toBe('ERR_FILE');
  const reason = new Error('enough');
  await write(coef, intercept, classNumbers);
  expect(await failure(() => importSklearn(path, { signal: AbortSignal.abort(reason) }))).toBe(reason);
});

const PYTHON = `
import json, numpy as np, sys
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
random = np.random.default_rng(3)
X = random.normal(1000, 2, (200, 4)) * [1, 2, 3, 0.1]
results = []
for classes in 2, 4:
    y = np.array(list('dabc'))[(X[:, 0] - X[:, 0].min()).astype(int) % classes]
    s = StandardScaler().fit(X)
    m = LogisticRegression(C=10).fit(s.transform(X), y)
    np.savez_compressed(sys.argv[1] + f'/s{classes}.npz', coef_=m.coef_, intercept_=m.intercept_, classes_=m.classes_,
                        mean_=s.mean_, scale_=s.scale_)
    results.append([X.ravel().tolist(), m.predict_proba(s.transform(X)).ravel().tolist(), m.classes_.tolist()])
print(json.dumps(results))
`;
const python = pythonFor('import sklearn');

test.skipIf(python === undefined)(
  'a pipeline of scikit-learn, standardised, has its probabilities within 1e-4',
  async () => {
    const { stdout, stderr } = spawnSync(python!, ['-c', PYTHON, folder], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const results = JSON.parse(stdout) as [number[], number[], string[]][];
    for (const [i, classes] of [2, 4].entries()) {
      const [inputs, probabilities, names] = results[i]!;
      const model = await importSklearn(join(folder, `s${classes}.npz`));
      using predictor = new Predictor(model);
      const { data } = await predictor.predictBatchProbabilities(Float64Array.from(inputs));
      // The inputs themselves are rounded to float32: 1000 to 6e-5, of a deviation of 2 and less.
      expect(largestDifference(data, probabilities)).toBeLessThan(1e-4);
      expect(model.classNames).toEqual(names);
    }
  },
);

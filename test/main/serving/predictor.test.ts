// Predictors: single rows have the bits of the classifier, whatever array they come in; what is wrong with a row is named.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  Engine,
  Predictor,
  readModelFile,
  type Serving,
  SoftmaxClassifier,
  type SoftshardError,
  type Training,
} from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { sharedEngines } from '../../engines.js';
import { failure } from '../../failure.js';
import { builds, randomValues } from '../../kernels/workbench.js';

const folder = mkdtempSync(join(tmpdir(), 'softshard-predictor-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Features × classes: one strip and several, narrow rows and wide ones, tiles of fewer than 64 rows. */
const SHAPES = [
  [1, 2],
  [7, 3],
  [384, 15],
  [33, 41],
  [784, 10],
  [5, 1000],
  [3000, 9],
] as const;

type Scaling = Training.FeatureScaling | undefined;
const SCALINGS: Readonly<Record<string, (features: number) => Scaling>> = {
  'no scaling': () => undefined,
  'one scaling for all': () => ({ shift: 3.3, scale: 1 / 255 }),
  'a scaling by feature': (features) => ({
    shift: randomValues(features, 2, 31),
    scale: randomValues(features, 1.5, 32),
  }),
};

function classifierOf(engine: Engine, features: number, classes: number, featureScaling?: Scaling) {
  const classifier = new SoftmaxClassifier(engine, { features, classes, featureScaling });
  classifier.weights.set(randomValues(features * classes, 1, 1));
  classifier.bias.set(randomValues(classes, 1, 2));
  return classifier;
}

const syncFailure = (call: () => unknown): Promise<SoftshardError> => failure(async () => call());

describe.each(builds)('a predictor (%s)', (numerics) => {
  const engineOf = sharedEngines();
  const openEngine = () => engineOf({ threads: 2, numerics, blas: false });

  test.each(Object.entries(SCALINGS))(
    'has the bits of the classifier, row by row and in batches, with %s',
    async (_, scalingOf) => {
      const engine = await openEngine();
      for (const [features, classes] of SHAPES) {
        const classifier = classifierOf(engine, features, classes, scalingOf(features));
        using predictor = await classifier.predictor();
        const rows = 70;
        const floats = randomValues(rows * features, 20, 3);
        const bytes = Uint8Array.from(floats, (value) => Math.abs(value) * 12);
        for (const inputs of [floats, bytes]) {
          const predictions = await classifier.predict(inputs);
          const { data } = await classifier.predictProbabilities(inputs);
          const rowAt = (row: number) => inputs.subarray(row * features, (row + 1) * features);
          const single = Int32Array.from({ length: rows }, (_, row) => predictor.predict(rowAt(row)));
          const probabilities = new Float32Array(rows * classes);
          for (let row = 0; row < rows; row++) {
            const into = probabilities.subarray(row * classes, (row + 1) * classes);
            expect(predictor.predictProbabilities(rowAt(row), into)).toBe(into);
          }
          const batch = await predictor.predictBatchProbabilities(inputs);
          const what = `${features} × ${classes}, ${inputs.constructor.name}`;
          expect(bitsOf(single), what).toBe(bitsOf(predictions));
          expect(bitsOf(await predictor.predictBatch(inputs)), what).toBe(bitsOf(predictions));
          expect(bitsOf(probabilities), what).toBe(bitsOf(data));
          expect(bitsOf(batch.data), what).toBe(bitsOf(data));
          expect([batch.type, ...batch.dims]).toEqual(['float32', rows, classes]);
        }
      }
    },
  );

  test('takes rows of every array class, each with the bits of the same float32 numbers', async () => {
    const scaling = { shift: 1.5, scale: 0.25 };
    using predictor = await classifierOf(await openEngine(), 37, 5, scaling).predictor();
    const bytes = Uint8Array.from({ length: 37 }, (_, i) => (i * 29) % 256);
    const doubles = Float64Array.from(bytes, (value) => value / 3);
    const { Float16Array: Halves } = globalThis as unknown as {
      Float16Array?: { from(values: Uint8Array): Serving.Float16Elements };
    };
    const same: Serving.Row[][] = [
      [bytes, new Uint8ClampedArray(bytes), Buffer.from(bytes), Float32Array.from(bytes), [...bytes]],
      [doubles, Float32Array.from(doubles), [...doubles], Object.freeze([...doubles])],
    ];
    if (Halves !== undefined) same[0]?.push(Halves.from(bytes));
    for (const rows of same) {
      const [first] = rows.map((row) => bitsOf(predictor.predictProbabilities(row)));
      for (const row of rows) {
        expect(bitsOf(predictor.predictProbabilities(row))).toBe(first);
        expect(bitsOf((await predictor.predictBatchProbabilities([row])).data)).toBe(first);
        expect(predictor.predict(row)).toBe(predictor.predict(rows[0]!));
      }
      const all = await predictor.predictBatchProbabilities(rows);
      for (let row = 0; row < rows.length; row++) {
        expect(bitsOf(all.data.slice(row * 5, row * 5 + 5))).toBe(first);
      }
    }
    const tensor = { type: 'uint8', dims: [1, 1, 37], data: bytes } as const;
    expect([...(await predictor.predictBatch(tensor))]).toEqual([predictor.predict(bytes)]);
  });

  test('keeps the weights of the moment it was made, and outlives its engine', async () => {
    const engine = await Engine.create({ threads: 1, numerics, blas: false });
    const classifier = classifierOf(engine, 4, 3);
    const row = [0.1, 0.2, -0.3, 0.4];
    const predictor = await classifier.predictor();
    const before = bitsOf(predictor.predictProbabilities(row));
    classifier.weights.fill(1);
    expect(bitsOf(predictor.predictProbabilities(row))).toBe(before);
    await engine.close();
    expect(bitsOf(predictor.predictProbabilities(row))).toBe(before);
    expect(bitsOf((await predictor.predictBatchProbabilities([row])).data)).toBe(before);
    const after = await classifier.predictor();
    expect(bitsOf(after.predictProbabilities(row))).not.toBe(before);
    for (const each of [predictor, after]) each.close();
  });

  test('loads a file: names, scaling and the bits of the classifier', async () => {
    const engine = await openEngine();
    const path = join(folder, `${numerics}.safetensors`);
    const classifier = new SoftmaxClassifier(engine, {
      features: 3,
      classes: 2,
      classNames: ['no', 'yes'],
      featureNames: ['a', 'b', 'c'],
      featureScaling: { shift: [1, 2, 3], scale: 0.5 },
    });
    classifier.weights.set(randomValues(6, 1, 4));
    await classifier.save(path);
    using predictor = await Predictor.load(path, { numerics });
    using withEngine = await Predictor.load(path, { engine });
    using fromModel = new Predictor(await readModelFile(path), { numerics });
    const row = Float32Array.of(1, 2.5, -3);
    const expected = await classifier.predictProbabilities(row);
    for (const each of [predictor, withEngine, fromModel]) {
      expect(bitsOf(each.predictProbabilities(row))).toBe(bitsOf(expected.data));
      expect(each.numerics).toBe(numerics);
      expect(each.features).toBe(3);
      expect(each.classes).toBe(2);
      expect(each.featureNames).toEqual(['a', 'b', 'c']);
      expect(each.featureScaling).toEqual({ shift: [1, 2, 3], scale: 0.5 });
      expect(each.className(each.predict(row))).toBe(each.classNames?.[each.predict(row)]);
      expect(each.className(-1)).toBeUndefined();
      expect(() => each.className(2)).toThrow(/predicted is 2: it must be a whole number from -1 to 1/);
    }
    using nameless = await classifierOf(engine, 3, 2).predictor();
    expect(nameless.className(1)).toBeUndefined();
  });

  test('gives a class of -1 and probabilities of NaN for rows that are not finite if told to ignore them', async () => {
    const engine = await openEngine();
    const classifier = classifierOf(engine, 3, 4, { shift: 1, scale: 2 });
    classifier.bias[2] = Number.NEGATIVE_INFINITY;
    using predictor = await classifier.predictor({ onInvalidInput: 'ignore' });
    const inputs = Float32Array.of(
      1,
      2,
      3,
      Number.NaN,
      1,
      1,
      3e38,
      3e38,
      1,
      Number.POSITIVE_INFINITY,
      0,
      0,
      4,
      5,
      6,
    );
    const options = { onInvalidInput: 'ignore' } as const;
    const expected = await classifier.predict(inputs, options);
    const { data } = await classifier.predictProbabilities(inputs, options);
    expect([...expected].map((each) => each < 0)).toEqual([false, true, true, true, false]);
    for (let row = 0; row < 5; row++) {
      const features = inputs.subarray(row * 3, row * 3 + 3);
      expect(predictor.predict(features)).toBe(expected[row]);
      expect(bitsOf(predictor.predictProbabilities(features))).toBe(bitsOf(data.slice(row * 4, row * 4 + 4)));
    }
    expect(bitsOf(await predictor.predictBatch(inputs))).toBe(bitsOf(expected));
    expect(bitsOf((await predictor.predictBatchProbabilities(inputs)).data)).toBe(bitsOf(data));
  });

  test('takes no memory for its calls: 100,000 of them leave the process as large as 10,000', async () => {
    using predictor = await classifierOf(await openEngine(), 384, 15).predictor();
    const row = randomValues(384, 1, 5);
    const numbers = [...row];
    const into = new Float32Array(15);
    const call = (times: number) => {
      for (let i = 0; i < times; i++) {
        predictor.predict(row);
        predictor.predict(numbers);
        predictor.predictProbabilities(row, into);
      }
    };
    call(10_000);
    const before = process.memoryUsage();
    call(100_000);
    const after = process.memoryUsage();
    expect(after.external - before.external).toBeLessThan(2 ** 20);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 20);
  });
});

describe('what is wrong is named', () => {
  const engineOf = sharedEngines();
  const predictorOf = async () =>
    (await classifierOf(await engineOf({ threads: 1, blas: false }), 3, 2).predictor()) as Predictor;
  const holes: number[] = [1, 2];
  holes.length = 3;
  const detached = new Float32Array(3);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });

  test.each<[string, unknown, string, RegExp, Partial<SoftshardError>]>([
    [
      'nothing',
      undefined,
      'ERR_TYPE',
      /^row is undefined: pass the features of one row as a Float32Array/,
      {},
    ],
    ['text', '1,2,3', 'ERR_TYPE', /^row is '1,2,3': pass the features/, { value: '1,2,3' }],
    ['integers that may be bits', new Uint16Array(3), 'ERR_TYPE', /^row is Uint16Array\(3\)/, {}],
    [
      'too few',
      [1, 2],
      'ERR_SHAPE',
      /^row has 2 elements, the model has 3 features: pass one for each$/,
      { value: 2 },
    ],
    ['too many', new Float32Array(6), 'ERR_SHAPE', /^row has 6 elements, the model has 3 features/, {}],
    ['a detached array', detached, 'ERR_TYPE', /^row is detached/, {}],
    [
      'text in an array',
      [1, '2', 3],
      'ERR_TYPE',
      /^row\[1\] is '2': it must be a number/,
      { feature: 1, value: '2' },
    ],
    [
      'null in an array',
      [1, 2, null],
      'ERR_TYPE',
      /^row\[2\] is null: .*JSON has null for NaN/,
      { feature: 2 },
    ],
    ['a hole', holes, 'ERR_TYPE', /^row\[2\] is undefined/, {}],
    [
      'NaN',
      [1, Number.NaN, 3],
      'ERR_NOT_FINITE',
      /^row\[1\] is NaN, but features must be finite numbers of float32: impute it, or .*onInvalidInput: 'ignore'/,
      { feature: 1, value: Number.NaN },
    ],
    [
      'a double beyond float32',
      Float64Array.of(1, 2, -1e300),
      'ERR_NOT_FINITE',
      /^row\[2\] is -1e\+300/,
      { feature: 2 },
    ],
    [
      'an overflow',
      [3e38, 3e38, -3e38],
      'ERR_NOT_FINITE',
      /^row has finite features, but its logits overflow/,
      {},
    ],
  ])('in a row: %s', async (_, row, code, message, details) => {
    using predictor = await predictorOf();
    const into = Float32Array.of(7, 7);
    for (const call of [
      () => predictor.predict(row as number[]),
      () => predictor.predictProbabilities(row as number[], into),
    ]) {
      const error = await syncFailure(call);
      expect(error.code).toBe(code);
      expect(error.message).toMatch(message);
      expect(error).toMatchObject({ argument: 'row', ...('feature' in details ? {} : details) });
      if (details.feature !== undefined) expect(error.feature).toBe(details.feature);
    }
    expect([...into]).toEqual([7, 7]);
  });

  test.each<[string, unknown, string, RegExp]>([
    ['nothing', null, 'ERR_TYPE', /^rows is null: pass a Float32Array/],
    ['a row of numbers', [1, 2, 3], 'ERR_TYPE', /^rows\[0\] is 1: pass the features of one row/],
    [
      'a part of a row',
      new Float32Array(4),
      'ERR_SHAPE',
      /^rows has 4 elements: not a whole number of rows of the model's 3/,
    ],
    ['a short row', [[1, 2, 3], [1]], 'ERR_SHAPE', /^rows\[1\] has 1 elements, the model has 3/],
    [
      'text',
      [
        [1, 2, 3],
        [1, 'x', 3],
      ],
      'ERR_TYPE',
      /^rows\[1\]\[1\] is 'x': it must be a number/,
    ],
    [
      'other dims',
      { type: 'float32', dims: [3, 2], data: new Float32Array(6) },
      'ERR_SHAPE',
      /^rows\.dims is \[ 3, 2 \]/,
    ],
    [
      'NaN',
      [
        [1, 2, 3],
        [1, 2, Number.NaN],
      ],
      'ERR_NOT_FINITE',
      /^rows\[1, 2\] is NaN, but features/,
    ],
    [
      'an overflow',
      [[3e38, 3e38, -3e38]],
      'ERR_NOT_FINITE',
      /^rows\[0\] has finite features, but its logits/,
    ],
  ])('in a batch: %s', async (_, rows, code, message) => {
    using predictor = await predictorOf();
    for (const call of [
      () => predictor.predictBatch(rows as Float32Array),
      () => predictor.predictBatchProbabilities(rows as Float32Array),
    ]) {
      const error = await failure(call);
      expect(error.code).toBe(code);
      expect(error.message).toMatch(message);
    }
  });

  test.each<[string, unknown, RegExp]>([
    [
      'no Float32Array',
      [0, 0],
      /^into is \[ 0, 0 \]: it must be a Float32Array with an element for each of the 2 classes$/,
    ],
    ['another length', new Float32Array(3), /^into has 3 elements: it must be/],
  ])('in into: %s', async (_, into, message) => {
    using predictor = await predictorOf();
    expect(() => predictor.predictProbabilities([1, 2, 3], into as Float32Array)).toThrow(message);
  });

  const model = { features: 2, classes: 2, weights: new Float32Array(4), bias: new Float32Array(2) };
  test.each<[string, object, string, RegExp]>([
    [
      'weights of another length',
      { weights: new Float32Array(3) },
      'ERR_SHAPE',
      /^model\.weights is .*features × classes = 4/,
    ],
    ['weights of another type', { weights: [1, 2, 3, 4] }, 'ERR_TYPE', /^model\.weights is/],
    [
      'a weight of NaN',
      { bias: Float32Array.of(0, Number.NaN) },
      'ERR_NOT_FINITE',
      /^model\.bias\[1\] is NaN/,
    ],
    ['one class', { classes: 1 }, 'ERR_OPTION', /^model\.classes is 1/],
    ['too few names', { classNames: ['a'] }, 'ERR_OPTION', /^model\.classNames is \[ 'a' \]: .* 2 strings/],
    [
      'a scaling of another length',
      { featureScaling: { shift: [1], scale: 1 } },
      'ERR_SHAPE',
      /^model\.featureScaling\.shift/,
    ],
  ])('in a model: %s', async (_, part, code, message) => {
    const error = await syncFailure(() => new Predictor({ ...model, ...part }));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test('in options: names, numerics that the engine does not have, and what is no engine', async () => {
    const engine = await engineOf({ threads: 1, numerics: 'portable', blas: false });
    expect(() => new Predictor(model, { numeric: 'fast' } as object)).toThrow(/numeric/);
    expect(() => new Predictor(model, { engine: {} as Engine })).toThrow(/engine is not one of this copy/);
    if (builds.length === 1) return;
    expect(() => new Predictor(model, { engine, numerics: 'fast' })).toThrow(
      /^options\.numerics is 'fast', but options\.engine has 'portable'/,
    );
  });

  test('of a classifier, a weight that is not finite', async () => {
    const classifier = classifierOf(await engineOf({ threads: 1, blas: false }), 3, 2);
    classifier.weights[4] = Number.NaN;
    const error = await failure(() => classifier.predictor());
    expect(error.code).toBe('ERR_NOT_FINITE');
    expect(error.message).toMatch(/weights\[4\] is NaN/);
  });
});

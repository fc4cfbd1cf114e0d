// Numbers among the options that the type that is computed in does not have, and targets of the wrong kind or order: refused
// or right, never a silent NaN.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, type Losses, SoftmaxClassifier, type Tensor } from '#softshard/main/index.js';
import { failure } from '../../failure.js';
import { randomValues } from '../../kernels/workbench.js';

const [ROWS, CLASSES] = [4, 3];
const logits = randomValues(ROWS * CLASSES, 2, 1);
const targets = [0, 1, 2, 1];

describe('numbers beyond the type that is computed in', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2 });
  });
  afterAll(() => engine.close());

  const run = (
    values: Float32Array | Float64Array,
    options: Losses.CrossEntropyOptions & Losses.GradientOptions,
  ) => engine.crossEntropyGradient(values, targets, { columns: CLASSES, ...options });

  test.each<[Losses.CrossEntropyOptions & Losses.GradientOptions, RegExp]>([
    [
      { weight: [1, 1e39, 1] },
      /options\.weight\[1\] is 1e\+39: computed in float32, it must be below 3\.4e38/,
    ],
    [{ sampleWeight: [1, 1, 1, 4e38] }, /options\.sampleWeight\[3\] is 4e\+38/],
    [{ reduction: 'none', gradOutput: [-1e39, 1, 1, 1] }, /options\.gradOutput\[0\] is -1e\+39/],
    [
      { temperature: 1e-39 },
      /options\.temperature is 1e-39: computed in float32, it must be from 1\.2e-38 to 8\.5e\+37/,
    ],
    [{ softcap: 1e300 }, /options\.softcap is 1e\+300: computed in float32/],
    [{ softcap: 1e30, temperature: 1e-30 }, /options\.softcap \/ options\.temperature is 1e\+60/],
    [{ temperature: -1 }, /options\.temperature is -1: it must be a finite number above 0/],
  ])('%j is ERR_OPTION for float32, naming the place, the value and the range', async (options, message) => {
    const error = await failure(() => run(logits, options));
    expect(error).toMatchObject({ code: 'ERR_OPTION' });
    expect(error.message).toMatch(message);
    const { rows, features } = { rows: ROWS, features: 2 };
    const weights = { type: 'float32', dims: [features, CLASSES], data: new Float32Array(6) } as const;
    const linear = () =>
      engine.linearCrossEntropy(new Float32Array(rows * features), weights, undefined, targets, options);
    expect((await failure(linear)).message).toMatch(message);
  });

  test('float64 logits take them', async () => {
    const values = Float64Array.from(logits);
    for (const options of [{ weight: [1, 1e39, 1] }, { temperature: 1e-39 }, { softcap: 1e300 }]) {
      const { loss, gradLogits } = await run(values, options);
      expect(Number.isFinite(loss)).toBe(true);
      expect((gradLogits.data as Float64Array).every(Number.isFinite)).toBe(true);
    }
    expect((await run(values, { softcap: 1e300 })).loss).toBeCloseTo((await run(values, {})).loss, 14);
  });

  test('the ends of the range give no NaN', async () => {
    for (const options of [
      { temperature: 2 ** -126 },
      { temperature: 2 ** 126 },
      { softcap: 2 ** -126 },
      { softcap: 2 ** 126 },
      { softcap: 2 ** 60, temperature: 2 ** -66 },
    ]) {
      const { loss, gradLogits } = await run(logits, options);
      expect(Number.isFinite(loss), JSON.stringify(options)).toBe(true);
      expect((gradLogits.data as Float32Array).every(Number.isFinite)).toBe(true);
    }
  });

  test('a mean divides by the weights that its losses were multiplied with: those that float32 has', async () => {
    const third = 1 / 3;
    const { weightSum, loss, lossSum } = await run(logits, { weight: [third, third, third] });
    expect(weightSum).toBe(4 * Math.fround(third));
    expect(loss).toBe(lossSum / weightSum);
    // Weights that float32 rounds to 0 leave nothing to average.
    const none = await run(logits, { weight: [1e-46, 1e-46, 1e-46], onEmpty: 'zero' });
    expect([none.loss, none.weightSum]).toEqual([0, 0]);
    expect((none.gradLogits.data as Float32Array).every((value) => value === 0)).toBe(true);
  });

  test('training refuses them too', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 3 });
    const inputs = randomValues(8, 1, 3);
    const training = (options: object) => () => classifier.fit(inputs, targets, options);
    expect(await failure(training({ weight: [1, 1e39, 1] }))).toMatchObject({
      argument: 'options.weight',
      row: 1,
    });
    expect(await failure(training({ sampleWeight: [1e39, 1, 1, 1] }))).toMatchObject({
      argument: 'options.sampleWeight',
      row: 0,
    });
  });
});

describe('targets of the wrong kind or order', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 1 });
  });
  afterAll(() => engine.close());

  test('one-hot rows of any integer type are soft targets', async () => {
    const oneHot = targets.flatMap((target) => [0, 1, 2].map((j) => (j === target ? 1 : 0)));
    const wanted = await engine.crossEntropy(logits, Float32Array.from(oneHot), { columns: CLASSES });
    const arrays = [
      oneHot,
      Uint8Array.from(oneHot),
      Int32Array.from(oneHot),
      BigInt64Array.from(oneHot, BigInt),
      BigUint64Array.from(oneHot, BigInt),
    ];
    for (const array of arrays) {
      const { loss } = await engine.crossEntropy(logits, array as never, { columns: CLASSES });
      expect(loss, array.constructor.name).toBe(wanted.loss);
    }
  });

  test('class indices as many as the elements of the logits are refused, not taken for one-hot rows', async () => {
    const indices = [0, 1, 2, 1, 0, -100];
    const bits = { type: 'float32', dims: [3, 2, 1], data: logits.slice(0, 6) } as const;
    const weights = { type: 'float32', dims: [1, 3], data: new Float32Array(3) } as const;
    const arrays = [indices, Int8Array.from(indices), BigInt64Array.from(indices, BigInt)];
    for (const array of arrays as never[]) {
      // Meant to be 6 rows each.
      const calls = [
        () => engine.crossEntropy(logits.slice(0, 6), array, { columns: 3 }),
        () => engine.crossEntropyGradient(bits, array, { axis: 1 }),
        () => engine.linearCrossEntropy(new Float32Array(2), weights, undefined, array),
        () => engine.crossEntropyOfProbabilities(new Float32Array(6), array, { columns: 3 }),
        () => new SoftmaxClassifier(engine, { features: 1, classes: 3 }).fit(new Float32Array(2), array),
      ];
      for (const [i, call] of calls.entries()) {
        const error = await failure(call);
        expect(error).toMatchObject({ code: 'ERR_TARGET_RANGE', argument: 'targets', row: i === 1 ? 1 : 0 });
        expect(Number(error.value)).toBe(2);
        expect(error.message).toMatch(
          /^targets\[2\] is 2: 6 entries for .* class indices need one entry for each/,
        );
      }
    }
    // Shares of any size come in floating arrays.
    const shares = Float32Array.of(0, 2, 1, 3, 0, 0);
    expect((await engine.crossEntropy(logits.slice(0, 6), shares, { columns: 3 })).loss).toBeGreaterThan(0);
    const halves = [0.5, 0.5, 0, 0, 0.25, 0.75];
    const { loss } = await engine.crossEntropy(logits.slice(0, 6), halves, { columns: 3 });
    expect(loss).toBe(
      (await engine.crossEntropy(logits.slice(0, 6), Float32Array.from(halves), { columns: 3 })).loss,
    );
  });

  test('soft targets of a half type are refused: their bits would be taken for numbers', async () => {
    const cube = { type: 'float32', dims: [ROWS, CLASSES], data: logits } as const;
    for (const type of ['bfloat16', 'float16'] as const) {
      const halves = { type, dims: [ROWS, CLASSES], data: new Uint16Array(12) };
      expect(await failure(() => engine.crossEntropy(cube, halves as never))).toMatchObject({
        code: 'ERR_TYPE',
        argument: 'targets',
        value: type,
      });
    }
  });

  test('so are targets of a half type with one entry for each row, whose bits would be taken for classes', async () => {
    const column = { type: 'bfloat16', dims: [2, 1], data: new Uint16Array(2) } as const;
    const rows = { type: 'float32', dims: [2, 2], data: new Float32Array(4) } as const;
    const halves = { type: 'float16', dims: [2], data: new Uint16Array(2) } as const;
    const calls = [
      // Zeros, which are classes: the error of these right outputs would be 1.
      () => engine.meanSquaredError(column, column as never),
      () => engine.crossEntropyOfProbabilities(column, column as never),
      () => engine.crossEntropy(rows, halves as never),
      () => engine.nllLoss(rows, halves as never),
      () => engine.distillation(rows, rows, halves as never),
      () => engine.metrics({ classes: 2 }).add(rows, halves as never),
    ];
    for (const call of calls) {
      const error = await failure(call);
      expect(error).toMatchObject({ code: 'ERR_TYPE', argument: 'targets' });
      expect(error.message).toMatch(/float32 or float64, or class indices in an integer array$/);
    }
  });

  test('a tensor of targets must have the dims of the logits without the classes; of rows in one dimension any', async () => {
    const cube = { type: 'float32', dims: [2, 3, 4], data: randomValues(24, 1, 2) } as const;
    const of = (dims: number[]): Tensor<'int32'> => ({ type: 'int32', dims, data: new Int32Array(8) });
    const { loss } = await engine.crossEntropy(cube, of([2, 4]), { axis: 1 });
    for (const dims of [[8], [2, 1, 4]]) {
      expect((await engine.crossEntropy(cube, of(dims), { axis: 1 })).loss).toBe(loss);
    }
    const transposed = of([4, 2]);
    const metrics = engine.metrics({ classes: 3 });
    const calls = [
      () => engine.crossEntropy(cube, transposed, { axis: 1 }),
      () => engine.crossEntropyGradient(cube, transposed, { axis: 1 }),
      () => engine.nllLoss(cube, transposed, { axis: 1 }),
      () => engine.meanSquaredError(cube, transposed, { axis: 1 }),
      () => engine.crossEntropyOfProbabilities(cube, transposed, { axis: 1 }),
      () => engine.distillation(cube, cube, transposed, { axis: 1 }),
      () => metrics.add(cube, transposed, { axis: 1 }),
    ];
    for (const call of calls) {
      const error = await failure(call);
      expect(error).toMatchObject({ code: 'ERR_SHAPE', argument: 'targets', value: [4, 2] });
      expect(error.message).toMatch(/those of the logits without the classes, \[2, 4\]/);
    }
    const rows = { type: 'float32', dims: [8, 3], data: cube.data } as const;
    expect((await engine.crossEntropy(rows, of([2, 4]))).weightSum).toBe(8);
  });
});

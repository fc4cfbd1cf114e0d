// The row losses at the edges: infinities, NaN, zeros, nothing at all, and wrong arguments.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '#softshard/main/index.js';
import { failure } from '../../failure.js';
import { builds } from '../../kernels/workbench.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

describe.each(builds)('edge values of the row losses (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 1, numerics, arenaBytes: 4 * 1024 * 1024 });
  });
  afterAll(() => engine.close());
  const rows = (...values: number[]) => Float32Array.from(values);

  test('nllLoss: -Infinity is Infinity, nothing of an ignored or weightless row counts, NaN stays', async () => {
    const logProbabilities = rows(-inf, -1, nan, nan, -2, -inf, nan, -3);
    const options = { columns: 2, reduction: 'none' } as const;
    const got = await engine.nllLossGradient(logProbabilities, [0, -100, 1, 0], {
      ...options,
      weight: [1, 0],
    });
    expect([...got.losses!]).toEqual([inf, 0, 0, nan]);
    expect([...got.gradLogProbabilities.data]).toEqual([-1, 0, 0, 0, 0, 0, -1, 0]);
    expect(got.weightSum).toBe(2);
    const dropped = await engine.nllLoss(logProbabilities, [7, 0, 0, 1], {
      ...options,
      onInvalidTarget: 'ignore',
    });
    expect([...dropped.losses!]).toEqual([0, nan, 2, 3]);
    expect(dropped.weightSum).toBe(3);
  });

  test('an ignoreIndex that is a class takes its rows out, from targets in the arena as well', async () => {
    using targets = engine.vector('int32', 3);
    targets.data.set([1, 0, 1]);
    for (const given of [targets, [1, 0, 1], BigInt64Array.of(1n, 0n, 1n)]) {
      const got = await engine.nllLoss(rows(-1, -2, -3, -4, -5, -6), given, { columns: 2, ignoreIndex: 1 });
      expect(got).toEqual({ loss: 3, lossSum: 3, weightSum: 1 });
      const mixed = await engine.distillation(rows(nan, 1, 0, 0, nan, 1), rows(0, 0, 0, 0, 0, 0), given, {
        columns: 2,
        ignoreIndex: 1,
      });
      expect(mixed.weightSum).toBe(1);
      expect(mixed.loss).toBeCloseTo(0.5 * Math.log(2), 6);
    }
  });

  test('a mean over nothing is NaN, 0 or ERR_EMPTY, and its gradient is 0', async () => {
    const x = rows(-1, -2);
    const got = await engine.nllLossGradient(x, [-100], { columns: 2 });
    expect(got).toMatchObject({ loss: nan, lossSum: 0, weightSum: 0 });
    expect([...got.gradLogProbabilities.data]).toEqual([0, 0]);
    expect((await engine.nllLoss(x, [-100], { columns: 2, onEmpty: 'zero' })).loss).toBe(0);
    const empty = { type: 'float32', dims: [0, 3], data: rows() } as const;
    for (const call of [
      () => engine.nllLoss(x, [-100], { columns: 2, onEmpty: 'throw' }),
      () => engine.distillation(x, x, [-100], { columns: 2, onEmpty: 'throw' }),
      () => engine.klDivergence(empty, { targetLogits: empty }, { onEmpty: 'throw' }),
      () => engine.meanSquaredError(empty, rows(), { onEmpty: 'throw' }),
    ]) {
      expect(await failure(call)).toMatchObject({ code: 'ERR_EMPTY' });
    }
    expect((await engine.binaryCrossEntropyWithLogits(empty, rows())).loss).toBeNaN();
    expect((await engine.crossEntropyOfProbabilities(empty, [], { onEmpty: 'zero' })).loss).toBe(0);
  });

  test('crossEntropyOfProbabilities: the default floor keeps a probability of 0 finite, floor 0 gives the formula', async () => {
    const a = rows(0, 1, 1, 0);
    const y = rows(1, 0, 1, 0);
    for (const targets of [y, [0, 0]]) {
      const got = await engine.crossEntropyOfProbabilitiesGradient(a, targets, {
        columns: 2,
        reduction: 'none',
      });
      expect(got.losses![0]).toBeCloseTo(126 * Math.log(2), 4);
      expect([...got.gradProbabilities.data]).toEqual([0, 0, -1, 0]);
      expect([...got.losses!][1]).toBe(0);
      const bare = await engine.crossEntropyOfProbabilitiesGradient(a, targets, {
        columns: 2,
        reduction: 'none',
        floor: 0,
      });
      expect([...bare.losses!]).toEqual([inf, 0]);
      expect([...bare.gradProbabilities.data]).toEqual([-inf, 0, -1, 0]);
      const floored = await engine.crossEntropyOfProbabilities(a, targets, {
        columns: 2,
        reduction: 'none',
        floor: 0.25,
      });
      expect(floored.losses![0]).toBeCloseTo(Math.log(4), 6);
    }
    expect(
      (await engine.crossEntropyOfProbabilities(rows(nan, 1), rows(0, 1), { columns: 2 })).loss,
    ).toBeNaN();
  });

  test('klDivergence: 0 from itself, Infinity where only the student is 0, spoiled rows NaN throughout', async () => {
    const loss = async (student: Float32Array, teacher: Float32Array) => {
      const got = await engine.klDivergenceGradient(student, { targetLogits: teacher }, { columns: 3 });
      return [got.loss, ...got.gradLogits.data];
    };
    expect(await loss(rows(1, 2, 3), rows(1, 2, 3))).toEqual([0, 0, 0, 0]);
    expect(await loss(rows(1, -inf, 3), rows(1, -inf, 3))).toEqual([0, 0, 0, 0]);
    const [infinite, ...gradient] = await loss(rows(0, 0, -inf), rows(0, 0, 0));
    expect(infinite).toBe(inf);
    expect(gradient[2]).toBeCloseTo(-1 / 3, 6);
    expect(gradient.every(Number.isFinite)).toBe(true);
    const [hidden, ...hiddenGradient] = await loss(rows(0, 0, 0), rows(0, 0, -inf));
    expect(hidden).toBeCloseTo(Math.log(1.5), 6);
    expect(hiddenGradient[2]).toBeCloseTo(1 / 3, 6);
    for (const [student, teacher] of [
      [rows(nan, 0, 0), rows(0, 0, 0)],
      [rows(inf, 0, 0), rows(0, 0, 0)],
      [rows(0, 0, 0), rows(0, nan, 0)],
      [rows(0, 0, 0), rows(-inf, -inf, -inf)],
    ] as const) {
      expect(await loss(student, teacher)).toEqual([nan, nan, nan, nan]);
    }
    const far = await engine.klDivergence(
      rows(3e38, -3e38, 0),
      { targetProbabilities: rows(1, 0, 0) },
      { columns: 3 },
    );
    expect(far.loss).toBe(0);
    const oneHot = await engine.klDivergenceGradient(
      rows(0, 0, 0),
      { targetProbabilities: rows(0, 1, 0) },
      { columns: 3 },
    );
    expect(oneHot.loss).toBeCloseTo(Math.log(3), 7);
    [1 / 3, -2 / 3, 1 / 3].forEach((wanted, j) => {
      expect(oneHot.gradLogits.data[j]).toBeCloseTo(wanted, 6);
    });
  });

  test('distillation: a part with the factor 0 adds nothing, even NaN; a confident row keeps a loss of 1e-9', async () => {
    const spoiled = rows(nan, 0);
    const plain = await engine.distillationGradient(rows(0, 0), spoiled, [0], { columns: 2, alpha: 0 });
    expect(plain.loss).toBeCloseTo(Math.log(2), 7);
    expect([...plain.gradLogits.data]).toEqual([-0.5, 0.5]);
    const wrong = await engine.distillation(rows(0, -inf), rows(0, -inf), [1], { columns: 2, alpha: 1 });
    expect(wrong.loss).toBe(0);
    const confident = await engine.distillation(rows(20, 0), rows(0, 0), [0], { columns: 2, alpha: 0 });
    expect(Math.abs(confident.loss / Math.log1p(Math.exp(-20)) - 1)).toBeLessThan(1e-6);
  });

  test('binaryCrossEntropyWithLogits: right at ±Infinity is 0, wrong is Infinity, e^-80 is not rounded away', async () => {
    const x = rows(inf, -inf, inf, -inf, 80, -80, nan);
    const y = rows(1, 0, 0, 1, 1, 0, 1);
    const got = await engine.binaryCrossEntropyWithLogitsGradient(x, y, { columns: 1, reduction: 'none' });
    const losses = [...got.losses!];
    expect(losses.slice(0, 4)).toEqual([0, 0, inf, inf]);
    for (const loss of losses.slice(4, 6)) expect(Math.abs(loss / Math.exp(-80) - 1)).toBeLessThan(1e-6);
    expect(losses[6]).toBeNaN();
    const gradient = [...got.gradLogits.data];
    expect(gradient.slice(0, 4).map((g) => g + 0)).toEqual([0, 0, 1, -1]);
    expect(Math.abs(gradient[4]! / -Math.exp(-80) - 1)).toBeLessThan(1e-6);
    expect(gradient[6]).toBeNaN();
  });

  test('meanSquaredError through softmax: a spoiled row is NaN throughout and spoils no neighbor', async () => {
    const got = await engine.meanSquaredErrorGradient(rows(nan, 0, 0, 0, inf, 1), [0, 1, 0], {
      columns: 2,
      fromLogits: true,
      reduction: 'none',
    });
    expect([...got.losses!]).toEqual([nan, 0.5, nan]);
    expect([...got.gradPredictions.data]).toEqual([nan, nan, 0.5, -0.5, nan, nan]);
    const alone = await engine.meanSquaredErrorGradient(rows(nan, 1, 2), rows(0, 0, inf), { columns: 1 });
    expect([...alone.gradPredictions.data].map(Number.isNaN)).toEqual([true, false, false]);
    expect(new Uint32Array(alone.gradPredictions.data.buffer)[0]).toBe(0x7fc00000);
  });
});

describe('wrong arguments of the row losses', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, arenaBytes: 4 * 1024 * 1024 });
  });
  afterAll(() => engine.close());
  const x = Float32Array.of(0.1, 0.9, 0.5, 0.5);
  const wrong = (value: unknown) => value as never;

  test.each<[string, string, RegExp, (engine: Engine) => Promise<unknown>]>([
    [
      'a misspelled option',
      'ERR_OPTION',
      /no option 'temperatur'/,
      (e) => e.klDivergence(x, { targetLogits: x }, wrong({ columns: 2, temperatur: 2 })),
    ],
    ['no columns', 'ERR_SHAPE', /option columns/, (e) => e.nllLoss(x, [0, 1])],
    [
      'a class out of range',
      'ERR_TARGET_RANGE',
      /targets\[1\] is 2, not a class.*0 to 1/,
      (e) => e.nllLoss(x, [0, 2], { columns: 2 }),
    ],
    [
      'a class out of range, one-hot',
      'ERR_TARGET_RANGE',
      /targets\[0\] is -1/,
      (e) => e.crossEntropyOfProbabilities(x, [-1, 0], { columns: 2 }),
    ],
    [
      'too few targets',
      'ERR_SHAPE',
      /1 entries for 2 rows/,
      (e) => e.distillation(x, x, [0], { columns: 2 }),
    ],
    [
      'dense targets of another size',
      'ERR_SHAPE',
      /targets has 3 entries/,
      (e) => e.meanSquaredError(x, new Float32Array(3), { columns: 2 }),
    ],
    [
      'a negative target probability',
      'ERR_TARGET_RANGE',
      /targets\[1, 0\] is -0.5: target probabilities/,
      (e) => e.crossEntropyOfProbabilities(x, Float32Array.of(1, 0, -0.5, 1), { columns: 2 }),
    ],
    [
      'a teacher of NaN',
      'ERR_TARGET_RANGE',
      /targetProbabilities\[0, 1\] is NaN/,
      (e) => e.klDivergence(x, { targetProbabilities: Float32Array.of(1, Number.NaN, 0, 1) }, { columns: 2 }),
    ],
    [
      'a target above 1',
      'ERR_TARGET_RANGE',
      /targets\[1, 1\] is 1.5: targets must be numbers from 0 to 1/,
      (e) => e.binaryCrossEntropyWithLogits(x, Float32Array.of(0, 1, 0, 1.5), { columns: 2 }),
    ],
    [
      'no dense targets',
      'ERR_TYPE',
      /targets is undefined: pass a number for each element/,
      (e) => e.binaryCrossEntropyWithLogits(x, wrong(undefined), { columns: 2 }),
    ],
    [
      'no teacher',
      'ERR_TYPE',
      /teacher is .*targetLogits/,
      (e) => e.klDivergence(x, wrong({}), { columns: 2 }),
    ],
    [
      'a teacher of another shape',
      'ERR_SHAPE',
      /targetLogits has dims \[1, 4\]/,
      (e) => e.klDivergence(x, { targetLogits: { type: 'float32', dims: [1, 4], data: x } }, { columns: 2 }),
    ],
    [
      'alpha above 1',
      'ERR_OPTION',
      /options.alpha is 2/,
      (e) => e.distillation(x, x, [0, 1], { columns: 2, alpha: 2 }),
    ],
    [
      'temperature 0',
      'ERR_OPTION',
      /options.temperature is 0/,
      (e) => e.klDivergence(x, { targetLogits: x }, { columns: 2, temperature: 0 }),
    ],
    [
      'a floor of 1',
      'ERR_OPTION',
      /options.floor is 1/,
      (e) => e.crossEntropyOfProbabilities(x, [0, 1], { columns: 2, floor: 1 }),
    ],
    [
      'a negative weight',
      'ERR_OPTION',
      /options.posWeight\[1\] is -1/,
      (e) => e.binaryCrossEntropyWithLogits(x, x, { columns: 2, posWeight: [1, -1] }),
    ],
    [
      'weights for other classes',
      'ERR_SHAPE',
      /options.weight has 3 entries for 2 classes/,
      (e) => e.nllLoss(x, [0, 1], { columns: 2, weight: [1, 1, 1] }),
    ],
    [
      'gradOutput with a mean',
      'ERR_OPTION',
      /gradOutput is given with reduction 'mean'/,
      (e) => e.nllLossGradient(x, [0, 1], { columns: 2, gradOutput: [1, 1] }),
    ],
    [
      'a reduction that only klDivergence has',
      'ERR_OPTION',
      /options.reduction is 'batchmean'/,
      (e) => e.nllLoss(x, [0, 1], { columns: 2, reduction: wrong('batchmean') }),
    ],
    [
      'into of another shape',
      'ERR_SHAPE',
      /options.into has 2 elements/,
      (e) => e.nllLossGradient(x, [0, 1], { columns: 2, into: new Float32Array(2) }),
    ],
  ])('%s: %s', async (_, code, message, call) => {
    const error = await failure(() => call(engine));
    expect(error.message).toMatch(message);
    expect(error).toMatchObject({ name: 'SoftshardError', code });
  });

  test('a wrong target probability deep in a large batch names its row, the lowest of several', async () => {
    const [rows, columns] = [5000, 20];
    const y = new Float32Array(rows * columns);
    y[4321 * columns + 7] = -1;
    y[3210 * columns + 5] = Number.NaN;
    for (let round = 0; round < 5; round++) {
      const error = await failure(() => engine.crossEntropyOfProbabilities(y, y, { columns }));
      expect(error).toMatchObject({ code: 'ERR_TARGET_RANGE', row: 3210 });
    }
  });

  test('into must not lie on the teacher or on dense targets', async () => {
    const y = Float32Array.of(0.5, 0.5, 0.25, 0.75, 1, 0);
    const into = y.subarray(1, 5);
    const targets = y.subarray(2);
    for (const call of [
      () => engine.klDivergenceGradient(x, { targetLogits: targets }, { columns: 2, into }),
      () => engine.klDivergenceGradient(x, { targetProbabilities: targets }, { columns: 2, into }),
      () => engine.distillationGradient(x, targets, [0, 1], { columns: 2, into }),
      () => engine.binaryCrossEntropyWithLogitsGradient(x, targets, { columns: 2, into }),
      () => engine.meanSquaredErrorGradient(x, targets, { columns: 2, into }),
      () => engine.crossEntropyOfProbabilitiesGradient(x, targets, { columns: 2, into }),
    ]) {
      const error = await failure(call);
      expect(error).toMatchObject({ code: 'ERR_SHAPE', argument: 'options.into' });
      expect(error.message).toMatch(/overlaps/);
    }
  });

  test('an aborted signal rejects with its reason', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(engine.klDivergence(x, { targetLogits: x }, { columns: 2, signal })).rejects.toThrow(
      'enough',
    );
  });
});

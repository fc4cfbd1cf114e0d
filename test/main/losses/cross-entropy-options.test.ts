// Cross-entropy with its options through the engine: against the reference, in every element type, along every axis.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generalLoss, generalLossGradient } from '#softshard/kernels/reference/index.js';
import { Engine, type FloatType, type Losses } from '#softshard/main/index.js';
import { failure } from '../../failure.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';
import { BOUNDS, coarse, expectClose, numbersOf, tensorOf, toRows } from './typed-rows.js';

/** The reference takes a mask in another form. */
type Options = Omit<Losses.CrossEntropyOptions & Losses.GradientOptions, 'mask'>;

interface Problem {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
  readonly options: Options;
  readonly soft: boolean;
  readonly seed: number;
}

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

/** Shapes and any combination of options. */
const problems: fc.Arbitrary<Problem> = fc
  .record({
    outer: fc.integer({ min: 1, max: 5 }),
    classes: fc.constantFrom(1, 2, 3, 5, 16, 17, 33),
    inner: fc.constantFrom(1, 1, 2, 7, 20),
    seed: fc.nat(1e6),
    soft: fc.boolean(),
    reduction: fc.constantFrom('none', 'mean', 'sum'),
    labelSmoothing: optional(fc.constantFrom(0, 0.1, 1)),
    temperature: optional(fc.constantFrom(0.5, 3)),
    softcap: optional(fc.constantFrom(2, 30)),
    zLoss: optional(fc.constantFrom(1e-3, 0.5)),
    focalGamma: optional(fc.constantFrom(1, 2.5)),
    weight: fc.boolean(),
    sampleWeight: fc.boolean(),
    ignore: fc.boolean(),
    gradOutput: fc.boolean(),
    gradScale: optional(fc.constantFrom(-2, 0.25)),
  })
  .map(({ outer, classes, inner, seed, soft, weight, sampleWeight, ignore, gradOutput, ...rest }) => {
    const rows = outer * inner;
    const positive = (length: number, at: number) =>
      randomValues(length, 1, at).map((value) => Math.abs(value) + 0.1);
    const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    return {
      outer,
      classes,
      inner,
      seed,
      soft,
      options: {
        ...given,
        ...(weight && { weight: positive(classes, seed + 1) }),
        ...(sampleWeight && { sampleWeight: positive(rows, seed + 2) }),
        ...(ignore && !soft && { ignoreIndex: 0 }),
        ...(gradOutput && rest.reduction === 'none' && { gradOutput: randomValues(rows, 2, seed + 3) }),
      } as Options,
    };
  });

describe.each(builds)('crossEntropy with options (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  async function check(
    type: FloatType,
    { outer, classes, inner, options, soft, seed }: Problem,
  ): Promise<void> {
    const dims = [outer, classes, inner];
    const rows = outer * inner;
    const values = coarse(randomValues(rows * classes, 6, seed));
    const targets = randomTargets(rows, classes, seed + 4);
    const softTargets = randomValues(rows * classes, 1, seed + 5).map(Math.abs);
    const mean = options.reduction === 'mean';

    const wantedTargets = soft ? { softTargets: toRows(softTargets, outer, classes, inner) } : targets;
    const flat = toRows(values, outer, classes, inner);
    const wanted = generalLoss(flat, wantedTargets, rows, classes, options);
    const logits = tensorOf(type, dims, values);
    const given = soft ? ({ type: 'float32', dims, data: softTargets } as const) : targets;
    const { gradLogits, ...result } = await engine.crossEntropyGradient(logits, given, {
      ...options,
      axis: 1,
    });

    const bound = BOUNDS[type];
    const size = Math.max(1, ...wanted.losses);
    expectClose('weightSum', [result.weightSum], [wanted.weightSum], 1e-12, 1);
    expectClose('lossSum', [result.lossSum], [wanted.lossSum], bound.loss, size * rows);
    if (options.reduction === 'none') expectClose('losses', result.losses!, wanted.losses, bound.loss, size);
    else expect(result.losses).toBeUndefined();
    if (options.zLoss !== undefined && wanted.weightSum > 0) {
      const zLoss = options.reduction === 'sum' ? wanted.zLossSum : wanted.zLossSum / wanted.weightSum;
      expectClose('zLoss', [result.zLoss!], [zLoss], bound.loss, size * rows);
    }
    const wantedGradient = generalLossGradient(flat, wantedTargets, rows, classes, options);
    const got = toRows(numbersOf(gradLogits), outer, classes, inner);
    // An element is a difference of terms of the order of the weights: it may be far smaller than their rounding.
    const largest = Math.max(...wantedGradient.map(Math.abs), 0.1 / (mean ? rows : 1));
    expectClose(
      'gradLogits',
      got,
      wantedGradient,
      bound.gradient,
      type.endsWith('16') ? Math.max(largest, 2 ** -13) : largest,
    );
    const losses = await engine.crossEntropy(logits, given, { ...lossOnly(options), axis: 1 });
    // gradOutput take the kernels with options, where without them those of plain cross-entropy may do.
    if (options.gradOutput === undefined) expect(losses.lossSum).toBe(result.lossSum);
    else
      expectClose(
        'lossSum without gradient',
        [losses.lossSum],
        [result.lossSum],
        bound.loss / 10,
        size * rows,
      );
    if (mean && wanted.weightSum === 0) expect(result.loss).toBeNaN();
  }

  const lossOnly = ({ gradOutput: _, gradScale: __, ...options }: Options) => options;

  test.each(['float32', 'float64', 'bfloat16', 'float16'] as const)(
    'any combination on %s, class axis in the middle: losses and gradient within the bounds of the type',
    async (type) => {
      await fc.assert(
        fc.asyncProperty(problems, (problem) => check(type, problem)),
        { numRuns: 60 },
      );
    },
  );

  test.each([
    ['few columns that lie apart: the column kernels', 64, 7],
    ['more columns that lie apart: tiles of rows', 65, 7],
    ['many columns that lie apart', 1000, 18],
  ] as const)(
    'softmax, logSoftmax and logSumExp of %s are those of the rows side by side',
    async (_, classes, inner) => {
      const dims = [3, classes, inner];
      const values = coarse(randomValues(3 * classes * inner, 6, classes));
      const rows = {
        type: 'float64',
        dims: [3 * inner, classes],
        data: toRows(values, 3, classes, inner),
      } as const;
      for (const type of ['float32', 'float64', 'bfloat16', 'float16'] as const) {
        const logits = tensorOf(type, dims, values);
        const bound = BOUNDS[type];
        for (const operation of ['softmax', 'logSoftmax'] as const) {
          const wanted = (await engine[operation](rows)).data as Float64Array;
          const got = toRows(numbersOf(await engine[operation](logits, { axis: 1 })), 3, classes, inner);
          // Of probabilities in half precision the smallest are below its normal range.
          const unit = type === 'float16' ? 2 ** -13 : 1e-30;
          expectClose(`${type} ${operation}`, got, wanted, 1.01 * Math.max(bound.gradient, bound.loss), unit);
        }
        const sums = (await engine.logSumExp(logits, { axis: 1 })).data;
        expectClose(`${type} logSumExp`, sums, (await engine.logSumExp(rows)).data, bound.loss, 1);
      }
    },
  );

  test('a mask leaves classes out, as logits of -Infinity would; along any axis', async () => {
    for (const [outer, classes, inner] of [
      [6, 5, 1],
      [2, 5, 3],
    ] as const) {
      const dims = [outer, classes, inner];
      const values = randomValues(outer * classes * inner, 3, 1);
      const mask = Uint8Array.from(randomValues(values.length, 1, 2), (value) => (value > -0.3 ? 1 : 0));
      const rows = outer * inner;
      const maskRows = toRows(mask, outer, classes, inner);
      const targets = Int32Array.from(
        { length: rows },
        (_, row) => maskRows.indexOf(1, row * classes) % classes,
      );
      const flat = toRows(values, outer, classes, inner);
      const options = { labelSmoothing: 0.2, reduction: 'none' } as const;
      const wanted = generalLoss(flat, targets, rows, classes, { ...options, mask: maskRows });
      const logits = { type: 'float32', dims, data: values } as const;
      const { losses, gradLogits } = await engine.crossEntropyGradient(logits, targets, {
        ...options,
        mask,
        axis: 1,
      });
      expectClose('losses', losses!, wanted.losses, 4e-6, 1);
      const wantedGradient = generalLossGradient(flat, targets, rows, classes, {
        ...options,
        mask: maskRows,
      });
      expectClose('gradLogits', toRows(gradLogits.data, outer, classes, inner), wantedGradient, 4e-6, 1);
    }
  });

  test('one-hot targets in any integer or floating array are class indices in another form', async () => {
    const targets = randomTargets(20, 7, 1);
    const oneHot = Array.from({ length: 140 }, (_, i) => (targets[Math.floor(i / 7)] === i % 7 ? 1 : 0));
    const logits = randomValues(140, 4, 2);
    const { lossSum } = await engine.crossEntropy(logits, targets, { columns: 7 });
    for (const dense of [
      oneHot,
      Uint8Array.from(oneHot),
      Float32Array.from(oneHot),
      Float64Array.from(oneHot),
    ]) {
      const result = await engine.crossEntropy(logits, dense, { columns: 7 });
      expect(Math.abs(result.lossSum - lossSum)).toBeLessThan(1e-5);
    }
  });

  test('ignored rows have no loss and a gradient of exactly 0, also where their logits are NaN', async () => {
    const logits = Float32Array.of(1, 2, Number.NaN, 4, 5, 6);
    const { loss, weightSum, losses, gradLogits } = await engine.crossEntropyGradient(logits, [1, -100, 0], {
      columns: 2,
      reduction: 'none',
    });
    expect(weightSum).toBe(2);
    expect(losses![1]).toBe(0);
    expect([...gradLogits.data.subarray(2, 4)]).toEqual([0, 0]);
    expect(loss).toBeCloseTo((losses![0]! + losses![2]!) / 2, 6);
  });

  test('no row left: onEmpty decides the mean, the gradient is 0', async () => {
    const logits = Float32Array.of(1, 2, 3, 4);
    const call = (onEmpty: 'nan' | 'zero' | 'throw') =>
      engine.crossEntropyGradient(logits, [-100, -100], { columns: 2, onEmpty });
    expect(await call('nan')).toMatchObject({ loss: Number.NaN, lossSum: 0, weightSum: 0 });
    expect(await call('zero')).toMatchObject({ loss: 0, lossSum: 0, weightSum: 0 });
    expect([...(await call('nan')).gradLogits.data]).toEqual([0, 0, 0, 0]);
    const error = await failure(() => call('throw'));
    expect(error).toMatchObject({ code: 'ERR_EMPTY' });
    expect(error.message).toContain('all 2 rows are ignored');
  });

  test.each<Losses.LossOptions>([
    { zLoss: 0.1 },
    { labelSmoothing: 0.5 },
    { labelSmoothing: 0.5, zLoss: 0.1 },
  ])(
    '%o gives rows of no weight a loss: its mean is NaN or 0, the gradient 0, and a sum is as ever',
    async (options) => {
      const weight = [0, 1, 1];
      for (const logits of [Float32Array.of(1, 2, 3), Float64Array.of(1, 2, 3)]) {
        const call = (more: Losses.LossOptions) =>
          engine.crossEntropyGradient(logits, [0], { columns: 3, weight, ...options, ...more });
        const { loss, lossSum, zLoss, weightSum, gradLogits } = await call({});
        expect({ loss, weightSum }).toEqual({ loss: Number.NaN, weightSum: 0 });
        expect(lossSum).toBeGreaterThan(0);
        expect(zLoss).toBe(options.zLoss === undefined ? undefined : Number.NaN);
        expect([...gradLogits.data]).toEqual([0, 0, 0]);
        expect((await call({ onEmpty: 'zero' })).loss).toBe(0);
        expect(await failure(() => call({ onEmpty: 'throw' }))).toMatchObject({ code: 'ERR_EMPTY' });
        const sum = await call({ reduction: 'sum' });
        const wanted = { weight, ...options, reduction: 'sum' } as const;
        expect(sum.loss).toBe(lossSum);
        const slopes = generalLossGradient(logits, [0], 1, 3, wanted);
        for (const [i, slope] of slopes.entries()) expect(sum.gradLogits.data[i]).toBeCloseTo(slope, 6);
      }
    },
  );

  test("onInvalidTarget 'ignore' leaves rows out whose target is no class, in any array", async () => {
    const logits = randomValues(12, 3, 3);
    const wanted = await engine.crossEntropy(logits.slice(0, 3), [2], { columns: 3 });
    const forms = [
      [2, 0.5, 7, Number.NaN],
      Int32Array.of(2, 3, -7, 99),
      Uint8Array.of(2, 3, 200, 99),
      BigInt64Array.of(2n, 2n ** 32n, -1n, 3n),
    ];
    for (const targets of forms) {
      const options = { columns: 3, onInvalidTarget: 'ignore' } as const;
      const { loss, weightSum } = await engine.crossEntropy(logits, targets, options);
      expect(weightSum).toBe(1);
      expect(loss).toBeCloseTo(wanted.loss, 6);
    }
  });

  test('statistics are what the formulas say, within 4e-6', async () => {
    const [rows, classes] = [37, 9];
    const logits = randomValues(rows * classes, 4, 8);
    const targets = randomTargets(rows, classes, 9);
    targets[5] = -100;
    const names = [
      'logSumExp',
      'argMax',
      'correct',
      'topKCorrect',
      'entropy',
      'margin',
      'targetProbability',
    ] as const;
    const { statistics } = await engine.crossEntropy(logits, targets, {
      columns: classes,
      statistics: names,
      topK: 3,
    });
    for (let row = 0; row < rows; row++) {
      const z = Array.from(logits.subarray(row * classes, (row + 1) * classes));
      const sum = z.reduce((total, value) => total + Math.exp(value), 0);
      const p = z.map((value) => Math.exp(value) / sum);
      const target = targets[row]!;
      if (target < 0) {
        expect([statistics!.argMax![row], statistics!.correct![row], statistics!.topKCorrect![row]]).toEqual([
          -1, 0, 0,
        ]);
        for (const name of ['logSumExp', 'entropy', 'margin', 'targetProbability'] as const)
          expect(statistics![name]![row]).toBeNaN();
        continue;
      }
      const rank = z.filter((value) => value > z[target]!).length;
      const others = Math.max(...z.filter((_, j) => j !== target));
      const entropy = -p.reduce((total, value) => total + value * Math.log(value), 0);
      expect(statistics!.argMax![row]).toBe(z.indexOf(Math.max(...z)));
      expect(statistics!.correct![row]).toBe(rank === 0 ? 1 : 0);
      expect(statistics!.topKCorrect![row]).toBe(rank < 3 ? 1 : 0);
      expectClose(
        'statistics',
        [
          statistics!.logSumExp![row]!,
          statistics!.entropy![row]!,
          statistics!.margin![row]!,
          statistics!.targetProbability![row]!,
        ],
        [Math.log(sum), entropy, z[target]! - others, p[target]!],
        4e-6,
        1,
      );
    }
  });

  test('a confident row keeps its small loss: within 1e-5 relative', async () => {
    const logits = Float32Array.of(20, 0, 0, -30, 0, 1);
    const { losses } = await engine.crossEntropy(logits, [0, 2], { columns: 3, reduction: 'none' });
    expect(losses![0]! / (2 * Math.exp(-20))).toBeCloseTo(1, 5);
    const { data } = await engine.logSoftmax(logits, { columns: 3 });
    expect(data[0]! / -(2 * Math.exp(-20))).toBeCloseTo(1, 5);
  });

  test('no call keeps memory', async () => {
    const { usedBytes } = engine.memoryUsage();
    const options = {
      columns: 10,
      labelSmoothing: 0.1,
      weight: new Float32Array(10).fill(1),
      statistics: ['argMax'],
    } as const;
    await engine.crossEntropyGradient(randomValues(1000, 1, 1), randomTargets(100, 10, 1), options);
    await failure(() =>
      engine.crossEntropy(randomValues(1000, 1, 1), randomTargets(100, 10, 1), {
        ...options,
        signal: AbortSignal.abort(),
      }),
    );
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });
});

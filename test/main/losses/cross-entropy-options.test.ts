// Cross-entropy with its options through the engine: against the reference, in every element type, along every axis.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generalLoss, generalLossGradient } from '#softshard/kernels/reference/index.js';
import {
  type CrossEntropyGradientOptions,
  Engine,
  type FloatType,
  mergeLosses,
  partSize,
  type Tensor,
} from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';

type Numbers = Float32Array | Float64Array;

/** Rows of [outer × classes × inner] beside each other, in the order of the rows. */
function toRows<T extends ArrayLike<number>>(
  values: T,
  outer: number,
  classes: number,
  inner: number,
): Float64Array {
  const rows = new Float64Array(values.length);
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < classes; c++) {
      for (let i = 0; i < inner; i++)
        rows[(o * inner + i) * classes + c] = values[(o * classes + c) * inner + i]!;
    }
  }
  return rows;
}

/** The numbers that half types hold, exactly: multiples of 1/16 of few digits. */
const coarse = (values: Float32Array) => values.map((value) => Math.round(value * 16) / 16);

const toBfloat16 = (values: Float32Array) =>
  Uint16Array.from(new Uint32Array(values.slice().buffer), (bits) => bits >>> 16);

/** IEEE half bits of numbers that half precision holds exactly. */
function toFloat16(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, (value) => {
    if (value === 0) return 0;
    const exponent = Math.floor(Math.log2(Math.abs(value)));
    const fraction = (Math.abs(value) / 2 ** exponent - 1) * 1024;
    return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
  });
}

function tensorOf(type: FloatType, dims: readonly number[], values: Float32Array): Tensor<FloatType> {
  if (type === 'float64') return { type, dims, data: Float64Array.from(values) };
  if (type === 'bfloat16') return { type, dims, data: toBfloat16(values) };
  return type === 'float16' ? { type, dims, data: toFloat16(values) } : { type, dims, data: values.slice() };
}

const fromBfloat16 = (bits: Uint16Array) =>
  new Float32Array(Uint32Array.from(bits, (half) => half << 16).buffer);

function fromFloat16(bits: Uint16Array): Float32Array {
  return Float32Array.from(bits, (half) => {
    const exponent = (half >> 10) & 31;
    const fraction = (half & 1023) / 1024;
    const size = exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15);
    return half & 0x8000 ? -size : size;
  });
}

function numbersOf({ type, data }: Tensor<FloatType>): Numbers {
  if (type === 'bfloat16') return fromBfloat16(data as Uint16Array);
  return type === 'float16' ? fromFloat16(data as Uint16Array) : (data as Numbers);
}

/** How far results may be from float64: of a loss, and of a gradient that is stored in that type. */
const BOUNDS: Readonly<Record<FloatType, { loss: number; gradient: number }>> = {
  float32: { loss: 4e-6, gradient: 4e-6 },
  float64: { loss: 1e-13, gradient: 1e-13 },
  bfloat16: { loss: 4e-6, gradient: 2 ** -8 },
  float16: { loss: 4e-6, gradient: 2 ** -11 },
};

function expectClose(
  what: string,
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
  relative: number,
  unit: number,
) {
  expect(got.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    if (Math.abs(got[i]! - wanted[i]!) <= relative * Math.max(unit, Math.abs(wanted[i]!))) continue;
    expect.fail(`${what} at ${i}: expected ${wanted[i]}, got ${got[i]}`);
  }
}

/** The reference takes a mask in another form. */
type Options = Omit<CrossEntropyGradientOptions, 'mask'>;

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
    gradLosses: fc.boolean(),
    gradScale: optional(fc.constantFrom(-2, 0.25)),
  })
  .map(({ outer, classes, inner, seed, soft, weight, sampleWeight, ignore, gradLosses, ...rest }) => {
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
        ...(gradLosses && rest.reduction === 'none' && { gradLosses: randomValues(rows, 2, seed + 3) }),
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
    // gradLosses take the kernels with options, where without them those of plain cross-entropy may do.
    if (options.gradLosses === undefined) expect(losses.lossSum).toBe(result.lossSum);
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

  const lossOnly = ({ gradLosses: _, gradScale: __, ...options }: Options) => options;

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

  test('laws: shift invariance, rows of a gradient sum to 0, permuting rows or classes permutes results', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 2, max: 40 }),
        fc.nat(1e6),
        async (rows, classes, seed) => {
          const logits = coarse(randomValues(rows * classes, 5, seed));
          const targets = randomTargets(rows, classes, seed + 1);
          const options = { columns: classes, reduction: 'none' } as const;
          const { losses, gradLogits } = await engine.crossEntropyGradient(logits, targets, options);
          // Multiples of 1/16 shift exactly.
          const shifted = await engine.crossEntropyGradient(
            logits.map((z) => z + 8),
            targets,
            options,
          );
          expect(bitsOf(shifted.gradLogits.data)).toBe(bitsOf(gradLogits.data));
          for (let row = 0; row < rows; row++) {
            const sum = gradLogits.data
              .subarray(row * classes, (row + 1) * classes)
              .reduce((total, g) => total + g, 0);
            expect(Math.abs(sum)).toBeLessThan(1e-6 * Math.sqrt(classes));
          }
          const turned = Float32Array.from(
            logits,
            (_, i) => logits[(rows - 1 - Math.floor(i / classes)) * classes + (i % classes)]!,
          );
          const turnedRows = await engine.crossEntropy(turned, targets.slice().reverse(), options);
          expect(bitsOf(turnedRows.losses!)).toBe(bitsOf(losses!.slice().reverse()));
          const mirrored = Float32Array.from(
            logits,
            (_, i) => logits[Math.floor(i / classes) * classes + classes - 1 - (i % classes)]!,
          );
          const mirroredClasses = await engine.crossEntropy(
            mirrored,
            targets.map((target) => classes - 1 - target),
            options,
          );
          expectClose('losses', mirroredClasses.losses!, losses!, 2e-6, 1);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('ignoring a row is removing it: the same losses of the others, the same weightSum', async () => {
    const logits = randomValues(50 * 6, 4, 1);
    const targets = randomTargets(50, 6, 2);
    const keep = targets.map((_, row) => (row % 3 === 0 ? 0 : 1));
    const ignored = await engine.crossEntropy(
      logits,
      targets.map((target, row) => (keep[row] ? target : -100)),
      { columns: 6, reduction: 'none', labelSmoothing: 0.1 },
    );
    const rows = Array.from(keep.keys()).filter((row) => keep[row]);
    const less = Float32Array.from(rows.flatMap((row) => [...logits.subarray(row * 6, row * 6 + 6)]));
    const removed = await engine.crossEntropy(
      less,
      rows.map((row) => targets[row]!),
      { columns: 6, reduction: 'none', labelSmoothing: 0.1 },
    );
    expect(ignored.weightSum).toBe(removed.weightSum);
    expect(bitsOf(Float32Array.from(rows, (row) => ignored.losses![row]!))).toBe(bitsOf(removed.losses!));
  });

  test('parts of partSize, merged, have the bits of the whole batch; of any size the exact mean', async () => {
    for (const [dims, axis] of [
      [[5000, 33], 1],
      [[700, 12, 9], 1],
      [[40, 3, 2000], 1],
    ] as const) {
      const size = dims.reduce((all, dim) => all * dim, 1);
      const data = randomValues(size, 8, 3);
      const entry = size / dims[0];
      const rowsAnEntry = entry / dims[1];
      const targets = randomTargets(dims[0] * rowsAnEntry, dims[1], 4);
      targets[3] = -100;
      const options = { axis, zLoss: 0.01, labelSmoothing: 0.1, reduction: 'sum' } as const;
      const whole = await engine.crossEntropy({ type: 'float32', dims, data }, targets, options);
      const inParts = async (part: number) => {
        const parts = [];
        for (let begin = 0; begin < dims[0]; begin += part) {
          const end = Math.min(dims[0], begin + part);
          const cut = {
            type: 'float32',
            dims: [end - begin, ...dims.slice(1)],
            data: data.subarray(begin * entry, end * entry),
          } as const;
          parts.push(
            await engine.crossEntropy(cut, targets.subarray(begin * rowsAnEntry, end * rowsAnEntry), options),
          );
        }
        return { merged: mergeLosses(parts, { reduction: 'sum' }), count: parts.length };
      };
      const exact = await inParts(partSize(dims, 1, { axis })!);
      expect(exact.count).toBeGreaterThan(1);
      expect(exact.merged).toEqual({
        loss: whole.loss,
        lossSum: whole.lossSum,
        weightSum: whole.weightSum,
        zLoss: whole.zLoss,
      });
      const uneven = await inParts(17);
      expect(Math.abs(uneven.merged.lossSum / whole.lossSum - 1)).toBeLessThan(1e-12);
    }
    expect(partSize([5, 6], 1, { axis: 0 })).toBeUndefined();
  });

  test('ignored rows in some parts only: the others keep their bits, so merged parts have those of the whole', async () => {
    const dims = [4000, 50];
    const data = randomValues(4000 * 50, 8, 11);
    const targets = randomTargets(4000, 50, 12);
    for (let row = 100; row < 140; row++) targets[row] = row % 3 === 0 ? 7 : -100;
    const whole = await engine.crossEntropyGradient({ type: 'float32', dims, data }, targets, {
      reduction: 'none',
    });
    const size = partSize(dims, 1)!;
    const parts = [];
    const gradients = [];
    for (let begin = 0; begin < 4000; begin += size) {
      const end = Math.min(4000, begin + size);
      const part = {
        type: 'float32',
        dims: [end - begin, 50],
        data: data.subarray(begin * 50, end * 50),
      } as const;
      const result = await engine.crossEntropyGradient(part, targets.subarray(begin, end), {
        reduction: 'none',
      });
      parts.push(result);
      gradients.push(...result.gradLogits.data);
    }
    expect(mergeLosses(parts)).toEqual({
      loss: whole.loss,
      lossSum: whole.lossSum,
      weightSum: whole.weightSum,
    });
    expect(bitsOf(Float32Array.from(gradients))).toBe(bitsOf(whole.gradLogits.data));
    for (let row = 100; row < 140; row++) {
      if (targets[row]! >= 0) continue;
      expect(whole.losses![row]).toBe(0);
      expect(whole.gradLogits.data.subarray(row * 50, row * 50 + 50).every((g) => Object.is(g, 0))).toBe(
        true,
      );
    }
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

describe.each(builds)('the same bits with options (%s)', (numerics) => {
  async function digests(threads: number, arenaBytes: number): Promise<string[]> {
    await using engine = await Engine.create({ threads, numerics, arenaBytes });
    const found: string[] = [];
    for (const type of ['float32', 'float64', 'bfloat16', 'float16'] as const) {
      for (const [dims, axis] of [
        [[900, 70], 1],
        [[30, 21, 100], 1],
        [[4, 100, 30], 1],
        [[2, 40, 500], 1],
      ] as const) {
        const size = dims.reduce((all, dim) => all * dim, 1);
        const rows = size / dims[axis];
        const logits = tensorOf(type, dims, coarse(randomValues(size, 9, 5)));
        const targets = randomTargets(rows, dims[axis], 6);
        targets[7] = -100;
        const options = {
          axis,
          reduction: 'none',
          labelSmoothing: 0.1,
          temperature: 1.5,
          softcap: 20,
          zLoss: 0.01,
          focalGamma: 2,
          weight: randomValues(dims[axis], 1, 7).map(Math.abs),
          sampleWeight: randomValues(rows, 1, 8).map(Math.abs),
          statistics: ['logSumExp', 'argMax', 'correct', 'entropy', 'margin', 'targetProbability'],
        } as const;
        const result = await engine.crossEntropyGradient(logits, targets, options);
        const { statistics } = result;
        found.push(
          bitsOf(
            result.lossSum,
            result.weightSum,
            result.zLoss!,
            result.losses!,
            result.gradLogits.data,
            ...Object.values(statistics!),
          ),
        );
        const soft = await engine.crossEntropyGradient(
          logits,
          { type: 'float32', dims, data: randomValues(size, 1, 9).map(Math.abs) },
          { axis },
        );
        found.push(bitsOf(soft.lossSum, soft.gradLogits.data));
        found.push(
          bitsOf(
            (await engine.softmax(logits, { axis })).data,
            (await engine.logSoftmax(logits, { axis })).data,
            (await engine.logSumExp(logits, { axis })).data,
          ),
        );
      }
    }
    return found;
  }

  test('for 1, 2, 3 and 8 threads, and in windows of a small arena', async () => {
    const one = await digests(1, 64 * 1024 * 1024);
    for (const threads of [2, 3, 8]) expect(await digests(threads, 64 * 1024 * 1024)).toEqual(one);
    expect(await digests(2, 2 * 1024 * 1024)).toEqual(one);
  });
});

describe('wrong options', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 1 });
  });
  afterAll(() => engine.close());

  test.each<[string, string, RegExp, Record<string, unknown>]>([
    [
      'a weight of the wrong length',
      'ERR_SHAPE',
      /options\.weight has 2 entries for 3 classes/,
      { weight: [1, 2] },
    ],
    ['a negative weight', 'ERR_OPTION', /options\.weight\[1\] is -1.*at least 0/, { weight: [1, -1, 1] }],
    ['a weight that is none', 'ERR_TYPE', /options\.weight is 3/, { weight: 3 }],
    [
      'a NaN sample weight',
      'ERR_OPTION',
      /options\.sampleWeight\[0\] is NaN/,
      { sampleWeight: [Number.NaN, 1] },
    ],
    [
      'label smoothing above 1',
      'ERR_OPTION',
      /options\.labelSmoothing is 1\.5.*from 0 to 1/,
      { labelSmoothing: 1.5 },
    ],
    ['temperature 0', 'ERR_OPTION', /options\.temperature is 0.*above 0/, { temperature: 0 }],
    ['softcap 0', 'ERR_OPTION', /options\.softcap is 0/, { softcap: 0 }],
    ['a negative z-loss', 'ERR_OPTION', /options\.zLoss is -1/, { zLoss: -1 }],
    ['a fractional ignoreIndex', 'ERR_OPTION', /options\.ignoreIndex is 0\.5/, { ignoreIndex: 0.5 }],
    ['gradLosses with a mean', 'ERR_OPTION', /reduction 'mean'.*'none'/, { gradLosses: [1, 1] }],
    ['an infinite gradScale', 'ERR_OPTION', /options\.gradScale is Infinity/, { gradScale: Infinity }],
    ['onEmpty that is none', 'ERR_OPTION', /'nan', 'zero', 'throw'/, { onEmpty: 'one' }],
    ['an unknown statistic', 'ERR_OPTION', /'argMin'.*'argMax'/, { statistics: ['argMin'] }],
    ['topK above the classes', 'ERR_OPTION', /options\.topK is 4/, { topK: 4 }],
    ['a mask of floats', 'ERR_TYPE', /options\.mask is/, { mask: new Float32Array(6) }],
    ['a mask of the wrong size', 'ERR_SHAPE', /options\.mask has 3 entries/, { mask: new Uint8Array(3) }],
    ['an axis out of range', 'ERR_OPTION', /options\.axis is 2.*from -2 to 1/, { axis: 2 }],
    ['a misspelled option', 'ERR_OPTION', /no option 'labelsmoothing'/, { labelsmoothing: 0.1 }],
  ])('%s: %s', async (_, code, message, options) => {
    const logits = { type: 'float32', dims: [2, 3], data: new Float32Array(6) } as const;
    const error = await failure(() => engine.crossEntropyGradient(logits, [0, 1], options as never));
    expect({ code: error.code, message: error.message }).toEqual({
      code,
      message: expect.stringMatching(message),
    });
  });

  test('statistics of the target with soft targets: ERR_OPTION', async () => {
    const call = () =>
      engine.crossEntropy(new Float32Array(6), new Float32Array(6), { columns: 3, statistics: ['margin'] });
    expect((await failure(call)).message).toMatch(/'margin', which needs class indices/);
  });

  test('a target that is neither a class nor ignoreIndex says so', async () => {
    const error = await failure(() =>
      engine.crossEntropy(new Float32Array(6), [0, 3], { columns: 3, ignoreIndex: -1 }),
    );
    expect(error).toMatchObject({ code: 'ERR_TARGET_RANGE', row: 1, value: 3 });
    expect(error.message).toContain('or -1 (options.ignoreIndex)');
  });
});

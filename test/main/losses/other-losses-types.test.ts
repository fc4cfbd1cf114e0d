// The losses beside crossEntropy in every element type and along any axis: float64 against the formulas, the others bit
// for bit against float32 rows.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import {
  Engine,
  type FloatType,
  type LogitsInput,
  type RowLossResult,
  type Tensor,
} from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { halfBits, halfNumber, TYPES } from '../../kernels/tiles/block.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';
import { rowSums } from './workbench.js';

type Numbers = Float32Array | Float64Array;
type HalfType = 'bfloat16' | 'float16';

/** A batch [outer × columns × inner] in an element type, and what it is compared with, as a call takes them. */
interface Batch {
  readonly engine: Engine;
  readonly axis: number;
  /** In (0.05, 1.05). */
  readonly outputs: Tensor<FloatType>;
  readonly teacher: Tensor<FloatType>;
  /** In (0, 1), one for each output. */
  readonly dense: Numbers;
  readonly targets: Int32Array;
  /** One for each row. */
  readonly rowNumbers: Numbers;
  /** One for each column. */
  readonly columnNumbers: Numbers;
}

interface Outcome {
  readonly result: RowLossResult;
  readonly gradient: Tensor<FloatType>;
}

/** Every loss, with the options that take arrays. */
const LOSSES: Readonly<Record<string, (batch: Batch) => Promise<Outcome>>> = {
  nllLoss: async ({ engine, axis, outputs, targets, rowNumbers, columnNumbers }) => {
    const { gradLogProbabilities: gradient, ...result } = await engine.nllLossGradient(outputs, targets, {
      axis,
      reduction: 'none',
      weight: columnNumbers,
      sampleWeight: rowNumbers,
      ignoreIndex: 1,
      gradLosses: rowNumbers,
    });
    return { result, gradient };
  },
  'crossEntropyOfProbabilities, classes': async ({ engine, axis, outputs, targets }) => {
    const options = { axis, reduction: 'none', floor: 0.3 } as const;
    const { gradProbabilities: gradient, ...result } = await engine.crossEntropyOfProbabilitiesGradient(
      outputs,
      targets,
      options,
    );
    return { result, gradient };
  },
  'crossEntropyOfProbabilities, dense': async ({ engine, axis, outputs, dense, rowNumbers }) => {
    const { gradProbabilities: gradient, ...result } = await engine.crossEntropyOfProbabilitiesGradient(
      outputs,
      dense,
      { axis, reduction: 'none', gradLosses: rowNumbers, gradScale: -2 },
    );
    return { result, gradient };
  },
  'meanSquaredError, dense': async ({ engine, axis, outputs, dense, rowNumbers }) => {
    const options = { axis, reduction: 'none', gradLosses: rowNumbers } as const;
    const { gradOutputs: gradient, ...result } = await engine.meanSquaredErrorGradient(
      outputs,
      dense,
      options,
    );
    return { result, gradient };
  },
  'meanSquaredError, through softmax': async ({ engine, axis, outputs, targets }) => {
    const options = { axis, reduction: 'none', throughSoftmax: true } as const;
    const { gradOutputs: gradient, ...result } = await engine.meanSquaredErrorGradient(
      outputs,
      targets,
      options,
    );
    return { result, gradient };
  },
  'klDivergence from logits': async ({ engine, axis, outputs, teacher }) => {
    const { gradLogits: gradient, ...result } = await engine.klDivergenceGradient(
      outputs,
      { targetLogits: teacher as Tensor<'float32'> },
      { axis, reduction: 'none', temperature: 0.5 },
    );
    return { result, gradient };
  },
  'klDivergence from probabilities': async ({ engine, axis, outputs, dense }) => {
    const { gradLogits: gradient, ...result } = await engine.klDivergenceGradient(
      outputs,
      { targetProbabilities: dense },
      { axis, reduction: 'none' },
    );
    return { result, gradient };
  },
  distillation: async ({ engine, axis, outputs, teacher, targets, rowNumbers }) => {
    const { gradLogits: gradient, ...result } = await engine.distillationGradient(outputs, teacher, targets, {
      axis,
      reduction: 'none',
      temperature: 2,
      ignoreIndex: 0,
      gradLosses: rowNumbers,
    });
    return { result, gradient };
  },
  'binaryCrossEntropyWithLogits, weights of columns': async ({
    engine,
    axis,
    outputs,
    dense,
    columnNumbers,
  }) => {
    const { gradLogits: gradient, ...result } = await engine.binaryCrossEntropyWithLogitsGradient(
      outputs,
      dense,
      { axis, reduction: 'none', weight: columnNumbers, posWeight: columnNumbers },
    );
    return { result, gradient };
  },
  'binaryCrossEntropyWithLogits, weights of elements': async ({ engine, axis, outputs, teacher, dense }) => {
    const { gradLogits: gradient, ...result } = await engine.binaryCrossEntropyWithLogitsGradient(
      outputs,
      dense,
      { axis, reduction: 'none', weight: teacher },
    );
    return { result, gradient };
  },
};

const SHAPES = [
  [5, 1, 1],
  [3, 5, 4],
  [4, 1, 9],
  [2, 67, 33],
  [1, 10, 2000],
  [700, 3, 2],
  [2, 1030, 3],
] as const;

const positive = (length: number, seed: number): Float32Array =>
  randomValues(length, 0.5, seed).map((value) => value + 0.55);

/** Rows [outer · inner × columns] to [outer × columns × inner] (or, with `back`, the way back). */
function turned<Values extends Numbers | Uint16Array>(
  values: Values,
  [outer, columns, inner]: readonly [number, number, number],
  back = false,
): Values {
  const result = values.slice() as Values;
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < columns; j++) {
      for (let i = 0; i < inner; i++) {
        const inRows = (o * inner + i) * columns + j;
        const apart = (o * columns + j) * inner + i;
        result[back ? inRows : apart] = values[back ? apart : inRows]!;
      }
    }
  }
  return result;
}

const storageOf = (type: HalfType) => TYPES.find(({ name }) => name === type)!;
const narrowed = (values: Numbers, type: HalfType): Uint16Array =>
  Uint16Array.from(values, (value) => halfBits(storageOf(type), value));
const widened = (bits: Uint16Array, type: HalfType): Float32Array =>
  Float32Array.from(bits, (half) => halfNumber(storageOf(type), half));

/** Numbers of a batch's rows, from which batches of any layout are made. */
interface Rows {
  readonly outputs: Numbers;
  readonly teacher: Numbers;
  readonly dense: Numbers;
  readonly targets: Int32Array;
  readonly rowNumbers: Numbers;
  readonly columnNumbers: Numbers;
}

function rowsOf(rows: number, columns: number, as: (values: Float32Array) => Numbers): Rows {
  return {
    outputs: as(positive(rows * columns, 1)),
    teacher: as(positive(rows * columns, 2)),
    dense: as(randomValues(rows * columns, 0.5, 3).map((value) => Math.abs(value))),
    targets: randomTargets(rows, columns, 4),
    rowNumbers: as(positive(rows, 5)),
    columnNumbers: as(positive(columns, 6)),
  };
}

const typeOf = (values: Numbers) => (values instanceof Float32Array ? 'float32' : 'float64');
const tensor = (dims: readonly number[], data: Numbers): Tensor<FloatType> =>
  ({ type: typeOf(data), dims, data }) as Tensor<FloatType>;

const plainBatch = (engine: Engine, rows: Rows, columns: number): Batch => {
  const dims = [rows.outputs.length / columns, columns];
  return {
    engine,
    ...rows,
    axis: -1,
    outputs: tensor(dims, rows.outputs),
    teacher: tensor(dims, rows.teacher),
  };
};

describe.each(builds)('element types and axes of the losses beside crossEntropy (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  describe.each(Object.entries(LOSSES))('%s', (_name, lossOf) => {
    test.each(SHAPES)(
      'along axis 1 of [%i, %i, %i] has the bits of its rows, in float32 and float64',
      async (...shape) => {
        const [outer, columns, inner] = shape;
        const dims = [outer, columns, inner];
        for (const as of [
          (values: Float32Array) => values,
          (values: Float32Array) => Float64Array.from(values),
        ]) {
          const rows = rowsOf(outer * inner, columns, as);
          const plain = await lossOf(plainBatch(engine, rows, columns));
          const apart = await lossOf({
            engine,
            ...rows,
            axis: 1,
            outputs: tensor(dims, turned(rows.outputs, shape)),
            teacher: tensor(dims, turned(rows.teacher, shape)),
            dense: turned(rows.dense, shape),
          });
          expect(apart.gradient.type).toBe(typeOf(rows.outputs));
          expect(apart.gradient.dims).toEqual(dims);
          expect(apart.result.losses!.constructor).toBe(rows.outputs.constructor);
          expect(bitsOf(apart.result.losses!)).toBe(bitsOf(plain.result.losses!));
          expect(bitsOf(turned(apart.gradient.data as Numbers, shape, true))).toBe(
            bitsOf(plain.gradient.data),
          );
          if (columns > 1) expect(plain.gradient.data.some((value) => value !== 0)).toBe(true);
          const { lossSum, weightSum } = plain.result;
          expect(Math.abs(apart.result.lossSum - lossSum)).toBeLessThanOrEqual(1e-12 * Math.abs(lossSum));
          expect(Math.abs(apart.result.weightSum - weightSum)).toBeLessThanOrEqual(1e-12 * weightSum);
        }
      },
    );

    test.each(['bfloat16', 'float16'] as const)(
      'of %s has the losses of the widened numbers, bit for bit, and their gradient rounded once',
      async (type) => {
        for (const shape of SHAPES) {
          const [outer, columns, inner] = shape;
          const dims = [outer, columns, inner];
          const given = rowsOf(outer * inner, columns, (values) => values);
          const outputs = narrowed(given.outputs, type);
          const teacher = narrowed(given.teacher, type);
          const rows = { ...given, outputs: widened(outputs, type), teacher: widened(teacher, type) };
          const plain = await lossOf(plainBatch(engine, rows, columns));
          const wanted = narrowed(plain.gradient.data as Numbers, type);
          const half = (data: Uint16Array): Tensor<FloatType> => ({ type, dims, data });
          for (const itsTeacher of [
            half(turned(teacher, shape)),
            tensor(dims, turned(rows.teacher, shape)),
          ]) {
            const got = await lossOf({
              engine,
              ...rows,
              axis: 1,
              outputs: half(turned(outputs, shape)),
              teacher: itsTeacher,
              dense: turned(rows.dense, shape),
            });
            expect(got.gradient.type).toBe(type);
            expect(bitsOf(got.result.losses!)).toBe(bitsOf(plain.result.losses!));
            expect(bitsOf(turned(got.gradient.data as Uint16Array, shape, true))).toBe(bitsOf(wanted));
          }
          const flat = { type, dims: [outer * inner, columns], data: outputs } as Tensor<FloatType>;
          const last = await lossOf({ ...plainBatch(engine, rows, columns), outputs: flat });
          expect(bitsOf(last.gradient.data)).toBe(bitsOf(wanted));
        }
      },
    );
  });

  test('float64 is computed in float64: losses within 2e-14 and gradients within 4e-15 of the largest element', async () => {
    const near = (got: ArrayLike<number>, wanted: ArrayLike<number>, bound: number, what: string) => {
      expect(got.length).toBe(wanted.length);
      const largest = Array.from(wanted).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (let i = 0; i < wanted.length; i++) {
        if (Math.abs(got[i]! - wanted[i]!) <= bound * largest) continue;
        expect.fail(`${what}[${i}]: expected ${wanted[i]} ± ${bound * largest}, got ${got[i]}`);
      }
    };
    for (const [rows, columns] of [
      [3, 1],
      [2, 2],
      [37, 3],
      [65, 67],
      [9, 1025],
    ] as const) {
      const spread = (length: number, scale: number, seed: number) =>
        Float64Array.from(randomValues(length, scale, seed), (value, i) => value + Math.sin(i) * 1e-9);
      const z = spread(rows * columns, 8, 1);
      const t = spread(rows * columns, 8, 2);
      const targets = randomTargets(rows, columns, 3);
      const a = reference.mapRows(z, rows, columns, reference.softmax);
      const q = reference.mapRows(t, rows, columns, reference.softmax);
      const options = { columns, reduction: 'sum' } as const;

      const logs = reference.mapRows(z, rows, columns, reference.logSoftmax);
      const nll = await engine.nllLossGradient(logs, targets, { columns });
      near([nll.loss], [reference.nllLoss(logs, targets, rows, columns).mean], 2e-15, 'nll');
      const nllGradient = reference.nllLossGradient(logs, targets, rows, columns);
      near(nll.gradLogProbabilities.data, nllGradient, 2e-16, 'gradient of nll');

      const dense = await engine.crossEntropyOfProbabilitiesGradient(a, q, options);
      near([dense.loss], [reference.crossEntropyOfProbabilities(a, q, rows, columns)], 2e-14, 'probability');
      // The reference is of the sum too.
      const denseGradient = reference.crossEntropyGradientOfProbabilities(a, q);
      near(dense.gradProbabilities.data, denseGradient, 4e-16, 'gradient of probability');

      const squared = await engine.meanSquaredErrorGradient(z, t, { columns });
      near([squared.loss], [reference.meanSquaredError(z, t)], 2e-14, 'squared');
      const squaredGradient = reference.meanSquaredErrorGradientOfProbabilities(z, t);
      near(squared.gradOutputs.data, squaredGradient, 4e-16, 'gradient of squared');
      const oneHot = reference.oneHot(targets, columns);
      const through = await engine.meanSquaredErrorGradient(z, targets, { columns, throughSoftmax: true });
      near([through.loss], [reference.meanSquaredError(a, oneHot)], 2e-14, 'through softmax');
      const throughGradient = reference.meanSquaredErrorGradientOfLogits(a, oneHot, rows, columns);
      near(through.gradOutputs.data, throughGradient, 4e-15, 'gradient through softmax');

      for (const temperature of [1, 2.5]) {
        const divided = (values: Float64Array) => values.map((value) => value / temperature);
        const soft = reference.mapRows(divided(t), rows, columns, reference.softmax);
        const kl = { from: 'logits', reduction: 'sum' } as const;
        const wanted = reference.klDivergence(divided(z), soft, rows, columns, kl);
        const gradient = reference
          .klDivergenceGradient(divided(z), soft, rows, columns, kl)
          .map((value) => value / temperature);
        for (const teacher of [{ targetLogits: t }, { targetProbabilities: soft }]) {
          const got = await engine.klDivergenceGradient(z, teacher, { ...options, temperature });
          near([got.loss], [wanted], 2e-14, 'divergence');
          near(got.gradLogits.data, gradient, 4e-15, 'gradient of divergence');
        }
        const mix = { temperature, alpha: 0.3, ignoreIndex: columns > 2 ? 1 : -100 };
        const mixed = await engine.distillationGradient(z, t, targets, { columns, ...mix });
        const wantedMix = reference.distillation(z, t, targets, rows, columns, mix);
        near([mixed.lossSum], [wantedMix.lossSum], 2e-14, 'distillation');
        const mixGradient = reference.distillationGradient(z, t, targets, rows, columns, mix);
        near(mixed.gradLogits.data, mixGradient, 4e-15, 'gradient of distillation');
      }

      const posWeight = spread(columns, 0.5, 7).map((value) => value + 1);
      const binary = await engine.binaryCrossEntropyWithLogitsGradient(z, q, { ...options, posWeight });
      const wantedBinary = reference.binaryCrossEntropyWithLogits(z, q, rows, columns, {
        posWeight,
        reduction: 'none',
      });
      near([binary.loss], [rowSums(wantedBinary, wantedBinary.length)[0]!], 2e-14, 'binary');
      const binaryGradient = reference.binaryCrossEntropyWithLogitsGradient(z, q, rows, columns, {
        posWeight,
        reduction: 'sum',
      });
      near(binary.gradLogits.data, binaryGradient, 4e-15, 'gradient of binary');
    }
  });

  test('float64 divergences of nearly equal student and teacher keep 1e-8 relative accuracy down to 1e-9, and 5e-4 to 1e-19', async () => {
    const columns = 50;
    for (const [size, bound] of [
      [1e-1, 1e-12],
      [1e-4, 1e-8],
      [1e-9, 5e-4],
    ] as const) {
      const teacher = Float64Array.from(randomValues(20 * columns, 5, 13));
      const shifts = Float64Array.from(randomValues(20 * columns, 1, 14), (value) => value * size);
      const logits = teacher.map((z, i) => z + shifts[i]!);
      // Σ q (exp(r) - 1 - r), r = d - log Σ q exp(d), d the shift as it was stored: nothing of this cancels.
      const wanted = Array.from({ length: 20 }, (_, row) => {
        const q = reference.softmax(teacher.subarray(row * columns, (row + 1) * columns));
        const d = Array.from(q, (_, j) => logits[row * columns + j]! - teacher[row * columns + j]!);
        const shift = Math.log1p(q.reduce((sum, share, j) => sum + share * Math.expm1(d[j]!), 0));
        return q.reduce((sum, share, j) => {
          const r = d[j]! - shift;
          const rest =
            Math.abs(r) < 1e-2
              ? r * r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r / 5040)))))
              : Math.expm1(r) - r;
          return sum + share * rest;
        }, 0);
      });
      const { losses } = await engine.klDivergence(
        logits,
        { targetLogits: teacher },
        { columns, reduction: 'none' },
      );
      for (let row = 0; row < 20; row++) {
        expect(Math.abs(losses![row]! / wanted[row]! - 1), `row ${row}, ${size}`).toBeLessThan(bound);
      }
      expect(Math.min(...wanted)).toBeLessThan(size ** 2);
    }
  });

  test('float64 edge values: as float32, with the canonical NaN, and small losses down to e^-700', async () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
    const of = (...values: number[]) => Float64Array.from(values);
    const binary = await engine.binaryCrossEntropyWithLogitsGradient(
      of(inf, -inf, inf, -inf, 700, -30, nan),
      of(1, 0, 0, 1, 1, 0, 1),
      { columns: 1, reduction: 'none' },
    );
    expect([...binary.losses!].slice(0, 4)).toEqual([0, 0, inf, inf]);
    expect(Math.abs(binary.losses![4]! / Math.exp(-700) - 1)).toBeLessThan(1e-14);
    expect(Math.abs(binary.losses![5]! / Math.log1p(Math.exp(-30)) - 1)).toBeLessThan(1e-15);
    const bits = new BigUint64Array(binary.gradLogits.data.buffer, 48, 1);
    expect(bits[0]).toBe(0x7ff8000000000000n);
    for (const [student, teacher] of [
      [of(nan, 0, 0), of(0, 0, 0)],
      [of(inf, 0, 0), of(0, 0, 0)],
      [of(0, 0, 0), of(0, nan, 0)],
      [of(0, 0, 0), of(-inf, -inf, -inf)],
    ] as const) {
      const kl = await engine.klDivergenceGradient(student, { targetLogits: teacher }, { columns: 3 });
      expect([kl.loss, ...kl.gradLogits.data]).toEqual([nan, nan, nan, nan]);
    }
    const infinite = await engine.distillation(of(inf, 0), of(0, 0), [0], { columns: 2, alpha: 0 });
    expect(infinite.loss).toBeNaN();
    const confident = await engine.distillation(of(60, 0), of(0, 0), [0], { columns: 2, alpha: 0 });
    expect(Math.abs(confident.loss / Math.log1p(Math.exp(-60)) - 1)).toBeLessThan(1e-15);
    const hidden = await engine.klDivergenceGradient(
      of(0, 0, -inf),
      { targetLogits: of(0, 0, -inf) },
      { columns: 3 },
    );
    expect([hidden.loss, ...hidden.gradLogits.data]).toEqual([0, 0, 0, 0]);
    const zero = await engine.crossEntropyOfProbabilitiesGradient(of(0, 1), [0], { columns: 2 });
    expect(zero.loss).toBeCloseTo(1022 * Math.log(2), 10);
    expect([...zero.gradProbabilities.data]).toEqual([0, 0]);
    const spoiled = await engine.meanSquaredErrorGradient(of(nan, 0, 0, 0), [0, 1], {
      columns: 2,
      throughSoftmax: true,
      reduction: 'none',
    });
    expect([...spoiled.losses!]).toEqual([nan, 0.5]);
    expect([...spoiled.gradOutputs.data]).toEqual([nan, nan, 0.5, -0.5]);
  });

  test('in place, in the engine and into an array: the same bits along an axis of every type', async () => {
    const dims = [3, 17, 40];
    const values = positive(3 * 17 * 40, 9);
    for (const type of ['float32', 'float64', 'bfloat16', 'float16'] as const) {
      const data = () => {
        if (type === 'float64') return Float64Array.from(values);
        return type === 'float32' ? values.slice() : narrowed(values, type);
      };
      const input = () => ({ type, dims, data: data() }) as Tensor<FloatType>;
      const targets = randomTargets(120, 17, 3);
      const fresh = await engine.meanSquaredErrorGradient(input(), targets, { axis: 1 });
      const own = input();
      const inPlace = await engine.meanSquaredErrorGradient(own, targets, { axis: 1, into: own });
      expect(inPlace.gradOutputs).toBe(own);
      using resident = engine.tensor(type, dims);
      resident.data.set(data() as never);
      await engine.meanSquaredErrorGradient(resident, targets, { axis: 1, into: resident });
      for (const got of [own, resident]) expect(bitsOf(got.data)).toBe(bitsOf(fresh.gradOutputs.data));
    }
  });

  test('types that do not go together are refused, naming both', async () => {
    const x = Float32Array.of(0.1, 0.9, 0.5, 0.5);
    const y = Float64Array.from(x);
    const cases: [() => Promise<unknown>, RegExp][] = [
      [
        () => engine.klDivergence(x, { targetLogits: y }, { columns: 2 }),
        /targetLogits is float64, but the rows are float32/,
      ],
      [
        () => engine.distillation(y, x, [0, 1], { columns: 2 }),
        /teacherLogits is float32, but the rows are float64/,
      ],
      [
        () =>
          engine.binaryCrossEntropyWithLogits(x, x, {
            columns: 2,
            weight: { type: 'float64', dims: [2, 2], data: y },
          }),
        /options.weight is float64, but the rows are float32/,
      ],
      [
        () => engine.nllLossGradient(y, [0, 1], { columns: 2, into: x.slice() }),
        /options.into is float32; the result is float64/,
      ],
    ];
    for (const [call, message] of cases) {
      const error = await failure(call);
      expect(error.code).toBe('ERR_TYPE');
      expect(error.message).toMatch(message);
    }
  });

  test('a wrong target along an axis is named by its row, whose elements lie apart', async () => {
    const dims = [2, 3, 5];
    const x = { type: 'float32', dims, data: positive(30, 1) } as const;
    const targets = new Float32Array(30).fill(0.5);
    // Row 5 + 3 of the second outer, column 2.
    targets[15 + 2 * 5 + 3] = -1;
    const error = await failure(() => engine.crossEntropyOfProbabilities(x, targets, { axis: 1 }));
    expect(error).toMatchObject({ code: 'ERR_TARGET_RANGE', row: 8, value: -1 });
    expect(error.message).toContain('targets[8, 2] is -1');
  });
});

describe.each(builds)('the same bits of every type and axis (%s)', (numerics) => {
  const shape = [6, 21, 900] as const;
  const [outer, columns, inner] = shape;
  const rows = rowsOf(outer * inner, columns, (values) => values);

  async function allResults(threads: number, arenaBytes: number): Promise<Record<string, string>> {
    await using engine = await Engine.create({ threads, numerics, arenaBytes });
    const results: Record<string, string> = {};
    for (const type of ['float32', 'float64', 'bfloat16'] as const) {
      const as = (values: Numbers): LogitsInput => {
        const data = turned(values, shape);
        if (type === 'bfloat16') return { type, dims: shape, data: narrowed(data, type) };
        return tensor(shape, type === 'float64' ? Float64Array.from(data) : data) as LogitsInput;
      };
      for (const [name, lossOf] of Object.entries(LOSSES)) {
        const { result, gradient } = await lossOf({
          engine,
          ...rows,
          axis: 1,
          outputs: as(rows.outputs) as Tensor<FloatType>,
          teacher: as(rows.teacher) as Tensor<FloatType>,
          dense: turned(rows.dense, shape),
        });
        results[`${name} of ${type}`] = bitsOf(
          result.lossSum,
          result.weightSum,
          result.losses!,
          gradient.data,
        );
      }
    }
    return results;
  }

  test('for 1, 2, 3 and 8 threads, and when the arrays pass through a small arena in windows', async () => {
    const one = await allResults(1, 256 * 1024 * 1024);
    expect(Object.keys(one)).toHaveLength(30);
    for (const threads of [2, 3, 8]) expect(await allResults(threads, 256 * 1024 * 1024)).toEqual(one);
    expect(await allResults(2, 8 * 1024 * 1024)).toEqual(one);
  });
});

// The row losses in every element type and along any axis: bit for bit against float32 rows.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, type FloatInput, type FloatType, type Tensor } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { builds, randomTargets } from '../../kernels/workbench.js';
import {
  LOSSES,
  type NumericVector,
  narrowed,
  plainBatch,
  positive,
  rowsOf,
  tensor,
  turned,
  typeOf,
  widened,
} from './typed-losses.js';

const SHAPES = [
  [5, 1, 1],
  [3, 5, 4],
  [4, 1, 9],
  [2, 67, 33],
  [1, 10, 2000],
  [700, 3, 2],
  [2, 1030, 3],
] as const;

describe.each(builds)('element types and axes of the row losses (%s)', (numerics) => {
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
          expect(bitsOf(turned(apart.gradient.data as NumericVector, shape, true))).toBe(
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
          const wanted = narrowed(plain.gradient.data as NumericVector, type);
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
      expect(inPlace.gradPredictions).toBe(own);
      using resident = engine.tensor(type, dims);
      resident.data.set(data() as never);
      await engine.meanSquaredErrorGradient(resident, targets, { axis: 1, into: resident });
      for (const got of [own, resident]) expect(bitsOf(got.data)).toBe(bitsOf(fresh.gradPredictions.data));
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
  const as = (type: 'float32' | 'float64' | 'bfloat16', values: NumericVector): FloatInput => {
    const data = turned(values, shape);
    if (type === 'bfloat16') return { type, dims: shape, data: narrowed(data, type) };
    return tensor(shape, type === 'float64' ? Float64Array.from(data) : data) as FloatInput;
  };
  const operands = (['float32', 'float64', 'bfloat16'] as const).map((type) => ({
    type,
    outputs: as(type, rows.outputs) as Tensor<FloatType>,
    teacher: as(type, rows.teacher) as Tensor<FloatType>,
  }));
  const dense = turned(rows.dense, shape);

  async function allResults(threads: number, arenaBytes: number): Promise<Record<string, string>> {
    await using engine = await Engine.create({ threads, numerics, arenaBytes });
    const results: Record<string, string> = {};
    for (const { type, outputs, teacher } of operands) {
      for (const [name, lossOf] of Object.entries(LOSSES)) {
        const { result, gradient } = await lossOf({
          engine,
          ...rows,
          axis: 1,
          outputs,
          teacher,
          dense,
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

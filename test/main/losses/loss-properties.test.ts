// Laws of cross-entropy that hold for any batch, element type and options: what fast-check finds against them.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  Engine,
  type FloatType,
  type Losses,
  mergeLosses,
  partSize,
  type Tensor,
} from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { halfBits, halfNumber, TYPES } from '../../kernels/tiles/block.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';

type Elements = Float32Array | Float64Array | Uint16Array;

type Result = Losses.CrossEntropyResult & { readonly gradLogits: Tensor<FloatType> };

interface Batch {
  readonly type: FloatType;
  readonly rows: number;
  readonly classes: number;
  /** Multiples of 1/4 in [-8, 8]: every type has them, and they shift by 8 exactly. */
  readonly logits: readonly number[];
  readonly targets: Int32Array;
  /** [rows × classes] of any mass, or undefined for class indices. */
  readonly softTargets: Float64Array | undefined;
  /** But for what has one entry a row. */
  readonly options: Losses.CrossEntropyOptions;
  readonly sampleWeight: Float64Array | undefined;
  readonly seed: number;
}

const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined });

/** Those that leave shifts exact and gradients of mass 0: no soft cap and no z-loss. */
const options = fc.record({
  labelSmoothing: maybe(fc.constantFrom(0.1, 0.5, 1)),
  temperature: maybe(fc.constantFrom(0.5, 2)),
  focalGamma: maybe(fc.constantFrom(0.5, 2)),
  hasWeight: fc.boolean(),
  hasSampleWeight: fc.boolean(),
  isSoft: fc.boolean(),
});

const batches: fc.Arbitrary<Batch> = fc
  .tuple(
    fc.constantFrom<FloatType>('float32', 'float64', 'bfloat16', 'float16'),
    fc.integer({ min: 1, max: 30 }),
    fc.integer({ min: 2, max: 45 }),
    fc.nat(1e6),
    options,
  )
  .map(([type, rows, classes, seed, { hasWeight, hasSampleWeight, isSoft, ...shape }]) => ({
    type,
    rows,
    classes,
    seed,
    logits: Array.from(randomValues(rows * classes, 8, seed), (z) => Math.round(z * 4) / 4),
    targets: randomTargets(rows, classes, seed + 1),
    softTargets: isSoft ? magnitudes(rows * classes, seed + 2) : undefined,
    options: {
      ...Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined)),
      ...(hasWeight && { weight: magnitudes(classes, seed + 3) }),
    },
    sampleWeight: hasSampleWeight ? magnitudes(rows, seed + 4) : undefined,
  }));

/** In [0, 1], float32 numbers. */
const magnitudes = (length: number, seed: number): Float64Array =>
  Float64Array.from(randomValues(length, 1, seed), Math.abs);

function elementsOf(type: FloatType, values: ArrayLike<number>): Elements {
  if (type === 'float64') return Float64Array.from(values);
  if (type === 'float32') return Float32Array.from(values);
  const storage = TYPES.find(({ name }) => name === type)!;
  return Uint16Array.from(values, (value) => halfBits(storage, value));
}

function numbersOf({ type, data }: Tensor<FloatType>): Float64Array {
  if (type === 'float32' || type === 'float64') return Float64Array.from(data);
  const storage = TYPES.find(({ name }) => name === type)!;
  return Float64Array.from(data, (bits) => halfNumber(storage, bits));
}

/** The entries of an array [any × columns] at some rows. */
const pick = (values: ArrayLike<number>, rows: readonly number[], columns: number): number[] =>
  rows.flatMap((row) => Array.from({ length: columns }, (_, j) => values[row * columns + j]!));

/** A permutation of 0 to length - 1, made from a seed. */
function permutation(length: number, seed: number): number[] {
  const keys = randomValues(length, 1, seed);
  return Array.from({ length }, (_, i) => i).sort((a, b) => keys[a]! - keys[b]! || a - b);
}

const numRuns = { numRuns: 60 };

describe.each(builds)('laws of cross-entropy, for all types and options (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  function run(batch: Batch, more: Losses.CrossEntropyOptions = {}): Promise<Result> {
    const { type, rows, classes, logits, targets, softTargets, sampleWeight } = batch;
    const data = elementsOf(type, logits);
    const tensor = { type, dims: [rows, classes], data } as Tensor<FloatType>;
    return engine.crossEntropyGradient(tensor, softTargets ?? targets, {
      reduction: 'none',
      ...batch.options,
      ...(sampleWeight && { sampleWeight }),
      ...more,
    });
  }

  /** The losses and the gradient's rows at some rows, bit by bit. */
  const bitsAt = ({ losses, gradLogits }: Result, rows: readonly number[], columns: number) => [
    bitsOf(Float64Array.from(pick(losses!, rows, 1))),
    bitsOf(Float64Array.from(pick(gradLogits.data, rows, columns))),
  ];

  test('shifting all logits of a row changes no bit of losses and gradients', async () => {
    await fc.assert(
      fc.asyncProperty(batches, fc.constantFrom(-8, 4, 8), async (batch, shift) => {
        const shifted = { ...batch, logits: batch.logits.map((z) => z + shift) };
        const rows = Array.from({ length: batch.rows }, (_, row) => row);
        const [got, wanted] = [await run(shifted), await run(batch)];
        expect(bitsAt(got, rows, batch.classes)).toEqual(bitsAt(wanted, rows, batch.classes));
      }),
      numRuns,
    );
  });

  test('rows of a gradient sum to 0, also of soft targets of any mass', async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (batch) => {
        const { type, rows, classes } = batch;
        const gradient = numbersOf((await run(batch)).gradLogits);
        const unit = { float32: 2 ** -23, float64: 2 ** -52, bfloat16: 2 ** -8, float16: 2 ** -11 }[type];
        for (let row = 0; row < rows; row++) {
          const part = gradient.subarray(row * classes, (row + 1) * classes);
          const sum = part.reduce((total, g) => total + g, 0);
          const size = part.reduce((total, g) => total + Math.abs(g), 0);
          // Denormal halves lose more than their unit.
          expect(Math.abs(sum), `row ${row}`).toBeLessThanOrEqual(8 * unit * size + classes * 2 ** -25);
        }
      }),
      numRuns,
    );
  });

  test('permuting rows permutes losses and gradients, bit for bit; permuting classes within rounding', async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (batch) => {
        const { rows, classes, logits, targets, softTargets, sampleWeight, seed } = batch;
        const order = permutation(rows, seed + 7);
        const wanted = await run(batch);
        const permuted = await run({
          ...batch,
          logits: pick(logits, order, classes),
          targets: Int32Array.from(pick(targets, order, 1)),
          softTargets: softTargets && Float64Array.from(pick(softTargets, order, classes)),
          sampleWeight: sampleWeight && Float64Array.from(pick(sampleWeight, order, 1)),
        });
        const all = Array.from({ length: rows }, (_, row) => row);
        expect(bitsAt(permuted, all, classes)).toEqual(bitsAt(wanted, order, classes));

        const columns = permutation(classes, seed + 8);
        const places = all.flatMap((row) => columns.map((column) => row * classes + column));
        const { weight } = batch.options;
        const mixed = await run({
          ...batch,
          logits: pick(logits, places, 1),
          targets: targets.map((target) => columns.indexOf(target)),
          softTargets: softTargets && Float64Array.from(pick(softTargets, places, 1)),
          options: { ...batch.options, ...(weight && { weight: pick(weight, columns, 1) }) },
        });
        const bound = batch.type === 'float64' ? 1e-13 : 1e-5;
        const largest = Math.max(1e-30, ...wanted.losses!);
        for (const row of all) {
          expect(Math.abs(mixed.losses![row]! - wanted.losses![row]!)).toBeLessThanOrEqual(bound * largest);
        }
      }),
      numRuns,
    );
  });

  test('ignoring rows, whatever they hold, equals removing them: sums, losses and gradients, bit for bit', async () => {
    await fc.assert(
      fc.asyncProperty(batches, fc.constantFrom(-100, 255), async (given, ignoreIndex) => {
        const batch = { ...given, softTargets: undefined };
        const { rows, classes, logits, targets, sampleWeight, seed } = batch;
        const isKept = Array.from(randomValues(rows, 1, seed + 9), (value) => value > -0.3);
        const kept = Array.from({ length: rows }, (_, row) => row).filter((row) => isKept[row]);
        const hostile = [Number.NaN, Number.POSITIVE_INFINITY, 0];
        const ignoring = await run(
          {
            ...batch,
            logits: logits.map((z, i) => (isKept[Math.floor(i / classes)] ? z : hostile[i % 3]!)),
            targets: targets.map((target, row) => (isKept[row] ? target : ignoreIndex)),
          },
          { ignoreIndex },
        );
        const removed = await run({
          ...batch,
          rows: kept.length,
          logits: pick(logits, kept, classes),
          targets: Int32Array.from(pick(targets, kept, 1)),
          sampleWeight: sampleWeight && Float64Array.from(pick(sampleWeight, kept, 1)),
        });
        expect([ignoring.lossSum, ignoring.weightSum]).toEqual([removed.lossSum, removed.weightSum]);
        const all = kept.map((_, index) => index);
        expect(bitsAt(ignoring, kept, classes)).toEqual(bitsAt(removed, all, classes));
        const gradient = numbersOf(ignoring.gradLogits);
        for (let row = 0; row < rows; row++) {
          if (isKept[row]) continue;
          expect(ignoring.losses![row]).toBe(0);
          expect(pick(gradient, [row], classes).every((g) => g === 0)).toBe(true);
        }
      }),
      numRuns,
    );
  });

  test('parts of partSize, merged, have the bits of the whole: lossSum, weightSum, z-loss and the mean', async () => {
    const shapes = fc
      .record({
        outer: fc.integer({ min: 1, max: 3000 }),
        classes: fc.integer({ min: 2, max: 60 }),
        inner: fc.constantFrom(1, 1, 3, 40),
        atMost: fc.integer({ min: 1, max: 2000 }),
        isDouble: fc.boolean(),
        hasWeights: fc.boolean(),
        seed: fc.nat(1e6),
      })
      .map((shape) => ({ ...shape, outer: Math.ceil(shape.outer / shape.inner) }));
    await fc.assert(
      fc.asyncProperty(shapes, async ({ outer, classes, inner, atMost, isDouble, hasWeights, seed }) => {
        const dims = [outer, classes, inner];
        const entry = classes * inner;
        const type = isDouble ? 'float64' : 'float32';
        const data = elementsOf(type, randomValues(outer * entry, 8, seed));
        const targets = randomTargets(outer * inner, classes, seed + 1).map((target, row) =>
          row % 7 === 3 ? -100 : target,
        );
        const sampleWeight = magnitudes(outer * inner, seed + 2);
        const weight = magnitudes(classes, seed + 3);
        const part = (begin: number, end: number): Promise<Losses.CrossEntropyResult> =>
          engine.crossEntropy(
            {
              type,
              dims: [end - begin, classes, inner],
              data: data.subarray(begin * entry, end * entry),
            } as Tensor<FloatType>,
            targets.subarray(begin * inner, end * inner),
            {
              axis: 1,
              reduction: 'sum',
              zLoss: 0.01,
              ...(hasWeights && {
                weight,
                sampleWeight: sampleWeight.subarray(begin * inner, end * inner),
              }),
            },
          );
        const size = partSize(dims, atMost, { axis: 1 })!;
        const parts: Losses.CrossEntropyResult[] = [];
        for (let begin = 0; begin < outer; begin += size) {
          parts.push(await part(begin, Math.min(outer, begin + size)));
        }
        expect(mergeLosses(parts, { reduction: 'sum' })).toEqual(await part(0, outer));
      }),
      { numRuns: 25 },
    );
  });
});

test('mergeLosses refuses what is no result of a part, by its place', () => {
  const part = { loss: 1, lossSum: 2, weightSum: 2 };
  expect(() => mergeLosses([part, {} as never])).toThrow(/^parts\[1\]\.lossSum is undefined/);
  expect(() => mergeLosses([{ ...part, weightSum: '2' as never }])).toThrow(/^parts\[0\]\.weightSum is '2'/);
});

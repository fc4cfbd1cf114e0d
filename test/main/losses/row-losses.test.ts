// The row losses against the float64 reference, on each build.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { Engine } from '#softshard/main/index.js';
import { expectWithin } from '../../kernels/rows/grid.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';
import { near, rowSums, uniform } from './workbench.js';

const SHAPES = [
  [3, 1],
  [2, 2],
  [37, 3],
  [301, 10],
  [65, 67],
  [9, 1025],
] as const;

const softmaxOf = (logits: Float32Array, columns: number) =>
  Float32Array.from(
    rowSums(logits, columns).flatMap((_, row) => [
      ...reference.softmax(logits.subarray(row * columns, (row + 1) * columns)),
    ]),
  );

describe.each(builds)('row losses (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  test.each(SHAPES)(
    'nllLoss [%i × %i]: sums within 2e-15, with weights and ignored rows',
    async (rows, columns) => {
      const logProbabilities = randomValues(rows * columns, 9, 1).map((v) => -Math.abs(v));
      const targets = randomTargets(rows, columns, 2);
      const weight = uniform(columns, 3);
      const sampleWeight = uniform(rows, 4);
      const ignoreIndex = rows > 30 ? 1 : -100;
      for (const options of [{}, { weight }, { weight, sampleWeight, ignoreIndex }]) {
        const wanted = reference.nllLoss(logProbabilities, targets, rows, columns, options);
        const got = await engine.nllLossGradient(logProbabilities, targets, { columns, ...options });
        expectWithin(
          [got.lossSum, got.weightSum, got.loss],
          [wanted.lossSum, wanted.weightSum, wanted.mean],
          near(2e-15),
          'sums',
        );
        const gradient = reference.nllLossGradient(logProbabilities, targets, rows, columns, options);
        expectWithin(got.gradLogProbabilities.data, gradient, near(1e-7), 'gradient');
        const none = await engine.nllLoss(logProbabilities, targets, {
          columns,
          ...options,
          reduction: 'none',
        });
        expectWithin(none.losses!, wanted.losses, near(6e-8), 'losses');
      }
    },
  );

  test.each(SHAPES)(
    'crossEntropyOfProbabilities [%i × %i]: sums within 1e-14, gradients within 1e-7',
    async (rows, columns) => {
      const probabilities = softmaxOf(randomValues(rows * columns, 6, 5), columns);
      const targets = randomTargets(rows, columns, 6);
      const soft = softmaxOf(randomValues(rows * columns, 3, 7), columns);
      for (const [given, dense] of [
        [targets, reference.oneHot(targets, columns)],
        [soft, soft],
      ] as const) {
        const wanted = reference.crossEntropyOfProbabilities(probabilities, dense, rows, columns);
        const got = await engine.crossEntropyOfProbabilitiesGradient(probabilities, given, {
          columns,
          reduction: 'sum',
        });
        expectWithin([got.lossSum], [wanted], near(1e-14), 'lossSum');
        expect(got.weightSum).toBe(rows);
        const gradient = reference.crossEntropyGradientOfProbabilities(probabilities, dense);
        expectWithin(got.gradProbabilities.data, gradient, near(1e-7), 'gradient');
        const mean = await engine.crossEntropyOfProbabilities(probabilities, given, { columns });
        expect(mean.loss).toBe(got.lossSum / rows);

        const floor = 0.05;
        const floored = await engine.crossEntropyOfProbabilitiesGradient(probabilities, given, {
          columns,
          reduction: 'sum',
          floor,
        });
        const wantedFloored = reference.crossEntropyOfProbabilities(
          probabilities,
          dense,
          rows,
          columns,
          floor,
        );
        expectWithin([floored.lossSum], [wantedFloored], near(1e-14), 'lossSum with a floor');
        const flooredGradient = reference.crossEntropyGradientOfProbabilities(probabilities, dense, floor);
        expectWithin(floored.gradProbabilities.data, flooredGradient, near(1e-7), 'gradient with a floor');
      }
    },
  );

  test.each(SHAPES)(
    'meanSquaredError [%i × %i]: direct within 1e-13, through softmax within 2e-6',
    async (rows, columns) => {
      const outputs = randomValues(rows * columns, 4, 8);
      const values = randomValues(rows * columns, 4, 9);
      const targets = randomTargets(rows, columns, 10);
      const direct = await engine.meanSquaredErrorGradient(outputs, values, { columns });
      expectWithin([direct.loss], [reference.meanSquaredError(outputs, values)], near(1e-13), 'loss');
      const directGradient = reference.meanSquaredErrorGradientOfProbabilities(outputs, values);
      expectWithin(direct.gradPredictions.data, directGradient, near(1e-7), 'gradient');

      const oneHot = reference.oneHot(targets, columns);
      const probabilities = reference.mapRows(outputs, rows, columns, reference.softmax);
      const through = await engine.meanSquaredErrorGradient(outputs, targets, {
        columns,
        fromLogits: true,
      });
      expectWithin(
        [through.loss],
        [reference.meanSquaredError(probabilities, oneHot)],
        near(2e-6),
        'loss through softmax',
      );
      const gradient = reference.meanSquaredErrorGradientOfLogits(probabilities, oneHot, rows, columns);
      const size = Math.max(...gradient.map(Math.abs));
      expectWithin(through.gradPredictions.data, gradient, () => 2e-6 * size, 'gradient through softmax');
    },
  );

  test.each(SHAPES)(
    'klDivergence [%i × %i] from logits and probabilities: within 2e-6 relative, gradients within 1e-6',
    async (rows, columns) => {
      const logits = randomValues(rows * columns, 5, 11);
      const teacher = randomValues(rows * columns, 5, 12);
      for (const temperature of [1, 2.5]) {
        const divided = (values: Float32Array) => Float64Array.from(values, (v) => v / temperature);
        const q = reference.mapRows(divided(teacher), rows, columns, reference.softmax);
        const options = { from: 'logits', reduction: 'batchmean' } as const;
        const wanted = reference.klDivergence(divided(logits), q, rows, columns, options);
        const got = await engine.klDivergenceGradient(
          logits,
          { targetLogits: teacher },
          { columns, temperature },
        );
        expectWithin([got.loss], [wanted], (value) => 2e-6 * value + 1e-14, 'loss');
        const gradient = reference
          .klDivergenceGradient(divided(logits), q, rows, columns, options)
          .map((value) => value / temperature);
        expectWithin(got.gradLogits.data, gradient, () => 1e-6 / rows, 'gradient');

        const given = Float32Array.from(q);
        const wantedOfGiven = reference.klDivergence(divided(logits), given, rows, columns, {
          ...options,
          reduction: 'none',
        });
        const ofGiven = await engine.klDivergence(
          logits,
          { targetProbabilities: given },
          { columns, temperature, reduction: 'none' },
        );
        expectWithin(
          ofGiven.losses!,
          rowSums(wantedOfGiven, columns),
          (value) => 2e-6 * value + 1e-13,
          'losses',
        );
        const mean = await engine.klDivergence(
          logits,
          { targetProbabilities: given },
          { columns, temperature, reduction: 'mean' },
        );
        expect(mean.weightSum).toBe(rows * columns);
        expect(mean.loss).toBe(mean.lossSum / (rows * columns));
      }
    },
  );

  test('klDivergence of nearly equal student and teacher keeps 1e-4 relative accuracy down to divergences of 1e-9', async () => {
    const columns = 50;
    for (const size of [1e-1, 1e-2, 1e-3, 1e-4]) {
      const teacher = randomValues(20 * columns, 5, 13);
      const shifts = randomValues(20 * columns, size, 14);
      const logits = teacher.map((z, i) => z + shifts[i]!);
      // The formula Σ q log(q / p) itself cancels, in float64 too: the oracle is the sum of its terms that do not.
      const p = reference.mapRows(logits, 20, columns, reference.logSoftmax);
      const q = reference.mapRows(teacher, 20, columns, reference.logSoftmax);
      const terms = p.map((logP, i) => {
        const r = logP - q[i]!;
        const rest = Math.abs(r) < 1e-3 ? r * r * (1 / 2 + r / 6 + (r * r) / 24) : Math.expm1(r) - r;
        return Math.exp(q[i]!) * rest;
      });
      const wanted = rowSums(terms, columns);
      const got = await engine.klDivergence(
        logits,
        { targetLogits: teacher },
        { columns, reduction: 'none' },
      );
      expectWithin(got.losses!, wanted, (value) => 1e-4 * value, `losses with differences of ${size}`);
      expect(Math.min(...wanted)).toBeLessThan(size ** 2);
    }
  });

  test.each(SHAPES)(
    'distillation [%i × %i] within 3e-6, its gradient within 1e-6 a row, ignored rows left out',
    async (rows, columns) => {
      const student = randomValues(rows * columns, 5, 15);
      const teacher = randomValues(rows * columns, 5, 16);
      const targets = randomTargets(rows, columns, 17);
      const ignoreIndex = rows > 30 ? 1 : -100;
      for (const [temperature, alpha] of [
        [1, 0.5],
        [3, 0.25],
        [2, 1],
        [2, 0],
      ] as const) {
        const options = { temperature, alpha, ignoreIndex };
        const wanted = reference.distillation(student, teacher, targets, rows, columns, options);
        const got = await engine.distillationGradient(student, teacher, targets, { columns, ...options });
        expect(got.weightSum).toBe(wanted.weightSum);
        expectWithin([got.lossSum], [wanted.lossSum], near(3e-6), 'lossSum');
        const parts = alpha * temperature ** 2 * got.divergenceSum + (1 - alpha) * got.crossEntropySum;
        expectWithin([parts], [got.lossSum], near(1e-12), 'the sum of the parts');
        const gradient = reference.distillationGradient(student, teacher, targets, rows, columns, options);
        expectWithin(
          got.gradLogits.data,
          gradient,
          () => (1e-6 * temperature) / wanted.weightSum,
          'gradient',
        );
      }
    },
  );

  test.each(SHAPES)(
    'binaryCrossEntropyWithLogits [%i × %i]: within 4e-7, gradients within 4e-7, with weights',
    async (rows, columns) => {
      const logits = randomValues(rows * columns, 20, 18);
      const targets = uniform(rows * columns, 19).map((y) => (y < 0.3 ? 0 : y > 0.7 ? 1 : y));
      const weight = uniform(columns, 20);
      const posWeight = uniform(columns, 21).map((w) => 5 * w);
      const perElement = uniform(rows * columns, 22);
      const spread = Float32Array.from({ length: rows * columns }, (_, i) => weight[i % columns]!);
      for (const [mine, theirs] of [
        [{}, {}],
        [
          { weight, posWeight },
          { weight: spread, posWeight },
        ],
        [
          { weight: { type: 'float32', dims: [rows, columns], data: perElement } as const },
          { weight: perElement },
        ],
      ] as const) {
        const wanted = reference.binaryCrossEntropyWithLogits(logits, targets, rows, columns, {
          ...theirs,
          reduction: 'none',
        });
        const got = await engine.binaryCrossEntropyWithLogitsGradient(logits, targets, { columns, ...mine });
        expectWithin([got.lossSum], [rowSums(wanted, wanted.length)[0]!], near(4e-7), 'lossSum');
        expect(got.loss).toBe(got.lossSum / (rows * columns));
        const none = await engine.binaryCrossEntropyWithLogits(logits, targets, {
          columns,
          ...mine,
          reduction: 'none',
        });
        expectWithin(none.losses!, rowSums(wanted, columns), near(5e-7), 'losses');
        const gradient = reference.binaryCrossEntropyWithLogitsGradient(
          logits,
          targets,
          rows,
          columns,
          theirs,
        );
        expectWithin(got.gradLogits.data, gradient, () => (5 * 4e-7) / (rows * columns), 'gradient');
      }
    },
  );

  test('no call keeps memory that it does not give out', async () => {
    const { usedBytes } = engine.memoryUsage();
    const x = uniform(700, 36);
    await engine.distillationGradient(x, x, randomTargets(100, 7, 1), { columns: 7, reduction: 'none' });
    await engine.binaryCrossEntropyWithLogits(x, x, { columns: 7, weight: uniform(7, 1) });
    await engine.meanSquaredError(x, Float32Array.of(1), { columns: 7 }).catch(() => {});
    await engine.klDivergence(x, { targetProbabilities: x.map((v) => -v) }, { columns: 7 }).catch(() => {});
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });
});

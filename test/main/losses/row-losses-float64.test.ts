// The row losses in float64: against the formulas.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { Engine } from '#softshard/main/index.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';
import { rowSums } from './workbench.js';

describe.each(builds)('float64 in the row losses (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

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
      near(squared.gradPredictions.data, squaredGradient, 4e-16, 'gradient of squared');
      const oneHot = reference.oneHot(targets, columns);
      const through = await engine.meanSquaredErrorGradient(z, targets, { columns, fromLogits: true });
      near([through.loss], [reference.meanSquaredError(a, oneHot)], 2e-14, 'through softmax');
      const throughGradient = reference.meanSquaredErrorGradientOfLogits(a, oneHot, rows, columns);
      near(through.gradPredictions.data, throughGradient, 4e-15, 'gradient through softmax');

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
      fromLogits: true,
      reduction: 'none',
    });
    expect([...spoiled.losses!]).toEqual([nan, 0.5]);
    expect([...spoiled.gradPredictions.data]).toEqual([nan, nan, 0.5, -0.5]);
  });
});

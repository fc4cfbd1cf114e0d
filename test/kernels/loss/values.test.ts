// What the general loss kernels say beyond the product of options: statistics, small losses, the soft cap's accuracy,
// finite differences, and the plain kernels' results.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { builds, randomTargets, randomValues, Workbench } from '../workbench.js';
import { type Choices, expectAsOracle, oracleOf, randomBatch } from './batches.js';
import { type Batch, callLossRows, type ElementType, PLAIN } from './call.js';

const TYPES = ['float32', 'float64'] satisfies ElementType[];
const COLUMN_COUNTS = [1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 127, 1023, 1025, 4097];

describe.each(builds)('values of the general loss kernels (%s)', (numerics) => {
  const bench = new Workbench(numerics, 128);

  describe.each(TYPES)('%s', (type) => {
    const unit = type === 'float32' ? 2 ** -24 : 2 ** -53;

    test('statistics of rows with ties, mask and soft cap are as the oracle at every column count', () => {
      for (const columns of COLUMN_COUNTS) {
        for (const options of [{}, { softcap: 4, temperature: 2 }, { mask: true }, { labelSmoothing: 0.1 }]) {
          const rows = 4;
          // Rounded to halves: long rows have ties.
          const logits = randomValues(rows * columns, 7, columns).map((z) => Math.round(z * 2) / 2);
          const mask = Uint8Array.from(logits, (z, k) => Number((k * 7) % 5 !== 2 || z > 5));
          const targets = randomTargets(rows, columns, columns + 1);
          const { mask: isMasked, ...numbers } = { mask: false, ...options };
          const batch: Batch = { rows, columns, logits, targets, ...numbers, ...(isMasked ? { mask } : {}) };
          const got = callLossRows(bench, type, batch, { gradient: 'in place', statistics: true });
          oracleOf(batch).forEach((row, i) => {
            const { scores, probabilities, logSumExp, entropy } = row!;
            if (!Number.isFinite(logSumExp)) return;
            const target = targets[i]!;
            const what = `row ${i} of ${columns} columns, ${JSON.stringify(options)}`;
            // The order of the scores is that of the logits: a soft cap may round two to one, but not turn them round.
            const z = Array.from(scores, (u, j) => (u === -Infinity ? u : logits[i * columns + j]!));
            const max = Math.max(...z);
            expect(got.argMax[i], `arg-max, ${what}`).toBe(z.indexOf(max));
            const before = z.filter((value, j) => value > z[target]! || (value === z[target] && j < target));
            expect(got.rank[i], `rank, ${what}`).toBe(before.length);
            const others = Math.max(...Array.from(scores).filter((_, j) => j !== target));
            const near = (value: number, wanted: number, size: number, name: string) => {
              if (value === wanted) return;
              const bound = unit * (16 * size + 40);
              expect(Math.abs(value - wanted), `${name}, ${what}: ${value}, not ${wanted}`).toBeLessThan(
                bound,
              );
            };
            near(got.margin[i]!, scores[target]! - others, 8, 'margin');
            near(got.logSumExp[i]!, logSumExp, 8, 'log-sum-exp');
            near(got.entropy[i]!, entropy, entropy + 8, 'entropy');
            near(got.targetProbability[i]!, probabilities[target]!, 1, 'probability');
          });
        }
      }
    });

    test('a NaN comes before no number: rank and arg-max as evaluateRows has them', () => {
      const rowsOf = [
        [NaN, 1, 2],
        [NaN, -Infinity, NaN],
        [NaN, NaN, NaN],
        [2, NaN, 2],
      ];
      const batch: Batch = { rows: 4, columns: 3, logits: rowsOf.flat(), targets: [1, 1, 2, 2] };
      const got = callLossRows(bench, type, batch, { gradient: 'in place', statistics: true });
      expect([...got.argMax]).toStrictEqual([2, 1, 0, 0]);
      expect([...got.rank]).toStrictEqual([1, 0, 3, 1]);
    });

    test('a confident row keeps its digits: losses from 1e-17 up to 1 within 8 units + the rounding of z - max', () => {
      for (const columns of [2, 3, 5, 17, 1025]) {
        for (const lead of [38, 25, 12, 4, 1]) {
          const logits = randomValues(columns, 1, columns + lead);
          const target = columns >> 1;
          logits[target] = lead + Math.log(columns);
          const others = logits.reduce(
            (sum, z, j) => (j === target ? sum : sum + Math.exp(z - logits[target]!)),
            0,
          );
          const limit = (type === 'float32' ? 1e-6 : 2e-15) + 2 * logits[target] * unit;
          const exact = Math.log1p(others);
          const oneHot = Float64Array.from(logits, (_, j) => Number(j === target));
          for (const wanted of [{ targets: [target] }, { softTargets: oneHot }]) {
            const batch: Batch = { rows: 1, columns, logits, ...wanted };
            const got = callLossRows(bench, type, batch, { gradient: 'in place', statistics: true });
            expect(Math.abs(got.lossSum / exact - 1), `${lead}, ${columns}`).toBeLessThan(limit);
            expect(Math.abs(got.gradient[target]! / (-others / (1 + others)) - 1)).toBeLessThan(limit);
            const focal = callLossRows(bench, type, { ...batch, focalGamma: 2 }, { gradient: 'in place' });
            const power = (others / (1 + others)) ** 2;
            expect(Math.abs(focal.lossSum / (power * exact) - 1)).toBeLessThan(4 * limit);
            expect(focal.gradient[target]).not.toBe(0);
          }
        }
      }
    });

    test('[40, 0, 0] has the loss 8.5e-18, also as a soft target and with class weights', () => {
      const exact = Math.log1p(2 * Math.exp(-40));
      const batch: Batch = { rows: 1, columns: 3, logits: [40, 0, 0], targets: [0] };
      const { targets: _, ...untargeted } = batch;
      for (const [wanted, factor] of [
        [batch, 1],
        [{ ...untargeted, softTargets: [1, 0, 0] }, 1],
        [{ ...batch, weight: [3, 1, 1] }, 3],
      ] as const) {
        const got = callLossRows(bench, type, wanted, { gradient: 'in place' });
        expect(Math.abs(got.lossSum / (factor * exact) - 1)).toBeLessThan(1e-6);
        expect(Math.abs(got.gradient[0]! / (-factor * exact) - 1)).toBeLessThan(1e-6);
      }
    });

    test('the soft cap is within 6 units (2^-24, 2^-53) of cap · tanh(z / cap) for z from 1e-30 to 1e30, its slope within 10 + 2|z / cap|', () => {
      const cap = 30;
      const signs = [1, -1];
      const logits = Array.from({ length: 4000 }, (_, k) =>
        Math.fround(signs[k % 2]! * (k < 400 ? 10 ** (-30 + k / 6.7) : k / 40)),
      );
      const worst = { value: 0, slope: 0 };
      // One class: the log-sum-exp is its score, and the gradient of the z-loss shows the slope.
      const batch: Batch = {
        rows: logits.length,
        columns: 1,
        logits,
        targets: logits.map(() => 0),
        softcap: cap,
        zLoss: 0.5,
      };
      const got = callLossRows(bench, type, batch, { gradient: 'apart', statistics: true });
      logits.forEach((z, i) => {
        const x = z / cap;
        const exact = cap * Math.tanh(x);
        expect(Math.sign(got.logSumExp[i]!)).toBe(Math.sign(z));
        worst.value = Math.max(worst.value, Math.abs(got.logSumExp[i]! / exact - 1) / unit);
        const slope = 1 / Math.cosh(x) ** 2;
        // Beyond that exp(-2|x|) is no normal float32.
        if (slope < 1e-30) {
          expect(Math.abs(got.gradient[i]!)).toBeLessThan(1e-28);
          return;
        }
        // x = z / cap is rounded, which exp(-2|x|) shows as 2|x| units.
        const slopeError = Math.abs(got.gradient[i]! / got.logSumExp[i]! / slope - 1) / unit;
        worst.slope = Math.max(worst.slope, slopeError - 2 * Math.abs(x));
      });
      expect(worst.value, 'units').toBeLessThan(6);
      expect(worst.slope, 'units').toBeLessThan(10);
    });

    test('random combinations of options, factors and shapes are as the oracle', () => {
      const choices: fc.Arbitrary<Choices> = fc.record({
        temperature: fc.boolean(),
        softcap: fc.boolean(),
        zLoss: fc.boolean(),
        focalGamma: fc.constantFrom(0, 0.3, 1, 2, 5),
        labelSmoothing: fc.boolean(),
        weight: fc.boolean(),
        mask: fc.boolean(),
        softTargets: fc.boolean(),
        sampleWeight: fc.boolean(),
        ignoredRows: fc.boolean(),
        gradOutput: fc.boolean(),
        scale: fc.boolean(),
      });
      const shape = [fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 300 })] as const;
      fc.assert(
        fc.property(
          choices,
          ...shape,
          fc.nat(),
          fc.constantFrom(1, 5, 25),
          (chosen, rows, columns, seed, spread) => {
            const batch = randomBatch(chosen, rows, columns, seed, spread);
            const got = callLossRows(bench, type, batch, { gradient: 'in place', offset: seed % 4 });
            expectAsOracle(type, batch, got, oracleOf(batch));
          },
        ),
        { numRuns: 1000, seed: 5 },
      );
    });
  });

  test('the float64 gradient is the central difference of the float64 loss within 1e-8, whatever the options', () => {
    const step = 1e-5;
    for (let choice = 0; choice < 256; choice++) {
      const is = (bit: number) => ((choice >> bit) & 1) === 1;
      const batch = randomBatch(
        {
          temperature: is(0),
          softcap: is(1),
          zLoss: is(2),
          focalGamma: is(3) ? 2.5 : 0,
          labelSmoothing: is(4),
          weight: is(5),
          mask: is(6),
          softTargets: is(7),
          sampleWeight: true,
          ignoredRows: false,
          gradOutput: false,
          scale: false,
        },
        1,
        5,
        choice,
        3,
      );
      const lossOf = (logits: ArrayLike<number>) =>
        callLossRows(bench, 'float64', { ...batch, logits }, { gradient: 'none' }).lossSum;
      if (!Number.isFinite(lossOf(batch.logits))) continue;
      const { gradient } = callLossRows(bench, 'float64', batch, { gradient: 'apart' });
      const logits = Float64Array.from(batch.logits);
      gradient.forEach((slope, k) => {
        const moved = (by: number) => lossOf(logits.map((z, j) => (j === k ? z + by : z)));
        const difference = (moved(step) - moved(-step)) / (2 * step);
        expect(Math.abs(slope - difference), `choice ${choice}, class ${k}`).toBeLessThan(1e-8);
      });
    }
  });

  test('without options losses and gradients are those of the plain kernels within 1e-6', () => {
    for (const columns of COLUMN_COUNTS) {
      const rows = 7;
      const logits = randomValues(rows * columns, 8, columns);
      const targets = randomTargets(rows, columns, columns);
      const general = callLossRows(
        bench,
        'float32',
        { rows, columns, logits, targets, ...PLAIN, scale: 0.3 },
        { gradient: 'apart' },
      );
      bench.reset();
      const [logitsPtr, targetsPtr] = [bench.putFloat32(logits), bench.putInt32(targets)];
      const lossesPtr = bench.allocate(rows * 4);
      const { ptr, read } = bench.float64Cell();
      const { kernels } = bench;
      kernels.crossEntropyGradientRows(
        logitsPtr,
        lossesPtr,
        ptr,
        logitsPtr,
        targetsPtr,
        rows,
        columns,
        columns,
        0.3,
      );
      expect(Math.abs(general.lossSum - read())).toBeLessThan(rows * 1e-6);
      const losses = bench.float32(lossesPtr, rows);
      general.losses.forEach((loss, i) => {
        expect(Math.abs(loss - losses[i]!)).toBeLessThan(1e-6 * (1 + losses[i]!));
      });
      const gradient = bench.float32(logitsPtr, rows * columns);
      general.gradient.forEach((slope, k) => {
        expect(Math.abs(slope - gradient[k]!), `${columns} columns, element ${k}`).toBeLessThan(1e-6);
      });
    }
  });
});

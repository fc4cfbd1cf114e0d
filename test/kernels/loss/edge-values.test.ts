// Rows of infinities, NaN and extreme logits, targets that are no class, and ignored rows.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { STATUS_OK } from '#softshard/kernels/layout.js';
import { builds, randomValues, Workbench } from '../workbench.js';
import { expectAsOracle, oracleOf } from './batches.js';
import { type Batch, callLossRows, type ElementType, type Outcome, UNWRITTEN } from './call.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const TYPES = ['float32', 'float64'] satisfies ElementType[];
const QUIET_NAN = { float32: 0x7fc00000n, float64: 0x7ff8000000000000n };

/** The bits of every NaN in an array. */
function nanBits(values: Float32Array | Float64Array): bigint[] {
  const words =
    values instanceof Float32Array
      ? Array.from(new Uint32Array(values.buffer, values.byteOffset, values.length), BigInt)
      : [...new BigUint64Array(values.buffer, values.byteOffset, values.length)];
  return words.filter((_, k) => Number.isNaN(values[k]!));
}

function expectQuietNaN(type: ElementType, outcome: Outcome): void {
  const { losses, gradient, logSumExp, entropy, margin, targetProbability } = outcome;
  for (const values of [losses, gradient, logSumExp, entropy, margin, targetProbability]) {
    for (const bits of nanBits(values as Float32Array)) expect(bits).toBe(QUIET_NAN[type]);
  }
  for (const bits of nanBits(Float64Array.of(outcome.lossSum, outcome.zLossSum))) {
    expect(bits).toBe(QUIET_NAN.float64);
  }
}

describe.each(builds)('edge values of the general loss kernels (%s)', (numerics) => {
  const bench = new Workbench(numerics, 128);

  describe.each(TYPES)('%s', (type) => {
    const run = (batch: Batch, statistics = true) =>
      callLossRows(bench, type, batch, { gradient: 'in place', statistics });

    /** One row. */
    const runRow = (logits: readonly number[], target: number, more: Partial<Batch> = {}) =>
      run({ rows: 1, columns: logits.length, logits, targets: [target], ...more });

    test.each([
      { logits: [1, nan, 2], logSumExp: nan },
      { logits: [1, inf, 2], logSumExp: inf },
      { logits: [inf, -inf], logSumExp: inf },
      { logits: [nan, inf], logSumExp: nan },
      { logits: [-inf, -inf, -inf], logSumExp: -inf },
      { logits: [-inf, nan], logSumExp: nan },
      { logits: [nan], logSumExp: nan },
      { logits: [-inf], logSumExp: -inf },
    ])('$logits has no softmax: loss and gradient are NaN, the log-sum-exp $logSumExp', (row) => {
      const plenty = { zLoss: 0.1, labelSmoothing: 0.1, weight: row.logits.map(() => 1) };
      for (const more of [{}, plenty, { focalGamma: 2 }, { ...plenty, focalGamma: 0.5 }]) {
        const got = runRow(row.logits, 0, more);
        expect(got.losses[0]).toBeNaN();
        expect(got.lossSum).toBeNaN();
        expect([...got.gradient]).toStrictEqual(row.logits.map(() => nan));
        expect(got.logSumExp[0]).toBe(row.logSumExp);
        expect(got.entropy[0]).toBeNaN();
        expect(got.targetProbability[0]).toBeNaN();
        expectQuietNaN(type, got);
      }
    });

    test('-Infinity at the target is a loss of Infinity and a gradient of softmax - 1, at another class nothing', () => {
      const at = runRow([0, -inf, 0], 1);
      expect(at.losses[0]).toBe(inf);
      expect([...at.gradient]).toStrictEqual([0.5, -1, 0.5]);
      expect([at.rank[0], at.targetProbability[0], at.margin[0]]).toStrictEqual([2, 0, -inf]);
      const other = runRow([0, -inf, 0], 0);
      expect(other.losses[0]).toBeCloseTo(Math.LN2, 6);
      expect([...other.gradient]).toStrictEqual([-0.5, 0, 0.5]);
      // Smoothing wants the impossible class a little.
      expect(runRow([0, -inf, 0], 0, { labelSmoothing: 0.1 }).losses[0]).toBe(inf);
    });

    test('a term whose coefficient is 0 is 0, also where its probability is 0', () => {
      const logits = [0, -inf, 0];
      const soft = { rows: 1, columns: 3, logits, softTargets: [0.5, 0, 0.5] };
      for (const focalGamma of [0, 2]) {
        const factor = 0.5 ** focalGamma;
        expect(run({ ...soft, focalGamma }).losses[0]).toBeCloseTo(Math.LN2 * factor, 6);
        expect(runRow(logits, 1, { weight: [1, 0, 1], focalGamma }).losses[0]).toBe(0);
        const smoothed = runRow(logits, 1, { weight: [1, 0, 1], labelSmoothing: 0.3, focalGamma });
        expect(smoothed.losses[0]).toBeCloseTo(0.2 * Math.LN2 * factor, 6);
      }
    });

    test('a masked class counts for nothing, whatever its logit: smoothing goes to the others, its gradient is 0', () => {
      for (const hidden of [nan, inf, -inf, 1e4]) {
        const mask = [1, 0, 255];
        for (const softcap of [0, 5]) {
          const got = runRow([0, hidden, 0], 0, { mask, labelSmoothing: 0.5, softcap });
          expect(got.losses[0]).toBeCloseTo(Math.LN2, 6);
          expect(got.gradient[1]).toBe(0);
          expect(got.gradient[0]).toBeCloseTo(-0.25, 6);
        }
        const atTarget = runRow([0, hidden, 0], 1, { mask });
        expect(atTarget.losses[0]).toBe(inf);
        expect([...atTarget.gradient]).toStrictEqual([0.5, 0, 0.5]);
        expect(runRow([0, hidden, 0], 0, { mask: [0, 0, 0] }).losses[0]).toBeNaN();
      }
    });

    test('a soft cap makes infinite logits finite: ±cap with a gradient of 0', () => {
      const got = runRow([inf, -inf, 0], 2, { softcap: 3 });
      expect(got.losses[0]).toBeCloseTo(Math.log(Math.exp(3) + Math.exp(-3) + 1), 5);
      expect([...got.gradient].slice(0, 2)).toStrictEqual([0, 0]);
    });

    test('ignored rows have loss 0, gradient 0 and statistics NaN or -1, whatever their logits and wherever the ignoreIndex', () => {
      const logits = [nan, 1, inf, 2, 3, 4, -inf, -inf, -inf];
      for (const ignoreIndex of [-100, 1, 7, -(2 ** 31)]) {
        const batch: Batch = {
          rows: 3,
          columns: 3,
          logits,
          targets: [ignoreIndex, 2, ignoreIndex],
          ignoreIndex,
        };
        const got = run({ ...batch, labelSmoothing: 0.1, sampleWeight: [nan, 2, nan] });
        expect([got.losses[0], got.losses[2]]).toStrictEqual([0, 0]);
        expect(got.lossSum).toBeGreaterThan(0);
        expect([...got.gradient.subarray(0, 3), ...got.gradient.subarray(6)]).toStrictEqual([
          0, 0, 0, 0, 0, 0,
        ]);
        expect(got.gradient[5]).toBeLessThan(0);
        for (const i of [0, 2]) {
          const statistics = [got.logSumExp[i], got.entropy[i], got.margin[i], got.targetProbability[i]];
          expect(statistics).toStrictEqual([nan, nan, nan, nan]);
          expect([got.argMax[i], got.rank[i]]).toStrictEqual([-1, -1]);
        }
        expectQuietNaN(type, got);
      }
    });

    test.each([-1, 3, 2 ** 31 - 1, -(2 ** 31)])(
      'target %i of 3 classes: a status before its row is touched, or ignored',
      (bad) => {
        const logits = Array.from(randomValues(12, 3, 1));
        const batch: Batch = { rows: 4, columns: 3, logits, targets: [0, 2, bad, 1] };
        const stopped = callLossRows(bench, type, batch, { gradient: 'apart', statistics: true });
        expect(stopped.status).toBe(2);
        const first = callLossRows(
          bench,
          type,
          { ...batch, rows: 2, logits: logits.slice(0, 6), targets: [0, 2] },
          { gradient: 'apart' },
        );
        expect(stopped.lossSum).toBe(first.lossSum);
        expect([...stopped.losses]).toStrictEqual([...first.losses, UNWRITTEN, UNWRITTEN]);
        expect([...stopped.gradient]).toStrictEqual([...first.gradient, ...new Array(6).fill(UNWRITTEN)]);
        expect([...stopped.argMax.subarray(2)]).toStrictEqual([UNWRITTEN, UNWRITTEN]);
        const ignoring = run({ ...batch, ignoreInvalid: true });
        expect(ignoring.status).toBe(STATUS_OK);
        expect(ignoring.losses[2]).toBe(0);
        expect([...ignoring.gradient.subarray(6, 9)]).toStrictEqual([0, 0, 0]);
        expect(ignoring.losses[3]).toBeGreaterThan(0);
        // As the ignoreIndex it is no mistake.
        expect(run({ ...batch, ignoreIndex: bad }).status).toBe(STATUS_OK);
      },
    );

    test('a scale of 0 is a gradient of 0, also for a row of NaN; factors beyond the type are NaN throughout', () => {
      expect([...runRow([nan, 1, 2], 1, { scale: 0 }).gradient]).toStrictEqual([0, 0, 0]);
      const beyond = runRow([1, 2, 3], 1, { gradOutput: [1e30], scale: type === 'float32' ? 1e30 : 1e300 });
      expect([...beyond.gradient]).toStrictEqual([nan, nan, nan]);
      expectQuietNaN(type, beyond);
    });

    test('no rows is no work, and soft targets of NaN are a loss and gradient of the one NaN', () => {
      const none = run({ rows: 0, columns: 3, logits: [], targets: [] });
      expect([none.status, none.lossSum]).toStrictEqual([STATUS_OK, 0]);
      const spoiled = run({ rows: 1, columns: 3, logits: [1, 2, 3], softTargets: [0.5, nan, 0.5] });
      expect([...spoiled.gradient, spoiled.losses[0]]).toStrictEqual([nan, nan, nan, nan]);
      expectQuietNaN(type, spoiled);
    });

    test('extreme logits in any column are as the oracle, with any options', () => {
      const special = [1e4, -1e4, inf, -inf, nan, 3e38, -3e38, 1e-40, -0, 88, -88, 710, -710];
      const logit = fc.oneof(fc.float({ min: -20, max: 20, noNaN: true }), fc.constantFrom(...special));
      const size = fc.integer({ min: 1, max: 21 });
      const options = fc.record({
        temperature: fc.constantFrom(1, 0.5, 3),
        softcap: fc.constantFrom(0, 0, 30),
        zLoss: fc.constantFrom(0, 0.01),
        focalGamma: fc.constantFrom(0, 0, 2, 1.5),
        labelSmoothing: fc.constantFrom(0, 0.1, 1),
      });
      const row = size.chain((columns) => {
        const array = <T>(element: fc.Arbitrary<T>) =>
          fc.array(element, { minLength: columns, maxLength: columns });
        return fc.record({
          logits: array(logit),
          target: fc.nat(columns - 1),
          soft: fc.option(array(fc.constantFrom(0, 0.25, 0.5, 1)), { nil: undefined }),
          mask: fc.option(array(fc.constantFrom(0, 1, 1, 1, 255)), { nil: undefined }),
          weight: fc.option(array(fc.constantFrom(0, 1, 2.5)), { nil: undefined }),
          options,
        });
      });
      fc.assert(
        fc.property(row, ({ logits, target, soft, mask, weight, options: chosen }) => {
          const huge = logits.some((z) => Number.isFinite(z) && Math.abs(z) > 1e37);
          // In float32 their quotient by a small temperature overflows, and their difference in the sum of a dense target.
          fc.pre(
            !(
              huge &&
              (soft !== undefined || chosen.labelSmoothing > 0 || chosen.zLoss > 0 || chosen.temperature < 1)
            ),
          );
          const batch: Batch = {
            rows: 1,
            columns: logits.length,
            logits,
            ...(soft ? { softTargets: soft } : { targets: [target] }),
            ...(mask ? { mask } : {}),
            ...(weight ? { weight } : {}),
            ...chosen,
          };
          const got = callLossRows(bench, type, batch, { gradient: 'in place', statistics: true });
          expectAsOracle(type, batch, got, oracleOf(batch));
          expectQuietNaN(type, got);
        }),
        { numRuns: 3000, seed: 11 },
      );
    });
  });
});

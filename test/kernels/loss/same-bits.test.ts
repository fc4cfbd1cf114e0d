// The bits of a row of the general loss depend on the row and the options alone, whatever else a call is asked for.

import { describe, expect, test } from 'vitest';
import { STATUS_OK } from '#softshard/kernels/layout.js';
import { bitsOf } from '../../bits.js';
import { builds, Workbench } from '../workbench.js';
import { type Choices, randomBatch } from './batches.js';
import { type Batch, callLossRows, type ElementType, type Outcome, type Place } from './call.js';

const ROWS = 5;

const OPTIONS: readonly Partial<Choices>[] = [
  {},
  { labelSmoothing: true, weight: true, ignoredRows: true },
  { softTargets: true, weight: true, sampleWeight: true },
  { softTargets: true, mask: true, labelSmoothing: true, gradOutput: true },
  { softcap: true, temperature: true, zLoss: true },
  { softcap: true, mask: true, softTargets: true, scale: true },
  { focalGamma: 2, mask: true },
  { focalGamma: 0.7, softTargets: true, softcap: true },
];

const NONE: Choices = {
  temperature: false,
  softcap: false,
  zLoss: false,
  focalGamma: 0,
  labelSmoothing: false,
  weight: false,
  mask: false,
  softTargets: false,
  sampleWeight: false,
  ignoredRows: false,
  gradOutput: false,
  scale: false,
};

const PLACES: readonly Place[] = [
  { gradient: 'in place' },
  { gradient: 'apart', statistics: true },
  { gradient: 'in place', statistics: true, offset: 1 },
  { gradient: 'apart', offset: 2 },
  { gradient: 'in place', offset: 3 },
  { gradient: 'apart', pieces: [1, 1, 1, 1, 1] },
  { gradient: 'in place', pieces: [2, 3], offset: 1 },
];

const resultBits = ({ losses, gradient, lossSum, zLossSum }: Outcome) =>
  bitsOf(losses, gradient, lossSum, zLossSum);

describe.each(builds)('bits of the general loss kernels (%s)', (numerics) => {
  const bench = new Workbench(numerics, 128);

  describe.each(['float32', 'float64'] satisfies ElementType[])('%s', (type) => {
    test.each([1, 2, 3, 4, 5, 15, 16, 17, 33, 1023, 1025, 4097])(
      '%i columns: the same in place, misaligned, in pieces, with and without statistics',
      (columns) => {
        OPTIONS.forEach((options, k) => {
          for (const spread of [5, 60]) {
            const batch = randomBatch({ ...NONE, ...options }, ROWS, columns, k * 100 + columns, spread);
            // A spoiled row: the rare path must not depend on the place either.
            const logits = Float32Array.from(batch.logits);
            logits[2 * columns + (columns >> 1)] = NaN;
            const spoiled: Batch = { ...batch, logits };
            const apart = callLossRows(bench, type, spoiled, { gradient: 'apart' });
            expect(apart.status).toBe(STATUS_OK);
            for (const place of PLACES) {
              const other = callLossRows(bench, type, spoiled, place);
              expect(resultBits(other), `${JSON.stringify([options, place])}`).toBe(resultBits(apart));
            }
            const alone = callLossRows(bench, type, spoiled, { gradient: 'none', statistics: true });
            const lossBits = ({ losses, lossSum, zLossSum }: Outcome) => bitsOf(losses, lossSum, zLossSum);
            expect(lossBits(alone), 'losses without a gradient').toBe(lossBits(apart));
          }
        });
      },
    );

    test.each(type === 'float64' ? [] : [1, 2, 3, 5, 16, 33, 1025])(
      '%i columns: the same for rows apart, in order and picked by number',
      (columns) => {
        OPTIONS.forEach((options, k) => {
          const batch = randomBatch({ ...NONE, ...options }, ROWS, columns, k * 100 + columns);
          const wanted = callLossRows(bench, type, batch, { gradient: 'in place' });
          const inOrder = callLossRows(bench, type, batch, { gradient: 'in place', at: 'in order' });
          expect(resultBits(inOrder)).toBe(resultBits(wanted));
          const picked = callLossRows(bench, type, batch, { gradient: 'in place', at: 'picked' });
          expect(bitsOf(picked.losses, picked.gradient)).toBe(bitsOf(wanted.losses, wanted.gradient));
        });
      },
    );

    test('the sums take the losses of one row after the other, and add to what they hold', () => {
      const batch = randomBatch({ ...NONE, zLoss: true }, ROWS, 9, 3);
      const { losses, lossSum } = callLossRows(bench, type, batch, { gradient: 'none' });
      const total = Array.from(losses).reduce((sum, loss) => sum + loss, 0);
      if (type === 'float64') expect(lossSum).toBe(total);
      else expect(Math.abs(lossSum - total)).toBeLessThan(1e-6);
    });
  });
});

// A row loss that softshard does not have, made of a kernel that it has: the definition is all that a loss needs in main.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NULL_PTR } from '#softshard/kernels/ptr.js';
import * as reference from '#softshard/kernels/reference/index.js';
import type { Targets } from '#softshard/main/arguments/targets.js';
import { resourcesOf } from '#softshard/main/dispatch/resources.js';
import { Engine } from '#softshard/main/index.js';
import { defineRowLoss, type RowLossOptions } from '#softshard/main/losses/row-loss.js';
import { checkTargetRows } from '#softshard/main/losses/target-rows.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { randomTargets, randomValues } from '../../kernels/workbench.js';

interface BrierOptions extends RowLossOptions {
  /** How much each row counts. */
  factor?: number | undefined;
}

/** Brier's score: the squared error of the softmax, Σ_j (p_j - y_j)², averaged over the rows. */
const brierScore = defineRowLoss<
  BrierOptions,
  [targets: Targets],
  'gradLogits',
  { readonly squaresSum: number }
>({
  inputName: 'logits',
  gradientName: 'gradLogits',
  options: ['factor'],
  check({ resources, input, others: [targets], options: { factor = 1 } }) {
    const { classes } = checkTargetRows(resources, targets, input);
    return {
      weightSum: input.rows / factor,
      operands: [classes],
      scratchRows: 1,
      reads: { targets },
      parameters: (ptrOf) => ({
        loss: 'squaredError',
        targets: ptrOf(classes),
        targetValues: NULL_PTR,
        fromLogits: true,
      }),
    };
  },
  moreOf: ([squaresSum = 0]) => ({ squaresSum }),
});

const ROWS = 3000;
const COLUMNS = 10;
const logits = randomValues(ROWS * COLUMNS, 5, 1);
const targets = randomTargets(ROWS, COLUMNS, 2);
const columns = COLUMNS;

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.create({ threads: 2, numerics: 'portable' });
});
afterAll(() => engine.close());

test('its loss is that of the formula within 1e-6, its gradient that of the mean over the rows, bit for bit', async () => {
  const resources = resourcesOf(engine);
  let wanted = 0;
  for (let row = 0; row < ROWS; row++) {
    const probabilities = reference.softmax(logits.subarray(row * COLUMNS, (row + 1) * COLUMNS));
    for (const [j, p] of probabilities.entries()) wanted += (p - (j === targets[row] ? 1 : 0)) ** 2 / ROWS;
  }
  const got = await brierScore.gradient(resources, logits, [targets], { columns });
  expect(Math.abs(got.loss - wanted)).toBeLessThan(1e-6);
  expect(got.squaresSum).toBe(got.lossSum);
  const doubled = await brierScore.loss(resources, logits, [targets], { columns, factor: 2 });
  expect(doubled.loss).toBe(2 * got.loss);
  const same = await engine.meanSquaredErrorGradient(logits, targets, {
    columns,
    fromLogits: true,
    reduction: 'sum',
    gradScale: 1 / ROWS,
  });
  expect(bitsOf(got.gradLogits.data)).toEqual(bitsOf(same.gradPredictions.data));
});

test('it has the options and the errors of every row loss', async () => {
  const resources = resourcesOf(engine);
  const { losses } = await brierScore.loss(resources, logits, [targets], { columns, reduction: 'none' });
  expect(losses).toHaveLength(ROWS);
  const error = await failure(() => brierScore.loss(resources, logits, [[0, 1]], { columns }));
  expect(error).toMatchObject({ code: 'ERR_SHAPE', argument: 'targets' });
  const wrong = { columns, facter: 2 };
  const misspelled = await failure(() => brierScore.loss(resources, logits, [targets], wrong));
  expect(misspelled).toMatchObject({ code: 'ERR_OPTION' });
});

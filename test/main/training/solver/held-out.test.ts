// What C is chosen by, against float64 by the plain formulas.
import { describe, expect, test } from 'vitest';
import { HeldOutLosses } from '#softshard/main/training/solver/held-out.js';
import { builds, randomValues } from '../../../kernels/workbench.js';
import { byPartials, CASES } from '../loss-cases.js';
import { createInsides } from '../steps.js';
import { headFor } from './heads.js';
import { objectiveAt } from './minimum.js';

describe.each(builds)('losses of held-out rows (%s)', (numerics) => {
  test.each([
    'weight',
    'temperature',
    'soft targets',
    'mask',
    'weight, sampleWeight and ignored rows',
    'soft targets, mask, weight and sampleWeight',
  ])('%s', async (name) => {
    await using insides = createInsides(1, numerics);
    const example = CASES[name]!(byPartials);
    const { inputs, targets, features, classes } = example.problem;
    const { head, sums, terms, rows, rowWeights } = headFor(insides, example);
    const weights = randomValues(features * classes, 1, 31);
    const bias = randomValues(classes, 1, 32);
    const { values, stride } = head.logits;
    let correct = 0;
    for (const [position, row] of rows.entries()) {
      const logits = values.subarray(position * stride, position * stride + classes);
      for (let column = 0; column < classes; column++) {
        let logit = bias[column]!;
        for (let feature = 0; feature < features; feature++) {
          logit += inputs[row * features + feature]! * weights[feature * classes + column]!;
        }
        logits[column] = logit;
      }
      if (logits.indexOf(Math.max(...logits)) === targets[row]) correct += 1;
    }
    const held = new HeldOutLosses(terms, rows, rowWeights, insides.scope);
    const all = Uint32Array.from(rows.keys());
    const result = await held.of(head, all);
    const { objective } = objectiveAt(example.problem, example.loss, 0, weights, bias);
    expect(Math.abs(result.loss - objective)).toBeLessThan(1e-5 * objective);
    expect(Math.abs(result.weight - sums.weightSum)).toBeLessThan(1e-9 * sums.weightSum);
    expect(await held.lossOf(head, all)).toBe(result.loss / result.weight);
    if (name === 'mask') expect(result.correct).toBe(correct);
    // Some of the rows, each as among all of them.
    const some = all.filter((position) => position % 3 === 1);
    const { losses } = await held.of(head, some);
    expect([...losses]).toEqual([...some].map((position) => result.losses[position]));
  });
});

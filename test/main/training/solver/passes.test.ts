// What passes over rows with kept logits give, against float64 by the plain formulas: losses, gradients, products with the
// Hessian, losses along a direction, and the Hessian by the bias.
import { describe, expect, test } from 'vitest';
import { NULL_PTR } from '#softshard/kernels/ptr.js';
import type { Training } from '#softshard/main/index.js';
import { planFullBatch } from '#softshard/main/plans/training.js';
import { bitsOf, expectSameBits } from '../../../bits.js';
import { builds, randomTargets, randomValues } from '../../../kernels/workbench.js';
import { byPartials, byTiles, CASES, type Case } from '../loss-cases.js';
import { createInsides } from '../steps.js';
import { clusters, largestDifference, type Problem } from '../workbench.js';
import { headFor } from './heads.js';
import { objectiveAt } from './minimum.js';

const plain = (problem: Problem): Case => ({ problem, options: {}, loss: {} });
const EXAMPLES: Record<string, (problem: Problem) => Case> = {
  'no options': plain,
  'weight, sampleWeight and ignored rows': CASES['weight, sampleWeight and ignored rows']!,
  temperature: CASES.temperature!,
  'soft targets, mask, weight and sampleWeight': CASES['soft targets, mask, weight and sampleWeight']!,
};

const ofManyClasses = clusters(130, 6, 70, 8);

const EPSILON = 1e-4;

function referenceOf({ problem, loss }: Case) {
  const split = problem.features * problem.classes;
  const at = (point: Float64Array) => {
    const { objective, gradient } = objectiveAt(
      problem,
      loss,
      0,
      point.subarray(0, split),
      point.subarray(split),
    );
    return { loss: objective, gradient, bias: gradient.subarray(split) };
  };
  const plus = (x: Float64Array, y: ArrayLike<number>, factor: number) =>
    x.map((value, i) => value + factor * y[i]!);
  const curve = (point: Float64Array, vector: ArrayLike<number>) => {
    const [after, before] = [at(plus(point, vector, EPSILON)), at(plus(point, vector, -EPSILON))];
    return after.gradient.map((value, i) => (value - before.gradient[i]!) / (2 * EPSILON));
  };
  return { split, at, plus, curve };
}

const dot = (x: ArrayLike<number>, y: ArrayLike<number>) =>
  Array.from(x).reduce((sum, value, i) => sum + value * y[i]!, 0);

const sizeOf = (values: ArrayLike<number>) => largestDifference(values, new Float64Array(values.length));

describe.each(builds)('passes over kept logits (%s)', (numerics) => {
  describe.each([
    ['data-parallel', byPartials, Object.keys(EXAMPLES)],
    ['data-parallel', ofManyClasses, ['weight, sampleWeight and ignored rows', 'temperature']],
    ['parameter-sharded', byTiles, ['soft targets, mask, weight and sampleWeight']],
  ] as const)('%s', (by, problem, names) => {
    test.each(names)(
      '%s: each operation is within 1e-5 of float64 by its size, with the same bits for 1, 2, 3 and 8 threads',
      async (name) => {
        expect(planFullBatch(problem).by).toBe(by);
        const example = EXAMPLES[name]!(problem);
        const { split, at, plus, curve } = referenceOf(example);
        const { classes } = problem;
        const point = Float64Array.from(randomValues(split + classes, 0.1, 77));
        const vector = Float64Array.from(randomValues(split + classes, 0.1, 78));
        const shift = randomValues(classes, 0.2, 79);
        const shiftVector = new Float64Array(split + classes);
        shiftVector.set(shift, split);
        const close = (got: ArrayLike<number>, wanted: ArrayLike<number>, least = 0) =>
          expect(largestDifference(got, wanted)).toBeLessThan(1e-5 * Math.max(least, sizeOf(wanted)));
        const texts: string[] = [];
        for (const threads of [1, 2, 3, 8]) {
          await using insides = createInsides(threads, numerics);
          const { head, sums } = headFor(insides, example);
          const isChecked = threads === 2;
          const keep: (ArrayBufferView | number)[] = [];

          const evaluated = await head.run({ name: 'evaluate' }, { vector: point });
          keep.push(evaluated.loss, evaluated.gradient);
          const curved = await head.run({ name: 'curvature', extend: undefined }, { vector });
          keep.push(curved.gradient);
          // The direction is 0.5 · vector, then vector + a shift of the bias.
          const looked = await head.run({ name: 'look', step: 0.7, extend: { by: 0.5, isFirst: true } });
          keep.push(looked.loss, looked.slope);
          const placed = head.placeShift(shift);
          const extended = await head.run({ name: 'look', step: 0.3, extend: { by: 0.5, isFirst: false } });
          const shifted = await head.run({ name: 'look', step: 0.3, extend: { vector: placed } });
          keep.push(extended.loss, shifted.loss, shifted.slope);
          const directed = await head.run({ name: 'direct' }, { vector });
          keep.push(directed.columnSums);
          const moved = await head.run({ name: 'move', step: 0.4, extend: undefined, vector: placed });
          keep.push(moved.loss, moved.columnSums, moved.biasCurvature ?? 0, moved.biasDiagonal ?? 0);
          const biasCurved = await head.run({ name: 'curveBias', vector: placed });
          keep.push(biasCurved.columnSums);
          const there = await head.run({ name: 'gradient', vector: NULL_PTR });
          const shiftedThere = await head.run({ name: 'gradient', vector: placed });
          keep.push(there.loss, there.gradient, shiftedThere.loss, shiftedThere.gradient);
          expect(head.passes).toBe(1 + 1 + 0.5 + 0.5 + 0.5);
          texts.push(bitsOf(...keep));
          if (!isChecked) continue;

          const here = at(point);
          close([evaluated.loss], [here.loss]);
          close(evaluated.gradient, here.gradient);
          const product = curve(point, vector);
          close(curved.gradient, product);
          const lookedAt = at(plus(point, vector, 0.35));
          close([looked.loss], [lookedAt.loss]);
          close([looked.slope], [dot(lookedAt.gradient, vector) / 2], here.loss);
          close([extended.loss], [at(plus(point, vector, 0.3)).loss]);
          const direction = plus(vector, shiftVector, 1);
          const further = at(plus(point, direction, 0.3));
          close([shifted.loss], [further.loss]);
          close([shifted.slope], [dot(further.gradient, direction)], here.loss);
          close(directed.columnSums, product.subarray(split), sizeOf(product));
          const end = plus(plus(point, vector, 0.4), shiftVector, 1);
          const atEnd = at(end);
          close([moved.loss], [atEnd.loss]);
          close(moved.columnSums, atEnd.bias);
          close([there.loss], [atEnd.loss]);
          close(there.gradient, atEnd.gradient);
          const last = at(plus(end, shiftVector, 1));
          close([shiftedThere.loss], [last.loss]);
          close(shiftedThere.gradient, last.gradient);
          close(biasCurved.columnSums, curve(end, shiftVector).subarray(split));
          expect(moved.biasCurvature === undefined).toBe(classes > 64);
          expect(moved.biasDiagonal === undefined).toBe(classes <= 64);
          for (const column of moved.biasDiagonal === undefined ? [] : [0, classes - 1]) {
            const unit = new Float64Array(split + classes);
            unit[split + column] = 1;
            close([moved.biasDiagonal![column]!], [curve(end, unit)[split + column]!]);
          }
          for (let column = 0; moved.biasCurvature !== undefined && column < classes; column++) {
            const unit = new Float64Array(split + classes);
            unit[split + column] = 1;
            const wanted = curve(end, unit).subarray(split);
            close(moved.biasCurvature.subarray(column * classes, (column + 1) * classes), wanted);
          }
          // How much of the weight is due to each class follows from the gradient where all probabilities are the same.
          const { weightSum, targetSums } = sums;
          if (example.loss.mask === undefined) {
            const zero = at(new Float64Array(split + classes)).bias;
            const temperature = example.loss.temperature ?? 1;
            close(
              targetSums,
              zero.map((value) => weightSum / classes - temperature * value),
            );
          }
          close([weightSum], [dot(targetSums, new Float64Array(classes).fill(1))]);
        }
        expectSameBits(texts);
      },
    );
  });

  test('sweeps fetch no rows: the bits are the same where these pass through the arena, for 1, 2, 3 and 8 threads', async () => {
    const [rows, features, classes] = [35_001, 1000, 70];
    expect(planFullBatch({ rows, features, classes })).toMatchObject({
      by: 'parameter-sharded',
      stepsAnEpoch: 4,
    });
    // The rows alone take more.
    const small = 128 * 2 ** 20;
    expect(rows * features * 4).toBeGreaterThan(small);
    const targets = randomTargets(rows, classes, 6);
    const sampleWeight = randomValues(rows, 1, 5).map((value) => value + 1.25);
    const problem = { rows, features, classes, targets, inputs: new Float32Array(0) };
    let gathered = 0;
    const inputs: Training.FeatureSource<'uint8'> = {
      rows,
      features,
      type: 'uint8',
      gather(rowNumbers) {
        gathered += rowNumbers.length;
      },
    };
    const texts: string[] = [];
    for (const [threads, arenaBytes] of [
      [2, 2 ** 28],
      [1, small],
      [2, small],
      [3, small],
      [8, small],
    ] as const) {
      await using insides = createInsides(threads, numerics, { arenaBytes });
      const { head } = headFor(
        insides,
        { problem, options: { sampleWeight }, loss: { sampleWeight } },
        inputs,
      );
      const { values, stride } = head.logits;
      const logits = randomValues(rows * classes, 2, 9);
      for (let row = 0; row < rows; row++) {
        values.set(logits.subarray(row * classes, (row + 1) * classes), row * stride);
      }
      const vector = head.placeShift(randomValues(classes, 1, 7));
      const moved = await head.run({ name: 'move', step: 0, extend: undefined, vector });
      const curved = await head.run({ name: 'curveBias', vector });
      texts.push(bitsOf(moved.loss, moved.columnSums, moved.biasDiagonal!, curved.columnSums));
    }
    expect(gathered).toBe(0);
    expectSameBits(texts);
  });
});

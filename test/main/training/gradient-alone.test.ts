// The gradient of a whole data set, without an update: what solvers ask the workers for.
import { describe, expect, test } from 'vitest';
import { LOSS_CALL_BYTES } from '#softshard/kernels/loss-layout.js';
import { NULL_PTR } from '#softshard/kernels/ptr.js';
import { checkFitLoss } from '#softshard/main/training/fit-loss.js';
import { placeRunLoss, trainLoss } from '#softshard/main/training/run-loss.js';
import { bitsOf } from '../../bits.js';
import { builds } from '../../kernels/workbench.js';
import { blasSearch } from '../../optional.js';
import { createInsides, type Steps, startOf, takeSteps } from './steps.js';
import { clusters, largestDifference, type Problem, referenceStep } from './workbench.js';

const wide = clusters(128, 611, 499, 6);
const PROBLEMS = [
  ['data-parallel', clusters(500, 19, 7, 5), undefined],
  ['parameter-sharded', wide, undefined],
  ...('library' in blasSearch ? [['parameter-sharded with a BLAS', wide, blasSearch.library] as const] : []),
] as const;

const LOSSES: readonly [string, 'mean' | 'sum', Steps['loss']][] = [
  ['plain mean', 'mean', () => ({ kind: 'crossEntropy' })],
  [
    'sum',
    'sum',
    ({ resources, scope }, targets, plan) => {
      const loss = placeRunLoss(resources, scope, checkFitLoss({ reduction: 'sum' }, 499));
      const call = scope.allocate(LOSS_CALL_BYTES, 'call');
      const ptrs = {
        inputs: NULL_PTR,
        targets,
        sampleWeight: NULL_PTR,
        softTargets: NULL_PTR,
        mask: NULL_PTR,
      };
      return trainLoss(resources, call, loss, ptrs, plan);
    },
  ],
];

/** Float64 training of this size takes a while: once for all builds. */
const references = new Map<string, ReturnType<typeof referenceStep>>();

function referenceOf(problem: Problem, reduction: 'mean' | 'sum') {
  const key = `${problem.features} ${reduction}`;
  const { weights, bias } = startOf(problem);
  const rows = Array.from({ length: problem.rows }, (_, row) => row);
  const step = references.get(key) ?? referenceStep(problem, { reduction }, rows, weights, bias);
  references.set(key, step);
  return step;
}

const sumOfSquares = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0);

describe.each(builds)('a step without an update (%s)', (numerics) => {
  describe.each(PROBLEMS)('%s', (title, problem, blas) => {
    test.each(LOSSES)(
      '%s: loss and gradient of all rows are within 2e-6 of float64 by their size, with the same bits for 1, 2, 3 and 8 threads, and the parameters stay',
      async (_, reduction, loss) => {
        const start = startOf(problem);
        const wanted = referenceOf(problem, reduction);
        const scale = reduction === 'sum' ? problem.rows : 1;
        const bits = new Set<string>();
        for (const threads of [1, 2, 3, 8]) {
          await using insides = createInsides(threads, numerics, { blas });
          const steps = { batchSize: problem.rows, steps: 1, loss, update: undefined };
          const { plan, job, head, results, losses, gradient, parameters } = await takeSteps(
            insides,
            problem,
            steps,
          );
          expect(title.startsWith(plan.by)).toBe(true);
          // The pool may send fewer members for small work.
          expect(results.map(({ state }) => state)).toEqual(results.map(() => 'done'));
          expect(bitsOf(parameters.weights, parameters.bias)).toBe(bitsOf(start.weights, start.bias));
          expect(Math.abs(losses[0]! - wanted.loss)).toBeLessThan(2e-6 * wanted.loss);
          expect(largestDifference(gradient.weights, wanted.gradWeights)).toBeLessThan(2e-6 * scale);
          expect(largestDifference(gradient.bias, wanted.gradBias)).toBeLessThan(2e-6 * scale);
          // What pads the vector in the arena is 0, or solvers would find it in its products.
          const { kernels } = insides.resources;
          const squares = kernels.dot(head.gradient, head.gradient, job.parametersLength);
          const unpadded = sumOfSquares(gradient.weights) + sumOfSquares(gradient.bias);
          expect(Math.abs(squares - unpadded)).toBeLessThan(1e-12 * unpadded);
          bits.add(bitsOf(losses, gradient.weights, gradient.bias, squares));
        }
        expect(bits.size).toBe(1);
      },
    );
  });
});

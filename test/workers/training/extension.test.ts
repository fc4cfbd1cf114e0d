// Training is open to losses and optimizers that it does not know: extension.mjs adds some, in real worker threads.
import { describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { bitsOf } from '../../bits.js';
import { builds } from '../../kernels/workbench.js';
import { createInsides, type Steps, startOf, takeSteps } from '../../main/training/steps.js';
import { clusters, largestDifference, type Problem, rowsAt } from '../../main/training/workbench.js';

const EXTENSION = new URL('./extension.mjs', import.meta.url).href;

const ADAM = { kind: 'adam', state: ['mean', 'square'], beta1: 0.9, beta2: 0.99, epsilon: 1e-3 };
const NORMALIZED = { kind: 'normalized', state: ['norm'] };
const LEARNING_RATE = 0.02;
const STEPS = 5;
const loss = () => ({ kind: 'squaredError' });

/** One row is ignored, and has no numbers. */
function withIgnoredRow(problem: Problem): Problem {
  problem.targets[3] = -1;
  problem.inputs[3 * problem.features] = Number.NaN;
  return problem;
}

const PROBLEMS = [
  ['data-parallel', withIgnoredRow(clusters(500, 19, 7, 5)), 192],
  ['parameter-sharded', withIgnoredRow(clusters(120, 611, 499, 6)), 100],
] as const;

type Vectors = Record<'parameters' | 'mean' | 'square', Float64Array>;

/** The parameters' gradient (weights, then bias) of squared errors, and their mean. */
function squaredError({ inputs, targets, features, classes }: Problem, rows: number[], w: Float64Array) {
  const kept = rows.filter((row) => targets[row] !== -1);
  const x = rowsAt(inputs, features, kept);
  const split = features * classes;
  const z = reference.linearForward(
    x,
    w.subarray(0, split),
    w.subarray(split),
    kept.length,
    features,
    classes,
  );
  for (const [i, row] of kept.entries()) z[i * classes + targets[row]!]! -= 1;
  const mean = z.reduce((sum, value) => sum + value * value, 0) / rows.length;
  const dz = z.map((value) => (2 / rows.length) * value);
  const gradWeights = reference.linearGradWeights(x, dz, kept.length, features, classes);
  return { mean, gradient: [...gradWeights, ...reference.linearGradBias(dz, kept.length, classes)] };
}

function adam({ parameters, mean, square }: Vectors, gradient: number[], number: number): void {
  for (const [i, g] of gradient.entries()) {
    mean[i] = ADAM.beta1 * mean[i]! + (1 - ADAM.beta1) * g;
    square[i] = ADAM.beta2 * square[i]! + (1 - ADAM.beta2) * g * g;
    const corrected = Math.sqrt(square[i]! / (1 - ADAM.beta2 ** number)) + ADAM.epsilon;
    parameters[i]! -= (LEARNING_RATE * (mean[i]! / (1 - ADAM.beta1 ** number))) / corrected;
  }
}

function normalized({ parameters }: Vectors, gradient: number[]): void {
  const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
  for (const [i, g] of gradient.entries()) parameters[i]! -= (LEARNING_RATE * g) / norm;
}

function trainReference(problem: Problem, batchSize: number, update: typeof adam) {
  const { weights, bias } = startOf(problem);
  const parameters = Float64Array.from([...weights, ...bias]);
  const vectors = {
    parameters,
    mean: new Float64Array(parameters.length),
    square: new Float64Array(parameters.length),
  };
  const losses: number[] = [];
  for (
    let begin = 0;
    losses.length < STEPS;
    begin = begin + batchSize < problem.rows ? begin + batchSize : 0
  ) {
    const count = Math.min(batchSize, problem.rows - begin);
    const rows = Array.from({ length: count }, (_, i) => begin + i);
    const { mean, gradient } = squaredError(problem, rows, parameters);
    losses.push(mean);
    update(vectors, gradient, losses.length);
  }
  return {
    losses,
    weights: parameters.subarray(0, weights.length),
    bias: parameters.subarray(weights.length),
  };
}

const OPTIMIZERS = [
  ['adam', ADAM, adam],
  ['normalized, which needs the whole gradient first', NORMALIZED, normalized],
] as const;

describe.each(builds)('a loss and an optimizer of a test (%s)', (numerics) => {
  describe.each(PROBLEMS)('%s', (by, problem, batchSize) => {
    test.each(OPTIMIZERS)(
      '%s: within 1e-5 of float64 training, with the same bits for 1, 2, 3 and 8 threads',
      async (_, optimizer, update) => {
        const wanted = trainReference(problem, batchSize, update);
        const terms = {
          optimizer,
          learningRate: LEARNING_RATE,
          schedule: { kind: 'constant', warmupSteps: 0 },
        } as const;
        const bits = new Set<string>();
        for (const threads of [1, 2, 3, 8]) {
          await using insides = createInsides(threads, numerics, { extensions: [EXTENSION] });
          const steps: Steps = { batchSize, steps: STEPS, loss, update: terms };
          const { plan, losses, parameters } = await takeSteps(insides, problem, steps);
          expect(plan.by).toBe(by);
          expect(largestDifference(losses, wanted.losses)).toBeLessThan(1e-5 * wanted.losses[0]!);
          expect(largestDifference(parameters.weights, wanted.weights)).toBeLessThan(1e-5);
          expect(largestDifference(parameters.bias, wanted.bias)).toBeLessThan(1e-5);
          bits.add(bitsOf(losses, parameters.weights, parameters.bias));
        }
        expect(bits.size).toBe(1);
      },
    );
  });
});

describe('an extension that fails', () => {
  const problem = PROBLEMS[0][1];
  const takeWith = async (
    extensions: readonly string[],
    kinds: { loss?: string; optimizer?: string } = {},
  ) => {
    await using insides = createInsides(3, 'portable', { extensions });
    const optimizer = { kind: kinds.optimizer ?? 'adam', state: [] };
    return await takeSteps(insides, problem, {
      batchSize: 100,
      steps: STEPS,
      loss: () => ({ kind: kinds.loss ?? 'squaredError' }),
      update: { optimizer, learningRate: 1, schedule: { kind: 'constant', warmupSteps: 0 } },
    });
  };
  const moduleOf = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;

  test.each([
    ['while it loads', [moduleOf("throw new Error('not this module')")], 'not this module'],
    [
      'while it registers',
      [moduleOf("export default () => { throw new Error('nor this one') }")],
      'nor this one',
    ],
    ['as it has no default export', [moduleOf('export const extend = 1')], 'extend is not a function'],
    ['as there is none', [`${EXTENSION}.missing`], 'Cannot find module'],
    ['as its kind is taken', [EXTENSION, `${EXTENSION}?again`], "loss 'squaredError' is already registered"],
  ])('%s rejects with ERR_WORKER and the cause', async (_, extensions, message) => {
    await expect(takeWith(extensions)).rejects.toMatchObject({
      code: 'ERR_WORKER',
      message: expect.stringContaining(message),
      cause: { message: expect.stringContaining(message) },
    });
  });

  test.each([
    [{ optimizer: 'failing' }, 'this optimizer fails'],
    [
      { optimizer: 'unheard of' },
      "unknown optimizer 'unheard of'; known: sgd, adamw, gradientSum, adam, normalized, failing",
    ],
    [{ loss: 'unheard of' }, "unknown loss 'unheard of'"],
  ])('%o rejects with ERR_WORKER and the cause', async (kinds, message) => {
    await expect(takeWith([EXTENSION], kinds)).rejects.toMatchObject({
      code: 'ERR_WORKER',
      cause: { message: expect.stringContaining(message) },
    });
  });
});

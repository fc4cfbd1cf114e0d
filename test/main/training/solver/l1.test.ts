// L1 penalties and elastic nets, beside a float64 run of proximal gradients.
import { describe, expect, test } from 'vitest';
import { SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { bitsOf, expectSameBits } from '../../../bits.js';
import { sharedEngines } from '../../../engines.js';
import { failure } from '../../../failure.js';
import { builds } from '../../../kernels/workbench.js';
import { byPartials, byTiles, CASES, type Case } from '../loss-cases.js';
import { clusters, largestDifference, type Problem, type ReferenceLoss } from '../workbench.js';
import { objectiveAt } from './minimum.js';

const plain = (problem: Problem): Case => ({ problem, options: {}, loss: {} });

interface Penalties {
  readonly l1: number;
  readonly l2: number;
}

const sumOf = (values: ArrayLike<number>, of: (value: number) => number) =>
  Array.from(values).reduce((sum, value) => sum + of(value), 0);

/** The objective in sums. */
function sparseObjective(
  { problem, loss }: Case,
  { l1, l2 }: Penalties,
  weights: ArrayLike<number>,
  bias: ArrayLike<number>,
) {
  const { objective, gradient } = objectiveAt(problem, loss, l2, weights, bias);
  return { objective: objective + l1 * sumOf(weights, Math.abs), gradient };
}

/** Parameters that move less, at several steps after each other, are at the minimum but for rounding. */
const STILL = 5e-7;
const STILL_STEPS = 5;

/** FISTA with backtracking and restarts (Beck and Teboulle, 2009; O'Donoghue and Candès, 2015), from zero. */
function sparseMinimum(example: Case, penalties: Penalties, iterations: number) {
  const { features, classes } = example.problem;
  const split = features * classes;
  const smoothAt = (point: Float64Array) =>
    objectiveAt(example.problem, example.loss, penalties.l2, point.subarray(0, split), point.subarray(split));
  const length = (x: Float64Array, y: Float64Array) =>
    x.reduce((sum, value, i) => sum + (value - y[i]!) ** 2, 0);
  let rate = 1;
  let momentum = 1;
  let point = new Float64Array(split + classes);
  let ahead = point;
  let still = 0;
  for (let iteration = 0; iteration < iterations && still < STILL_STEPS; iteration++) {
    const { objective, gradient } = smoothAt(ahead);
    let next = point;
    for (rate *= 1.2; ; rate /= 2) {
      next = ahead.map((value, i) => {
        const moved = value - rate * gradient[i]!;
        if (i >= split) return moved;
        return Math.sign(moved) * Math.max(0, Math.abs(moved) - rate * penalties.l1);
      });
      const slope = next.reduce((sum, value, i) => sum + gradient[i]! * (value - ahead[i]!), 0);
      const most = objective + slope + length(next, ahead) / (2 * rate);
      if (smoothAt(next).objective <= most + 1e-13 * objective) break;
    }
    const backwards = next.reduce((sum, value, i) => sum + (ahead[i]! - value) * (value - point[i]!), 0);
    if (backwards > 0) momentum = 1;
    const following = (1 + Math.sqrt(1 + 4 * momentum ** 2)) / 2;
    still = largestDifference(next, ahead) < STILL ? still + 1 : 0;
    const former = point;
    ahead = next.map((value, i) => value + ((momentum - 1) / following) * (value - former[i]!));
    momentum = following;
    point = next;
  }
  const weights = point.slice(0, split);
  const bias = point.slice(split);
  return { ...sparseObjective(example, penalties, weights, bias), weights, bias };
}

const weightOf = ({ rows, targets }: Problem, { weight, sampleWeight, ignoreIndex }: ReferenceLoss) => {
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    if (targets[row] !== ignoreIndex && targets[row]! >= 0)
      sum += (weight?.[targets[row]!] ?? 1) * (sampleWeight?.[row] ?? 1);
  }
  return sum;
};

describe.each(builds)('L1 penalties (%s)', (numerics) => {
  const engineFor = sharedEngines();

  async function train({ problem, options }: Case, more: Training.FitOptions, threads = 2) {
    const { features, classes, inputs, targets } = problem;
    const engine = await engineFor({ threads, numerics });
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    return {
      classifier,
      result: await classifier.fit(inputs, targets, { ...options, ...more, scale: 'none' }),
    };
  }

  test.each([
    [157, 8, 3, 'no options'],
    [203, 5, 2, 'no options'],
    [151, 6, 5, 'no options'],
    [157, 8, 3, 'weight, sampleWeight and ignored rows'],
    [157, 8, 3, 'labelSmoothing'],
    [157, 8, 3, 'temperature'],
  ])(
    '%i rows of %i features, %i classes, %s: the minimum is between objective - gap and objective, with the same zeros',
    async (rows, features, classes, name) => {
      const example = (CASES[name] ?? plain)(clusters(rows, features, classes, rows));
      const weight = weightOf(example.problem, example.loss);
      for (const [l1, l2] of [
        [0.1, 0],
        [0.01, 0],
        [0.02, 0.01],
      ] as const) {
        const penalties = { l1: l1 * weight, l2: l2 * weight };
        const minimum = sparseMinimum(example, penalties, 300);
        for (const tol of [1e-2, 1e-4]) {
          const { classifier, result } = await train(example, { l1, tol, ...(l2 > 0 && { l2 }) });
          const { weights, bias } = classifier;
          const { objective } = sparseObjective(example, penalties, weights, bias);
          expect(result).toMatchObject({ converged: true, stopReason: 'converged', l1 });
          expect(Math.abs(result.l2! - l2)).toBeLessThan(1e-12);
          expect(result.gapRelative).toBeLessThanOrEqual(tol);
          expect(Math.abs(result.objective! / objective - 1)).toBeLessThan(1e-6);
          expect(result.objective! - result.gap!).toBeLessThan(minimum.objective * (1 + 1e-6));
          expect(objective).toBeGreaterThan(minimum.objective * (1 - 1e-6));
          expect(result.zeroWeights).toBe(weights.reduce((sum, value) => sum + (value === 0 ? 1 : 0), 0));
          if (tol > 1e-4) continue;
          expect(largestDifference(weights, minimum.weights)).toBeLessThan(0.05);
          // Of the minimum only those near 0 may be in doubt.
          for (const [i, value] of minimum.weights.entries()) {
            if (Math.abs(value) > 0.05) expect(weights[i]).not.toBe(0);
            if (value === 0) expect(Math.abs(weights[i]!)).toBeLessThan(0.05);
          }
        }
      }
    },
  );

  test('a penalty beyond the steepest gradient leaves no weight, and says so', async () => {
    const problem = clusters(157, 8, 3, 4);
    const { classifier, result } = await train(plain(problem), { l1: 1e3 });
    expect(classifier.weights.every((weight) => weight === 0)).toBe(true);
    expect(result).toMatchObject({ converged: true, zeroWeights: 24, l1: 1000, l2: 0 });
    // What is left is the frequencies of the classes.
    const { data } = await classifier.predictProbabilities(problem.inputs);
    for (let column = 0; column < 3; column++) {
      const share = problem.targets.filter((target) => target === column).length / 157;
      expect(data[column]).toBeCloseTo(share, 5);
    }
  });

  test('weak penalties and constant features are solved too', async () => {
    const problem = clusters(300, 30, 10, 500);
    const inputs = problem.inputs.map((value, i) => (i % 30 === 7 ? 3 : value));
    const example = plain({ ...problem, inputs });
    for (const l1 of [1e-3, 1e-4, 1e-5]) {
      const { classifier, result } = await train(example, { l1 });
      expect(result).toMatchObject({ converged: true, stopReason: 'converged' });
      expect(result.passes).toBeLessThan(200);
      expect(classifier.weights.subarray(70, 80).every((weight) => weight === 0)).toBe(true);
    }
  });

  test('beside C: the square is that of C', async () => {
    const example = plain(clusters(157, 8, 3, 4));
    const byC = await train(example, { C: 2, l1: 0.01 });
    const byL2 = await train(example, { l2: byC.result.l2!, l1: 0.01 });
    expect(byC.result.C).toBe(2);
    expect(largestDifference(byL2.classifier.weights, byC.classifier.weights)).toBeLessThan(1e-4);
  });

  test('begun at a solution, that of a weaker penalty takes fewer passes than from zero', async () => {
    const example = plain(byPartials);
    const { classifier } = await train(example, { l1: 0.011, tol: 1e-3 });
    const next = await classifier.fit(byPartials.inputs, byPartials.targets, { l1: 0.01, tol: 1e-3 });
    const cold = await train(example, { l1: 0.01, tol: 1e-3 });
    expect(next.converged).toBe(true);
    expect(next.passes).toBeLessThan(cold.result.passes!);
    expect(Math.abs(next.objective! / cold.result.objective! - 1)).toBeLessThan(1e-3);
  });

  test('the bits are the same for 1, 2, 3 and 8 threads', async () => {
    for (const [problem, options] of [
      [byPartials, { l1: 0.01 }],
      [byTiles, { l1: 0.01, maxPasses: 4 }],
    ] as const) {
      const texts: string[] = [];
      for (const threads of [1, 2, 3, 8]) {
        const { classifier, result } = await train(plain(problem), options, threads);
        const { objective = -1, gap = -1, passes = -1 } = result;
        texts.push(bitsOf(classifier.weights, classifier.bias, objective, gap, passes));
      }
      expectSameBits(texts);
    }
  });

  test('newton-cg and steps do not know it', async () => {
    const example = plain(clusters(57, 4, 3, 4));
    for (const more of [{ solver: 'newton-cg' }, { solver: 'sgd' }, { epochs: 3 }] as const) {
      const error = await failure(() => train(example, { ...more, l1: 0.1 }));
      expect(error).toMatchObject({ code: 'ERR_OPTION' });
      expect(error.message).toContain('options.l1');
    }
    const error = await failure(() => train(example, { l1: -1 }));
    expect(error).toMatchObject({ code: 'ERR_OPTION', argument: 'options.l1' });
  });
});

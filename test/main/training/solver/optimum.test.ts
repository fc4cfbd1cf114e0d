// What full-batch solvers find, beside the minimum of a float64 run by plain formulas.
import { describe, expect, test } from 'vitest';
import { SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { planFullBatch } from '#softshard/main/plans/training.js';
import { sharedEngines } from '../../../engines.js';
import { builds } from '../../../kernels/workbench.js';
import { CASES, type Case } from '../loss-cases.js';
import { clusters, largestDifference, type Problem } from '../workbench.js';
import { type Minimum, minimumOf, objectiveAt } from './minimum.js';

/** Float32 shows differences of objectives down to here. */
const ROUNDING = 1e-6;

const plain = (problem: Problem): Case => ({ problem, options: {}, loss: {} });
const CONVEX: Record<string, (problem: Problem) => Case> = {
  'no options': plain,
  weight: CASES.weight!,
  sampleWeight: CASES.sampleWeight!,
  'ignoreIndex 255': CASES['ignoreIndex 255']!,
  labelSmoothing: CASES.labelSmoothing!,
  temperature: CASES.temperature!,
  'soft targets': CASES['soft targets']!,
  mask: CASES.mask!,
  'weight, sampleWeight and ignored rows': CASES['weight, sampleWeight and ignored rows']!,
  'soft targets, mask, weight and sampleWeight': CASES['soft targets, mask, weight and sampleWeight']!,
};

/** Float64 takes a while: once for all builds and tolerances. */
const minima = new Map<string, Minimum>();

function minimumFor(key: string, { problem, loss }: Case, penalty: number): Minimum {
  const minimum = minima.get(key) ?? minimumOf(problem, loss, penalty);
  minima.set(key, minimum);
  return minimum;
}

const targetsOf = ({ problem, loss }: Case) =>
  loss.softTargets === undefined
    ? problem.targets
    : {
        type: 'float32' as const,
        dims: [problem.rows, problem.classes],
        data: Float32Array.from(loss.softTargets),
      };

const penaltyFor = ({ classes }: Problem, C: number) => (classes === 2 ? 2 : 1) / C;

const SHAPES = [
  [203, 5, 2],
  [101, 7, 3],
  [61, 6, 10],
] as const;

describe.each(builds)('full-batch solvers (%s)', (numerics) => {
  const engineFor = sharedEngines();

  async function fitCase(example: Case, options: Training.FitOptions) {
    const { features, classes, inputs } = example.problem;
    const engine = await engineFor({ threads: 2, numerics });
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    const all = { scale: 'none', ...example.options, ...options } as const;
    const result = await classifier.fit(inputs, targetsOf(example), all);
    return { classifier, result };
  }

  describe.each(SHAPES)('%i rows of %i features, %i classes', (rows, features, classes) => {
    const problem = clusters(rows, features, classes, rows);

    test.each(Object.keys(CONVEX))(
      '%s: the minimum is between objective - gap and objective, at strong and weak penalties',
      async (name) => {
        const example = CONVEX[name]!(problem);
        for (const C of [0.03, 30]) {
          const penalty = penaltyFor(problem, C);
          const minimum = minimumFor(`${rows} ${name} ${C}`, example, penalty);
          for (const tol of [1e-2, 1e-4, 1e-6]) {
            const { classifier, result } = await fitCase(example, { C, tol });
            const { weights, bias } = classifier;
            const { objective } = objectiveAt(example.problem, example.loss, penalty, weights, bias);
            const rounding = ROUNDING * minimum.objective;
            expect(objective).toBeGreaterThan(minimum.objective * (1 - 1e-9));
            expect(Math.abs(result.objective! - objective)).toBeLessThan(rounding);
            expect(result.l2! * rows > 0 && result.C).toBeCloseTo(C, 10);
            if (example.loss.mask !== undefined) {
              expect(result).toMatchObject({ converged: true, gap: undefined, gapRelative: undefined });
              continue;
            }
            expect(result.objective! - result.gap!).toBeLessThan(minimum.objective + rounding);
            expect(result.gapRelative).toBeCloseTo(result.gap! / result.objective!, 12);
            expect(result.converged).toBe(result.gapRelative! <= tol);
            if (tol > 1e-5) expect(result.stopReason).toBe('converged');
          }
        }
      },
    );

    test('with a tolerance of 0 it goes to the floor of float32: objective within 1e-9, weights within 1e-4', async () => {
      for (const name of ['no options', 'weight, sampleWeight and ignored rows', 'mask']) {
        const example = CONVEX[name]!(problem);
        const penalty = penaltyFor(problem, 1);
        const minimum = minimumFor(`${rows} ${name} 1`, example, penalty);
        const { classifier, result } = await fitCase(example, { C: 1, tol: 0 });
        const { weights, bias } = classifier;
        const { objective } = objectiveAt(example.problem, example.loss, penalty, weights, bias);
        expect(objective / minimum.objective - 1).toBeLessThan(1e-9);
        expect(largestDifference(weights, minimum.weights)).toBeLessThan(1e-4);
        expect(result).toMatchObject({ converged: false, stopReason: 'floor' });
        if (name !== 'mask') expect(result.gapRelative).toBeLessThan(1e-4);
      }
    });

    test('l2 is the penalty of the mean loss: the same as C = 1 / (l2 · weight of the rows)', async () => {
      const example = CASES['weight, sampleWeight and ignored rows']!(problem);
      const byC = await fitCase(example, { C: 0.5 });
      const byL2 = await fitCase(example, { l2: byC.result.l2! });
      expect(byL2.result.C).toBeCloseTo(0.5, 12);
      expect(largestDifference(byL2.classifier.weights, byC.classifier.weights)).toBeLessThan(1e-6);
    });
  });

  test('many parameters are sharded, and of more than 64 classes sweeps over probabilities solve for the bias', async () => {
    const [rows, features, classes] = [128, 611, 449];
    expect(planFullBatch({ rows, features, classes }).by).toBe('parameter-sharded');
    const problem = clusters(rows, features, classes, 9);
    const few = clusters(50, 4, 257, 9);
    expect(planFullBatch(few).by).toBe('data-parallel');
    for (const [own, options, same] of [
      [problem, {}, inFewFeatures(withoutEmptyClasses(problem))],
      [few, { labelSmoothing: 0.1 }, few],
    ] as const) {
      const minimum = minimumOf(same, options, 1000, 1e-4);
      const { classifier, result } = await fitCase(
        { problem: own, options, loss: options },
        { C: 1e-3, tol: 1e-3 },
      );
      const { weights, bias } = classifier;
      const { objective } = objectiveAt(own, options, 1000, weights, bias);
      expect(Math.abs(result.objective! - objective)).toBeLessThan(ROUNDING * objective);
      expect(objective).toBeGreaterThan(minimum.objective * (1 - 1e-7));
      expect(result.objective! - result.gap!).toBeLessThan(minimum.objective * (1 + ROUNDING));
      expect(result).toMatchObject({ converged: true, stopReason: 'converged' });
    }
  });

  test.each([1e4, 1e5, 1e6])(
    'a column of mean %d and deviation 1: the minimum is above objective - gap',
    async (mean) => {
      for (const [index, C] of [1e-5, 1e-4, 1e-3, 1e-2, 1].entries()) {
        const problem = clusters(200, 5, 2, 20 + index);
        // Multiples of 1/16 have no rounding that far from 0.
        const near = problem.inputs.map((value) => Math.round(value * 16) / 16);
        const far = near.map((value, i) => (i % 5 === 0 ? value + mean : value));
        const minimum = minimumOf({ ...problem, inputs: near }, {}, 2 / C);
        const { classifier, result } = await fitCase(plain({ ...problem, inputs: far }), { C });
        const { weights, bias } = classifier;
        const { objective } = objectiveAt({ ...problem, inputs: far }, {}, 2 / C, weights, bias);
        const highest = minimum.objective * (1 + 1e-9);
        expect(result.objective! - result.gap!, `C = ${C}, as it is reported`).toBeLessThan(highest);
        expect(objective - result.gap!, `C = ${C}, as it is`).toBeLessThan(highest);
      }
    },
  );

  test('a class without rows gets no probability, and costs no certificate', async () => {
    const problem = clusters(150, 8, 5, 3);
    const targets = problem.targets.map((target) => (target === 2 ? 1 : target));
    const four = withoutEmptyClasses({ ...problem, targets });
    for (const C of [1, 100]) {
      const minimum = minimumOf(four, {}, 1 / C);
      const { classifier, result } = await fitCase(plain({ ...problem, targets }), { C });
      expect(result).toMatchObject({ converged: true, stopReason: 'converged' });
      expect(result.objective! - result.gap!).toBeLessThan(minimum.objective * (1 + ROUNDING));
      expect(result.objective).toBeGreaterThan(minimum.objective * (1 - ROUNDING));
      const { data } = await classifier.predictProbabilities(problem.inputs);
      for (let row = 0; row < problem.rows; row++) expect(data[row * 5 + 2]).toBeLessThan(1e-12);
    }
  });

  test('options that make the problem non-convex lower the loss, without a gap', async () => {
    const problem = clusters(101, 7, 3, 2);
    for (const name of ['softcap', 'zLoss', 'focalGamma']) {
      const example = CASES[name]!(problem);
      const { classifier, result } = await fitCase(example, { C: 1 });
      const { weights, bias } = classifier;
      const found = objectiveAt(problem, example.loss, 1, weights, bias);
      const zero = objectiveAt(problem, example.loss, 1, new Float64Array(21), new Float64Array(3));
      expect(result).toMatchObject({ gap: undefined, gapRelative: undefined, converged: true });
      expect(found.objective).toBeLessThan(0.5 * zero.objective);
      expect(Math.max(...found.gradient.map(Math.abs))).toBeLessThan(2e-4 * problem.rows);
    }
  });

  test('without a penalty there is no gap', async () => {
    const { result } = await fitCase(plain(clusters(203, 5, 2, 203)), { l2: 0 });
    expect(result).toMatchObject({ gap: undefined, gapRelative: undefined, l2: 0 });
  });
});

/**
 * The same problem for features that span the same rows: X Xᵀ = L Lᵀ, and L takes the place of X. Weights of the least length are
 * sums of rows, and as long as those of L.
 */
function inFewFeatures({ inputs, rows, features, classes, targets }: Problem): Problem {
  const lower = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < features; k++) sum += inputs[i * features + k]! * inputs[j * features + k]!;
      for (let k = 0; k < j; k++) sum -= lower[i * rows + k]! * lower[j * rows + k]!;
      lower[i * rows + j] = i === j ? Math.sqrt(sum) : sum / lower[j * rows + j]!;
    }
  }
  return { inputs: Float32Array.from(lower), targets, rows, features: rows, classes };
}

/** The same problem, its classes numbered anew. */
function withoutEmptyClasses({ targets, ...problem }: Problem): Problem {
  const present = [...new Set(targets)].sort((a, b) => a - b);
  return { ...problem, classes: present.length, targets: targets.map((target) => present.indexOf(target)) };
}

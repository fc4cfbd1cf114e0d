// What the tests of training with loss options share: problems, and every option in the forms that fit and the reference take.
import { type Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { randomValues } from '../../kernels/workbench.js';
import { clusters, type Problem, type ReferenceLoss } from './workbench.js';

// Ragged: neither rows nor features nor classes fill tiles, vectors or panels.
export const byPartials = clusters(500, 19, 7, 5);
export const byTiles = clusters(128, 611, 499, 6);

const positive = (length: number, seed: number): Float32Array =>
  randomValues(length, 1, seed).map((value) => Math.fround(value + 1.25));

/** Some rows of weight 0. */
function sampleWeightOf({ rows }: Problem): Float32Array {
  return positive(rows, 21).map((weight, row) => (row % 9 === 4 ? 0 : weight));
}

/** Ignores each fifth row. */
export function withIgnoredRows({ targets, ...problem }: Problem, ignoreIndex: number): Problem {
  return { ...problem, targets: targets.map((target, row) => (row % 5 === 2 ? ignoreIndex : target)) };
}

export function softTargetsOf({ rows, classes, targets }: Problem): Float32Array {
  const shares = positive(rows * classes, 22).map((share) => share / (2 * classes));
  for (const [row, target] of targets.entries()) shares[row * classes + target]! += 0.5;
  return shares;
}

/** About a fifth of the classes of each row is left out, never its target. */
export function maskOf({ rows, classes, targets }: Problem): Uint8Array {
  const mask = Uint8Array.from(randomValues(rows * classes, 1, 23), (value) => (value < -0.3 ? 0 : 1));
  for (const [row, target] of targets.entries()) mask[row * classes + target] = 1;
  return mask;
}

export interface Case {
  readonly problem: Problem;
  readonly options: Training.FitOptions;
  readonly loss: ReferenceLoss;
}

/** Options that mean the same to fit and to the reference. */
const same = (problem: Problem, options: Training.FitOptions & ReferenceLoss): Case => ({
  problem,
  options,
  loss: options,
});

export const CASES: Record<string, (problem: Problem) => Case> = {
  weight: (problem) => same(problem, { weight: positive(problem.classes, 20) }),
  sampleWeight: (problem) => same(problem, { sampleWeight: sampleWeightOf(problem) }),
  'ignoreIndex 255': (problem) => same(withIgnoredRows(problem, 255), { ignoreIndex: 255 }),
  'ignoreIndex that is a class': (problem) => same(problem, { ignoreIndex: 1 }),
  'onInvalidTarget ignore': (problem) =>
    same(withIgnoredRows(problem, problem.classes), { onInvalidTarget: 'ignore' }),
  labelSmoothing: (problem) => same(problem, { labelSmoothing: 0.15 }),
  temperature: (problem) => same(problem, { temperature: 1.7 }),
  softcap: (problem) => same(problem, { softcap: 3 }),
  zLoss: (problem) => same(problem, { zLoss: 0.02 }),
  focalGamma: (problem) => same(problem, { focalGamma: 2 }),
  'soft targets': (problem) => ({ problem, options: {}, loss: { softTargets: softTargetsOf(problem) } }),
  mask: (problem) => same(problem, { mask: maskOf(problem) }),
  'reduction sum': (problem) => same(problem, { reduction: 'sum' }),
  'weight, sampleWeight and ignored rows': (problem) =>
    same(withIgnoredRows(problem, -100), {
      weight: positive(problem.classes, 20),
      sampleWeight: sampleWeightOf(problem),
    }),
  'weight and smoothing, summed': (problem) =>
    same(problem, { reduction: 'sum', weight: positive(problem.classes, 20), labelSmoothing: 0.1 }),
  'soft targets, mask, weight and sampleWeight': (problem) => {
    const common = {
      weight: positive(problem.classes, 20),
      sampleWeight: sampleWeightOf(problem),
      mask: maskOf(problem),
    };
    return { problem, options: common, loss: { ...common, softTargets: softTargetsOf(problem) } };
  },
  'all at once': (problem) =>
    same(withIgnoredRows(problem, -7), {
      weight: positive(problem.classes, 20),
      sampleWeight: sampleWeightOf(problem),
      ignoreIndex: -7,
      labelSmoothing: 0.1,
      temperature: 1.3,
      softcap: 5,
      zLoss: 0.01,
      focalGamma: 1.5,
      mask: maskOf(problem),
    }),
};

export const TRAINING = {
  epochs: 3,
  batchSize: 64,
  learningRate: 0.05,
  momentum: 0.8,
  nesterov: true,
  weightDecay: 0.01,
  shuffle: true,
  seed: 11,
};

export const classifierFor = (engine: Engine, { features, classes }: Problem) =>
  new SoftmaxClassifier(engine, { features, classes });

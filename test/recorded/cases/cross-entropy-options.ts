// The options of softmax cross-entropy, each as a group that cases take singly, in pairs and all at once.
import type { Losses } from '#softshard/main/index.js';
import type { Inputs } from '../inputs.js';

export interface LossShape {
  readonly rows: number;
  readonly classes: number;
}

/** Of crossEntropy and linearCrossEntropy alike. */
export type GroupOptions = Omit<Losses.CrossEntropyOptions & Losses.GradientOptions, 'axis' | 'columns'>;

/** What a group adds to a call. Two groups that both give `dense` cannot be in one call. */
export interface OptionGroup {
  options?(shape: LossShape, inputs: Inputs, targets: Int32Array): GroupOptions;
  /** Changes the class indices. */
  targets?(targets: Int32Array, shape: LossShape): Int32Array;
  /** Numbers for each class, in the place of class indices. */
  dense?(shape: LossShape, inputs: Inputs, targets: Int32Array): Float32Array | Float64Array | Uint8Array;
}

/** Some rows have weight 0. */
const sampleWeight = ({ rows }: LossShape, inputs: Inputs): Float32Array =>
  inputs.positive(rows).map((weight, row) => (row % 5 === 3 ? 0 : weight * 2));

const oneHot = ({ rows, classes }: LossShape, targets: Int32Array): Uint8Array => {
  const shares = new Uint8Array(rows * classes);
  for (const [row, target] of targets.entries()) shares[row * classes + target] = 1;
  return shares;
};

/** About half of each row is at its target; some classes have no share. */
export function softTargets({ rows, classes }: LossShape, inputs: Inputs, targets: Int32Array): Float32Array {
  const shares = inputs.positive(rows * classes).map((share, i) => (i % 7 === 2 ? 0 : share / (classes + 1)));
  for (const [row, target] of targets.entries()) shares[row * classes + target]! += 0.5;
  return shares;
}

export const STATISTICS: readonly Losses.StatisticName[] = [
  'logSumExp',
  'argMax',
  'correct',
  'topKCorrect',
  'entropy',
  'margin',
  'targetProbability',
];
/** Those that soft targets have too. */
export const SOFT_STATISTICS: readonly Losses.StatisticName[] = ['logSumExp', 'argMax', 'entropy'];

export const OPTION_GROUPS: Readonly<Record<string, OptionGroup>> = {
  weight: { options: ({ classes }, inputs) => ({ weight: inputs.positive(classes) }) },
  sampleWeight: { options: (shape, inputs) => ({ sampleWeight: sampleWeight(shape, inputs) }) },
  'ignored rows': { targets: (targets) => targets.map((target, row) => (row % 4 === 1 ? -100 : target)) },
  'ignoreIndex 1': { options: () => ({ ignoreIndex: 1 }) },
  'invalid targets ignored': {
    options: () => ({ onInvalidTarget: 'ignore' }),
    targets: (targets, { classes }) =>
      targets.map((target, row) => (row % 6 === 2 ? (row % 12 === 2 ? classes : -1) : target)),
  },
  labelSmoothing: { options: () => ({ labelSmoothing: 0.125 }) },
  'soft targets': { dense: softTargets },
  'one-hot targets': { dense: (shape, _inputs, targets) => oneHot(shape, targets) },
  mask: { options: ({ classes }, inputs, targets) => ({ mask: inputs.mask(targets, classes) }) },
  temperature: { options: () => ({ temperature: 1.7 }) },
  softcap: { options: () => ({ softcap: 5 }) },
  zLoss: { options: () => ({ zLoss: 0.02 }) },
  'focalGamma 2': { options: () => ({ focalGamma: 2 }) },
  'reduction sum': { options: () => ({ reduction: 'sum' }) },
  'reduction none': {
    options: ({ rows }, inputs) => ({ reduction: 'none', gradOutput: inputs.float32(rows, 2) }),
  },
  gradScale: { options: () => ({ gradScale: -3 }) },
  statistics: { options: ({ classes }) => ({ statistics: STATISTICS, topK: Math.min(3, classes) }) },
};

/** What else an option can be: not paired with the others. */
export const MORE_OPTIONS: Readonly<Record<string, OptionGroup>> = {
  'focalGamma 0.5': { options: () => ({ focalGamma: 0.5 }) },
  'softcap 30 and temperature 0.25': { options: () => ({ softcap: 30, temperature: 0.25 }) },
  'labelSmoothing 1': { options: () => ({ labelSmoothing: 1 }) },
  'all rows ignored, onEmpty zero': {
    options: () => ({ onEmpty: 'zero' }),
    targets: (targets) => targets.map(() => -100),
  },
  'all rows ignored, onEmpty nan': { targets: (targets) => targets.map(() => -100) },
  'weights of float64': {
    options: ({ rows, classes }, inputs) => ({
      weight: inputs.positive(classes, 'float64'),
      sampleWeight: inputs.positive(rows, 'float64'),
    }),
  },
  'soft targets of float64': {
    dense: (shape, inputs, targets) => Float64Array.from(softTargets(shape, inputs, targets)),
  },
};

/** But those that need a reduction or targets of their own. */
export const ALL_AT_ONCE: readonly string[] = [
  'weight',
  'sampleWeight',
  'ignored rows',
  'labelSmoothing',
  'mask',
  'temperature',
  'softcap',
  'zLoss',
  'focalGamma 2',
  'reduction none',
  'gradScale',
  'statistics',
];

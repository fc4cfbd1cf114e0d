// The losses' options and results, as users name them: Losses.CrossEntropyOptions.
export type { AxisOptions } from '../arguments/axis-rows.js';
export type { BinaryCrossEntropyOptions } from '../losses/binary-cross-entropy.js';
export type { CrossEntropyOptions, CrossEntropyResult } from '../losses/cross-entropy.js';
export type {
  DistillationOptions,
  DistillationResult,
  KlDivergenceOptions,
  Teacher,
} from '../losses/divergence.js';
export type { LinearCrossEntropyOptions, LinearCrossEntropyResult } from '../losses/linear-cross-entropy.js';
export type { LinearInputs, LinearInto, LinearType } from '../losses/linear-operands.js';
export type {
  GradientOptions,
  LossOptions,
  OnEmpty,
  OnInvalidTarget,
  Reduction,
  RowGradientOptions,
  ZeroTimesInfinity,
} from '../losses/loss-options.js';
export type { MergedLoss, MergeOptions, PartOptions } from '../losses/merging.js';
export type { NllLossOptions } from '../losses/nll-loss.js';
export type { ProbabilityCrossEntropyOptions } from '../losses/probability-cross-entropy.js';
export type { RowLossOptions, RowLossResult } from '../losses/row-loss.js';
export type { RowOptions, SoftmaxOptions } from '../losses/softmax.js';
export type { SquaredErrorOptions } from '../losses/squared-error.js';
export type { StatisticName, Statistics } from '../losses/statistics.js';

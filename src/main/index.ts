// The public API of softshard.

export { type ErrorCode, type ErrorDetails, SoftshardError } from '../errors.js';
export { type BlasLibrary, type BlasSearch, findBlas } from '../kernels/blas/library.js';
export { NUMERICS, type Numerics, supportsNumerics } from '../kernels/load.js';
export { supportsWideSimd } from '../kernels/wide-simd.js';
export type { LearningRateSchedule } from '../workers/protocol.js';
export type { AxisOptions, FloatInput, FloatType } from './arguments/axis-rows.js';
export type { DenseTargets, Mask } from './arguments/dense-targets.js';
export type { Float32Rows } from './arguments/matrices.js';
export type { NumericVector } from './arguments/numeric-vectors.js';
export type { TargetArray, Targets } from './arguments/targets.js';
export * from './data/index.js';
export { Engine } from './engine.js';
export type { EngineOptions } from './engine-options.js';
export type { BinaryCrossEntropyOptions } from './losses/binary-cross-entropy.js';
export type {
  CrossEntropyOptions,
  CrossEntropyResult,
} from './losses/cross-entropy.js';
export type {
  DistillationOptions,
  DistillationResult,
  KlDivergenceOptions,
  Teacher,
} from './losses/divergence.js';
export type { LinearCrossEntropyOptions, LinearCrossEntropyResult } from './losses/linear-cross-entropy.js';
export type { LinearInputs, LinearInto, LinearType } from './losses/linear-operands.js';
export type {
  GradientOptions,
  LossOptions,
  OnEmpty,
  OnInvalidTarget,
  Reduction,
  RowGradientOptions,
  ZeroTimesInfinity,
} from './losses/loss-options.js';
export {
  type MergedLoss,
  type MergeOptions,
  mergeLosses,
  type PartOptions,
  partSize,
} from './losses/merging.js';
export type { NllLossOptions } from './losses/nll-loss.js';
export type { ProbabilityCrossEntropyOptions } from './losses/probability-cross-entropy.js';
export type { RowLossOptions, RowLossResult } from './losses/row-loss.js';
export type { RowOptions, SoftmaxOptions } from './losses/softmax.js';
export type { SquaredErrorOptions } from './losses/squared-error.js';
export type { StatisticName, Statistics } from './losses/statistics.js';
export { availableThreads } from './machine/available-threads.js';
export { defaultBlas } from './machine/blas.js';
export type { ElementType, TensorData } from './memory/element-types.js';
export { hostMemory } from './memory/host-memory.js';
export type { Allocator, ArenaTensor, Matrix, Tensor, Vector } from './memory/tensor.js';
export {
  ClassificationMetrics,
  type MetricsAddOptions,
  type MetricsOptions,
} from './metrics/classification-metrics.js';
export type {
  CalibrationBin,
  ClassReport,
  MetricsReport,
  ScoreAverages,
} from './metrics/report.js';
export type { SavedMetrics } from './metrics/saved-metrics.js';
export type { Evaluation } from './models/evaluation.js';
export type { FeatureRows, FeatureSource } from './models/inputs.js';
export { type Json, type Model, readModelFile } from './models/model-file.js';
export type { OnInvalidInput } from './models/not-finite.js';
export type { RowTargetOptions } from './models/row-targets.js';
export { type FeatureScaling, scaleFeatures, standardScaling } from './models/scaling.js';
export type { OutputTarget } from './outputs/target.js';
export { checkOutput, type WriteOptions } from './outputs/write-atomically.js';
export {
  type ClassifierOptions,
  type EvaluateOptions,
  type PredictOptions,
  type PredictProbabilitiesOptions,
  type SaveOptions,
  SoftmaxClassifier,
} from './training/classifier.js';
export type { FitLossOptions } from './training/fit-loss.js';
export type { EpochReport, FitOptions, StepReport, ValidationRows } from './training/fit-options.js';
export { type Split, splitRows } from './training/rows/row-order.js';
export type { FitResult } from './training/trainer.js';
export { version } from './version.js';

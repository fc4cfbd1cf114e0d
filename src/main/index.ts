// The public API of softshard.

export { type ErrorCode, type ErrorDetails, SoftshardError } from '../errors.js';
export { type BlasLibrary, type BlasSearch, findBlas } from '../kernels/blas/library.js';
export { NUMERICS, type Numerics, supportsNumerics } from '../kernels/load.js';
export { supportsWideSimd } from '../kernels/wide-simd.js';
export type { LearningRateSchedule } from '../workers/protocol.js';
export { availableThreads } from './available-threads.js';
export type { Float32Rows } from './batches.js';
export { defaultBlas } from './blas.js';
export { Engine } from './engine.js';
export type { EngineOptions } from './engine-options.js';
export { hostMemory } from './host-memory.js';
export type {
  BinaryCrossEntropyGradientOptions,
  BinaryCrossEntropyGradientResult,
  BinaryCrossEntropyOptions,
} from './losses/binary-cross-entropy.js';
export type {
  CrossEntropyGradientOptions,
  CrossEntropyGradientResult,
  CrossEntropyOptions,
  CrossEntropyResult,
} from './losses/cross-entropy.js';
export type { DenseTargets, Mask } from './losses/dense-targets.js';
export type {
  DistillationGradientOptions,
  DistillationGradientResult,
  DistillationOptions,
  DistillationResult,
  KlDivergenceGradientOptions,
  KlDivergenceGradientResult,
  KlDivergenceOptions,
  Teacher,
} from './losses/divergence.js';
export type { LinearCrossEntropyOptions, LinearCrossEntropyResult } from './losses/linear-cross-entropy.js';
export type { LinearInputs, LinearInto, LinearType } from './losses/linear-operands.js';
export type { AxisOptions, FloatType, LogitsInput } from './losses/logits.js';
export type {
  GradientOptions,
  LossOptions,
  OnEmpty,
  OnInvalidTarget,
  Reduction,
  ZeroTimesInfinity,
} from './losses/loss-options.js';
export {
  type MergedLoss,
  type MergeOptions,
  mergeLosses,
  type PartOptions,
  partSize,
} from './losses/merging.js';
export type { NllLossGradientOptions, NllLossGradientResult, NllLossOptions } from './losses/nll-loss.js';
export type { Numbers } from './losses/numbers.js';
export type { RowGradientOptions, RowLossOptions, RowLossResult } from './losses/other-loss-options.js';
export type {
  ProbabilityCrossEntropyGradientOptions,
  ProbabilityCrossEntropyGradientResult,
  ProbabilityCrossEntropyOptions,
} from './losses/probability-cross-entropy.js';
export type { RowMapOptions, RowOptions } from './losses/row-maps.js';
export type {
  SquaredErrorGradientOptions,
  SquaredErrorGradientResult,
  SquaredErrorOptions,
} from './losses/squared-error.js';
export type { StatisticName, Statistics } from './losses/statistics.js';
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
export type { OutputTarget } from './outputs/target.js';
export * from './readers/index.js';
export type { TargetArray, Targets } from './targets.js';
export type { Allocator, ArenaTensor, ElementType, Matrix, Tensor, TensorData, Vector } from './tensor.js';
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
export type { FeatureRows } from './training/inputs.js';
export type { Evaluation } from './training/metrics.js';
export { type Json, type Model, readModelFile } from './training/model-file.js';
export type { OnInvalidInput } from './training/not-finite.js';
export { type Split, splitRows } from './training/row-order.js';
export type { RowTargetOptions } from './training/row-targets.js';
export { type FeatureScaling, scaleFeatures, standardScaling } from './training/scaling.js';
export type { FitResult } from './training/trainer.js';
export { version } from './version.js';
export { checkOutput, type WriteOptions } from './write-atomically.js';

// A classifier's options, reports and files, as users name them: Training.FitOptions.

export type { ArrowTable, ArrowVector } from '../arguments/arrow.js';
export type { Float32Rows } from '../arguments/matrices.js';
export type { AnyVector } from '../arguments/numeric-vectors.js';
export type { LabelType } from '../intake/classes.js';
export type { Label } from '../intake/labels.js';
export type { RecordOptions } from '../intake/records.js';
export type { AnyRows, AnyTargets, LabeledRows } from '../intake/take-rows.js';
export type { Calibration, CalibrationWarning, CalibrationWarningCode } from '../models/calibration.js';
export type { Evaluation } from '../models/evaluation.js';
export type { FeatureSource, FeatureType } from '../models/feature-source.js';
export type { FeatureRows } from '../models/inputs.js';
export type { Confusion, WorstRow } from '../models/mistakes.js';
export type { Json, Model } from '../models/model-file.js';
export type { OnInvalidInput } from '../models/not-finite.js';
export type { RowTargetOptions } from '../models/row-targets.js';
export type { FeatureScaling } from '../models/scaling.js';
export type {
  Checkpoint,
  CheckpointArray,
  CheckpointOptions,
  CheckpointPosition,
  CheckpointReason,
  CheckpointState,
} from '../training/checkpoint/checkpoint.js';
export type { ResumeOptions } from '../training/checkpoint/checkpoint-options.js';
export type { WeightsByClass } from '../training/class-weights.js';
export type { SaveOptions } from '../training/classifier.js';
export type { ClassifierOptions } from '../training/classifier-shape.js';
export type { EarlyStoppingOptions, WatchedMetric } from '../training/early-stopping.js';
export type { FitLossOptions } from '../training/fit-loss.js';
export type { EpochReport, FitOptions, StepReport, ValidationRows } from '../training/fit-options.js';
export type {
  CertainFitResult,
  FitCalibration,
  FitResult,
  FullBatchFitResult,
  StepFitResult,
} from '../training/fit-result.js';
export type { HeadOptions } from '../training/many/head-options.js';
export type { HeadProgress, HeadReport, HeadScore } from '../training/many/head-report.js';
export type { FitManyOptions, RankedBy } from '../training/many/many-options.js';
export type { FitManyResult, HeadResult } from '../training/many/many-result.js';
export type { OptimizerOptions, StepSolver } from '../training/optimizer-options.js';
export type { PartialFitOptions, PartialFitResult } from '../training/partial-fit.js';
export type {
  CalibrateOptions,
  EvaluateOptions,
  PredictLabelsOptions,
  PredictOptions,
  PredictProbabilitiesOptions,
} from '../training/predict-options.js';
export type { AllGatherRowsOptions, AllRows, OwnRows } from '../training/rows/all-gather-rows.js';
export type { Split } from '../training/rows/row-order.js';
export type { RowNumbers, RowSplit } from '../training/rows/row-split.js';
export type {
  LearningRateSchedule,
  OneCycle,
  ReduceOnPlateau,
  ScheduleName,
  ScheduleOptions,
  StepDecay,
} from '../training/schedule-options.js';
export type { Choice } from '../training/solver/choice.js';
export type {
  FullBatchSolver,
  Scale,
  SolverOptions,
  SolverReport,
  TriedSetting,
} from '../training/solver/solver-options.js';
export type { StopReason } from '../training/solver/watch.js';
export type { SplitInThree, SplitOptions } from '../training/split-rows.js';
export type { FitWarning, FitWarningCode } from '../training/warnings.js';

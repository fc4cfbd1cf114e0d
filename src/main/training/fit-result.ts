// What fit gives: one kind of result for each kind of solver. The compiler tells them apart by the options, where it sees them, else
// by a look at `objective`, which training step by step does not have.
import type { Calibration } from '../models/calibration.js';
import type { EpochReport } from './fit-options.js';
import type { StepSolver } from './optimizer-options.js';
import type { Choice } from './solver/choice.js';
import type { FullBatchSolver, Scale } from './solver/solver-options.js';
import type { StopReason } from './solver/watch.js';
import type { FitWarning } from './warnings.js';

export interface FitCalibration extends Calibration {
  /** How many models were trained, each without a part of the rows; 0: the rows of validation served. */
  readonly folds: number;
}

interface AnyFitResult {
  /**
   * The mean loss of the rows, without penalty, or with reduction 'sum' the sum: of the final model, but of training step by
   * step that of the last epoch (or of the best, where it is restored), each row before the update of its step.
   */
  readonly loss: number;
  /** What an accuracy compares with: the share of the most frequent class among the rows trained on. */
  readonly majority: number;
  /** Of the validation rows, if there are any. */
  readonly validationLoss: number | undefined;
  readonly validationAccuracy: number | undefined;
  readonly validationMajority: number | undefined;
  /** With `calibrate`. All other figures are of the model before it. */
  readonly calibration: FitCalibration | undefined;
  /** What is likely not as it was meant, and what to do: each once. Nothing is printed. */
  readonly warnings: readonly FitWarning[];
}

/** Of a solver that takes all rows at once. */
export interface FullBatchFitResult extends AnyFitResult {
  readonly solver: FullBatchSolver;
  /** Of the rows trained on, each counted once, by the final model. */
  readonly accuracy: number;
  /** Σ of the rows' losses, each times its weight, plus the penalty. */
  readonly objective: number;
  /** How far the objective is from its minimum, at most. Undefined where that is not certain: without a penalty, or with an
   * option that makes the problem non-convex (softcap, zLoss, focalGamma), or with a mask. */
  readonly gap: number | undefined;
  /** gap / objective. */
  readonly gapRelative: number | undefined;
  /** Passes over the rows; a pass multiplies them by the weights and by the gradient of the logits. */
  readonly passes: number;
  /** What gapRelative was to come down to. */
  readonly tol: number;
  /** gapRelative is at most tol; where there is no gap: no parameter changes the mean objective by more than tol. */
  readonly converged: boolean;
  /**
   * 'floor': float32 shows no further descent. 'worse': fitMany left a head that did clearly worse than a stronger penalty on
   * rows held out, and was getting worse still; its validation loss is that of where it was left.
   */
  readonly stopReason: StopReason;
  /** The penalty, given or chosen; C is undefined where l2 is 0. */
  readonly C: number | undefined;
  readonly l2: number;
  readonly l1: number;
  /** How many weights are exactly 0: an L1 penalty leaves such. */
  readonly zeroWeights: number;
  readonly scale: Scale;
  /** How C and the scaling were chosen, where they were. */
  readonly choice: Choice | undefined;
  /** Of training step by step: none. */
  readonly epochs: readonly EpochReport[];
  readonly steps: 0;
  readonly bestEpoch?: undefined;
  readonly stoppedEarly?: undefined;
}

/** Where neither another penalty than C nor an option of the loss takes certainty away. */
export interface CertainFitResult extends FullBatchFitResult {
  readonly gap: number;
  readonly gapRelative: number;
  readonly C: number;
}

/** Of training step by step. */
export interface StepFitResult extends AnyFitResult, Readonly<typeof NO_SOLUTION> {
  readonly solver: StepSolver;
  readonly epochs: readonly EpochReport[];
  /** Steps taken over all epochs. */
  readonly steps: number;
  /** With earlyStopping: the epoch that was best, whose weights the classifier has unless restoreBest is false. */
  readonly bestEpoch?: number;
  /** With earlyStopping: whether training ended before its last epoch. */
  readonly stoppedEarly?: boolean;
}

export type FitResult = FullBatchFitResult | StepFitResult;

/** What a fit without a full-batch solver has of it. Its accuracy would take a pass of its own: see evaluate. */
export const NO_SOLUTION = {
  accuracy: undefined,
  objective: undefined,
  gap: undefined,
  gapRelative: undefined,
  passes: undefined,
  tol: undefined,
  converged: undefined,
  stopReason: undefined,
  C: undefined,
  l2: undefined,
  l1: undefined,
  zeroWeights: undefined,
  scale: undefined,
  choice: undefined,
} as const satisfies Partial<Record<keyof FullBatchFitResult, undefined>>;

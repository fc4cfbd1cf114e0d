// What fit gives.
import type { EpochReport } from './fit-options.js';
import type { StepSolver } from './optimizer-options.js';
import type { Choice } from './solver/choice.js';
import type { FullBatchSolver, Scale } from './solver/solver-options.js';
import type { StopReason } from './solver/watch.js';
import type { FitWarning } from './warnings.js';

export interface FitResult {
  readonly solver: FullBatchSolver | StepSolver;
  /**
   * The mean loss of the rows, without penalty, or with reduction 'sum' the sum: of the final model, but of training step by
   * step that of the last epoch (or of the best, where it is restored), each row before the update of its step.
   */
  readonly loss: number;
  /**
   * Of the rows trained on, each counted once, by the final model. Undefined of training step by step, where it would take a
   * pass of its own: see evaluate.
   */
  readonly accuracy: number | undefined;
  /** What an accuracy compares with: the share of the most frequent class among the rows trained on. */
  readonly majority: number;
  /** Of the validation rows. */
  readonly validationLoss: number | undefined;
  readonly validationAccuracy: number | undefined;
  readonly validationMajority: number | undefined;
  /** What is likely not as it was meant, and what to do: each once. Nothing is printed. */
  readonly warnings: readonly FitWarning[];
  /** Of training step by step; else empty. */
  readonly epochs: readonly EpochReport[];
  /** Steps taken over all epochs; 0 of a full-batch solver. */
  readonly steps: number;

  /** With earlyStopping: the epoch that was best, whose weights the classifier has unless restoreBest is false. */
  readonly bestEpoch?: number;
  /** With earlyStopping: whether training ended before its last epoch. */
  readonly stoppedEarly?: boolean;

  // Of full-batch solvers alone:

  /** Σ of the rows' losses, each times its weight, plus the penalty. */
  readonly objective: number | undefined;
  /** How far the objective is from its minimum, at most. Undefined where that is not certain: without a penalty, or with an
   * option that makes the problem non-convex (softcap, zLoss, focalGamma), or with a mask. */
  readonly gap: number | undefined;
  /** gap / objective. */
  readonly gapRelative: number | undefined;
  /** Passes over the rows; a pass multiplies them by the weights and by the gradient of the logits. */
  readonly passes: number | undefined;
  /** What gapRelative was to come down to. */
  readonly tol: number | undefined;
  /** gapRelative is at most tol; where there is no gap: no parameter changes the mean objective by more than tol. */
  readonly converged: boolean | undefined;
  /**
   * 'floor': float32 shows no further descent. 'worse': fitMany left a head that did clearly worse than a stronger penalty on
   * rows held out, and was getting worse still; its validation loss is that of where it was left.
   */
  readonly stopReason: StopReason | undefined;
  /** The penalty, given or chosen; C is undefined where l2 is 0. */
  readonly C: number | undefined;
  readonly l2: number | undefined;
  readonly l1: number | undefined;
  /** How many weights are exactly 0: an L1 penalty leaves such. */
  readonly zeroWeights: number | undefined;
  readonly scale: Scale | undefined;
  /** How C and the scaling were chosen, where they were. */
  readonly choice: Choice | undefined;
}

/** What a fit without a full-batch solver has of it. */
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
} satisfies Partial<FitResult>;

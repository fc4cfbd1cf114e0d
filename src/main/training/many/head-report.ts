// How one of many heads came out.
import type { SoftshardError } from '../../../errors.js';
import type { EpochReport } from '../epoch-report.js';
import type { FitResult } from '../fit-result.js';
import type { SolverReport } from '../solver/solver-options.js';
import type { HeadOptions } from './head-options.js';

/** How a head does on rows that it was not trained on. */
export interface HeadScore {
  /** The mean over the parts, where there are several. */
  readonly loss: number;
  readonly accuracy: number;
  /** Of the mean loss over the parts, and of the mean accuracy; undefined of one part. */
  readonly lossError: number | undefined;
  readonly accuracyError: number | undefined;
  /** Of each part. */
  readonly losses: readonly number[];
  readonly accuracies: readonly number[];
}

/** How far the training of a head has come, on all rows but those of one part. */
export interface HeadProgress {
  /** In the order of the heads that were given. */
  readonly head: number;
  /** With cv: which part is held out, from 0; else 0. */
  readonly part: number;
  /** Of training step by step: the epoch that has ended. */
  readonly epoch: EpochReport | undefined;
  /** Of full-batch solvers: after an iteration. */
  readonly solver: SolverReport | undefined;
}

export interface HeadReport {
  /** In the order of the heads that were given. */
  readonly head: number;
  /** Its own options and those of all heads. */
  readonly options: HeadOptions;
  /** Undefined: it did as it was told. */
  readonly error: SoftshardError | undefined;
  /** Of each part that was held out, or the only one; empty where it failed. */
  readonly fits: readonly FitResult[];
  /** Undefined without rows to compare by, or where it failed. */
  readonly score: HeadScore | undefined;
  /** With halving: the epoch after which it was dropped, which its score is of; undefined: it had all its epochs, or failed. */
  readonly droppedAfter: number | undefined;
}

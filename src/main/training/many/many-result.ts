// What fitMany gives: how each head came out, and which is the best.
import type { SoftmaxClassifier } from '../classifier.js';
import type { FitResult } from '../fit-result.js';
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

export interface HeadReport {
  /** In the order of the heads that were given. */
  readonly head: number;
  /** Its own options and those of all heads. */
  readonly options: HeadOptions;
  /** Undefined: it did as it was told. */
  readonly error: unknown;
  /** Of each part that was held out, or the only one; empty where it failed. */
  readonly fits: readonly FitResult[];
  /** Undefined without rows to compare by, or where it failed. */
  readonly score: HeadScore | undefined;
  /** With halving: the epoch after which it was dropped, which its score is of; undefined: it had all its epochs, or failed. */
  readonly droppedAfter: number | undefined;
}

export interface HeadResult extends HeadReport {
  /** Undefined where it failed, and with cv, where it has a model for each part. */
  readonly classifier: SoftmaxClassifier | undefined;
}

export interface FitManyResult {
  readonly heads: readonly HeadResult[];
  /** The number of the best head; undefined without rows to compare by, or where all have failed. */
  readonly best: number | undefined;
  /** Of the best head: trained on all rows, unless refit is false; then, and without rows held out, its own. */
  readonly classifier: SoftmaxClassifier | undefined;
  /** How the refit came out. */
  readonly fit: FitResult | undefined;
}

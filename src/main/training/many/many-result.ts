// What fitMany gives: how each head came out, and which is the best.
import type { SoftmaxClassifier } from '../classifier.js';
import type { FitResult } from '../fit-result.js';
import type { HeadReport } from './head-report.js';

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

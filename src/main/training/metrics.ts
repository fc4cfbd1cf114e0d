// Metrics of a classifier from what it says of each row.
import { treeSum } from '../../kernels/tree-sum.js';
import { type CheckedLossOptions, emptyError, reduceLoss } from '../losses/loss-options.js';
import { type MetricsReport, reportOf } from '../metrics/report.js';
import { Tally } from '../metrics/tally.js';
import type { Tensor } from '../tensor.js';
import type { RowResults } from './linear-model.js';
import { IGNORED } from './row-targets.js';

/**
 * All of the metrics' report, which counts each kept row once and takes probabilities as predictProbabilities gives them;
 * only `loss` and `lossSum` follow the loss options.
 */
export interface Evaluation extends Omit<MetricsReport, 'confusion'> {
  /** lossSum / weightSum; without options the mean cross-entropy in nats. */
  readonly loss: number;
  readonly lossSum: number;
  /** Σ over the kept rows of sampleWeight · weight[target] (of sampleWeight with soft targets). */
  readonly weightSum: number;
  /** Uint32 [classes × classes], counts of [target, prediction]; absent beyond 1024 classes. */
  readonly confusion?: Tensor<'uint32'>;
}

/** What of the loss options evaluation needs once the rows' losses are there. */
export interface EvaluationRules extends Pick<CheckedLossOptions, 'reduction' | 'onEmpty'> {
  readonly weightSum: number;
  readonly topK: number;
}

const BINS = 15;

/** `targets` are the rows' classes or IGNORED. */
export function evaluationOf(
  results: RowResults,
  targets: Int32Array,
  classes: number,
  { weightSum, topK, ...rules }: EvaluationRules,
): Evaluation {
  const tally = new Tally({ classes, topK, bins: BINS, ignoreIndex: IGNORED });
  tally.add(results, (row) => targets[row]!);
  const { confusion, ...report } = reportOf(tally);
  const { lossesWithOptions } = results;
  const lossSum = lossesWithOptions ? treeSum(Float64Array.from(lossesWithOptions)) : report.lossSum;
  return {
    ...report,
    loss: reduceLoss(rules, lossSum, weightSum),
    lossSum,
    weightSum,
    ...(confusion && {
      confusion: { type: 'uint32', dims: confusion.dims, data: Uint32Array.from(confusion.data) },
    }),
  };
}

/** Known before anything is computed. */
export function checkNotEmpty({ onEmpty, weightSum }: Omit<EvaluationRules, 'topK'>, rows: number): void {
  if (weightSum === 0 && onEmpty === 'throw') throw emptyError(rows);
}

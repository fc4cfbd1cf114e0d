// Metrics of a classifier from its results for each row.
import { treeSum } from '../../kernels/tree-sum.js';
import { type CheckedLossOptions, emptyError, reduceLoss } from '../losses/loss-options.js';
import type { Tensor } from '../memory/tensor.js';
import { type MetricsReport, reportOf } from '../metrics/report.js';
import { Tally } from '../metrics/tally.js';
import type { RowResults } from './linear-model.js';
import { type Confusion, topConfusions, type WorstRow, worstRows } from './mistakes.js';
import { IGNORED, type RowTargets } from './row-targets.js';

/**
 * The report of the metrics counts each kept row once and uses the probabilities of predictProbabilities; only `loss` and
 * `lossSum` follow the loss options.
 */
export interface Evaluation extends Omit<MetricsReport, 'confusion'> {
  /** lossSum / weightSum; without options the mean cross-entropy in nats. */
  readonly loss: number;
  readonly lossSum: number;
  /** Σ over the kept rows of sampleWeight · weight[target] (of sampleWeight with soft targets). */
  readonly weightSum: number;
  /** Rows left out because of their inputs (onInvalidInput 'ignore'). */
  readonly invalid: number;
  /** Uint32 [classes × classes], counts of [target, prediction]; absent beyond 1024 classes. */
  readonly confusion?: Tensor<'uint32'>;
  /** The 20 pairs of classes that are confused most often, the most frequent first; equal ones by target and prediction. */
  readonly topConfusions: readonly Confusion[];
  /** The 20 rows of the largest plain cross-entropy, the largest first; equal ones by row number. */
  readonly worstRows: readonly WorstRow[];
}

/** The loss options for reducing the losses of rows. */
export interface ReductionRules extends Pick<CheckedLossOptions, 'reduction' | 'onEmpty'> {
  readonly weightSum: number;
}

/** Throws before anything is computed. */
export function checkNotEmpty({ onEmpty, weightSum }: ReductionRules, rows: number): void {
  if (weightSum === 0 && onEmpty === 'throw') throw emptyError(rows);
}

/** Those that the loss is made of. */
export const lossesOf = ({ losses, lossesWithOptions }: RowResults): Float64Array =>
  new Float64Array(lossesWithOptions ?? losses);

function reducedLoss(results: RowResults, rules: ReductionRules) {
  const lossSum = treeSum(lossesOf(results));
  return { loss: reduceLoss(rules, lossSum, rules.weightSum), lossSum };
}

/** Marks rows without probabilities as ignored, in results and targets. Returns their number. */
export function leaveOutInvalid(results: RowResults, targets: RowTargets): number {
  const { predictions, ranks, losses, confidences, lossesWithOptions } = results;
  let invalid = 0;
  for (let row = 0; row < confidences.length; row++) {
    if (!Number.isNaN(confidences[row])) continue;
    invalid++;
    for (const values of [predictions, ranks, targets.classes]) values[row] = IGNORED;
    for (const values of [losses, confidences, lossesWithOptions]) if (values !== undefined) values[row] = 0;
  }
  return invalid;
}

export interface Validation {
  readonly loss: number;
  /** Of the rows that are not ignored. */
  readonly accuracy: number;
  /** The only class that is predicted of them, if there is only one. */
  readonly prediction: number | undefined;
}

/** The cheap part of an evaluation, for after each epoch; the same bits. */
export function validationOf(results: RowResults, rules: ReductionRules): Validation {
  let kept = 0;
  let correct = 0;
  let prediction: number | undefined;
  let isOnly = true;
  for (const [i, rank] of results.ranks.entries()) {
    if (rank < 0) continue;
    kept++;
    if (rank === 0) correct++;
    prediction ??= results.predictions[i]!;
    if (results.predictions[i] !== prediction) isOnly = false;
  }
  const { loss } = reducedLoss(results, rules);
  return { loss, accuracy: correct / kept, prediction: isOnly ? prediction : undefined };
}

const BINS = 15;

export interface EvaluationShape {
  readonly classes: number;
  readonly topK: number;
  /** Rows left out because of their inputs; they are among the ignored ones. */
  readonly invalid: number;
}

/** `targets` are the rows' classes or IGNORED. */
export function evaluationOf(
  results: RowResults,
  targets: Int32Array,
  { classes, topK, invalid }: EvaluationShape,
  rules: ReductionRules,
): Evaluation {
  const tally = tallyOf(results, targets, { classes, topK });
  return evaluationFrom({
    ...{ tally, invalid, weightSum: rules.weightSum },
    ...reducedLoss(results, rules),
    topConfusions: topConfusions(results, targets, classes),
    worstRows: worstRows(results, targets),
  });
}

export function tallyOf(
  results: RowResults,
  targets: Int32Array,
  { classes, topK }: Pick<EvaluationShape, 'classes' | 'topK'>,
): Tally {
  const tally = new Tally({ classes, topK, bins: BINS, ignoreIndex: IGNORED });
  tally.add(results, (row) => targets[row]!);
  return tally;
}

interface Evaluated
  extends Pick<Evaluation, 'invalid' | 'loss' | 'lossSum' | 'weightSum' | 'topConfusions' | 'worstRows'> {
  readonly tally: Tally;
}

export function evaluationFrom({ tally, invalid, ...others }: Evaluated): Evaluation {
  const { confusion, ...report } = reportOf(tally);
  return {
    ...report,
    ignored: report.ignored - invalid,
    invalid,
    ...others,
    ...(confusion && {
      confusion: { type: 'uint32', dims: confusion.dims, data: Uint32Array.from(confusion.data) },
    }),
  };
}

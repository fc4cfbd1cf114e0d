// The evaluation of a linear model: one pass over the rows, and a second look at those without probabilities.
import type { Cancellation } from '../cancellation.js';
import type { Resources } from '../dispatch/resources.js';
import { type CheckedLossOptions, hasNoOptions } from '../losses/loss-options.js';
import {
  checkNotEmpty,
  type Evaluation,
  evaluationOf,
  leaveOutInvalid,
  type ReductionRules,
} from './evaluation.js';
import type { Inputs } from './inputs.js';
import { evaluateRows, type LinearModel } from './linear-model.js';
import { checkConfidences, type OnInvalidInput, TO_EVALUATE } from './not-finite.js';
import { type RowTargets, weightSumOf } from './row-targets.js';

/** Rows whose classes are known, and what their losses are to be. */
export interface LabeledRows {
  readonly inputs: Inputs;
  readonly targets: RowTargets;
  readonly loss: CheckedLossOptions;
}

export interface EvaluationRules {
  readonly topK: number;
  readonly onInvalidInput: OnInvalidInput;
}

/** With onInvalidInput 'ignore', rows without probabilities are ignored ones of the targets afterwards. */
export async function evaluateModel(
  resources: Resources,
  model: LinearModel,
  { inputs, targets, loss }: LabeledRows,
  { topK, onInvalidInput }: EvaluationRules,
  signal: Cancellation | undefined,
): Promise<Evaluation> {
  const rules = reductionRules(loss, targets);
  const general = isPlainLoss(loss, targets) ? undefined : loss;
  const results = await evaluateRows(resources, model, inputs, targets, general, signal);
  const shape = { classes: model.classes, topK };
  const evaluation = evaluationOf(results, targets.classes, { ...shape, invalid: 0 }, rules);
  // It is NaN where a row has no probabilities, or there are no rows.
  if (!Number.isNaN(evaluation.calibration.expectedError)) return evaluation;
  if (onInvalidInput === 'throw') {
    await checkConfidences(model, { inputs, ...TO_EVALUATE }, results.confidences);
  }
  const invalid = leaveOutInvalid(results, targets);
  return evaluationOf(results, targets.classes, { ...shape, invalid }, reductionRules(loss, targets));
}

/** Whether the kernels of plain mean cross-entropy serve, as far as rows that count in full are concerned. */
export const isPlainLoss = (
  options: CheckedLossOptions,
  { softTargets, sampleWeight, mask }: RowTargets,
): boolean =>
  hasNoOptions(options) && softTargets === undefined && sampleWeight === undefined && mask === undefined;

function reductionRules(loss: CheckedLossOptions, targets: RowTargets): ReductionRules {
  const rules = { ...loss, weightSum: weightSumOf(targets, loss.weight) };
  checkNotEmpty(rules, targets.rows);
  return rules;
}

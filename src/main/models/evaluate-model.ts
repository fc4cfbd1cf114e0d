// The evaluation of a linear model: one pass over the rows, and a second look at those without probabilities.
import type { Cancellation } from '../cancellation.js';
import type { Resources } from '../dispatch/resources.js';
import { together, withOthers } from '../distributed/together.js';
import { type CheckedLossOptions, hasNoOptions } from '../losses/loss-options.js';
import {
  checkNotEmpty,
  type Evaluation,
  evaluationOf,
  leaveOutInvalid,
  type ReductionRules,
} from './evaluation.js';
import { evaluationOfRanks } from './evaluation-of-ranks.js';
import type { Inputs } from './inputs.js';
import type { RowResults } from './linear-model.js';
import { checkConfidences, type OnInvalidInput, TO_EVALUATE } from './not-finite.js';
import { type RowTargets, rowWeights, weightSumOf } from './row-targets.js';
import { evaluateByModels, type ModelOfRows, modelOfRow } from './rows-by-model.js';

/** Rows whose classes are known, and what their losses are to be. */
export interface RowsWithTargets {
  readonly inputs: Inputs;
  readonly targets: RowTargets;
  readonly loss: CheckedLossOptions;
}

export interface EvaluationRules {
  readonly topK: number;
  readonly onInvalidInput: OnInvalidInput;
}

/**
 * Of the model of all rows, or each row by its own; with several ranks, of the rows of all. With onInvalidInput 'ignore', rows
 * without probabilities are ignored ones of the targets afterwards.
 */
export async function evaluateModels(
  resources: Resources,
  models: readonly [ModelOfRows, ...ModelOfRows[]],
  { inputs, targets, loss }: RowsWithTargets,
  { topK, onInvalidInput }: EvaluationRules,
  signal: Cancellation | undefined,
): Promise<Evaluation> {
  const transport = withOthers(resources.transport);
  const general = isPlainLoss(loss, targets) ? undefined : loss;
  const evaluate = () => evaluateByModels(resources, models, inputs, targets, general, signal);
  const shape = { classes: models[0].model.classes, topK };
  if (transport !== undefined) {
    return together(transport, async () => {
      const results = await evaluate();
      if (onInvalidInput === 'throw') await checkResults(models, inputs, results);
      const invalid = leaveOutInvalid(results, targets);
      const isWeighted = loss.weight !== undefined || targets.sampleWeight !== undefined;
      const weights = isWeighted ? rowWeights(targets, loss.weight) : weightSumOf(targets, undefined);
      const own = { ...shape, results, targets: targets.classes, invalid, weights };
      return evaluationOfRanks(transport, own, loss);
    });
  }
  const rules = reductionRules(loss, targets);
  const results = await evaluate();
  const evaluation = evaluationOf(results, targets.classes, { ...shape, invalid: 0 }, rules);
  // It is NaN where a row has no probabilities, or there are no rows.
  if (!Number.isNaN(evaluation.calibration.expectedError)) return evaluation;
  if (onInvalidInput === 'throw') await checkResults(models, inputs, results);
  const invalid = leaveOutInvalid(results, targets);
  return evaluationOf(results, targets.classes, { ...shape, invalid }, reductionRules(loss, targets));
}

/** Throws for the first row without probabilities. */
async function checkResults(
  models: readonly [ModelOfRows, ...ModelOfRows[]],
  inputs: Inputs,
  { confidences }: RowResults,
): Promise<void> {
  const model = modelOfRow(models, confidences.findIndex(Number.isNaN)) ?? models[0].model;
  await checkConfidences(model, { inputs, ...TO_EVALUATE }, confidences);
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

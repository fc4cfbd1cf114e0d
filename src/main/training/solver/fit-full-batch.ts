// fit by a full-batch solver: rows to train and to validate on, scaling, penalty, and the training itself.
import { SoftshardError } from '../../../errors.js';
import type { Resources } from '../../dispatch/resources.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { Validation } from '../../models/evaluation.js';
import type { Inputs } from '../../models/inputs.js';
import type { LinearModel } from '../../models/linear-model.js';
import { IGNORED, type RowTargets } from '../../models/row-targets.js';
import type { FeatureScaling } from '../../models/scaling.js';
import { type FitLoss, withClassWeights } from '../fit-loss.js';
import type { CheckedFitOptions } from '../fit-options.js';
import type { FitResult } from '../fit-result.js';
import { nothingToTrainOn, noValidation, splitRows } from '../rows/row-order.js';
import { validateApart, validateInWindows } from '../validation.js';
import { choose } from './choice.js';
import { columnStatistics, standardScaling } from './column-statistics.js';
import { trainFullBatch } from './full-batch.js';
import type { FullBatchResult } from './full-batch-head.js';
import type { CheckedSolverOptions, Scale } from './solver-options.js';

export interface FitTerms {
  readonly resources: Resources;
  readonly model: LinearModel;
  readonly inputs: Inputs;
  readonly targets: RowTargets;
  readonly loss: FitLoss;
}

/** Trains the model's weights and bias in place. They belong with the feature scaling of the result. */
export async function fitFullBatch(
  terms: FitTerms,
  options: CheckedFitOptions,
  solver: CheckedSolverOptions,
): Promise<{ readonly featureScaling: FeatureScaling | undefined; readonly result: FitResult }> {
  const scope = terms.resources.arena.scope();
  try {
    return await fitWith(scope, terms, options, solver);
  } finally {
    scope.release();
  }
}

/** The scope holds the rows of a separate validation. */
async function fitWith(
  scope: ArenaScope,
  { resources, model: given, inputs, targets, loss }: FitTerms,
  options: CheckedFitOptions,
  solver: CheckedSolverOptions,
) {
  const { signal, validationSplit, seed } = options;
  const { features, classes, weights, bias } = given;
  const { training, validation } = splitRows(inputs.rows, validationSplit, seed);
  if (validationSplit > 0 && validation.length === 0) throw noValidation(inputs.rows, validationSplit);
  const rows = training.filter(
    (row) => targets.classes[row] !== IGNORED && targets.sampleWeight?.[row] !== 0,
  );
  if (rows.length === 0) throw nothingToTrainOn(inputs.rows, validation.length);
  const weighted = withClassWeights(loss, targets, rows, classes);
  const model = { features, classes, weights, bias, featureScaling: given.featureScaling };
  const validate =
    options.validation !== undefined
      ? validateApart(resources, scope, model, weighted, options.validation, signal).validate
      : validation.length > 0
        ? validateInWindows(resources, model, weighted, targets, inputs, validation)
        : undefined;
  const statistics = await columnStatistics(inputs, rows);
  signal?.throwIfAborted();
  const trainTerms = { resources, model, inputs, targets, loss: weighted, rows, statistics, signal };
  const scales = scalesFor(model, solver);
  const isGiven = solver.C !== undefined || solver.l2 !== undefined;
  const chosen = isGiven ? undefined : await choose({ ...trainTerms, options: solver }, scales);
  const scale = chosen?.scale ?? scales[0]!;
  const isFresh = [...weights, ...bias].every((value) => value === 0);
  if (scale === 'standard') rescale(model, standardScaling(statistics));
  if (isFresh && chosen !== undefined) {
    weights.set(chosen.start.subarray(0, weights.length));
    bias.set(chosen.start.subarray(weights.length));
  }
  const trained = await trainFullBatch({
    ...trainTerms,
    options: { ...solver, C: solver.C ?? chosen?.C },
  });
  const result = {
    ...fullBatchFitResult(solver, scale, trained, await validate?.(signal)),
    choice: chosen?.choice,
  };
  return { featureScaling: model.featureScaling, result };
}

/** Of given scaling and penalty. */
export const fullBatchFitResult = (
  { solver }: CheckedSolverOptions,
  scale: Scale,
  trained: FullBatchResult,
  evaluation: Validation | undefined,
): FitResult => ({
  solver,
  ...trained,
  scale,
  choice: undefined,
  validationLoss: evaluation?.loss,
  validationAccuracy: evaluation?.accuracy,
  epochs: [],
  steps: 0,
});

/** What may be chosen. A model's own scaling stays. */
export function scalesFor(
  { featureScaling }: Pick<LinearModel, 'featureScaling'>,
  { scale, C, l2 }: CheckedSolverOptions,
): readonly Scale[] {
  if (featureScaling !== undefined && scale === 'standard') {
    const message = `options.scale is 'standard', but the classifier has a featureScaling already: leave one of them out`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.scale', value: scale });
  }
  if (scale !== undefined) return [scale];
  return featureScaling !== undefined || C !== undefined || l2 !== undefined
    ? ['none']
    : ['none', 'standard'];
}

/** Gives a model without scaling one, and the parameters that say the same of scaled rows. */
function rescale(
  model: LinearModel & { featureScaling: FeatureScaling | undefined },
  scaling: FeatureScaling,
): void {
  const { classes, weights, bias } = model;
  const { shift, scale } = scaling;
  const of = (part: FeatureScaling['shift'], feature: number) =>
    typeof part === 'number' ? part : part[feature]!;
  for (let i = 0; i < weights.length; i++) {
    const feature = Math.floor(i / classes);
    bias[i % classes]! += of(shift, feature) * weights[i]!;
    weights[i]! /= of(scale, feature);
  }
  model.featureScaling = scaling;
}

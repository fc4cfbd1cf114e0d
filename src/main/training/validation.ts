// Evaluating the running parameters after an epoch: on rows that were split off, or on rows given apart.

import type { ArenaScope } from '../arena.js';
import type { Resources } from '../resources.js';
import { type FitLoss, isPlain } from './fit-loss.js';
import type { ValidationRows } from './fit-options.js';
import { checkInputs } from './inputs.js';
import { evaluateResident, evaluateRows, type LinearModel, type RowResults } from './linear-model.js';
import { checkNotEmpty, type Validation, validationOf } from './metrics.js';
import { checkRowTargets, type RowTargets, weightSumOf } from './row-targets.js';
import type { PlacedTrainingRows } from './training-memory.js';

/** Evaluates the model's present weights. */
export type Validate = (signal: AbortSignal | undefined) => Promise<Validation>;

/** Validation on rows of the training data: `rows` are their numbers. */
export function validateSplit(
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  loss: FitLoss,
  targets: RowTargets,
  placed: PlacedTrainingRows,
  rows: Uint32Array,
): Validate {
  const { arena } = resources;
  const indices = scope.allocate(rows.length * 4, 'the numbers of the validation rows');
  arena.view('uint32', indices, rows.length).set(rows);
  const predictions = scope.allocate(rows.length * 4, 'predictions');
  const ranks = scope.allocate(rows.length * 4, 'ranks');
  const losses = scope.allocate(rows.length * 8, 'losses');
  const confidences = scope.allocate(rows.length * 4, 'confidences');
  const rules = { ...loss, weightSum: weightSumOf(targets, loss.weight, rows) };
  checkNotEmpty(rules, rows.length);
  const placedLoss = isPlain(loss, targets) ? undefined : placed.loss;
  const outputs = {
    probabilities: 0,
    predictions,
    ranks,
    losses,
    confidences,
    targets: placed.targets,
    loss: placedLoss?.evaluation,
  };
  const { inputs, inputsType, scaling } = placed;
  const resident = { inputs, inputsType, scaling, indices, rows: rows.length };
  return async (signal) => {
    await evaluateResident(resources, model, resident, outputs, signal);
    const allLosses = placedLoss && arena.view('float32', placedLoss.losses, targets.rows);
    const results: RowResults = {
      predictions: arena.view('int32', predictions, rows.length),
      ranks: arena.view('int32', ranks, rows.length),
      losses: arena.view('float64', losses, rows.length),
      confidences: arena.view('float32', confidences, rows.length),
      lossesWithOptions: allLosses && Float32Array.from(rows, (row) => allLosses[row]!),
    };
    return validationOf(results, rules);
  };
}

/** Validation on rows of their own. */
export function validateApart(
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  loss: FitLoss,
  { inputs, targets, ...options }: ValidationRows,
): Validate {
  const argument = 'options.validation';
  const batch = checkInputs(resources, `${argument}.inputs`, inputs, undefined, model);
  const shape = { rows: batch.rows, classes: model.classes };
  const checked = checkRowTargets(resources, targets, shape, options, loss, argument);
  for (const rows of [batch, checked.softTargets, checked.mask]) {
    if (rows?.ptr !== undefined) scope.retain(rows.ptr);
  }
  const rules = { ...loss, weightSum: weightSumOf(checked, loss.weight) };
  checkNotEmpty(rules, batch.rows);
  const general = isPlain(loss, checked) ? undefined : loss;
  return async (signal) =>
    validationOf(await evaluateRows(resources, model, batch, checked, general, signal), rules);
}

// Evaluating the running parameters after an epoch: on rows that were split off, or on rows given apart.

import type { ArenaScope } from '../arena.js';
import type { Resources } from '../resources.js';
import { checkTargets } from '../targets.js';
import type { FitOptions } from './fit-options.js';
import { checkInputs } from './inputs.js';
import { evaluateResident, evaluateRows, type LinearModel, type RowResults } from './linear-model.js';
import { type Evaluation, evaluationOf } from './metrics.js';
import type { PlacedRows } from './training-memory.js';

/** Evaluates the model's present weights. */
export type Validate = (signal: AbortSignal | undefined) => Promise<Evaluation>;

/** Validation on rows of the training data: `rows` are their numbers. */
export function validateSplit(
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  placed: PlacedRows,
  rows: Uint32Array,
): Validate {
  const { arena } = resources;
  const indices = scope.allocate(rows.length * 4, 'the numbers of the validation rows');
  arena.view('uint32', indices, rows.length).set(rows);
  const predictions = scope.allocate(rows.length * 4, 'predictions');
  const ranks = scope.allocate(rows.length * 4, 'ranks');
  const losses = scope.allocate(rows.length * 4, 'losses');
  const allTargets = arena.view('int32', placed.targets, rows.length === 0 ? 0 : rows.at(-1)! + 1);
  const targets = Int32Array.from(rows, (row) => allTargets[row]!);
  const outputs = { probabilities: 0, predictions, ranks, losses, targets: placed.targets };
  return async (signal) => {
    await evaluateResident(resources, model, { ...placed, indices, rows: rows.length }, outputs, signal);
    const results: RowResults = {
      predictions: arena.view('int32', predictions, rows.length),
      ranks: arena.view('int32', ranks, rows.length),
      losses: arena.view('float32', losses, rows.length),
    };
    return evaluationOf(results, targets, model.classes, 1);
  };
}

/** Validation on rows of their own. */
export function validateApart(
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  { inputs, targets }: NonNullable<FitOptions['validation']>,
): Validate {
  const { arena, kernels } = resources;
  const batch = checkInputs(resources, 'options.validation.inputs', inputs, undefined, model);
  const checked = checkTargets(arena, kernels, targets, batch.rows, model.classes, {
    argument: 'options.validation.targets',
  });
  for (const { ptr } of [batch, checked]) if (ptr !== undefined) scope.retain(ptr);
  const copy = new Int32Array(batch.rows);
  checked.copyTo(copy, 0, batch.rows);
  return async (signal) =>
    evaluationOf(await evaluateRows(resources, model, batch, checked, signal), copy, model.classes, 1);
}

// Evaluating the running parameters after an epoch: on rows that were split off, or on rows given apart.

import { SoftshardError } from '../../errors.js';
import type { Ptr } from '../../kernels/kernels.js';
import type { ArenaScope } from '../arena.js';
import { checkBatch } from '../batches.js';
import type { Resources } from '../resources.js';
import { type FitLoss, isPlain } from './fit-loss.js';
import type { ValidationRows } from './fit-options.js';
import {
  allocateScratch,
  evaluateRows,
  type LinearModel,
  predictResident,
  type RowResults,
} from './linear-model.js';
import { checkNotEmpty, type Validation, validationOf } from './metrics.js';
import { checkRowTargets, type RowTargets, weightSumOf } from './row-targets.js';
import type { PlacedTrainingRows } from './training-memory.js';

/** Evaluates the model; `parameters` are its packed parameters in the arena. */
export type Validate = (parameters: Ptr, signal: AbortSignal | undefined) => Promise<Validation>;

/** Validation on rows of the training data: `rows` are their numbers. */
export function validateSplit(
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  loss: FitLoss,
  rowTargets: RowTargets,
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
  const general = !isPlain(loss, rowTargets);
  const scratch = allocateScratch(scope, resources.pool.threads, model.classes, general);
  const weightSum = weightSumOf(rowTargets, loss.weight, rows);
  const rules = { ...loss, weightSum };
  checkNotEmpty(rules, rows.length);
  const placedLoss = general ? placed.loss : undefined;
  const outputs = {
    probabilities: 0,
    predictions,
    ranks,
    losses,
    confidences,
    targets: placed.targets,
    loss: placedLoss?.evaluation,
  };
  return async (parameters, signal) => {
    const resident = { inputs: placed.inputs, indices, rows: rows.length };
    await predictResident(resources, model, { parameters, ...scratch }, resident, outputs, signal);
    const allLosses = placedLoss && arena.view('float32', placedLoss.losses, rowTargets.rows);
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

/** Validation on rows of their own; the model's weights must be those that `parameters` hold. */
export function validateApart(
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  loss: FitLoss,
  { inputs, targets, ...options }: ValidationRows,
): Validate {
  const { arena } = resources;
  const argument = 'options.validation';
  const batch = checkBatch(
    arena,
    `${argument}.inputs`,
    inputs,
    inputs instanceof Float32Array ? model.features : undefined,
  );
  if (batch.columns !== model.features) {
    const message = `${argument}.inputs has ${batch.columns} columns, the model has ${model.features} features`;
    throw new SoftshardError('ERR_SHAPE', message, {
      argument: `${argument}.inputs`,
      value: batch.columns,
    });
  }
  const shape = { rows: batch.rows, classes: model.classes };
  const checked = checkRowTargets(resources, targets, shape, options, loss, argument);
  for (const rows of [batch, checked.softTargets, checked.mask]) {
    if (rows?.ptr !== undefined) scope.retain(rows.ptr);
  }
  const weightSum = weightSumOf(checked, loss.weight);
  const rules = { ...loss, weightSum };
  checkNotEmpty(rules, batch.rows);
  const general = isPlain(loss, checked) ? undefined : loss;
  return async (_parameters, signal) => {
    const results = await evaluateRows(resources, model, batch, checked, general, signal);
    return validationOf(results, rules);
  };
}

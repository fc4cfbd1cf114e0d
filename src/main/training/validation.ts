// Evaluating the running parameters after an epoch: on rows that were split off, or on rows given apart.

import { SoftshardError } from '../../errors.js';
import type { Ptr } from '../../kernels/kernels.js';
import type { ArenaScope } from '../arena.js';
import { checkBatch } from '../batches.js';
import type { Resources } from '../resources.js';
import { checkTargets } from '../targets.js';
import type { FitOptions } from './fit-options.js';
import {
  allocateScratch,
  evaluateRows,
  type LinearModel,
  predictResident,
  type RowResults,
} from './linear-model.js';
import { type Evaluation, evaluationOf } from './metrics.js';
import type { PlacedRows } from './training-memory.js';

/** Evaluates the model; `parameters` are its packed parameters in the arena. */
export type Validate = (parameters: Ptr, signal: AbortSignal | undefined) => Promise<Evaluation>;

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
  const scratch = allocateScratch(scope, resources, model);
  const allTargets = arena.view('int32', placed.targets, rows.length === 0 ? 0 : rows.at(-1)! + 1);
  const targets = Int32Array.from(rows, (row) => allTargets[row]!);
  const outputs = { probabilities: 0, predictions, ranks, losses, targets: placed.targets };
  return async (parameters, signal) => {
    const resident = { inputs: placed.inputs, indices, rows: rows.length };
    await predictResident(resources, model, { parameters, ...scratch }, resident, outputs, signal);
    const results: RowResults = {
      predictions: arena.view('int32', predictions, rows.length),
      ranks: arena.view('int32', ranks, rows.length),
      losses: arena.view('float32', losses, rows.length),
    };
    return evaluationOf(results, targets, model.classes, 1);
  };
}

/** Validation on rows of their own; the model's weights must be those that `parameters` hold. */
export function validateApart(
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  { inputs, targets }: NonNullable<FitOptions['validation']>,
): Validate {
  const { arena, kernels } = resources;
  const batch = checkBatch(
    arena,
    'options.validation.inputs',
    inputs,
    inputs instanceof Float32Array ? model.features : undefined,
  );
  if (batch.columns !== model.features) {
    const message = `options.validation.inputs has ${batch.columns} columns, the model has ${model.features} features`;
    throw new SoftshardError('ERR_SHAPE', message, {
      argument: 'options.validation.inputs',
      value: batch.columns,
    });
  }
  const checked = checkTargets(arena, kernels, targets, batch.rows, model.classes, {
    argument: 'options.validation.targets',
  });
  for (const { ptr } of [batch, checked]) if (ptr !== undefined) scope.retain(ptr);
  const copy = new Int32Array(batch.rows);
  checked.copyTo(copy, 0, batch.rows);
  return async (_parameters, signal) =>
    evaluationOf(await evaluateRows(resources, model, batch, checked, signal), copy, model.classes, 1);
}

// Evaluates the current parameters after an epoch, on rows that were split off or on rows of their own.

import { NULL_PTR, type Ptr } from '../../kernels/ptr.js';
import type { LinearLoss } from '../../workers/protocol.js';
import type { Cancellation } from '../cancellation.js';
import type { Resources } from '../dispatch/resources.js';
import type { ArenaScope } from '../memory/arena.js';
import { isPlainLoss } from '../models/evaluate-model.js';
import { checkNotEmpty, type ReductionRules, type Validation, validationOf } from '../models/evaluation.js';
import { checkInputs, type Inputs, type InputsFormat } from '../models/inputs.js';
import { evaluateResident, evaluateRows, type LinearModel, type RowResults } from '../models/linear-model.js';
import {
  checkConfidences,
  type NamedInputs,
  type NamedRows,
  notFiniteError,
  TO_FIT,
  TO_VALIDATE,
} from '../models/not-finite.js';
import { checkRowTargets, IGNORED, type RowTargets, weightSumOf } from '../models/row-targets.js';
import { type ClassCounts, countClasses } from './class-counts.js';
import type { FitLoss } from './fit-loss.js';
import type { ReadyValidation } from './fit-options.js';

export interface ValidationResult extends Validation {
  readonly counts: ClassCounts;
}

/** Evaluates the model's present weights. */
export type Validate = (signal: Cancellation | undefined) => Promise<ValidationResult>;

/** Rows of training data that lies in the arena: `rows` are their numbers. */
export interface ValidationInArena extends InputsFormat {
  readonly rows: Uint32Array;
  readonly inputs: Ptr;
  readonly targets: Ptr;
  /** Undefined without loss options. */
  readonly loss: LinearLoss | undefined;
  /** Float32 by row number; only with `loss`. */
  readonly lossesWithOptions: Ptr;
  /** One for each of `rows`; losses are float64. */
  readonly indices: Ptr;
  readonly predictions: Ptr;
  readonly ranks: Ptr;
  readonly losses: Ptr;
  readonly confidences: Ptr;
}

export function validateInArena(
  resources: Resources,
  model: LinearModel,
  options: FitLoss,
  targets: RowTargets,
  inputs: Inputs,
  { rows, loss, lossesWithOptions, ...placed }: ValidationInArena,
): Validate {
  const { arena } = resources;
  const { indices, predictions, ranks, losses, confidences, inputsType, scaling } = placed;
  arena.view('uint32', indices, rows.length).set(rows);
  const rules = rulesOf(options, targets, rows);
  const general = isPlainLoss(options, targets) ? undefined : loss;
  const outputs = {
    probabilities: NULL_PTR,
    areLogits: false,
    predictions,
    ranks,
    losses,
    confidences,
    targets: placed.targets,
    loss: general,
  };
  const resident = { inputs: placed.inputs, inputsType, scaling, indices, rows: rows.length };
  const counts = countClasses(targets, rows, model.classes);
  return validateRows(model, { inputs, rowNumbers: rows, ...TO_FIT }, rules, counts, async (signal) => {
    await evaluateResident(patient(resources), model, resident, outputs, signal);
    const allLosses = general && arena.view('float32', lossesWithOptions, targets.rows);
    return {
      predictions: arena.view('int32', predictions, rows.length),
      ranks: arena.view('int32', ranks, rows.length),
      losses: arena.view('float64', losses, rows.length),
      confidences: arena.view('float32', confidences, rows.length),
      lossesWithOptions: allLosses && Float32Array.from(rows, (row) => allLosses[row]!),
    };
  });
}

/** The same for data outside the arena, which passes through it in windows. */
export function validateInWindows(
  resources: Resources,
  model: LinearModel,
  options: FitLoss,
  targets: RowTargets,
  inputs: Inputs,
  rows: Uint32Array,
): Validate {
  const rules = rulesOf(options, targets, rows);
  const general = isPlainLoss(options, targets) ? undefined : options;
  const counts = countClasses(targets, rows, model.classes);
  return validateRows(model, { inputs, rowNumbers: rows, ...TO_FIT }, rules, counts, (signal) =>
    evaluateRows(patient(resources), model, inputs, targets, general, signal, rows),
  );
}

function validateRows(
  model: LinearModel,
  rows: NamedRows,
  rules: ReductionRules,
  counts: ClassCounts,
  evaluate: (signal: Cancellation | undefined) => Promise<RowResults>,
): Validate {
  return async (signal) => {
    const results = await evaluate(signal);
    await checkConfidences(model, rows, results.confidences);
    return { ...validationOf(results, rules), counts };
  };
}

const patient = (resources: Resources): Resources => ({ ...resources, isPatient: true });

function rulesOf(options: FitLoss, targets: RowTargets, rows: Uint32Array): ReductionRules {
  const rules = { ...options, weightSum: weightSumOf(targets, options.weight, rows) };
  checkNotEmpty(rules, rows.length);
  return rules;
}

/** Throws ERR_NOT_FINITE for a feature of the rows with these numbers that are not ignored: a pass over them. */
export async function checkFinite(
  inputs: Inputs,
  { classes }: RowTargets,
  rows: Uint32Array,
  named: NamedInputs,
): Promise<void> {
  const found = await inputs.findNotFinite(rows.filter((row) => classes[row] !== IGNORED));
  if (found !== undefined) throw notFiniteError(found, named);
}

export interface ValidationApart {
  readonly validate: Validate;
  readonly inputs: Inputs;
  readonly targets: RowTargets;
}

/** Validation on rows of their own. */
export function validateApart(
  resources: Resources,
  scope: ArenaScope,
  model: LinearModel,
  loss: FitLoss,
  { inputs, targets, ...options }: ReadyValidation,
  signal: Cancellation | undefined,
): ValidationApart {
  const argument = 'options.validation';
  const batch = checkInputs(resources, `${argument}.inputs`, inputs, undefined, model, signal);
  const shape = { rows: batch.rows, classes: model.classes };
  const checked = checkRowTargets(resources, targets, shape, options, loss, argument);
  for (const rows of [batch, checked.softTargets, checked.mask]) {
    if (rows?.ptr !== undefined) scope.retain(rows.ptr);
  }
  const rules = { ...loss, weightSum: weightSumOf(checked, loss.weight) };
  checkNotEmpty(rules, batch.rows);
  const general = isPlainLoss(loss, checked) ? undefined : loss;
  const counts = countClasses(checked, checked.classes.keys(), model.classes);
  const validate = validateRows(model, { inputs: batch, ...TO_VALIDATE }, rules, counts, () =>
    evaluateRows(patient(resources), model, batch, checked, general, signal),
  );
  return { validate, inputs: batch, targets: checked };
}

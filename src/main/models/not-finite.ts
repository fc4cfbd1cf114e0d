// Errors for rows without probabilities, because a feature is NaN or infinite or the logits overflow. Kernels notice such rows
// as they compute; only then are inputs read a second time, to name the feature.
import { SoftshardError } from '../../errors.js';
import { checkOneOf } from '../checks.js';

/** What to do with rows whose logits are not finite. */
export type OnInvalidInput = 'throw' | 'ignore';

export const checkOnInvalidInput = (value: OnInvalidInput | undefined): OnInvalidInput =>
  checkOneOf('options.onInvalidInput', value ?? 'throw', ['throw', 'ignore']);

/** What is asked of inputs here. */
interface SearchedRows {
  readonly elements: ArrayBufferView | undefined;
  findNotFinite(chosen: { readonly begin: number; readonly end: number }): Promise<NotFinite | undefined>;
}

/** And of a model. */
interface Parameters {
  readonly classes: number;
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/** What errors call the rows, and the remedies besides repairing them. */
export interface NamedInputs {
  readonly argument: 'inputs' | 'options.validation.inputs';
  readonly remedy: string;
}

/** The rows with these numbers, or all. */
export interface NamedRows extends NamedInputs {
  readonly inputs: SearchedRows;
  readonly rowNumbers?: Uint32Array;
}

const MEND = 'impute it, drop the row';

export const TO_PREDICT: NamedInputs = {
  argument: 'inputs',
  remedy: `${MEND}, or set options.onInvalidInput to 'ignore' (the row then has class -1 and probabilities NaN)`,
};
export const TO_EVALUATE: NamedInputs = {
  argument: 'inputs',
  remedy: `${MEND}, or set options.onInvalidInput to 'ignore' (such rows are then left out)`,
};
export const TO_FIT: NamedInputs = {
  argument: 'inputs',
  remedy: `${MEND}, or have it ignored (options.ignoreIndex as its target)`,
};
export const TO_VALIDATE: NamedInputs = { ...TO_FIT, argument: 'options.validation.inputs' };
export const TO_SCALE: NamedInputs = { argument: 'inputs', remedy: MEND };

export interface NotFinite {
  readonly row: number;
  readonly feature: number;
  readonly value: number;
}

/** The first value of `values` [rows × columns] that is NaN or infinite. */
export function findNotFinite(values: Float32Array | Uint8Array, columns: number): NotFinite | undefined {
  // A value minus itself is 0, or NaN where it is not finite: several times as fast as a look at each.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! - values[i]!;
  if (sum === 0) return undefined;
  const index = values.findIndex((value) => !Number.isFinite(value));
  return { row: Math.floor(index / columns), feature: index % columns, value: values[index]! };
}

export function notFiniteError(
  { row, feature, value }: NotFinite,
  { argument, remedy }: NamedInputs,
  consequence = '',
): SoftshardError {
  const message = `${argument}[${row}, ${feature}] is ${value}, but features must be finite numbers: ${remedy}${consequence}`;
  return new SoftshardError('ERR_NOT_FINITE', message, { argument, row, feature, value });
}

/** A prediction of -1 is a row without probabilities. */
export async function checkPredictions(
  model: Parameters,
  inputs: SearchedRows,
  predictions: Int32Array,
): Promise<void> {
  const row = predictions.indexOf(-1);
  if (row >= 0) throw await invalidRowError(model, inputs, row, TO_PREDICT);
}

/** Makes rows of logits [rows × classes] NaN that are not all finite, as the kernels do with their probabilities. */
export function markInvalid(logits: Float32Array, classes: number): void {
  for (let begin = 0; begin < logits.length; begin += classes) {
    const row = logits.subarray(begin, begin + classes);
    if (!row.every(Number.isFinite)) row.fill(Number.NaN);
  }
}

/** Probabilities or logits [rows × classes], where a row of NaN is invalid; may lie where the inputs were. */
export async function checkClassValues(
  model: Parameters,
  inputs: SearchedRows,
  values: Float32Array,
  what: 'probabilities' | 'logits',
): Promise<void> {
  const { classes } = model;
  const row = findNaNRow(values, classes);
  if (row === undefined) return;
  const { elements } = inputs;
  if (elements?.buffer !== values.buffer || elements.byteOffset !== values.byteOffset) {
    throw await invalidRowError(model, inputs, row, TO_PREDICT);
  }
  const message =
    `inputs[${row}] had a feature that is NaN or infinite, or logits that overflow float32 (its ${what} were ` +
    `written over it): ${TO_PREDICT.remedy}`;
  throw new SoftshardError('ERR_NOT_FINITE', message, { argument: 'inputs', row });
}

function findNaNRow(values: Float32Array, classes: number): number | undefined {
  for (let i = 0; i < values.length; i += classes) if (Number.isNaN(values[i])) return i / classes;
  return undefined;
}

/** A confidence of NaN is a row without probabilities that is not ignored. */
export async function checkConfidences(
  model: Parameters,
  { inputs, rowNumbers, ...named }: NamedRows,
  confidences: Float32Array | Float64Array,
): Promise<void> {
  const index = confidences.findIndex(Number.isNaN);
  if (index >= 0) throw await invalidRowError(model, inputs, rowNumbers?.[index] ?? index, named);
}

/** Says why the logits of this row are not finite. */
async function invalidRowError(
  model: Parameters,
  inputs: SearchedRows,
  row: number,
  named: NamedInputs,
): Promise<SoftshardError> {
  const found = await inputs.findNotFinite({ begin: row, end: row + 1 });
  if (found !== undefined) return notFiniteError(found, named);
  const { argument } = named;
  for (const name of ['weights', 'bias'] as const) {
    const index = findBadParameter(name, model[name]);
    if (index < 0) continue;
    const value = model[name][index]!;
    const message = `classifier.${name}[${index}] is ${value}, so that rows have no probabilities: set finite parameters, or train anew`;
    return new SoftshardError('ERR_NOT_FINITE', message, { argument: `classifier.${name}`, row, value });
  }
  const message =
    `${argument}[${row}] has finite features, but its logits overflow float32: scale the features ` +
    '(options.featureScaling of the classifier)';
  return new SoftshardError('ERR_NOT_FINITE', message, { argument, row });
}

/** The index of a weight or bias that is not finite, or -1. */
export function findBadParameter(name: 'weights' | 'bias', values: Float32Array): number {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    // A bias of -Infinity excludes a class.
    if (!Number.isFinite(value) && !(name === 'bias' && value === Number.NEGATIVE_INFINITY)) return i;
  }
  return -1;
}

// Inputs and targets in the forms that callers have them, brought to those that a classifier works on: at once where they are such
// already, else in one pass, into shared memory.
import { SoftshardError } from '../../errors.js';
import {
  type ArrowTable,
  type ArrowVector,
  elementsOf,
  isArrowTable,
  isArrowVector,
  isListVector,
} from '../arguments/arrow.js';
import { adviceFor } from '../arguments/foreign-values.js';
import type { Targets } from '../arguments/targets.js';
import type { Cancellation } from '../cancellation.js';
import { checkInteger, inspectValue } from '../checks.js';
import { fileKindOf } from '../data/foreign-files.js';
import type { Resources } from '../dispatch/resources.js';
import type { DenseTargets } from '../losses/dense-targets.js';
import { arrayClassOf, isArrayOf } from '../memory/arrays.js';
import type { Tensor, TensorLike } from '../memory/tensor.js';
import type { FeatureRows } from '../models/inputs.js';
import { forEachItem, isItemSource, type WebStream } from './iteration.js';
import { addLabels, type Label, Labels } from './labels.js';
import { writeNumbers } from './numbers.js';
import { RowCollector, type RowsWanted } from './row-collector.js';
import { checkOnCpu, isConverted, isTensorLike } from './tensors.js';

/** Numbers of any type in a typed array; elements of Node 24's Float16Array too. */
type AnyNumbers = ArrayBufferView & { readonly length: number };

/**
 * Rows in any form. What is no array or tensor of float32 or bytes is converted to float32 once, as the call begins: typed arrays
 * and tensors of other types, arrays of rows, Arrow vectors and tables; and what an iterable, an async iterable or a stream gives:
 * rows, records { …, label }, or batches { inputs, targets }.
 */
export type AnyRows =
  | FeatureRows
  | AnyNumbers
  | TensorLike
  | ArrowVector
  | ArrowTable
  | Iterable<object>
  | AsyncIterable<object>
  | WebStream<object>;

/**
 * What each row belongs to: class indices, labels (strings, whole numbers, booleans), or a share of every class, as arrays of any
 * kind, tensors, Arrow vectors, iterables and async iterables.
 */
export type AnyTargets =
  | Targets
  | DenseTargets
  | TensorLike
  | ArrowVector
  | Iterable<Label>
  | AsyncIterable<Label>
  | Iterable<readonly number[] | Float32Array | Float64Array>;

/** Rows that bring their labels with them. */
export type LabeledRows = ArrowTable | Iterable<object> | AsyncIterable<object> | WebStream<object>;

export interface TakenRows {
  readonly inputs: FeatureRows;
  /** As they were given, or the labels that came with the rows or one by one. */
  readonly targets: unknown;
  /** Of records and tables, where each feature has a field. */
  readonly featureNames: readonly string[] | undefined;
  /** Gives back what memory the rows took. */
  free(): void;
}

export interface TakeTerms extends Omit<RowsWanted, 'wantsLabels'> {
  /** For inputs that are a bare array. */
  readonly columns: number | undefined;
  readonly signal: Cancellation | undefined;
  /** Nobody asks for targets where rows are predicted. */
  readonly hasTargets: boolean;
}

type Now<Value> = Value | Promise<Value>;

/** A promise only where something has to be converted. `targets` undefined: labels are to come with the rows. */
export function takeRows(
  resources: Resources,
  inputs: unknown,
  targets: unknown,
  terms: TakeTerms,
): Now<TakenRows> {
  checkForeignTargets(terms.argument, targets);
  const isReady = isReadyRows(terms.argument, inputs);
  if (isReady && terms.hasTargets && targets === undefined) throw noTargets(terms.argument, inputs);
  if (isReady && !areConverted(targets)) {
    return { inputs, targets, featureNames: undefined, free() {} };
  }
  return convert(resources, inputs, targets, terms);
}

async function convert(
  resources: Resources,
  inputs: unknown,
  targets: unknown,
  terms: TakeTerms,
): Promise<TakenRows> {
  const { argument, signal } = terms;
  const cancellations = signal ? [signal, resources.closing] : [resources.closing];
  signal?.throwIfAborted();
  const ofTargets = argument.replace('inputs', 'targets');
  if (isReadyRows(argument, inputs)) {
    const given = await takeTargets(ofTargets, targets, cancellations);
    return { inputs, targets: given, featureNames: undefined, free() {} };
  }
  const wantsLabels = terms.hasTargets && targets === undefined;
  const collector = new RowCollector(resources.arena, { ...terms, wantsLabels });
  try {
    await collect(collector, inputs, terms, cancellations);
    const given = await takeTargets(ofTargets, targets, cancellations);
    const { inputs: rows, labels, featureNames, free } = collector.finish();
    if (!wantsLabels) return { inputs: rows, targets: given, featureNames, free };
    if (labels !== undefined) return { inputs: rows, targets: labels, featureNames, free };
    free();
    throw noTargets(argument, inputs);
  } catch (error) {
    collector.free();
    throw error;
  }
}

/** Rows that need no conversion, and what is no rows at all: whoever checks them says so. */
function isReadyRows(argument: string, value: unknown): value is FeatureRows {
  if (isArrayOf('float32', value) || isArrayOf('uint8', value)) {
    checkNoFile(argument, value);
    return true;
  }
  if (arrayClassOf(value) !== undefined) return false;
  if (Array.isArray(value)) return typeof value[0] === 'number';
  if (isTensorLike(value)) {
    checkOnCpu(argument, value);
    return !isConverted(value);
  }
  if (isArrowVector(value) || isArrowTable(value)) return false;
  if (typeof value === 'object' && value !== null && 'gather' in value) return true;
  const advice = adviceFor(value);
  if (advice === undefined) return !isItemSource(value);
  throw new SoftshardError('ERR_TYPE', `${argument} is ${advice}`, { argument, value });
}

function checkForeignTargets(ofInputs: string, targets: unknown): void {
  if (isArrowVector(targets)) return;
  const advice = isTensorLike(targets) ? undefined : adviceFor(targets);
  if (advice === undefined) return;
  const argument = ofInputs.replace('inputs', 'targets');
  throw new SoftshardError('ERR_TYPE', `${argument} is ${advice}`, { argument, value: targets });
}

/** A Buffer is bytes, and so would be rows. */
function checkNoFile(argument: string, value: unknown): void {
  const kind = Buffer.isBuffer(value) ? fileKindOf(value) : undefined;
  if (kind === undefined) return;
  const message = `${argument} is the content of a file, ${kind}: read it with readFeatures(engine, path), or on the command line (softshard train --data)`;
  throw new SoftshardError('ERR_TYPE', message, { argument });
}

async function collect(
  collector: RowCollector,
  inputs: unknown,
  { argument, columns, features }: TakeTerms,
  cancellations: readonly Cancellation[],
): Promise<void> {
  if (arrayClassOf(inputs) !== undefined) {
    const length = columns ?? features;
    if (length === undefined) throw noColumns(argument, inputs);
    checkInteger('options.columns', length, 1, Number.MAX_SAFE_INTEGER);
    collector.addRows(inputs as ArrayLike<unknown>, length);
  } else if (isTensorLike(inputs) || isArrowVector(inputs) || isArrowTable(inputs)) {
    collector.add(inputs);
  } else if (isItemSource(inputs)) {
    let left = Array.isArray(inputs) ? inputs.length : 1;
    await forEachItem(argument, inputs, cancellations, (item) => collector.add(item, --left));
  }
}

function noColumns(argument: string, array: unknown): SoftshardError {
  const message = `${argument} is a ${arrayClassOf(array)}: say how many columns a row has with the option columns, or pass { type, dims, data }`;
  return new SoftshardError('ERR_SHAPE', message, { argument });
}

function noTargets(argument: string, inputs: unknown): SoftshardError {
  const ofTargets = argument.replace('inputs', 'targets');
  const message = `${ofTargets} are missing: pass a label for each row, or inputs that bring them along, records { …, label } or batches { inputs, targets } (inputs is ${inspectValue(inputs)})`;
  return new SoftshardError('ERR_TYPE', message, { argument: ofTargets });
}

/** Whether targets have to be gone through, or have a share for each class in arrays of their own. */
function areConverted(targets: unknown): boolean {
  if (Array.isArray(targets)) return isShares(targets[0]);
  if (arrayClassOf(targets) !== undefined || isTensorLike(targets)) return false;
  return isArrowVector(targets) || (isItemSource(targets) && adviceFor(targets) === undefined);
}

const isShares = (value: unknown): boolean =>
  Array.isArray(value) || isArrayOf('float32', value) || isArrayOf('float64', value);

/** Labels, soft targets as a tensor, or what was given. */
async function takeTargets(
  argument: string,
  targets: unknown,
  cancellations: readonly Cancellation[],
): Promise<unknown> {
  if (!areConverted(targets)) return targets;
  if (isArrowVector(targets) && !isListVector(targets)) {
    const labels = new Labels(argument);
    addLabels(labels, targets);
    return labels;
  }
  if (isArrowVector(targets) || Array.isArray(targets)) return sharesOf(argument, targets);
  const labels = new Labels(argument);
  if (isItemSource(targets)) {
    await forEachItem(argument, targets, cancellations, (label) => labels.add(label));
  }
  return labels;
}

/** Soft targets that come row by row, [rows × classes]. */
function sharesOf(argument: string, given: ArrowVector | readonly unknown[]): Tensor<'float32'> {
  const rows = given.length;
  const rowAt = (row: number): unknown => ('getChildAt' in given ? given.get(row) : given[row]);
  const elementsAt = (row: number): ArrayLike<unknown> => {
    const shares = rowAt(row);
    if (isArrowVector(shares)) return elementsOf(shares).values;
    if (isShares(shares)) return shares as ArrayLike<unknown>;
    const message = `${argument}[${row}] is ${inspectValue(shares)}: the rows before it have a share for each class`;
    throw new SoftshardError('ERR_TYPE', message, { argument, row, value: shares });
  };
  const columns = elementsAt(0).length;
  const data = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const elements = elementsAt(row);
    if (elements.length !== columns) {
      const message = `${argument}[${row}] has ${elements.length} entries, the rows before it have ${columns}: all need one for each class`;
      throw new SoftshardError('ERR_SHAPE', message, { argument, row, value: elements.length });
    }
    writeNumbers(data.subarray(row * columns, (row + 1) * columns), elements, undefined, {
      argument,
      row,
      columns,
    });
  }
  return { type: 'float32', dims: [rows, columns], data };
}

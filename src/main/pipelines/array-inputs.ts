// Opens the arrays of a command and checks that each fits the logits.

import { SoftshardError } from '../../errors.js';
import { inspectValue } from '../../printable.js';
import type { FloatType } from '../arguments/axis-rows.js';
import type { NpyFile } from '../data/array-on-disk.js';
import type { StoredType } from '../data/elements.js';
import { openArray } from '../data/open-array.js';
import type { OnInvalidTarget } from '../losses/loss-options.js';
import { ELEMENTS, isTypeFor } from '../memory/element-types.js';
import type { RowsShape } from './row-windows.js';

/** Opens files, runs `use`, and closes them whatever happens. */
export async function withArrays<Result>(
  signal: AbortSignal | undefined,
  use: (open: (path: string) => Promise<NpyFile>) => Promise<Result>,
): Promise<Result> {
  const files: NpyFile[] = [];
  try {
    return await use(async (path) => {
      const file = await openArray(path, { signal });
      files.push(file);
      return file;
    });
  } finally {
    for (const file of files) await file.close();
  }
}

const isFloat = (type: StoredType): type is 'float32' | 'float64' => type === 'float32' || type === 'float64';

const isInteger = (type: StoredType): boolean => type === 'bool' || /^u?int/.test(type);

const shown = (dims: readonly number[]): string => `[${dims.join(', ')}]`;

/** Rows and classes of the logits. Throws ERR_OPTION for an axis out of range. */
export function shapeOf({ path, dims, type, fortranOrder }: NpyFile, axis: number, what: string): RowsShape {
  if (!isTypeFor('logits', type)) {
    throw typeError(
      path,
      `expected ${what} as float32, float64, float16 or bfloat16, found ${type}`,
      "array.astype('float32')",
    );
  }
  if (!Number.isInteger(axis) || axis < -dims.length || axis >= dims.length) {
    const message = `options.axis is ${inspectValue(axis)}: ${path} has the dims ${shown(dims)}, so it must be a whole number from ${-dims.length} to ${dims.length - 1}`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.axis', value: axis });
  }
  const at = axis < 0 ? axis + dims.length : axis;
  const product = (some: readonly number[]) => some.reduce((all, dim) => all * dim, 1);
  const outer = product(dims.slice(0, at));
  const inner = product(dims.slice(at + 1));
  const rows = outer * inner;
  return { path, dims, type, axis: at, outer, classes: dims[at]!, inner, rows, fortranOrder };
}

/** The logits of a teacher, of the same dims, which are computed in what the student's are. */
export function checkTeacher(file: NpyFile, logits: RowsShape): FloatType {
  const { path, type, dims } = file;
  const isAlike = isTypeFor('logits', type) && ELEMENTS[type].computedIn === ELEMENTS[logits.type].computedIn;
  if (!isAlike) {
    const expected = logits.type === 'float64' ? 'float64' : 'float32 or float16';
    throw typeError(
      path,
      `expected the teacher's logits as ${expected}, for ${logits.path} is ${logits.type}, found ${type}`,
      `logits.astype('${logits.type}')`,
    );
  }
  if (!equal(dims, logits.dims))
    throw shapeError(file, logits, "the teacher's logits", 'the dims of the logits');
  return type;
}

/** True for probabilities of every class, false for one class a row. */
export function areSoftTargets(file: NpyFile, logits: RowsShape): boolean {
  const { path, type, dims } = file;
  const isDense = equal(dims, logits.dims);
  if (isFloat(type) && isDense) return true;
  if (isInteger(type) && isDense && !fitsRows(dims, logits)) {
    throw typeError(
      path,
      `expected targets of every class as float32 or float64, found ${type}`,
      "one_hot.astype('float32'), or class indices: one_hot.argmax(axis)",
    );
  }
  if (!isInteger(type)) {
    if (!fitsRows(dims, logits)) throw shapeError(file, logits, 'targets', 'the dims of the logits');
    throw typeError(
      path,
      `expected class indices as integers, found ${type} (probabilities need the dims of ${logits.path}, ${shown(logits.dims)})`,
      "targets.astype('int64')",
    );
  }
  checkRows(file, logits, 'targets');
  return false;
}

/** Which targets are ignored instead of being errors. */
export interface TargetRules {
  readonly ignoreIndex?: number | undefined;
  readonly onInvalidTarget: OnInvalidTarget;
}

/** Targets read at a time. */
const TARGETS_AT_A_TIME = 1 << 20;

/** The number of ignored rows. Throws ERR_TARGET_RANGE for the first target that is neither a class nor ignored. */
export async function countIgnored(
  file: NpyFile,
  { classes, rows }: RowsShape,
  { ignoreIndex = -100, onInvalidTarget }: TargetRules,
): Promise<number> {
  let ignored = 0;
  for (let begin = 0; begin < rows; begin += TARGETS_AT_A_TIME) {
    const targets = await file.readElements(begin, Math.min(rows, begin + TARGETS_AT_A_TIME));
    for (let index = 0; index < targets.length; index++) {
      const target = Number(targets[index]);
      if (target >= 0 && target < classes && target !== ignoreIndex) continue;
      if (target !== ignoreIndex && onInvalidTarget === 'throw') {
        const row = begin + index;
        const message = `${file.path}: ${placeOf(row, file.dims)} has the target ${target}, which is neither one of the ${classes} classes 0 to ${classes - 1} nor options.ignoreIndex ${ignoreIndex}`;
        throw new SoftshardError('ERR_TARGET_RANGE', message, { argument: 'targets', row, value: target });
      }
      ignored++;
    }
  }
  return ignored;
}

/** The row, and its indices in an array of several dims. */
function placeOf(row: number, dims: readonly number[]): string {
  if (dims.length === 1) return `row ${row} (from 0)`;
  let rest = row;
  const indices = dims.toReversed().map((dim) => {
    const index = rest % dim;
    rest = Math.floor(rest / dim);
    return index;
  });
  return `row ${row} (from 0), at [${indices.reverse().join(', ')}],`;
}

export function checkMask(file: NpyFile, logits: RowsShape): void {
  const { path, type, dims } = file;
  if (type !== 'bool' && type !== 'uint8' && type !== 'int8') {
    throw typeError(path, `expected a mask as bool or uint8, found ${type}`, 'mask.astype(bool)');
  }
  if (!equal(dims, logits.dims)) throw shapeError(file, logits, 'the mask', 'the dims of the logits');
}

export function checkSampleWeight(file: NpyFile, logits: RowsShape): void {
  checkWeightType(file, 'sample weights');
  checkRows(file, logits, 'sample weights');
}

/** Weights must be finite and at least 0. */
export async function readClassWeight(
  file: NpyFile,
  { path, classes }: RowsShape,
): Promise<Float32Array | Float64Array> {
  checkWeightType(file, 'class weights');
  if (!equal(file.dims, [classes])) {
    const message = `${file.path}: expected one weight for each of the ${classes} classes of ${path}, found dims ${shown(file.dims)}`;
    throw new SoftshardError('ERR_SHAPE', message, { value: file.dims });
  }
  const weight = (await file.readElements(0, classes)) as Float32Array | Float64Array;
  checkWeights(file.path, weight, 0, 'class');
  return weight;
}

/** `first`: the row or class of weights[0]. */
export function checkWeights(
  path: string,
  weights: Float32Array | Float64Array,
  first: number,
  what: 'class' | 'row',
): void {
  const index = weights.findIndex((weight) => !(weight >= 0 && weight < Number.POSITIVE_INFINITY));
  if (index < 0) return;
  const row = first + index;
  const message = `${path}: ${what} ${row} (from 0): expected a finite weight of at least 0, found ${weights[index]}`;
  throw new SoftshardError('ERR_FORMAT', message, { row, value: weights[index] });
}

function checkWeightType({ path, type }: NpyFile, what: string): void {
  if (isFloat(type)) return;
  throw typeError(path, `expected ${what} as float32 or float64, found ${type}`, "weights.astype('float32')");
}

function checkRows(file: NpyFile, logits: RowsShape, what: string): void {
  if (fitsRows(file.dims, logits)) return;
  const dims = logits.dims.filter((_, dim) => dim !== logits.axis);
  const either = dims.length > 1 ? `dims ${shown(dims)} or [${logits.rows}]` : `dims [${logits.rows}]`;
  throw shapeError(file, logits, what, either);
}

/**
 * One entry a row: the dims of the logits without the classes, or all rows in one dimension. Dimensions of 1, such as the
 * second of one column, change no order.
 */
function fitsRows(dims: readonly number[], { dims: all, axis, rows }: RowsShape): boolean {
  const longer = (some: readonly number[]) => some.filter((dim) => dim !== 1);
  const rowDims = all.filter((_, dim) => dim !== axis);
  return equal(longer(dims), longer(rowDims)) || equal(longer(dims), longer([rows]));
}

const equal = (one: readonly number[], other: readonly number[]): boolean =>
  one.length === other.length && one.every((dim, i) => dim === other[i]);

function shapeError(file: NpyFile, logits: RowsShape, what: string, expected: string): SoftshardError {
  const message = `${file.path}: expected ${what} with ${expected} for the logits ${shown(logits.dims)} of ${logits.path} (classes in dimension ${logits.axis}), found dims ${shown(file.dims)}`;
  return new SoftshardError('ERR_SHAPE', message, { value: file.dims });
}

const typeError = (path: string, finding: string, remedy: string): SoftshardError =>
  new SoftshardError('ERR_TYPE', `${path}: ${finding}. In numpy: ${remedy}`, { value: path });

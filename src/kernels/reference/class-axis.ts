// Arrays of any number of dimensions as rows of classes: where the class axis lies, and how to walk along it.
import { SoftshardError } from '../../errors.js';
import { checkCount, checkLength } from './checks.js';
import { mapRows } from './softmax.js';

/**
 * An array seen as [outer × classes × inner], the class axis in the middle. It has rows = outer · inner rows; row
 * r = o · inner + i begins at o · classes · inner + i, and its classes are `inner` elements apart. So for logits
 * [N, C, d1, …] and axis 1 the rows come in the order of targets [N, d1, …].
 */
export interface ClassAxis {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
  readonly rows: number;
}

/**
 * The place of `axis` in `dims`; a negative axis counts from the end. PyTorch's losses and ONNX's have it at
 * 1, which is also the last of two. Throws ERR_SHAPE for dims that are no counts, ERR_OPTION for an axis that
 * is not there.
 */
export function classAxis(dims: readonly number[], axis: number): ClassAxis {
  for (const [k, dim] of dims.entries()) checkCount(`dims[${k}]`, dim);
  if (!Number.isInteger(axis) || axis < -dims.length || axis >= dims.length) {
    throw new SoftshardError(
      'ERR_OPTION',
      `axis is ${axis}; for ${dims.length} dimensions it must be an integer from ${-dims.length} to ${dims.length - 1}.`,
      { argument: 'axis', value: axis },
    );
  }
  const at = axis < 0 ? axis + dims.length : axis;
  const product = (counts: readonly number[]) => counts.reduce((total, count) => total * count, 1);
  const [outer, inner] = [product(dims.slice(0, at)), product(dims.slice(at + 1))];
  return { outer, classes: dims[at]!, inner, rows: outer * inner };
}

/** The index of each row's first class, row by row: what every walk along the class axis starts from. */
export function rowBegins({ classes, inner, rows }: ClassAxis): number[] {
  return Array.from({ length: rows }, (_, row) => {
    const o = Math.floor(row / inner);
    return o * classes * inner + (row - o * inner);
  });
}

/** The array as a matrix [rows × classes]. Throws ERR_SHAPE unless it has the elements that dims say. */
export function rowsAlongAxis(array: ArrayLike<number>, dims: readonly number[], axis: number): Float64Array {
  const place = classAxis(dims, axis);
  const { classes, inner, rows } = place;
  checkLength('array', array, rows * classes, 'the product of dims');
  const matrix = new Float64Array(rows * classes);
  for (const [row, begin] of rowBegins(place).entries()) {
    for (let j = 0; j < classes; j++) matrix[row * classes + j] = array[begin + j * inner]!;
  }
  return matrix;
}

/** The reverse of rowsAlongAxis: a matrix [rows × classes] as an array of dims. Throws ERR_SHAPE. */
export function rowsIntoAxis(matrix: ArrayLike<number>, dims: readonly number[], axis: number): Float64Array {
  const place = classAxis(dims, axis);
  const { classes, inner, rows } = place;
  checkLength('matrix', matrix, rows * classes, 'the product of dims');
  const array = new Float64Array(rows * classes);
  for (const [row, begin] of rowBegins(place).entries()) {
    for (let j = 0; j < classes; j++) array[begin + j * inner] = matrix[row * classes + j]!;
  }
  return array;
}

/** Applies softmax, logSoftmax or another function of one row along an axis: mapAxis(logits, [2, 5, 3], 1, softmax). */
export function mapAxis(
  array: ArrayLike<number>,
  dims: readonly number[],
  axis: number,
  operation: (row: Float64Array) => ArrayLike<number>,
): Float64Array {
  const { rows, classes } = classAxis(dims, axis);
  return rowsIntoAxis(mapRows(rowsAlongAxis(array, dims, axis), rows, classes, operation), dims, axis);
}

/** A function of one row to one number along an axis, such as logSumExp: dims without the axis. */
export function reduceAxis(
  array: ArrayLike<number>,
  dims: readonly number[],
  axis: number,
  operation: (row: Float64Array) => number,
): Float64Array {
  const { rows, classes } = classAxis(dims, axis);
  const matrix = rowsAlongAxis(array, dims, axis);
  return Float64Array.from({ length: rows }, (_, row) =>
    operation(matrix.subarray(row * classes, (row + 1) * classes)),
  );
}

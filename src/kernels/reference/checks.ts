// The argument checks of the reference formulas; the one file here that builds errors.
import { SoftshardError } from '../../errors.js';

/** Throws ERR_SHAPE unless `count` is an integer of at least `least`. */
export function checkCount(argument: string, count: number, least = 0): void {
  if (Number.isInteger(count) && count >= least) return;
  throw new SoftshardError(
    'ERR_SHAPE',
    `${argument} is ${count}; it must be an integer of at least ${least}.`,
    { argument, value: count },
  );
}

/** Throws ERR_SHAPE unless `values` has `length` elements; `shape` says how the length comes about: "rows × classes". */
export function checkLength(
  argument: string,
  values: ArrayLike<number>,
  length: number,
  shape: string,
): void {
  if (values.length === length) return;
  throw new SoftshardError(
    'ERR_SHAPE',
    `${argument} has ${values.length} elements; it must have ${length} (${shape}).`,
    { argument, value: values.length },
  );
}

/** Throws ERR_SHAPE unless `values` is a matrix of rows × columns; names the dimensions as the caller does. */
export function checkMatrix(
  argument: string,
  values: ArrayLike<number>,
  rows: number,
  columns: number,
  shape: string,
): void {
  const [rowsName = 'rows', columnsName = 'columns'] = shape.split(' × ');
  checkCount(rowsName, rows);
  checkCount(columnsName, columns);
  checkLength(argument, values, rows * columns, shape);
}

/** Throws ERR_TARGET_RANGE with row and value unless every target is an integer in [0, classes). */
export function checkTargets(targets: ArrayLike<number>, classes: number, argument = 'targets'): void {
  for (let row = 0; row < targets.length; row++) {
    const target = targets[row]!;
    if (Number.isInteger(target) && target >= 0 && target < classes) continue;
    throw new SoftshardError(
      'ERR_TARGET_RANGE',
      `${argument}[${row}] is ${target}; ${argument === 'targets' ? 'a target' : 'it'} must be a class index from 0 to ${classes - 1}.`,
      { argument, row, value: target },
    );
  }
}

/** Throws ERR_OPTION unless `value` is one of `allowed`. */
export function checkChoice(argument: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return;
  throw new SoftshardError(
    'ERR_OPTION',
    `${argument} is ${value}; it must be one of ${allowed.join(', ')}.`,
    {
      argument,
      value,
    },
  );
}

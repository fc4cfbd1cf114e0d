// Targets with either a class for each row (standing for a one-hot row) or a number for each element.
import { SoftshardError } from '../../errors.js';
import { type AxisRows, rowDimsOf } from '../arguments/axis-rows.js';
import { changedTargetError, checkTargets, type Targets } from '../arguments/targets.js';
import { inspectValue } from '../checks.js';
import { targetsOperand } from '../dispatch/operands.js';
import type { Resources } from '../dispatch/resources.js';
import type { Operand } from '../dispatch/windows.js';
import { dataOf } from '../memory/arrays.js';
import { areDense, type DenseTargets, denseTargetsOperand } from './dense-targets.js';

/** Exactly one of the two is defined. */
export interface TargetRows {
  readonly classes: Operand | undefined;
  readonly dense: Operand | undefined;
}

export function checkTargetRows(
  { arena, kernels }: Resources,
  targets: Targets | DenseTargets,
  outputs: AxisRows,
): TargetRows {
  if (areDense(targets, outputs)) {
    return { classes: undefined, dense: denseTargetsOperand(arena, targets, outputs) };
  }
  const checked = checkTargets(arena, kernels, targets, outputs.rows, outputs.columns, {
    rowDims: rowDimsOf(outputs),
  });
  return { classes: targetsOperand(checked, outputs.inner), dense: undefined };
}

/** An operand with a number for each element; throws if `value` is not an array. */
export function checkDenseNumbers(
  { arena }: Resources,
  argument: string,
  value: DenseTargets,
  outputs: AxisRows,
): Operand {
  const array = dataOf(value);
  if (Array.isArray(array) || (ArrayBuffer.isView(array) && 'length' in array)) {
    return denseTargetsOperand(
      arena,
      value,
      outputs,
      ' (it takes a number for each element, no class indices)',
    );
  }
  const message = `${argument} is ${inspectValue(value)}: pass a number for each element, as a Float32Array or a tensor with the dims of the logits`;
  throw new SoftshardError('ERR_TYPE', message, { argument, value });
}

/** The error for a row of dense targets with a number for which `isRight` is false. */
export function refusedTarget(
  argument: string,
  targets: unknown,
  row: number,
  { columns, inner }: Pick<AxisRows, 'columns' | 'inner'>,
  isRight: (value: number) => boolean,
  rule: string,
): SoftshardError {
  const values = dataOf(targets) as ArrayLike<number>;
  const first = (row - (row % inner)) * columns + (row % inner);
  for (let column = 0; column < columns; column++) {
    const value = values[first + column * inner]!;
    if (isRight(value)) continue;
    const message = `${argument}[${row}, ${column}] is ${inspectValue(value)}: ${rule}`;
    return new SoftshardError('ERR_TARGET_RANGE', message, { argument, row, value });
  }
  return changedTargetError(row, columns);
}

export const isProbability = (value: number): boolean => value >= 0 && value < Number.POSITIVE_INFINITY;
export const PROBABILITY_RULE = 'target probabilities must be finite and at least 0';

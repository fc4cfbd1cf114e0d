// Arrays that a row loss reads with its input: checked against it, and brought into windows with it.
import { SoftshardError } from '../../errors.js';
import type { IgnoredTargets } from '../../workers/protocol.js';
import { type AxisRows, checkLogits, computeType } from '../arguments/axis-rows.js';
import type { FloatArray } from '../arguments/numeric-vectors.js';
import { type CheckedTargets, NO_CLASS } from '../arguments/targets.js';
import { dense, readOperand, targetsOperand } from '../dispatch/operands.js';
import type { Operand } from '../dispatch/windows.js';
import type { Arena } from '../memory/arena.js';
import { isFloats } from '../memory/arrays.js';
import type { OnInvalidTarget } from './loss-options.js';

/** An array of the input's shape, and of a type that is computed in as its type is. */
export function checkLike(arena: Arena, argument: string, value: unknown, input: AxisRows): AxisRows {
  const flat = isFloats(value);
  const like =
    flat && value.length === input.elements.length
      ? { ...checkLogits(arena, argument, value, { columns: input.columns }), ...shapeOf(input) }
      : // Counted from the end: leading dimensions may be one or several.
        checkLogits(arena, argument, value, flat ? {} : { axis: input.axis - input.dims.length });
  const { outer, columns, inner } = input;
  if (like.outer !== outer || like.columns !== columns || like.inner !== inner) {
    const message = `${argument} has dims [${like.dims.join(', ')}], but the rows have [${input.dims.join(', ')}]: they must be the same`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: like.dims });
  }
  if (computeType(like) !== computeType(input)) {
    const message = `${argument} is ${like.type}, but the rows are ${input.type}: either both are float64 or none is`;
    throw new SoftshardError('ERR_TYPE', message, { argument, value: like.type });
  }
  return like;
}

const shapeOf = ({ dims, axis, outer, columns, inner, rows }: AxisRows) => ({
  dims,
  axis,
  outer,
  columns,
  inner,
  rows,
});

/** An ignored row's target to the kernels where ignoreIndex is a class. */
const IGNORED = -1;

export interface KeptTargets {
  readonly operand: Operand;
  /** Which of the operand's targets may be ignored; undefined: none. */
  readonly ignore: IgnoredTargets | undefined;
}

/** Targets for kernels that ignore rows whose target is no class. */
export function keptTargets(
  targets: CheckedTargets,
  rules: { readonly ignoreIndex: number; readonly onInvalidTarget?: OnInvalidTarget },
  { columns, inner }: AxisRows,
): KeptTargets {
  const { ignoreIndex, onInvalidTarget } = rules;
  const operand = targetsOperand(targets, inner);
  if (targets.ignored === 0) return { operand, ignore: undefined };
  const invalid = onInvalidTarget === 'ignore';
  // The kernels find an index that is out of range by themselves; one that is a class has to be replaced.
  const isNone = (target: number) => target < 0 || target >= columns;
  if (isNone(ignoreIndex)) return { operand, ignore: { index: ignoreIndex, invalid } };
  const load: Operand['load'] = ({ int32 }, rowBegin, rowEnd) => {
    targets.copyTo(int32, rowBegin * inner, rowEnd * inner);
    for (let i = 0; i < int32.length; i++) {
      if (int32[i] === ignoreIndex) int32[i] = IGNORED;
      else if (isNone(int32[i]!)) int32[i] = NO_CLASS;
    }
  };
  return {
    operand: { what: 'targets', ...dense(inner, 'int32'), ptr: undefined, load },
    ignore: { index: IGNORED, invalid },
  };
}

/** One number a row, in the type that is computed in. */
export function numbersOperand(
  what: string,
  elements: FloatArray | undefined,
  input: AxisRows,
): Operand | undefined {
  if (elements === undefined) return undefined;
  return readOperand(what, {
    elements,
    columns: input.inner,
    type: computeType(input),
    ptr: undefined,
  });
}

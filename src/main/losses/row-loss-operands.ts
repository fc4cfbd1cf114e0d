// Arrays beside the outputs of a loss: checked to be like them, and brought into windows with them.
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

/** An array beside the outputs: of their shape, and of a type that is computed in as theirs is. */
export function checkLike(arena: Arena, argument: string, value: unknown, outputs: AxisRows): AxisRows {
  const flat = isFloats(value);
  const like =
    flat && value.length === outputs.elements.length
      ? { ...checkLogits(arena, argument, value, { columns: outputs.columns }), ...shapeOf(outputs) }
      : // Counted from the end, so that leading dimensions may be one or several.
        checkLogits(arena, argument, value, flat ? {} : { axis: outputs.axis - outputs.dims.length });
  const { outer, columns, inner } = outputs;
  if (like.outer !== outer || like.columns !== columns || like.inner !== inner) {
    const message = `${argument} has dims [${like.dims.join(', ')}], but the rows have [${outputs.dims.join(', ')}]: they must be the same`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: like.dims });
  }
  if (computeType(like) !== computeType(outputs)) {
    const message = `${argument} is ${like.type}, but the rows are ${outputs.type}: either both are float64 or none is`;
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

/** What an ignored row's target is to the kernels where ignoreIndex is a class. */
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
  // The kernels see by themselves that an index out of range is none; only one that is a class must be replaced.
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
  outputs: AxisRows,
): Operand | undefined {
  if (elements === undefined) return undefined;
  return readOperand(what, {
    elements,
    columns: outputs.inner,
    type: computeType(outputs),
    ptr: undefined,
  });
}

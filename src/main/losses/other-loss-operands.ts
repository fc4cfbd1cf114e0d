// Arrays beside the outputs of a loss: checked to be like them, and brought into windows with them.
import { SoftshardError } from '../../errors.js';
import type { Arena } from '../arena.js';
import { isFloats } from '../arrays.js';
import { readOperand, targetsOperand } from '../operands.js';
import type { CheckedTargets } from '../targets.js';
import type { Operand } from '../windows.js';
import { checkLogits, computeType, type Logits } from './logits.js';
import type { Floats } from './numbers.js';

/** An array beside the outputs: of their shape, and of a type that is computed in as theirs is. */
export function checkLike(arena: Arena, argument: string, value: unknown, outputs: Logits): Logits {
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

const shapeOf = ({ dims, axis, outer, columns, inner, rows }: Logits) => ({
  dims,
  axis,
  outer,
  columns,
  inner,
  rows,
});

/** Targets for kernels that ignore rows whose target is no class. */
export function keptTargetsOperand(
  targets: CheckedTargets,
  ignoreIndex: number,
  { columns, inner }: Logits,
): Operand {
  // The kernels see by themselves that an index out of range is none; only one that is a class must be replaced.
  if (targets.ignored === 0 || ignoreIndex < 0 || ignoreIndex >= columns) {
    return targetsOperand(targets, inner);
  }
  return {
    what: 'targets',
    columns: inner,
    ptr: undefined,
    load: ({ int32 }, rowBegin, rowEnd) => {
      const first = rowBegin * inner;
      for (let row = first; row < rowEnd * inner; row++) int32[row - first] = targets.classOf(row);
    },
  };
}

/** One number a row, in the type that is computed in. */
export function numbersOperand(
  what: string,
  elements: Floats | undefined,
  outputs: Logits,
): Operand | undefined {
  if (elements === undefined) return undefined;
  return readOperand(what, {
    elements,
    columns: outputs.inner,
    type: computeType(outputs),
    ptr: undefined,
  });
}

// How the rows of an operation get into and out of its windows.
import type { AxisRows } from '../arguments/axis-rows.js';
import type { CheckedTargets } from '../arguments/targets.js';
import { type ElementType, elementBytes } from '../memory/element-types.js';
import { type ArrayRows, DenseRows, type RowSource, rowsOf } from './row-source.js';
import type { Operand } from './windows.js';

/** A window's row is a whole outer of the rows: its elements lie together. */
export const outerRows = ({ columns, inner, type, elements, ptr }: AxisRows): ArrayRows => ({
  columns: columns * inner,
  type,
  elements,
  ptr,
});

/** Bytes of rows of `columns` elements. */
const denseBytes = (columns: number, type: ElementType): Operand['bytesOf'] => {
  const rowBytes = columns * elementBytes(type);
  return (rows) => rows * rowBytes;
};

/** The layout of an operand with `columns` elements a row. */
export const dense = (columns: number, type: ElementType = 'float32'): Pick<Operand, 'type' | 'bytesOf'> => ({
  type,
  bytesOf: denseBytes(columns, type),
});

/** A read-only operand: the rows with these numbers, in this order, or all. */
export function sourceOperand(source: RowSource, rowNumbers?: Uint32Array): Operand {
  const { what } = source;
  const ptr = rowNumbers === undefined ? source.ptr : undefined;
  const bytesOf = (rows: number) => source.bytesOf(rows);
  if (ptr !== undefined) return { what, ptr, bytesOf };
  const load: Operand['load'] = (place, begin, end) =>
    source.gather(place, rowNumbers?.subarray(begin, end) ?? { begin, end });
  return { what, ptr, bytesOf, load };
}

/** As sourceOperand, for rows of an array. */
export function readOperand(what: string, array: ArrayRows, rowNumbers?: Uint32Array): Operand {
  const { columns, type = 'float32', ptr } = array;
  if (ptr !== undefined && rowNumbers === undefined)
    return { what, ptr, type, bytesOf: denseBytes(columns, type) };
  const { bytesOf, load } = sourceOperand(new DenseRows(what, array), rowNumbers);
  return { what, ptr: undefined, type, bytesOf, load };
}

/** A write-only operand. */
export function writeOperand(what: string, array: ArrayRows): Operand {
  const { elements, columns, type = 'float32', ptr } = array;
  const bytesOf = denseBytes(columns, type);
  if (ptr !== undefined) return { what, ptr, type, bytesOf };
  const store: Operand['store'] = (place, begin, end) =>
    rowsOf(what, elements, columns, { begin, end }).set(place.as(type));
  return { what, ptr, type, bytesOf, store };
}

/** One float32 result per row, kept outside the arena. */
export const valueOperand = (what: string, values: Float32Array): Operand =>
  writeOperand(what, { elements: values, columns: 1, ptr: undefined });

/** One int32 result per row, kept outside the arena. */
export const classesOperand = (what: string, values: Int32Array): Operand =>
  writeOperand(what, { elements: values, columns: 1, type: 'int32', ptr: undefined });

/** `columns` targets for each row of a window. */
export function targetsOperand(targets: CheckedTargets, columns = 1): Operand {
  const { ptr } = targets;
  const bytesOf = denseBytes(columns, 'int32');
  if (ptr !== undefined) return { what: 'targets', ptr, type: 'int32', bytesOf };
  const load: Operand['load'] = ({ int32 }, begin, end) =>
    targets.copyTo(int32, begin * columns, end * columns);
  return { what: 'targets', ptr, type: 'int32', bytesOf, load };
}

/**
 * The operands of an operation whose result has the shape of its input: [source, target], or a single one if it works in
 * place. Rows from outside the arena are computed in place in the window, or in the target itself.
 */
export function mapOperands(
  source: ArrayRows,
  output: ArrayRows,
  what = 'logits',
): readonly [source: Operand, ...target: Operand[]] {
  if (source.ptr === undefined)
    return [{ ...readOperand(what, source), ...writeOperand('options.into', output) }];
  if (output.ptr === source.ptr) return [readOperand(what, source)];
  return [readOperand(what, source), writeOperand('options.into', output)];
}

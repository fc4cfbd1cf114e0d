// How the arrays of an operation get into and out of its windows.
import type { Ptr } from '../../kernels/ptr.js';
import type { AxisRows } from '../arguments/axis-rows.js';
import { type CheckedTargets, checkStillThere } from '../arguments/targets.js';
import type { ElementType, TensorData } from '../memory/element-types.js';
import { gatherRows } from './gather-rows.js';
import type { Operand } from './windows.js';

type Elements = TensorData[ElementType];

/** An array of rows; a Batch is one. */
export interface ArrayRows {
  readonly elements: Elements;
  readonly columns: number;
  /** Default float32. */
  readonly type?: ElementType;
  readonly ptr: Ptr | undefined;
}

/** A window's row is a whole outer of the rows: its elements lie together. */
export const outerRows = ({ columns, inner, type, elements, ptr }: AxisRows): ArrayRows => ({
  columns: columns * inner,
  type,
  elements,
  ptr,
});

function rowsOf(what: string, array: ArrayRows, rowBegin: number, rowEnd: number): Elements {
  const { elements, columns } = array;
  checkStillThere(what, elements.length, rowEnd * columns);
  return elements.subarray(rowBegin * columns, rowEnd * columns);
}

const loaderOf =
  (what: string, array: ArrayRows): NonNullable<Operand['load']> =>
  (window, rowBegin, rowEnd) =>
    window.as(array.type ?? 'float32').set(rowsOf(what, array, rowBegin, rowEnd));

const storerOf =
  (what: string, array: ArrayRows): NonNullable<Operand['store']> =>
  (window, rowBegin, rowEnd) =>
    rowsOf(what, array, rowBegin, rowEnd).set(window.as(array.type ?? 'float32'));

/** What every operand of an array says of it. */
const described = (what: string, { columns, type, ptr }: ArrayRows): Operand => ({
  what,
  columns,
  ptr,
  ...(type === undefined ? {} : { type }),
});

/** Rows that are only read. */
export function readOperand(what: string, array: ArrayRows): Operand {
  const operand = described(what, array);
  return array.ptr === undefined ? { ...operand, load: loaderOf(what, array) } : operand;
}

/** Rows that are only read: those with these numbers, in their order, or all. */
export function chosenRowsOperand(
  what: string,
  array: ArrayRows,
  rowNumbers: Uint32Array | undefined,
): Operand {
  if (rowNumbers === undefined) return readOperand(what, array);
  const { elements, columns, type = 'float32' } = array;
  const load: NonNullable<Operand['load']> = (window, rowBegin, rowEnd) =>
    gatherRows(what, window.as(type), elements, columns, rowNumbers.subarray(rowBegin, rowEnd));
  return { ...described(what, array), ptr: undefined, load };
}

/** One result a row, kept outside the arena. */
export function valueOperand(what: string, values: Float32Array): Operand {
  return writeOperand(what, { elements: values, columns: 1, ptr: undefined });
}

/** `columns` targets for each row of a window. */
export function targetsOperand(targets: CheckedTargets, columns = 1): Operand {
  const load: NonNullable<Operand['load']> = ({ int32 }, rowBegin, rowEnd) =>
    targets.copyTo(int32, rowBegin * columns, rowEnd * columns);
  return { what: 'targets', columns, ptr: targets.ptr, ...(targets.ptr === undefined ? { load } : {}) };
}

/**
 * The operands of an operation whose result has the shape of its rows: [source, target], or one operand for both
 * where it works in place. Rows from outside are computed in place in the window, or in the target itself.
 */
export function mapOperands(source: ArrayRows, output: ArrayRows, what = 'logits'): readonly Operand[] {
  if (source.ptr === undefined) {
    return [{ ...writeOperand('options.into', output), load: loaderOf(what, source) }];
  }
  if (output.ptr === source.ptr) return [readOperand(what, source)];
  return [readOperand(what, source), writeOperand('options.into', output)];
}

/** One Int32 result a row, kept outside the arena. */
export function classesOperand(what: string, values: Int32Array): Operand {
  return { what, columns: 1, ptr: undefined, store: ({ int32 }, rowBegin) => values.set(int32, rowBegin) };
}

/** Rows that are only written. */
export function writeOperand(what: string, array: ArrayRows): Operand {
  const operand = described(what, array);
  return array.ptr === undefined ? { ...operand, store: storerOf(what, array) } : operand;
}

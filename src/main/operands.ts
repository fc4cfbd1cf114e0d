// How the arrays of an operation get into and out of its windows.
import type { Batch } from './batches.js';
import type { CheckedTargets } from './targets.js';
import type { Operand } from './windows.js';

const rowsOf = (batch: Batch, rowBegin: number, rowEnd: number): Float32Array =>
  batch.elements.subarray(rowBegin * batch.columns, rowEnd * batch.columns);

const loaderOf =
  (batch: Batch): NonNullable<Operand['load']> =>
  ({ float32 }, rowBegin, rowEnd) =>
    float32.set(rowsOf(batch, rowBegin, rowEnd));

const storerOf =
  (batch: Batch): NonNullable<Operand['store']> =>
  ({ float32 }, rowBegin, rowEnd) =>
    rowsOf(batch, rowBegin, rowEnd).set(float32);

/** Rows that are only read. */
export function readOperand(what: string, batch: Batch): Operand {
  const { ptr, columns } = batch;
  return { what, columns, ptr, ...(ptr === undefined ? { load: loaderOf(batch) } : {}) };
}

/** One result a row, kept outside the arena. */
export function valueOperand(what: string, values: Float32Array): Operand {
  const batch: Batch = {
    dims: [values.length],
    rows: values.length,
    columns: 1,
    elements: values,
    ptr: undefined,
  };
  return { what, columns: 1, ptr: undefined, store: storerOf(batch) };
}

export function targetsOperand(targets: CheckedTargets): Operand {
  const load: NonNullable<Operand['load']> = ({ int32 }, rowBegin, rowEnd) =>
    targets.copyTo(int32, rowBegin, rowEnd);
  return { what: 'targets', columns: 1, ptr: targets.ptr, ...(targets.ptr === undefined ? { load } : {}) };
}

/**
 * The operands of an operation whose result has the shape of its rows: [source, target], or one operand for both
 * where it works in place. Rows from outside are computed in place in the window, or in the target itself.
 */
export function mapOperands(batch: Batch, output: Batch): readonly Operand[] {
  const { columns, ptr } = batch;
  if (ptr === undefined) {
    const inPlace = { what: 'logits', columns, ptr: output.ptr, load: loaderOf(batch) };
    return [output.ptr === undefined ? { ...inPlace, store: storerOf(output) } : inPlace];
  }
  if (output.ptr === ptr) return [{ what: 'logits', columns, ptr }];
  return [readOperand('logits', batch), writeOperand('result', output)];
}

/** One Int32 result a row, kept outside the arena. */
export function classesOperand(what: string, values: Int32Array): Operand {
  return { what, columns: 1, ptr: undefined, store: ({ int32 }, rowBegin) => values.set(int32, rowBegin) };
}

/** Rows that are only written. */
export function writeOperand(what: string, batch: Batch): Operand {
  const { ptr, columns } = batch;
  return { what, columns, ptr, ...(ptr === undefined ? { store: storerOf(batch) } : {}) };
}

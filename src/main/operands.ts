// How the arrays of an operation get into and out of its windows.
import type { Batch } from './batches.js';
import { type CheckedTargets, checkStillThere } from './targets.js';
import type { Operand } from './windows.js';

function rowsOf(what: string, batch: Batch, rowBegin: number, rowEnd: number): Float32Array {
  const { elements, columns } = batch;
  checkStillThere(what, elements.length, rowEnd * columns);
  return elements.subarray(rowBegin * columns, rowEnd * columns);
}

const loaderOf =
  (what: string, batch: Batch): NonNullable<Operand['load']> =>
  ({ float32 }, rowBegin, rowEnd) =>
    float32.set(rowsOf(what, batch, rowBegin, rowEnd));

const storerOf =
  (what: string, batch: Batch): NonNullable<Operand['store']> =>
  ({ float32 }, rowBegin, rowEnd) =>
    rowsOf(what, batch, rowBegin, rowEnd).set(float32);

/** Rows that are only read. */
export function readOperand(what: string, batch: Batch): Operand {
  const { ptr, columns } = batch;
  return { what, columns, ptr, ...(ptr === undefined ? { load: loaderOf(what, batch) } : {}) };
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
  return { what, columns: 1, ptr: undefined, store: storerOf(what, batch) };
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
    const inPlace = { what: 'logits', columns, ptr: output.ptr, load: loaderOf('logits', batch) };
    return [output.ptr === undefined ? { ...inPlace, store: storerOf('options.into', output) } : inPlace];
  }
  if (output.ptr === ptr) return [{ what: 'logits', columns, ptr }];
  return [readOperand('logits', batch), writeOperand('options.into', output)];
}

/** One Int32 result a row, kept outside the arena. */
export function classesOperand(what: string, values: Int32Array): Operand {
  return { what, columns: 1, ptr: undefined, store: ({ int32 }, rowBegin) => values.set(int32, rowBegin) };
}

/** Rows that are only written. */
export function writeOperand(what: string, batch: Batch): Operand {
  const { ptr, columns } = batch;
  return { what, columns, ptr, ...(ptr === undefined ? { store: storerOf(what, batch) } : {}) };
}

// Softmax, log-softmax and log-sum-exp of rows of any element type and class axis.
import type { Kernels } from '../../kernels/kernels.js';
import { STATUS_OK } from '../../kernels/layout.js';
import { COLUMN_KERNELS_MAX, TYPE_FLOAT64 } from '../../kernels/loss-layout.js';
import { computeBytes } from '../../kernels/loss-scratch.js';
import { offsetBy } from '../../kernels/ptr.js';
import { ownScratch, type RowOperationTask, type SoftmaxOperation } from '../protocol.js';
import { loadRows, outputRows, storeRows, type TileOperation } from './strided-rows.js';

export function softmax(
  kernels: Kernels,
  task: RowOperationTask,
  operation: SoftmaxOperation,
): TileOperation {
  const compute =
    task.inner > 1 && task.columns <= COLUMN_KERNELS_MAX
      ? columnSoftmax(kernels, task, operation)
      : rowSoftmax(kernels, task, operation);
  return (tile) => {
    compute(tile);
    return STATUS_OK;
  };
}

type Compute = (tile: Parameters<TileOperation>[0]) => void;

/** Few columns that lie apart: kernels that work on neighboring rows in place. */
function columnSoftmax(kernels: Kernels, task: RowOperationTask, operation: SoftmaxOperation): Compute {
  const { columns, inner, type, output, input } = task;
  const scratch = ownScratch(task);
  return ({ rowBegin, rows }) => {
    switch (operation.kind) {
      case 'softmax':
        return kernels.softmaxColumns(output, input, type, rowBegin, rows, columns, inner, scratch);
      case 'logSoftmax':
        return kernels.logSoftmaxColumns(output, input, type, rowBegin, rows, columns, inner, scratch);
      case 'logSumExp': {
        const values = offsetBy(operation.values, rowBegin * computeBytes(type));
        return kernels.logSumExpColumns(values, input, type, rowBegin, rows, columns, inner, scratch);
      }
      default:
        return operation satisfies never;
    }
  };
}

/** Everything else: tiles of whole rows. */
function rowSoftmax(kernels: Kernels, task: RowOperationTask, operation: SoftmaxOperation): Compute {
  const { columns, type, input } = task;
  const scratch = ownScratch(task);
  const inFloat64 = type === TYPE_FLOAT64;
  return (tile) => {
    const source = loadRows(kernels, task, input, type, scratch, tile);
    const { rows, rowBegin } = tile;
    if (operation.kind === 'logSumExp') {
      const values = offsetBy(operation.values, rowBegin * computeBytes(type));
      if (inFloat64) kernels.logSumExpRows64(values, source, rows, columns);
      else kernels.logSumExpRows(values, source, rows, columns);
      return;
    }
    const target = outputRows(task, scratch, tile);
    if (inFloat64) {
      if (operation.kind === 'softmax') kernels.softmaxRows64(target, source, rows, columns);
      else kernels.logSoftmaxRows64(target, source, rows, columns);
    } else if (operation.kind === 'softmax') kernels.softmaxRows(target, source, rows, columns, columns);
    else kernels.logSoftmaxRows(target, source, rows, columns, columns);
    storeRows(kernels, task, target, tile);
  };
}

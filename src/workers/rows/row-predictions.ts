// What metrics keep of each row: prediction, rank, loss and confidence.
import type { Kernels } from '../../kernels/kernels.js';
import { STATUS_OK } from '../../kernels/layout.js';
import { TYPE_FLOAT64 } from '../../kernels/loss-layout.js';
import { computeBytes } from '../../kernels/loss-scratch.js';
import { offsetBy } from '../../kernels/ptr.js';
import { ownScratch, type RowOperationTask, type RowPredictionsOperation } from '../protocol.js';
import { loadRows, type TileOperation } from './strided-rows.js';

const INT32_BYTES = 4;
const FLOAT64_BYTES = 8;

export function rowPredictions(
  kernels: Kernels,
  task: RowOperationTask,
  operation: RowPredictionsOperation,
): TileOperation {
  const { columns, type, input } = task;
  const scratch = ownScratch(task);
  return (tile) => {
    const { rows, rowBegin } = tile;
    const logits = loadRows(kernels, task, input, type, scratch, tile);
    const predictions = offsetBy(operation.predictions, rowBegin * INT32_BYTES);
    const ranks = offsetBy(operation.ranks, rowBegin * INT32_BYTES);
    const losses = offsetBy(operation.losses, rowBegin * FLOAT64_BYTES);
    const confidences = offsetBy(operation.confidences, rowBegin * computeBytes(type));
    const targets = offsetBy(operation.targets, rowBegin * INT32_BYTES);
    if (type === TYPE_FLOAT64) {
      kernels.predictRows64(predictions, ranks, losses, confidences, logits, targets, rows, columns);
    } else {
      kernels.predictRows(predictions, ranks, losses, confidences, logits, targets, rows, columns, columns);
    }
    return STATUS_OK;
  };
}

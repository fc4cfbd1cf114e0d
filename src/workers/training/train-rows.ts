// What both ways of training do with some rows of a step: bring their inputs together, and differentiate their loss.
import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES, STATUS_OK, tileStride } from '../../kernels/layout.js';
import { offsetBy, type Ptr } from '../../kernels/ptr.js';
import { invalidTargetError } from '../as-error.js';
import { type HeadTask, SPANS, type Tracer, type TrainTask } from '../protocol.js';
import type { LogitsTile, LossKernel } from './losses/loss-kernel.js';

const FLOAT64_BYTES = 8;

/** Where `rows` rows from `position` of the segment's indices on are to be. */
export interface GatheredRows {
  /** Float32 [rows × tileStride]. */
  readonly inputs: Ptr;
  readonly targets: Ptr;
  readonly position: number;
  readonly rows: number;
}

export function gatherTrainingRows(
  kernels: Kernels,
  task: TrainTask,
  loss: LossKernel,
  { inputs, targets, position, rows }: GatheredRows,
): void {
  kernels.gatherInputs(
    inputs,
    targets,
    task.inputs,
    task.inputsType,
    task.scaling,
    task.targets,
    task.indices,
    position,
    rows,
    task.features,
  );
  if (!loss.ignoresRows) return;
  const stride = tileStride(task.features);
  forEachIgnored(task, targets, rows, (row) =>
    kernels.clear(offsetBy(inputs, row * stride * FLOAT32_BYTES), stride),
  );
}

/** gatherTrainingRows, each call a span where there is a tracer. */
export function tracedGather(tracer: Tracer | undefined): typeof gatherTrainingRows {
  if (tracer === undefined) return gatherTrainingRows;
  return (kernels, task, loss, tile) => {
    const begin = tracer.now();
    gatherTrainingRows(kernels, task, loss, tile);
    tracer.span(SPANS.gather, begin, tile.rows);
  };
}

/** Visits the ignored ones of a tile's rows. */
export function forEachIgnored(
  { buffer }: TrainTask,
  tileTargets: Ptr,
  rows: number,
  visit: (row: number) => void,
): void {
  const targets = new Int32Array(buffer, tileTargets, rows);
  for (let row = 0; row < rows; row++) if (targets[row] === -1) visit(row);
}

export const lossSumOf = ({ lossSums }: HeadTask, shard: number): Ptr =>
  offsetBy(lossSums, shard * FLOAT64_BYTES);

/** The gradient of the loss in the place of the logits, the losses into their shard's slot. */
export function differentiateRows(loss: LossKernel, tile: LogitsTile): void {
  const status = loss.differentiate(tile);
  if (status !== STATUS_OK) throw invalidTargetError(tile.position + status);
}

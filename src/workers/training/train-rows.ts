// What both ways of training do with some rows of a step: bring their inputs together, and make dZ of their logits.
import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES, STATUS_OK, tileStride } from '../../kernels/layout.js';
import type { Ptr } from '../../kernels/ptr.js';
import type { TrainTask } from '../protocol.js';
import { invalidTargetError } from './train-step.js';
import type { TileLogits, TileLoss } from './train-tile-loss.js';

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
  tileLoss: TileLoss | undefined,
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
  const stride = tileStride(task.features);
  tileLoss?.hideIgnored(targets, rows, (ignored) =>
    kernels.clear(inputs + ignored * stride * FLOAT32_BYTES, stride),
  );
}

/** dZ in the place of the logits, by the mean over stepRows where the loss is plain; the loss into its shard's slot. */
export function differentiateRows(
  kernels: Kernels,
  task: TrainTask,
  tileLoss: TileLoss | undefined,
  tile: TileLogits,
  targets: Ptr,
  stepRows: number,
): void {
  const { logits, stride, shard, position, rows } = tile;
  const lossSum = task.lossSums + shard * FLOAT64_BYTES;
  const status =
    tileLoss !== undefined
      ? tileLoss.differentiate(tile)
      : kernels.crossEntropyGradientRows(
          logits,
          0,
          lossSum,
          logits,
          targets,
          rows,
          task.classes,
          stride,
          1 / stepRows,
        );
  if (status !== STATUS_OK) throw invalidTargetError(position + status);
}

// The gradient of many parameters: partials of every shard would not fit, so the gradient itself is cut into tiles of
// classes × features, each summed over all rows in order by one worker. The logits of one chunk of rows are held at a time.
import type { Sgemm } from '../../kernels/blas/library.js';
import type { Kernels } from '../../kernels/kernels.js';
import {
  FLOAT32_BYTES,
  linearScratchBytes,
  paddedClasses,
  panelWidth,
  tileStride,
} from '../../kernels/layout.js';
import type { Ptr } from '../../kernels/ptr.js';
import { isCancelled } from '../gang/claim.js';
import { BlasModel, type Range } from '../linear/blas-products.js';
import type { ParameterSharded, TrainTask } from '../protocol.js';
import type { LossKernel } from './losses/loss-kernel.js';
import type { ParameterRange } from './optimizers/optimizer.js';
import { differentiateRows, forEachIgnored, gatherTrainingRows, lossSumOf } from './train-rows.js';
import type { StepGradient } from './train-step.js';

export function parameterShardedGradient(
  kernels: Kernels,
  sgemm: Sgemm,
  control: Int32Array,
  task: TrainTask,
  sharding: ParameterSharded,
  loss: LossKernel,
): StepGradient {
  const { tileRows, classes } = task;
  const { chunkRows, gradLogits, chunkInputs } = sharding;
  const { parts, targets, forward, addGradient, rangesOf } =
    chunkInputs !== 0
      ? blasProducts(kernels, sgemm, task, sharding, loss)
      : kernelProducts(kernels, task, sharding, loss);
  const stride = paddedClasses(classes);
  return {
    chunkRows,
    parts,
    meanwhile: undefined,
    beginStep() {},
    /** The gradient of the shard's logits, into the chunk's. */
    differentiate(shard, { rowBegin, shape, begin }) {
      const lossSum = lossSumOf(task, shard);
      const shardBegin = shard * shape.shardRows;
      const shardEnd = Math.min(shape.rows, shardBegin + shape.shardRows);
      for (let row = shardBegin; row < shardEnd && !isCancelled(control); row += tileRows) {
        const rows = Math.min(tileRows, shardEnd - row);
        const logits = gradLogits + (row - begin) * stride * FLOAT32_BYTES;
        const position = rowBegin + row;
        forward(logits, position, row - begin, rows);
        differentiateRows(loss, { logits, stride, targets, position, rows, lossSum });
      }
    },
    reduce: (part, { begin, end }) => addGradient(part, end - begin, begin === 0),
    rangesOf,
  };
}

/** The two matrix products, by kernels or by a BLAS. */
interface ShardedProducts {
  /** Tiles of the gradient. */
  readonly parts: number;
  /** Int32: where forward puts the targets of its rows. */
  readonly targets: Ptr;
  /** The targets and logits of rows of the epoch from `position` on, which become those from `row` on of the chunk. */
  forward(logits: Ptr, position: number, row: number, rows: number): void;
  /** Adds the chunk's `rows` rows to one tile of the gradient; with `fresh` the tile starts from zero. */
  addGradient(tile: number, rows: number, fresh: boolean): void;
  /** The parameters of a tile; tiles of the first features have the bias of their classes too. */
  rangesOf(tile: number): readonly ParameterRange[];
}

/** A worker's scratch memory has that of the products first, then the targets. */
function kernelProducts(
  kernels: Kernels,
  task: TrainTask,
  { rowPtrs, gradLogits, zeroRow, panelsATile, featuresATile }: ParameterSharded,
  loss: LossKernel,
): ShardedProducts {
  const { gradient, features, classes, weightsLength } = task;
  const width = panelWidth(classes);
  const stride = paddedClasses(classes);
  const panels = stride / width;
  const featureTiles = Math.ceil(features / featuresATile);
  const scratch = task.scratch + task.member * task.scratchBytes;
  const targets = scratch + linearScratchBytes(classes);
  const panelsOf = (tile: number) => rangeOf(Math.floor(tile / featureTiles), panelsATile, panels);
  const featuresOf = (tile: number) => rangeOf(tile % featureTiles, featuresATile, features);
  const rangesOf = (tile: number): ParameterRange[] => {
    const [{ begin: first, end: last }, { begin, end }] = [panelsOf(tile), featuresOf(tile)];
    const ranges: ParameterRange[] = [];
    for (let panel = first; panel < last; panel++) {
      const start = panel * features;
      ranges.push({ begin: (start + begin) * width, end: (start + end) * width, isBias: false });
    }
    if (begin === 0) ranges.push(biasRange(weightsLength, first * width, last * width));
    return ranges;
  };
  return {
    parts: Math.ceil(panels / panelsATile) * featureTiles,
    targets,
    rangesOf,
    forward(logits, position, row, rows) {
      const ptrs = rowPtrs + row * FLOAT32_BYTES;
      kernels.gatherRows(ptrs, targets, task.inputs, task.targets, task.indices, position, rows, features);
      if (loss.ignoresRows) {
        const addresses = new Uint32Array(task.buffer, ptrs, rows);
        forEachIgnored(task, targets, rows, (ignored) => {
          addresses[ignored] = zeroRow;
        });
      }
      kernels.linearForward(logits, ptrs, task.weights, task.bias, rows, features, classes, scratch);
    },
    addGradient(tile, rows, fresh) {
      if (fresh) clearRanges(kernels, gradient, rangesOf(tile));
      const [{ begin: first, end: last }, { begin, end }] = [panelsOf(tile), featuresOf(tile)];
      kernels.linearBackward(
        gradient,
        rowPtrs,
        gradLogits,
        rows,
        features,
        classes,
        first,
        last,
        begin,
        end,
        scratch,
      );
      if (begin !== 0) return;
      const gradBias = gradient + weightsLength * FLOAT32_BYTES;
      kernels.addColumnSums(gradBias, gradLogits, rows, stride, first * width, last * width);
    },
  };
}

/** For a BLAS the rows of a chunk are brought together. */
function blasProducts(
  kernels: Kernels,
  sgemm: Sgemm,
  task: TrainTask,
  { gradLogits, chunkInputs, panelsATile, featuresATile }: ParameterSharded,
  loss: LossKernel,
): ShardedProducts {
  const { gradient, features, classes, weightsLength } = task;
  const model = new BlasModel(sgemm, task);
  const stride = paddedClasses(classes);
  const inputsBytes = tileStride(features) * FLOAT32_BYTES;
  const classesATile = panelsATile * panelWidth(classes);
  const featureTiles = Math.ceil(features / featuresATile);
  const targets = task.scratch + task.member * task.scratchBytes;
  const classesOf = (tile: number) => rangeOf(Math.floor(tile / featureTiles), classesATile, classes);
  const featuresOf = (tile: number) => rangeOf(tile % featureTiles, featuresATile, features);
  return {
    parts: Math.ceil(classes / classesATile) * featureTiles,
    targets,
    rangesOf(tile) {
      const [{ begin, end }, rows] = [classesOf(tile), featuresOf(tile)];
      const ranges: ParameterRange[] = [];
      for (let row = rows.begin; row < rows.end; row++) {
        ranges.push({ begin: row * stride + begin, end: row * stride + end, isBias: false });
      }
      if (rows.begin === 0) ranges.push(biasRange(weightsLength, begin, end));
      return ranges;
    },
    forward(logits, position, row, rows) {
      const inputs = chunkInputs + row * inputsBytes;
      gatherTrainingRows(kernels, task, loss, { inputs, targets, position, rows });
      model.forward(logits, stride, inputs, rows);
    },
    addGradient(tile, rows, fresh) {
      const ranges = { features: featuresOf(tile), classes: classesOf(tile) };
      model.addGradient(gradient, chunkInputs, gradLogits, rows, ranges, !fresh);
      if (ranges.features.begin !== 0) return;
      const { begin, end } = ranges.classes;
      if (fresh) clearRanges(kernels, gradient, [biasRange(weightsLength, begin, end)]);
      kernels.addColumnSums(gradient + weightsLength * FLOAT32_BYTES, gradLogits, rows, stride, begin, end);
    },
  };
}

const rangeOf = (index: number, size: number, limit: number): Range => ({
  begin: index * size,
  end: Math.min(limit, (index + 1) * size),
});

const biasRange = (weightsLength: number, begin: number, end: number): ParameterRange => ({
  begin: weightsLength + begin,
  end: weightsLength + end,
  isBias: true,
});

function clearRanges(kernels: Kernels, vector: Ptr, ranges: readonly ParameterRange[]): void {
  for (const { begin, end } of ranges) kernels.clear(vector + begin * FLOAT32_BYTES, end - begin);
}

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
import { NULL_PTR, offsetBy, type Ptr } from '../../kernels/ptr.js';
import { isCancelled } from '../gang/claim.js';
import { BlasModel, type Range } from '../linear/blas-products.js';
import { type HeadTask, ownScratch, type ParameterSharded, SPANS, type Tracer } from '../protocol.js';
import type { LossKernel } from './losses/loss-kernel.js';
import type { ParameterRange } from './optimizers/optimizer.js';
import { differentiateRows, forEachIgnored, gatherTrainingRows, lossSumOf } from './train-rows.js';
import type { Head, StepGradient } from './train-step.js';

export function parameterShardedGradient(
  kernels: Kernels,
  sgemm: Sgemm,
  control: Int32Array,
  sharding: ParameterSharded,
  head: Head,
  tracer: Tracer | undefined,
): StepGradient {
  const { task, loss } = head;
  const { tileRows, classes } = task;
  const { chunkRows, gradLogits, chunkInputs } = sharding;
  const readsInputs = loss.readsInputs !== false;
  const hasGradient = loss.hasGradient !== false;
  const { parts, targets, gather, forward, addGradient, rangesOf } =
    chunkInputs !== NULL_PTR
      ? blasProducts(kernels, sgemm, task, sharding, loss)
      : kernelProducts(kernels, task, sharding, loss);
  const stride = paddedClasses(classes);
  return {
    heads: [head],
    chunkRows,
    parts: hasGradient ? parts : 0,
    canPause: true,
    meanwhile: undefined,
    piecesOf: (shards) => shards,
    beginStep() {},
    /** The gradient of the shard's logits, into the chunk's. */
    differentiate(piece, { rowBegin, shape, begin, firstShard }) {
      const shard = firstShard + piece;
      const lossSum = lossSumOf(task, shard);
      const shardBegin = shard * shape.shardRows;
      const shardEnd = Math.min(shape.rows, shardBegin + shape.shardRows);
      for (let row = shardBegin; row < shardEnd && !isCancelled(control); row += tileRows) {
        const rows = Math.min(tileRows, shardEnd - row);
        const logits = offsetBy(gradLogits, (row - begin) * stride * FLOAT32_BYTES);
        const position = rowBegin + row;
        if (readsInputs || hasGradient) {
          const gatherBegin = tracer?.now();
          gather(position, row - begin, rows);
          if (gatherBegin !== undefined) tracer?.span(SPANS.gather, gatherBegin, rows);
        }
        if (readsInputs) forward(logits, row - begin, rows);
        differentiateRows(loss, { logits, stride, targets, position, rows, shard, lossSum });
      }
    },
    reduce: (part, { begin, end }) => addGradient(part, end - begin, begin === 0),
    update: (part) => head.update(rangesOf(part)),
  };
}

/** The two matrix products, by kernels or by a BLAS. */
interface ShardedProducts {
  /** Tiles of the gradient. */
  readonly parts: number;
  /** Int32: where forward puts the targets of its rows. */
  readonly targets: Ptr;
  /** Rows of the epoch from `position` on become those from `row` on of the chunk, with their targets. */
  gather(position: number, row: number, rows: number): void;
  /** The logits of rows that are gathered. */
  forward(logits: Ptr, row: number, rows: number): void;
  /** Adds the chunk's `rows` rows to one tile of the gradient; with `fresh` the tile starts from zero. */
  addGradient(tile: number, rows: number, fresh: boolean): void;
  /** The parameters of a tile; tiles of the first features have the bias of their classes too. */
  rangesOf(tile: number): readonly ParameterRange[];
}

/** A worker's scratch memory has that of the products first, then the targets. */
function kernelProducts(
  kernels: Kernels,
  task: HeadTask,
  { rowPtrs, gradLogits, zeroRow, panelsATile, featuresATile }: ParameterSharded,
  loss: LossKernel,
): ShardedProducts {
  const { gradient, features, classes, weightsLength } = task;
  const width = panelWidth(classes);
  const stride = paddedClasses(classes);
  const panels = stride / width;
  const featureTiles = Math.ceil(features / featuresATile);
  const scratch = ownScratch(task);
  const targets = offsetBy(scratch, linearScratchBytes(classes));
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
    gather(position, row, rows) {
      const ptrs = offsetBy(rowPtrs, row * FLOAT32_BYTES);
      kernels.gatherRows(ptrs, targets, task.inputs, task.targets, task.indices, position, rows, features);
      if (!loss.ignoresRows) return;
      const addresses = new Uint32Array(task.buffer, ptrs, rows);
      forEachIgnored(task, targets, rows, (ignored) => {
        addresses[ignored] = zeroRow;
      });
    },
    forward(logits, row, rows) {
      const ptrs = offsetBy(rowPtrs, row * FLOAT32_BYTES);
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
      const gradBias = offsetBy(gradient, weightsLength * FLOAT32_BYTES);
      kernels.addColumnSums(gradBias, gradLogits, rows, stride, first * width, last * width);
    },
  };
}

/** For a BLAS the rows of a chunk are brought together. */
function blasProducts(
  kernels: Kernels,
  sgemm: Sgemm,
  task: HeadTask,
  { gradLogits, chunkInputs, panelsATile, featuresATile }: ParameterSharded,
  loss: LossKernel,
): ShardedProducts {
  const { gradient, features, classes, weightsLength } = task;
  const model = new BlasModel(sgemm, task);
  const stride = paddedClasses(classes);
  const inputsBytes = tileStride(features) * FLOAT32_BYTES;
  const classesATile = panelsATile * panelWidth(classes);
  const featureTiles = Math.ceil(features / featuresATile);
  const targets = ownScratch(task);
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
    gather(position, row, rows) {
      const inputs = offsetBy(chunkInputs, row * inputsBytes);
      gatherTrainingRows(kernels, task, loss, { inputs, targets, position, rows });
    },
    forward: (logits, row, rows) =>
      model.forward(logits, stride, offsetBy(chunkInputs, row * inputsBytes), rows),
    addGradient(tile, rows, fresh) {
      const ranges = { features: featuresOf(tile), classes: classesOf(tile) };
      model.addGradient(gradient, chunkInputs, gradLogits, rows, ranges, !fresh);
      if (ranges.features.begin !== 0) return;
      const { begin, end } = ranges.classes;
      if (fresh) clearRanges(kernels, gradient, [biasRange(weightsLength, begin, end)]);
      const gradBias = offsetBy(gradient, weightsLength * FLOAT32_BYTES);
      kernels.addColumnSums(gradBias, gradLogits, rows, stride, begin, end);
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
  for (const { begin, end } of ranges) kernels.clear(offsetBy(vector, begin * FLOAT32_BYTES), end - begin);
}

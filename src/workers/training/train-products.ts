// The two matrix products of training by tiles, by kernels or by a BLAS, and which parameters a tile of the gradient is of.
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
import { BlasModel, type Range } from '../linear/blas-products.js';
import type { TrainByTilesTask } from '../protocol.js';
import { gatherTrainingRows } from './train-rows.js';
import type { TileLoss } from './train-tile-loss.js';

export interface ChunkOfRows {
  readonly rows: number;
  /** The step's first: the gradient starts from zero. */
  readonly first: boolean;
}

/** Parameters that lie together, [begin, end) of the vector of all. */
export interface Stretch extends Range {
  readonly weightDecay: number;
}

export interface TileProducts {
  /** Tiles of the gradient. */
  readonly tiles: number;
  /** Int32: where forward puts the targets of its rows. */
  readonly targets: Ptr;
  /** Looks up rows of the epoch from `position` on, to be those from `row` on of the chunk: their targets and logits. */
  forward(logits: Ptr, position: number, row: number, rows: number): void;
  /** Adds the chunk's rows to one tile of the gradient. Gives the parameters of that tile. */
  addGradient(tile: number, chunk: ChunkOfRows): readonly Stretch[];
}

/** Scratch memory of the products comes first, then the targets. */
export function kernelProducts(
  kernels: Kernels,
  task: TrainByTilesTask,
  tileLoss: TileLoss | undefined,
): TileProducts {
  const { rowPtrs, gradient, gradLogits, features, classes, weightsLength, panelsATile, featuresATile } =
    task;
  const width = panelWidth(classes);
  const panels = paddedClasses(classes) / width;
  const featureTiles = Math.ceil(features / featuresATile);
  const scratch = task.scratch + task.member * task.scratchBytes;
  const targets = scratch + linearScratchBytes(classes);
  return {
    tiles: Math.ceil(panels / panelsATile) * featureTiles,
    targets,
    forward(logits, position, row, rows) {
      const ptrs = rowPtrs + row * FLOAT32_BYTES;
      kernels.gatherRows(ptrs, targets, task.inputs, task.targets, task.indices, position, rows, features);
      tileLoss?.hideIgnored(targets, rows, (ignored) => {
        new Uint32Array(task.buffer, ptrs, rows)[ignored] = task.loss!.zeroRow;
      });
      kernels.linearForward(logits, ptrs, task.weights, task.bias, rows, features, classes, scratch);
    },
    addGradient(tile, chunk) {
      const panelBegin = Math.floor(tile / featureTiles) * panelsATile;
      const panelEnd = Math.min(panels, panelBegin + panelsATile);
      const featureBegin = (tile % featureTiles) * featuresATile;
      const featureEnd = Math.min(features, featureBegin + featuresATile);
      const stretches: Stretch[] = [];
      for (let panel = panelBegin; panel < panelEnd; panel++) {
        const begin = (panel * features + featureBegin) * width;
        const end = (panel * features + featureEnd) * width;
        stretches.push({ begin, end, weightDecay: task.sgd.weightDecay });
      }
      // The tiles of the first features own the bias of their panels too; it is not decayed.
      const ownsBias = featureBegin === 0;
      const [columnBegin, columnEnd] = [panelBegin * width, panelEnd * width];
      if (ownsBias) {
        const [begin, end] = [weightsLength + columnBegin, weightsLength + columnEnd];
        stretches.push({ begin, end, weightDecay: 0 });
      }
      if (chunk.first) {
        for (const { begin, end } of stretches) kernels.clear(gradient + begin * FLOAT32_BYTES, end - begin);
      }
      kernels.linearBackward(
        gradient,
        rowPtrs,
        gradLogits,
        chunk.rows,
        features,
        classes,
        panelBegin,
        panelEnd,
        featureBegin,
        featureEnd,
        scratch,
      );
      if (ownsBias) {
        const gradBias = gradient + weightsLength * FLOAT32_BYTES;
        const stride = paddedClasses(classes);
        kernels.addColumnSums(gradBias, gradLogits, chunk.rows, stride, columnBegin, columnEnd);
      }
      return stretches;
    },
  };
}

/** For a BLAS the rows of a chunk are brought together. */
export function blasProducts(
  kernels: Kernels,
  sgemm: Sgemm,
  task: TrainByTilesTask,
  tileLoss: TileLoss | undefined,
): TileProducts {
  const { gradient, gradLogits, chunkInputs, features, classes, weightsLength } = task;
  const model = new BlasModel(sgemm, task);
  const stride = paddedClasses(classes);
  const inputsBytes = tileStride(features) * FLOAT32_BYTES;
  const classesATile = task.panelsATile * panelWidth(classes);
  const featureTiles = Math.ceil(features / task.featuresATile);
  const targets = task.scratch + task.member * task.scratchBytes;
  return {
    tiles: Math.ceil(classes / classesATile) * featureTiles,
    targets,
    forward(logits, position, row, rows) {
      const inputs = chunkInputs + row * inputsBytes;
      gatherTrainingRows(kernels, task, tileLoss, { inputs, targets, position, rows });
      model.forward(logits, stride, inputs, rows);
    },
    addGradient(tile, chunk) {
      const featuresOfTile = rangeOf(tile % featureTiles, task.featuresATile, features);
      const { begin, end } = rangeOf(Math.floor(tile / featureTiles), classesATile, classes);
      const ranges = { features: featuresOfTile, classes: { begin, end } };
      model.addGradient(gradient, chunkInputs, gradLogits, chunk.rows, ranges, !chunk.first);
      const stretches: Stretch[] = [];
      for (let row = featuresOfTile.begin; row < featuresOfTile.end; row++) {
        const at = row * stride;
        stretches.push({ begin: at + begin, end: at + end, weightDecay: task.sgd.weightDecay });
      }
      if (featuresOfTile.begin === 0) {
        const gradBias = gradient + weightsLength * FLOAT32_BYTES;
        if (chunk.first) kernels.clear(gradBias + begin * FLOAT32_BYTES, end - begin);
        kernels.addColumnSums(gradBias, gradLogits, chunk.rows, stride, begin, end);
        stretches.push({ begin: weightsLength + begin, end: weightsLength + end, weightDecay: 0 });
      }
      return stretches;
    },
  };
}

const rangeOf = (index: number, size: number, limit: number): Range => ({
  begin: index * size,
  end: Math.min(limit, (index + 1) * size),
});

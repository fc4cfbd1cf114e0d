// The two matrix products of training by tiles, by kernels or by a BLAS, and which parameters a tile of the gradient is of.
import type { Sgemm } from '../kernels/blas/library.js';
import type { Kernels } from '../kernels/kernels.js';
import { paddedClasses, panelWidth } from '../kernels/layout.js';
import { extendedStride } from '../kernels/panels.js';
import { BlasModel, type Range } from './blas-products.js';
import type { TrainByTilesTask } from './protocol.js';

const FLOAT32_BYTES = 4;

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
  /** Logits of rows [row, row + rows) of the chunk, whose addresses are in rowPtrs by now. */
  forward(logits: number, row: number, rows: number): void;
  /** Adds the chunk's rows to one tile of the gradient. Gives the parameters of that tile. */
  addGradient(tile: number, chunk: ChunkOfRows): readonly Stretch[];
}

export function kernelProducts(kernels: Kernels, task: TrainByTilesTask): TileProducts {
  const { rowPtrs, gradient, gradLogits, features, classes, weightsLength, panelsATile, featuresATile } =
    task;
  const width = panelWidth(classes);
  const panels = paddedClasses(classes) / width;
  const featureTiles = Math.ceil(features / featuresATile);
  return {
    tiles: Math.ceil(panels / panelsATile) * featureTiles,
    forward(logits, row, rows) {
      const ptrs = rowPtrs + row * FLOAT32_BYTES;
      kernels.linearForward(logits, ptrs, task.weights, task.bias, rows, features, classes);
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

/** With a BLAS rows are brought together with a one behind them, and the bias is the weights' last row. */
export function blasProducts(sgemm: Sgemm, task: TrainByTilesTask): TileProducts {
  const { rowPtrs, gradient, gradLogits, chunkInputs, features, classes, panelsATile, featuresATile } = task;
  const model = new BlasModel(sgemm, task.buffer, task);
  const stride = paddedClasses(classes);
  const inputsBytes = extendedStride(features) * FLOAT32_BYTES;
  const classesATile = panelsATile * panelWidth(classes);
  const featureTiles = Math.ceil((features + 1) / featuresATile);
  return {
    tiles: Math.ceil(classes / classesATile) * featureTiles,
    forward(logits, row, rows) {
      const extended = chunkInputs + row * inputsBytes;
      model.extend(extended, rowPtrs + row * FLOAT32_BYTES, rows);
      model.forward(logits, extended, task.weights, rows);
    },
    addGradient(tile, chunk) {
      const ranges = {
        features: rangeOf(tile % featureTiles, featuresATile, features + 1),
        classes: rangeOf(Math.floor(tile / featureTiles), classesATile, classes),
      };
      model.addGradient(gradient, chunkInputs, gradLogits, chunk.rows, ranges, !chunk.first);
      const stretches: Stretch[] = [];
      for (let row = ranges.features.begin; row < ranges.features.end; row++) {
        stretches.push({
          begin: row * stride + ranges.classes.begin,
          end: row * stride + ranges.classes.end,
          weightDecay: row === features ? 0 : task.sgd.weightDecay,
        });
      }
      return stretches;
    },
  };
}

const rangeOf = (index: number, size: number, limit: number): Range => ({
  begin: index * size,
  end: Math.min(limit, (index + 1) * size),
});

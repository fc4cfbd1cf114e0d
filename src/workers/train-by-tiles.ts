// Resident training with many parameters: partial gradients of every shard would not fit, so the gradient itself is
// cut into tiles of panels × features, each summed over all rows in order by one worker. The logits of one chunk of
// rows are held at a time.
import type { Kernels } from '../kernels/kernels.js';
import { paddedClasses, panelWidth, STATUS_OK } from '../kernels/layout.js';
import { Barrier } from './barrier.js';
import { claimShardsUntil, isCancelled } from './claim.js';
import type { StepShape, TrainByTilesTask, WorkerResult } from './protocol.js';
import {
  continueStep,
  failed,
  finishStep,
  invalidTargetError,
  leaveAfter,
  leaveWithin,
  segmentLosses,
  stepOf,
  updateParameters,
} from './train-step.js';

const FLOAT32_BYTES = 4;
const FLOAT64_BYTES = 8;

const never = (): boolean => false;

export function trainByTiles(kernels: Kernels, words: Int32Array, task: TrainByTilesTask): WorkerResult {
  const barrier = new Barrier(words, task.members, task.spins);
  const losses = segmentLosses(task);
  const panels = paddedClasses(task.classes) / panelWidth(task.classes);
  const featureTiles = Math.ceil(task.features / task.featuresATile);
  const tiles = Math.ceil(panels / task.panelsATile) * featureTiles;
  const goOn = () => continueStep(words);

  for (let step = task.stepBegin; step < task.stepEnd; step++) {
    const { rowBegin, shape, learningRate } = stepOf(task, step);
    for (let chunkBegin = 0; chunkBegin < shape.rows; chunkBegin += task.chunkRows) {
      const chunkEnd = Math.min(shape.rows, chunkBegin + task.chunkRows);
      const firstShard = chunkBegin / shape.shardRows;
      const shards = Math.ceil((chunkEnd - chunkBegin) / shape.shardRows);
      claimShardsUntil(isCancelled, words, shards, (shard) =>
        differentiateShard(kernels, words, task, shape, rowBegin, firstShard + shard, chunkBegin),
      );
      if (!barrier.wait(goOn)) return failed(step);
      const cancelled = leaveWithin(words, step);
      if (cancelled !== undefined) return cancelled;

      const chunk = {
        rows: chunkEnd - chunkBegin,
        first: chunkBegin === 0,
        last: chunkEnd === shape.rows,
        learningRate,
      };
      // The last chunk's tiles update the parameters: once one does, all must.
      claimShardsUntil(chunk.last ? never : isCancelled, words, tiles, (tile) => {
        const panelBegin = Math.floor(tile / featureTiles) * task.panelsATile;
        const featureBegin = (tile % featureTiles) * task.featuresATile;
        addTileGradient(kernels, task, chunk, {
          panelBegin,
          panelEnd: Math.min(panels, panelBegin + task.panelsATile),
          featureBegin,
          featureEnd: Math.min(task.features, featureBegin + task.featuresATile),
        });
      });
      const completion = chunk.last ? () => finishStep(words, losses, step, shape) : goOn;
      if (!barrier.wait(completion)) return failed(step);
    }
    const left = leaveAfter(words, step);
    if (left !== undefined) return left;
  }
  return { state: 'done' };
}

/** dZ of one shard's rows into the chunk's gradLogits, the rows' addresses into rowPtrs, the loss into its slot. */
function differentiateShard(
  kernels: Kernels,
  words: Int32Array,
  task: TrainByTilesTask,
  shape: StepShape,
  rowBegin: number,
  shard: number,
  chunkBegin: number,
): void {
  const { features, classes } = task;
  const stride = paddedClasses(classes);
  const tileTargets = task.scratch + task.member * task.scratchBytes;
  const shardBegin = shard * shape.shardRows;
  const shardEnd = Math.min(shape.rows, shardBegin + shape.shardRows);
  for (let row = shardBegin; row < shardEnd && !isCancelled(words); row += task.tileRows) {
    const count = Math.min(task.tileRows, shardEnd - row);
    const rowPtrs = task.rowPtrs + (row - chunkBegin) * FLOAT32_BYTES;
    const logits = task.gradLogits + (row - chunkBegin) * stride * FLOAT32_BYTES;
    kernels.gatherRows(
      rowPtrs,
      tileTargets,
      task.inputs,
      task.targets,
      task.indices,
      rowBegin + row,
      count,
      features,
    );
    kernels.linearForward(logits, rowPtrs, task.weights, task.bias, count, features, classes);
    const lossSum = task.lossSums + shard * FLOAT64_BYTES;
    const scale = 1 / shape.rows;
    const status = kernels.crossEntropyGradientRows(
      logits,
      0,
      lossSum,
      logits,
      tileTargets,
      count,
      classes,
      stride,
      scale,
    );
    if (status !== STATUS_OK) throw invalidTargetError(rowBegin + row + status);
  }
}

interface Chunk {
  readonly rows: number;
  /** The step's first chunk: the gradient starts from zero. */
  readonly first: boolean;
  /** The step's last chunk: the gradient is complete, update. */
  readonly last: boolean;
  readonly learningRate: number;
}

interface GradientTile {
  readonly panelBegin: number;
  readonly panelEnd: number;
  readonly featureBegin: number;
  readonly featureEnd: number;
}

/** Adds the chunk's rows to one tile of the gradient and, after the last chunk, updates the tile's parameters. */
function addTileGradient(kernels: Kernels, task: TrainByTilesTask, chunk: Chunk, tile: GradientTile): void {
  const { gradient, gradLogits, features, classes, weightsLength } = task;
  const width = panelWidth(classes);
  const stretches: [begin: number, end: number, weightDecay: number][] = [];
  for (let panel = tile.panelBegin; panel < tile.panelEnd; panel++) {
    const panelAt = panel * features;
    const begin = (panelAt + tile.featureBegin) * width;
    stretches.push([begin, (panelAt + tile.featureEnd) * width, task.sgd.weightDecay]);
  }
  // The tiles of the first features own the bias of their panels too; it is not decayed.
  const ownsBias = tile.featureBegin === 0;
  if (ownsBias) {
    stretches.push([weightsLength + tile.panelBegin * width, weightsLength + tile.panelEnd * width, 0]);
  }

  if (chunk.first) {
    for (const [begin, end] of stretches) {
      kernels.clear(gradient + begin * FLOAT32_BYTES, end - begin);
    }
  }
  kernels.linearBackward(
    gradient,
    task.rowPtrs,
    gradLogits,
    chunk.rows,
    features,
    classes,
    tile.panelBegin,
    tile.panelEnd,
    tile.featureBegin,
    tile.featureEnd,
  );
  if (ownsBias) {
    const gradBias = gradient + weightsLength * FLOAT32_BYTES;
    const stride = paddedClasses(classes);
    kernels.addColumnSums(
      gradBias,
      gradLogits,
      chunk.rows,
      stride,
      tile.panelBegin * width,
      tile.panelEnd * width,
    );
  }
  if (chunk.last) {
    for (const [begin, end, weightDecay] of stretches) {
      updateParameters(kernels, task, gradient, begin, end, weightDecay, chunk.learningRate);
    }
  }
}

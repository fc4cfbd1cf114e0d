// Cross-entropy over a linear layer without the logits of the batch: the workers stay for all chunks of rows, and meet
// between the phases of each.
import type { Sgemm } from '../kernels/blas/library.js';
import type { Kernels, Ptr } from '../kernels/kernels.js';
import { STATUS_OK } from '../kernels/layout.js';
import { Barrier } from './barrier.js';
import { BlasLayer, type Range } from './blas-products.js';
import { claimShardsUntil, isCancelled } from './claim.js';
import { ControlWord, type LinearLossTask, LOSS_SHARD_ROWS, Stop, type WorkerResult } from './protocol.js';
import { keptRuns, type Run } from './rows.js';
import { failed, invalidTargetError, leaveAfter } from './train-step.js';

const FLOAT32_BYTES = 4;
const SUMS_BYTES = 16;

interface Worker {
  readonly kernels: Kernels;
  /** What computes the products; undefined: the kernels. */
  readonly blas: BlasLayer | undefined;
  readonly words: Int32Array;
  readonly task: LinearLossTask;
  /** Of classes, and the most of one. */
  readonly blocks: number;
  readonly columns: number;
  readonly scratch: Ptr;
}

interface Chunk {
  readonly rowBegin: number;
  readonly rows: number;
}

/** A part of a chunk's work, after which the members wait for each other. */
type Phase = (worker: Worker, chunk: Chunk) => void;

export function linearCrossEntropy(
  kernels: Kernels,
  sgemm: Sgemm,
  words: Int32Array,
  task: LinearLossTask,
): WorkerResult {
  const { classes, rows, chunkRows } = task;
  const worker: Worker = {
    kernels,
    blas: task.blas ? new BlasLayer(sgemm, task) : undefined,
    words,
    task,
    blocks: Math.ceil(classes / task.columns),
    columns: task.columns,
    scratch: task.scratch + task.member * task.scratchBytes,
  };
  const barrier = new Barrier(words, task.members, task.spins);
  const differentiates = task.gradInputs !== 0 || task.gradWeights !== 0 || task.gradBias !== 0;
  const phases: readonly Phase[] = differentiates ? [forward, rowLosses, backward] : [forward, rowLosses];
  for (let index = task.chunkBegin; index * chunkRows < rows; index++) {
    const rowBegin = index * chunkRows;
    const chunk = { rowBegin, rows: Math.min(chunkRows, rows - rowBegin) };
    for (const phase of phases) {
      phase(worker, chunk);
      const completion =
        phase === phases.at(-1) ? () => finishChunk(worker, index) : () => finishPhase(words);
      if (!barrier.wait(completion)) return failed(index);
      const left = leaveAfter(words, index);
      if (left !== undefined) return left;
    }
  }
  return { state: 'done' };
}

/** Only cancelling ends a chunk early: what is in the results is undefined then. See leaveAfter on who decides. */
function finishPhase(words: Int32Array): void {
  const cancelled = Atomics.load(words, ControlWord.stop) >= Stop.cancel;
  Atomics.store(words, ControlWord.decision, cancelled ? Stop.cancel : Stop.none);
  Atomics.store(words, ControlWord.nextShard, 0);
}

/** Adds the chunk's losses, shard by shard in the order of the rows whatever the chunks are, and decides for all. */
function finishChunk({ words, task }: Worker, index: number): void {
  const shards = task.chunkRows / LOSS_SHARD_ROWS;
  const sums = new Float64Array(task.buffer, task.sums, 2 * shards);
  const totals = new Float64Array(task.buffer, task.totals, 2);
  for (let i = 0; i < sums.length; i += 2) {
    totals[0]! += sums[i]!;
    totals[1]! += sums[i + 1]!;
  }
  sums.fill(0);
  Atomics.store(words, ControlWord.decision, Atomics.load(words, ControlWord.stop));
  Atomics.store(words, ControlWord.nextShard, 0);
  Atomics.store(words, ControlWord.stepsDone, index + 1);
}

function claim({ words }: Worker, tiles: number, compute: (tile: number) => void): void {
  claimShardsUntil(isCancelled, words, tiles, compute);
}

/** Where the logits of a row of the chunk begin in a block. */
function blockPtr({ blas, task, columns }: Worker, block: number, row: number): Ptr {
  const element =
    blas === undefined ? (block * task.chunkRows + row) * columns : row * blas.stride + block * columns;
  return task.logits + element * FLOAT32_BYTES;
}

function classesOf({ task, columns }: Worker, block: number): Range {
  return { begin: block * columns, end: Math.min(task.classes, (block + 1) * columns) };
}

const inputsPtr = ({ task }: Worker, row: number): Ptr => task.inputs + row * task.features * FLOAT32_BYTES;

/** Logits of the chunk, by tiles of forwardRows × a block of classes. */
function forward(worker: Worker, { rowBegin, rows }: Chunk): void {
  const { kernels, blas, task, blocks, columns, scratch } = worker;
  const { features, forwardRows } = task;
  claim(worker, Math.ceil(rows / forwardRows) * blocks, (tile) => {
    const block = tile % blocks;
    const row = Math.floor(tile / blocks) * forwardRows;
    const logits = blockPtr(worker, block, row);
    const count = Math.min(forwardRows, rows - row);
    if (blas !== undefined) {
      return blas.forward(logits, inputsPtr(worker, rowBegin + row), count, classesOf(worker, block));
    }
    kernels.blockForward(
      logits,
      task.inputsPtrs + row * FLOAT32_BYTES,
      rowBegin * features * FLOAT32_BYTES,
      task.weights,
      task.bias,
      count,
      features,
      task.classes,
      block * columns,
      scratch,
    );
  });
}

/** Losses, and the logits' gradient in their place. */
function rowLosses(worker: Worker, { rowBegin, rows }: Chunk): void {
  const { kernels, blas, task, scratch } = worker;
  const { chunkRows, classes, tileRows } = task;
  const differentiates = task.gradInputs !== 0 || task.gradWeights !== 0 || task.gradBias !== 0;
  claim(worker, Math.ceil(rows / LOSS_SHARD_ROWS), (shard) => {
    const end = Math.min(rows, (shard + 1) * LOSS_SHARD_ROWS);
    for (let row = shard * LOSS_SHARD_ROWS; row < end; row += tileRows) {
      const count = Math.min(tileRows, end - row);
      const logits = blockPtr(worker, 0, row);
      // A BLAS leaves whole rows: tileRows is 1 then.
      const tile = blas === undefined ? scratch : logits;
      if (blas === undefined) kernels.gatherClasses(tile, logits, count, chunkRows, classes);
      const sums = task.sums + shard * SUMS_BYTES;
      const status = tileLosses(worker, tile, differentiates ? tile : 0, sums, rowBegin + row, count);
      if (status !== STATUS_OK) throw invalidTargetError(rowBegin + row + status);
      if (blas === undefined && differentiates)
        kernels.scatterClasses(logits, tile, count, chunkRows, classes);
    }
  });
}

/** Losses of rows [row, row + count) from their logits without gaps, which may become their gradient. Status. */
function tileLosses(
  worker: Worker,
  logits: Ptr,
  gradLogits: Ptr,
  sums: Ptr,
  row: number,
  count: number,
): number {
  const { kernels, blas, task, scratch } = worker;
  const { classes, call, tileRows, softTargets, mask, ignore } = task;
  if (call !== 0) {
    // Behind the tile, if there is one.
    const tileBytes = blas === undefined ? Math.ceil((tileRows * classes * FLOAT32_BYTES) / 16) * 16 : 0;
    const rowScratch = scratch + tileBytes;
    const soft = softTargets === 0 ? 0 : softTargets + row * classes * FLOAT32_BYTES;
    const kept = mask === 0 ? 0 : mask + row * classes;
    return kernels.lossRows(call, sums, gradLogits, logits, soft, kept, row, count, classes, rowScratch);
  }
  const all = { begin: row, end: row + count };
  if (ignore === undefined) return plainLosses(worker, logits, gradLogits, sums, row, all);
  const targets = new Int32Array(task.buffer, task.targets, all.end);
  // An ignored row's loss is 0 from the start.
  const runs = keptRuns(targets, classes, ignore, all, (ignored) => {
    if (gradLogits !== 0) kernels.clear(gradLogits + (ignored - row) * classes * FLOAT32_BYTES, classes);
  });
  for (const run of runs) {
    const status = plainLosses(worker, logits, gradLogits, sums, row, run);
    if (status !== STATUS_OK) return run.begin - row + status;
  }
  return STATUS_OK;
}

/** A run of the rows whose logits lie from row `first` on. Status. */
function plainLosses(
  { kernels, task }: Worker,
  tileLogits: Ptr,
  gradLogits: Ptr,
  sums: Ptr,
  first: number,
  { begin, end }: Run,
): number {
  const { classes } = task;
  const losses = task.losses === 0 ? 0 : task.losses + begin * FLOAT32_BYTES;
  const targets = task.targets + begin * FLOAT32_BYTES;
  const at = (begin - first) * classes * FLOAT32_BYTES;
  const logits = tileLogits + at;
  const rows = end - begin;
  return gradLogits === 0
    ? kernels.crossEntropyRows(losses, sums, logits, targets, rows, classes)
    : kernels.crossEntropyGradientRows(
        gradLogits + at,
        losses,
        sums,
        logits,
        targets,
        rows,
        classes,
        classes,
        task.scale,
      );
}

/**
 * The gradients: first the tiles of gradInputs, which are long, then those of gradWeights, by blocks of classes. Each
 * element is added up by one worker, in the order of the rows or classes.
 */
function backward(worker: Worker, chunk: Chunk): void {
  const { task, blocks } = worker;
  const { features, gradInputs, gradWeights, gradBias, inputsRows, inputsFeatures, weightsFeatures } = task;
  const featureTiles = Math.ceil(features / inputsFeatures);
  const inputsTiles = gradInputs === 0 ? 0 : Math.ceil(chunk.rows / inputsRows) * featureTiles;
  const parts = gradWeights === 0 ? 1 : Math.ceil(features / weightsFeatures);
  const weightsTiles = gradWeights === 0 && gradBias === 0 ? 0 : blocks * parts;
  claim(worker, inputsTiles + weightsTiles, (tile) => {
    if (tile < inputsTiles) {
      const row = Math.floor(tile / featureTiles) * inputsRows;
      addGradInputs(worker, chunk, row, (tile % featureTiles) * inputsFeatures);
    } else {
      const index = tile - inputsTiles;
      addGradWeights(worker, chunk, Math.floor(index / parts), (index % parts) * weightsFeatures);
    }
  });
}

function addGradInputs(worker: Worker, chunk: Chunk, row: number, featureBegin: number): void {
  const { kernels, blas, words, task, blocks, columns, scratch } = worker;
  const { features } = task;
  const gradInputs = task.gradInputs + (chunk.rowBegin + row) * features * FLOAT32_BYTES;
  const rows = Math.min(task.inputsRows, chunk.rows - row);
  const featureEnd = Math.min(features, featureBegin + task.inputsFeatures);
  for (let block = 0; block < blocks; block++) {
    // A tile of all classes may take a tenth of a second.
    if (Atomics.load(words, ControlWord.stop) >= Stop.cancel) return;
    const fresh = block === 0 && !task.accumulate;
    if (blas !== undefined) {
      const tile = { begin: featureBegin, end: featureEnd };
      const gradLogits = blockPtr(worker, block, row);
      blas.addGradInputs(gradInputs, gradLogits, rows, classesOf(worker, block), tile, !fresh);
      continue;
    }
    kernels.blockBackwardInputs(
      gradInputs,
      task.logitsPtrs + row * FLOAT32_BYTES,
      block * task.chunkRows * columns * FLOAT32_BYTES,
      task.weights,
      rows,
      features,
      task.classes,
      block * columns,
      featureBegin,
      featureEnd,
      fresh ? 1 : 0,
      scratch,
    );
  }
}

/** The tile of the first features adds the bias of its classes too. */
function addGradWeights(worker: Worker, chunk: Chunk, block: number, featureBegin: number): void {
  const { kernels, blas, task, columns, scratch } = worker;
  const { features, classes } = task;
  const classBegin = block * columns;
  const gradLogits = blockPtr(worker, block, 0);
  const featureEnd = Math.min(features, featureBegin + task.weightsFeatures);
  const fresh = chunk.rowBegin === 0 && !task.accumulate;
  if (task.gradWeights !== 0 && blas !== undefined) {
    const tile = { begin: featureBegin, end: featureEnd };
    const inputs = inputsPtr(worker, chunk.rowBegin);
    blas.addGradWeights(inputs, gradLogits, chunk.rows, classesOf(worker, block), tile, !fresh);
  } else if (task.gradWeights !== 0) {
    kernels.blockBackward(
      task.gradWeights,
      task.inputsPtrs,
      chunk.rowBegin * features * FLOAT32_BYTES,
      gradLogits,
      chunk.rows,
      classes,
      classBegin,
      featureBegin,
      featureEnd,
      fresh ? 1 : 0,
      scratch,
    );
  }
  if (task.gradBias !== 0 && featureBegin === 0) {
    const gradBias = task.gradBias + classBegin * FLOAT32_BYTES;
    const count = Math.min(columns, classes - classBegin);
    kernels.addColumnSums(gradBias, gradLogits, chunk.rows, blas?.stride ?? columns, 0, count);
  }
}

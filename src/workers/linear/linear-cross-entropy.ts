// Cross-entropy over a linear layer without the logits of the batch: the workers stay for all chunks of rows, and meet
// between the phases of each.

import type { Sgemm } from '../../kernels/blas/library.js';
import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES } from '../../kernels/layout.js';
import { NULL_PTR, offsetBy, type Ptr } from '../../kernels/ptr.js';
import { Barrier } from '../gang/barrier.js';
import { isCancelled } from '../gang/claim.js';
import { continueStep, endStep, failed, leave } from '../gang/decisions.js';
import {
  ControlWord,
  type LinearLossTask,
  LOSS_SHARD_ROWS,
  ownScratch,
  SPANS,
  type Stop,
  type Tracer,
  type WorkerResult,
} from '../protocol.js';
import { BlasLayer, type Range } from './blas-products.js';
import { blockPtr, type Chunk, claim, differentiates, type LinearWorker } from './linear-chunk.js';
import { rowLosses } from './linear-row-losses.js';
import { widenHalves } from './widen-half-inputs.js';

/** A part of a chunk's work, after which the members wait for each other. */
interface Phase {
  readonly span: number;
  readonly work: (worker: LinearWorker, chunk: Chunk) => void;
}

export function linearCrossEntropy(
  kernels: Kernels,
  sgemm: Sgemm,
  control: Int32Array,
  task: LinearLossTask,
  tracer: Tracer | undefined,
): WorkerResult {
  const { classes, rows, chunkRows, halfInputs, halfBias } = task;
  const scratch = ownScratch(task);
  const worker: LinearWorker = {
    kernels,
    blas: task.blas ? new BlasLayer(sgemm, kernels, task, scratch) : undefined,
    control,
    task,
    blocks: Math.ceil(classes / task.columns),
    columns: task.columns,
    scratch,
  };
  const barrier = new Barrier(control, task.members, task.spins);
  const phases: Phase[] = [
    { span: SPANS.forward, work: forward },
    { span: SPANS.losses, work: rowLosses },
  ];
  if (halfInputs !== undefined || halfBias !== undefined)
    phases.unshift({ span: SPANS.widen, work: widenHalves });
  if (differentiates(task)) phases.push({ span: SPANS.backward, work: backward });
  let spanBegin = tracer?.now() ?? 0;
  for (let index = task.chunkBegin; index * chunkRows < rows; index++) {
    const rowBegin = index * chunkRows;
    const inputsBegin = halfInputs === undefined ? rowBegin : 0;
    const chunk = { rowBegin, rows: Math.min(chunkRows, rows - rowBegin), inputsBegin };
    for (const phase of phases) {
      phase.work(worker, chunk);
      if (tracer !== undefined) spanBegin = tracer.span(phase.span, spanBegin, chunk.rows);
      const completion =
        phase === phases.at(-1) ? () => finishChunk(worker, index) : () => continueStep(control);
      const isHere = barrier.wait(completion);
      if (tracer !== undefined) spanBegin = tracer.span(SPANS.barrier, spanBegin, chunk.rows);
      if (!isHere) return failed(index);
      const left = leave(control, index + 1);
      if (left !== undefined) return left;
    }
  }
  return { state: 'done' };
}

/** Adds the chunk's losses, shard by shard in the order of the rows whatever the chunks are, and decides for all. */
function finishChunk({ control, task }: LinearWorker, index: number): void {
  const shards = task.chunkRows / LOSS_SHARD_ROWS;
  const sums = new Float64Array(task.buffer, task.sums, 2 * shards);
  const totals = new Float64Array(task.buffer, task.totals, 2);
  for (let i = 0; i < sums.length; i += 2) {
    totals[0]! += sums[i]!;
    totals[1]! += sums[i + 1]!;
  }
  sums.fill(0);
  endStep(control, index, Atomics.load(control, ControlWord.stop) as Stop);
}

function classesOf({ task, columns }: LinearWorker, block: number): Range {
  return { begin: block * columns, end: Math.min(task.classes, (block + 1) * columns) };
}

const inputsPtr = ({ task }: LinearWorker, row: number): Ptr =>
  offsetBy(task.inputs, row * task.features * FLOAT32_BYTES);

/** Logits of the chunk, by tiles of forwardRows × a block of classes. */
function forward(worker: LinearWorker, { rows, inputsBegin }: Chunk): void {
  const { kernels, blas, task, blocks, columns, scratch } = worker;
  const { features, forwardRows } = task;
  claim(worker, Math.ceil(rows / forwardRows) * blocks, (tile) => {
    const block = tile % blocks;
    const row = Math.floor(tile / blocks) * forwardRows;
    const logits = blockPtr(worker, block, row);
    const count = Math.min(forwardRows, rows - row);
    if (blas !== undefined) {
      return blas.forward(logits, inputsPtr(worker, inputsBegin + row), count, classesOf(worker, block));
    }
    kernels.blockForward(
      logits,
      offsetBy(task.inputsPtrs, row * FLOAT32_BYTES),
      inputsBegin * features * FLOAT32_BYTES,
      task.weights,
      task.weightsType,
      task.bias,
      count,
      features,
      task.classes,
      block * columns,
      scratch,
    );
  });
}

/**
 * The gradients: first the tiles of gradInputs, which are long, then those of gradWeights, by blocks of classes. Each
 * element is added up by one worker, in the order of the rows or classes.
 */
function backward(worker: LinearWorker, chunk: Chunk): void {
  const { task, blocks } = worker;
  const { features, gradInputs, gradWeights, gradBias, inputsRows, inputsFeatures, weightsFeatures } = task;
  const featureTiles = Math.ceil(features / inputsFeatures);
  const inputsTiles = gradInputs === NULL_PTR ? 0 : Math.ceil(chunk.rows / inputsRows) * featureTiles;
  const parts = gradWeights === NULL_PTR ? 1 : Math.ceil(features / weightsFeatures);
  const weightsTiles = gradWeights === NULL_PTR && gradBias === NULL_PTR ? 0 : blocks * parts;
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

function addGradInputs(worker: LinearWorker, chunk: Chunk, row: number, featureBegin: number): void {
  const { kernels, blas, control, task, blocks, columns, scratch } = worker;
  const { features } = task;
  const gradInputs = offsetBy(task.gradInputs, (chunk.rowBegin + row) * features * FLOAT32_BYTES);
  const rows = Math.min(task.inputsRows, chunk.rows - row);
  const featureEnd = Math.min(features, featureBegin + task.inputsFeatures);
  for (let block = 0; block < blocks; block++) {
    // A tile of all classes may take a tenth of a second.
    if (isCancelled(control)) return;
    const fresh = block === 0 && !task.accumulate;
    if (blas !== undefined) {
      const tile = { begin: featureBegin, end: featureEnd };
      const gradLogits = blockPtr(worker, block, row);
      blas.addGradInputs(gradInputs, gradLogits, rows, classesOf(worker, block), tile, !fresh);
      continue;
    }
    kernels.blockBackwardInputs(
      gradInputs,
      offsetBy(task.logitsPtrs, row * FLOAT32_BYTES),
      block * task.chunkRows * columns * FLOAT32_BYTES,
      task.weights,
      task.weightsType,
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
function addGradWeights(worker: LinearWorker, chunk: Chunk, block: number, featureBegin: number): void {
  const { kernels, blas, task, columns, scratch } = worker;
  const { features, classes } = task;
  const classBegin = block * columns;
  const gradLogits = blockPtr(worker, block, 0);
  const featureEnd = Math.min(features, featureBegin + task.weightsFeatures);
  const fresh = chunk.rowBegin === 0 && !task.accumulate;
  if (task.gradWeights !== NULL_PTR && blas !== undefined) {
    const tile = { begin: featureBegin, end: featureEnd };
    const inputs = task.hidden?.shown ?? inputsPtr(worker, chunk.inputsBegin);
    blas.addGradWeights(inputs, gradLogits, chunk.rows, classesOf(worker, block), tile, !fresh);
  } else if (task.gradWeights !== NULL_PTR) {
    kernels.blockBackward(
      task.gradWeights,
      task.hidden?.shown ?? task.inputsPtrs,
      chunk.inputsBegin * features * FLOAT32_BYTES,
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
  if (task.gradBias !== NULL_PTR && featureBegin === 0) {
    const gradBias = offsetBy(task.gradBias, classBegin * FLOAT32_BYTES);
    const count = Math.min(columns, classes - classBegin);
    kernels.addColumnSums(gradBias, gradLogits, chunk.rows, blas?.stride ?? columns, 0, count);
  }
}

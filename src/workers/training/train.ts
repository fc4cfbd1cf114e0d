// Training that stays with the workers for many steps, in the three phases of each: gradient → reduce → update.
import type { Sgemm } from '../../kernels/blas/library.js';
import type { Kernels } from '../../kernels/kernels.js';
import { Barrier } from '../gang/barrier.js';
import { claimShardsUntil, isCancelled } from '../gang/claim.js';
import { continueStep, failed, leave } from '../gang/decisions.js';
import { learningRateAt, type TrainTask, type WorkerResult } from '../protocol.js';
import { dataParallelGradient } from './data-parallel.js';
import type { UpdateStep } from './optimizers/optimizer.js';
import { parameterShardedGradient } from './parameter-sharded.js';
import { createLoss, createOptimizer } from './registry.js';
import { type Chunk, StepLosses, stepOf } from './train-step.js';

type IsOver = (control: Int32Array) => boolean;

/** Of updates: once one parameter is updated, all must be. */
const never: IsOver = () => false;

export function train(kernels: Kernels, sgemm: Sgemm, control: Int32Array, task: TrainTask): WorkerResult {
  const barrier = new Barrier(control, task.members, task.spins);
  const losses = new StepLosses(task);
  const loss = createLoss(kernels, task);
  const { sharding } = task;
  const gradient =
    sharding.by === 'data-parallel'
      ? dataParallelGradient(kernels, control, task, sharding, loss)
      : parameterShardedGradient(kernels, sgemm, control, task, sharding, loss);
  const optimizer = createOptimizer(kernels, task);
  const { parts, chunkRows, meanwhile } = gradient;
  let step = task.stepBegin;
  let chunk: Chunk;
  let updateStep: UpdateStep | undefined;

  // Made once: a step may take no more than some microseconds.
  const differentiate = (shard: number) => gradient.differentiate(chunk.firstShard + shard, chunk);
  const reduce = (part: number) => gradient.reduce(part, chunk);
  const update = (part: number) => {
    if (updateStep === undefined) return;
    for (const range of gradient.rangesOf(part)) optimizer?.update(range, updateStep);
  };
  const reduceAndUpdate = (part: number) => {
    reduce(part);
    update(part);
  };
  const goOn = () => continueStep(control);
  const prepareUpdates = () => {
    goOn();
    if (leave(control, step) === undefined) optimizer?.beforeUpdates?.();
  };
  const finish = () => losses.finish(control, loss, step, chunk.shape);
  /** The members claim the phase's pieces, then wait for each other. Gives why they leave, if they do. */
  const phase = (isOver: IsOver, pieces: number, work: (piece: number) => void, completion: () => void) => {
    claimShardsUntil(isOver, control, pieces, work);
    if (!barrier.wait(completion, meanwhile)) return failed(step);
    return leave(control, completion === finish ? step + 1 : step);
  };

  for (; step < task.stepEnd; step++) {
    const { rowBegin, shape } = stepOf(task, step);
    loss.beginStep(step, shape.rows);
    gradient.beginStep(step);
    updateStep = updateStepOf(task, step);
    for (let begin = 0; begin < shape.rows; begin += chunkRows) {
      const end = Math.min(shape.rows, begin + chunkRows);
      chunk = { rowBegin, shape, begin, end, firstShard: begin / shape.shardRows };
      let left = phase(isCancelled, Math.ceil((end - begin) / shape.shardRows), differentiate, goOn);
      if (left !== undefined) return left;
      if (end < shape.rows) left = phase(isCancelled, parts, reduce, goOn);
      else if (optimizer?.beforeUpdates === undefined) left = phase(never, parts, reduceAndUpdate, finish);
      else left = phase(isCancelled, parts, reduce, prepareUpdates) ?? phase(never, parts, update, finish);
      if (left !== undefined) return left;
    }
  }
  return { state: 'done' };
}

function updateStepOf({ update, stepsBefore }: TrainTask, step: number): UpdateStep | undefined {
  if (update === undefined) return undefined;
  const taken = stepsBefore + step;
  return { learningRate: learningRateAt(update, taken, update.allSteps), number: taken + 1 };
}

// Training that stays with the workers for many steps, in the three phases of each: gradient → reduce → update.
import type { Sgemm } from '../../kernels/blas/library.js';
import type { Kernels } from '../../kernels/kernels.js';
import { Barrier } from '../gang/barrier.js';
import { claimShardsUntil, isCancelled } from '../gang/claim.js';
import { continueStep, failed, leave } from '../gang/decisions.js';
import type { TrainTask, WorkerResult } from '../protocol.js';
import { DataParallelGradient } from './data-parallel.js';
import { learningRateAt } from './learning-rate.js';
import type { LossKernel } from './losses/loss-kernel.js';
import type { Optimizer } from './optimizers/optimizer.js';
import { ParameterShardedGradient } from './parameter-sharded.js';
import { createLoss, createOptimizer } from './registry.js';
import type { StepGradient } from './step-gradient.js';
import { StepLosses, stepOf } from './train-step.js';

type IsOver = (words: Int32Array) => boolean;

/** Of updates: once one parameter is updated, all must be. */
const never: IsOver = () => false;

export function train(kernels: Kernels, sgemm: Sgemm, words: Int32Array, task: TrainTask): WorkerResult {
  const barrier = new Barrier(words, task.members, task.spins);
  const losses = new StepLosses(task);
  const loss = createLoss(kernels, task);
  const gradient = createGradient(kernels, sgemm, words, task, loss);
  const { parts, chunkRows } = gradient;
  const optimizer = createOptimizer(kernels, task);

  for (let step = task.stepBegin; step < task.stepEnd; step++) {
    const { rowBegin, shape } = stepOf(task, step);
    loss.beginStep(step, shape.rows);
    gradient.beginStep(step);
    const goOn = () => continueStep(words);
    const finish = () => losses.finish(words, loss, step, shape);
    /** The members claim the phase's pieces and then wait for each other. Gives why they leave, if they do. */
    const phase = (isOver: IsOver, pieces: number, work: (piece: number) => void, completion: () => void) => {
      claimShardsUntil(isOver, words, pieces, work);
      if (!barrier.wait(completion, gradient.meanwhile)) return failed(step);
      return leave(words, completion === finish ? step + 1 : step);
    };
    const update = updatePhase(task, gradient, optimizer, step);

    for (let begin = 0; begin < shape.rows; begin += chunkRows) {
      const chunk = { rowBegin, shape, begin, end: Math.min(shape.rows, begin + chunkRows) };
      const firstShard = begin / shape.shardRows;
      const shards = Math.ceil((chunk.end - begin) / shape.shardRows);
      const differentiate = (shard: number) => gradient.differentiate(firstShard + shard, chunk);
      const reduce = (part: number) => gradient.reduce(part, chunk);
      let left = phase(isCancelled, shards, differentiate, goOn);
      if (left !== undefined) return left;
      if (chunk.end < shape.rows) {
        left = phase(isCancelled, parts, reduce, goOn);
      } else if (optimizer?.beforeUpdates === undefined) {
        // Each part is updated right after it is reduced, while it is in cache.
        const reduceAndUpdate = (part: number) => {
          reduce(part);
          update(part);
        };
        left = phase(never, parts, reduceAndUpdate, finish);
      } else {
        const goOnReduced = () => {
          goOn();
          if (leave(words, step) === undefined) optimizer.beforeUpdates?.();
        };
        left = phase(isCancelled, parts, reduce, goOnReduced) ?? phase(never, parts, update, finish);
      }
      if (left !== undefined) return left;
    }
  }
  return { state: 'done' };
}

function createGradient(
  kernels: Kernels,
  sgemm: Sgemm,
  words: Int32Array,
  task: TrainTask,
  loss: LossKernel,
): StepGradient {
  const { sharding } = task;
  return sharding.by === 'data-parallel'
    ? new DataParallelGradient(kernels, words, task, sharding, loss)
    : new ParameterShardedGradient(kernels, sgemm, words, task, sharding, loss);
}

/** Updates the parameters of one part of the gradient. */
function updatePhase(
  { update, stepsBefore }: TrainTask,
  gradient: StepGradient,
  optimizer: Optimizer | undefined,
  step: number,
): (part: number) => void {
  if (update === undefined || optimizer === undefined) return () => {};
  const taken = stepsBefore + step;
  const updateStep = { learningRate: learningRateAt(update, taken, update.allSteps), number: taken + 1 };
  return (part) => {
    for (const range of gradient.rangesOf(part)) optimizer.update(range, updateStep);
  };
}

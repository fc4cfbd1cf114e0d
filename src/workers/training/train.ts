// Training that stays with the workers for many steps, in the three phases of each: gradient → reduce → update.
import type { Sgemm } from '../../kernels/blas/library.js';
import type { Kernels } from '../../kernels/kernels.js';
import { Barrier } from '../gang/barrier.js';
import { claimShardsUntil, isCancelled } from '../gang/claim.js';
import { continueStep, failed, leave } from '../gang/decisions.js';
import type { TrainTask, WorkerResult } from '../protocol.js';
import { dataParallelGradient } from './data-parallel.js';
import { parameterShardedGradient } from './parameter-sharded.js';
import { type Chunk, finishStep, Head, type StepGradient, stepOf } from './train-step.js';

type IsOver = (control: Int32Array) => boolean;

/** Of updates: once one parameter is updated, all must be. */
const never: IsOver = () => false;

export function train(kernels: Kernels, sgemm: Sgemm, control: Int32Array, task: TrainTask): WorkerResult {
  const barrier = new Barrier(control, task.members, task.spins);
  const heads = task.heads.map((head) => new Head(kernels, { ...task, ...head }));
  const gradients = gradientsOf(kernels, sgemm, control, task, heads);
  const beforeUpdates = heads.flatMap((head) => head.beforeUpdates ?? []);
  /** One set of gradients that nobody has to see whole is used as soon as it is reduced, while it is in cache. */
  const updatesAtOnce = gradients.length === 1 && beforeUpdates.length === 0;
  const allParts = gradients.reduce((sum, { parts }) => sum + parts, 0);
  let step = task.stepBegin;
  let gradient: StepGradient;
  let chunk: Chunk;

  // Made once: a step may take no more than some microseconds.
  const differentiate = (piece: number) => gradient.differentiate(piece, chunk);
  const reduce = (part: number) => gradient.reduce(part, chunk);
  const reduceAndUpdate = (part: number) => {
    gradient.reduce(part, chunk);
    gradient.update(part);
  };
  const updateAny = (part: number) => {
    let own = part;
    for (const { parts, update } of gradients) {
      if (own < parts) return update(own);
      own -= parts;
    }
  };
  const goOn = () => continueStep(control);
  const prepareUpdates = () => {
    goOn();
    if (leave(control, step) === undefined) for (const prepare of beforeUpdates) prepare();
  };
  const finish = () => finishStep(control, heads, step, chunk.shape);
  /** The members claim the phase's pieces, then wait for each other. Gives why they leave, if they do. */
  const phase = (isOver: IsOver, pieces: number, work: (piece: number) => void, completion: () => void) => {
    claimShardsUntil(isOver, control, pieces, work);
    if (!barrier.wait(completion, gradient.meanwhile)) return failed(step);
    return leave(control, completion === finish ? step + 1 : step);
  };

  for (; step < task.stepEnd; step++) {
    const { rowBegin, shape } = stepOf(task, step);
    for (const head of heads) head.beginStep(step, shape.rows);
    for (const each of gradients) each.beginStep(step);
    const { chunkRows } = gradients[0]!;
    let left: WorkerResult | undefined;
    for (let begin = 0; begin < shape.rows; begin += chunkRows) {
      const end = Math.min(shape.rows, begin + chunkRows);
      const isLast = end === shape.rows;
      chunk = { rowBegin, shape, begin, end, firstShard: begin / shape.shardRows };
      const shards = Math.ceil((end - begin) / shape.shardRows);
      for (gradient of gradients) {
        left = phase(isCancelled, gradient.piecesOf(shards), differentiate, goOn);
        if (left !== undefined) return left;
        if (isLast && updatesAtOnce) left = phase(never, gradient.parts, reduceAndUpdate, finish);
        else left = phase(isCancelled, gradient.parts, reduce, goOn);
        if (left !== undefined) return left;
      }
    }
    if (updatesAtOnce) continue;
    left = phase(isCancelled, 0, updateAny, prepareUpdates) ?? phase(never, allParts, updateAny, finish);
    if (left !== undefined) return left;
  }
  return { state: 'done' };
}

/** Few parameters: all heads together. Many: one after the other, as they share the memory of a chunk's logits. */
function gradientsOf(
  kernels: Kernels,
  sgemm: Sgemm,
  control: Int32Array,
  task: TrainTask,
  heads: readonly Head[],
): readonly StepGradient[] {
  const { sharding } = task;
  return sharding.by === 'data-parallel'
    ? [dataParallelGradient(kernels, control, task, sharding, heads)]
    : heads.map((head) => parameterShardedGradient(kernels, sgemm, control, sharding, head));
}

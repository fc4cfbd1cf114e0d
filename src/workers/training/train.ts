// Training that stays with the workers for many steps, in the three phases of each: gradient → reduce → update.
import type { Sgemm } from '../../kernels/blas/library.js';
import type { Kernels } from '../../kernels/kernels.js';
import { Barrier } from '../gang/barrier.js';
import { claimShardsUntil, isCancelled, isStopped } from '../gang/claim.js';
import { claimedPieces, continueOrPause, continueStep, failed, leave } from '../gang/decisions.js';
import {
  SPANS,
  type StepPosition,
  Stop,
  type Tracer,
  type TrainTask,
  type WorkerResult,
} from '../protocol.js';
import { dataParallelGradient } from './data-parallel.js';
import { parameterShardedGradient } from './parameter-sharded.js';
import { type Chunk, finishStep, Head, type StepGradient, stepOf } from './train-step.js';

type IsOver = (control: Int32Array) => boolean;

/** Of updates: once one parameter is updated, all must be. */
const never: IsOver = () => false;

/** Those who wait need not wait for the end of a long step, but each turn of this job is worth its start, some 200 µs. */
const LEAST_TURN_MS = 2;

/**
 * Steps of so many products of inputs and weights, some 0.3 ms on one thread, have spans of their own for each tile that is
 * gathered and each part that is updated. In smaller ones, noting them would take more than a hundredth of the time.
 */
const DETAILED_PRODUCTS = 2 ** 22;

export function train(
  kernels: Kernels,
  sgemm: Sgemm,
  control: Int32Array,
  task: TrainTask,
  tracer: Tracer | undefined,
): WorkerResult {
  const turnEnd = performance.now() + LEAST_TURN_MS;
  const isPaused: IsOver = (words) =>
    isStopped(words) && (isCancelled(words) || performance.now() >= turnEnd);
  const barrier = new Barrier(control, task.members, task.spins);
  const heads = task.heads.map((head) => new Head(kernels, { ...task, ...head }));
  const products = task.fullStep.rows * task.features * task.classes * heads.length;
  const detailed = products < DETAILED_PRODUCTS ? undefined : tracer;
  const gradients = gradientsOf(kernels, sgemm, control, task, heads, detailed);
  const beforeUpdates = heads.flatMap((head) => head.beforeUpdates ?? []);
  /** One set of gradients that nobody has to see whole is used as soon as it is reduced, while it is in cache. */
  const updatesAtOnce = gradients.length === 1 && beforeUpdates.length === 0;
  const allParts = gradients.reduce((sum, { parts }) => sum + parts, 0);
  let step = task.stepBegin;
  let gradient: StepGradient;
  let chunk: Chunk;

  /** Of a phase that was left on the way: pieces that are done. */
  let donePieces = 0;
  let piecesLeft = 0;

  // Made once: a step may take no more than some microseconds.
  const differentiate = (piece: number) => gradient.differentiate(donePieces + piece, chunk);
  const reduce = (part: number) => gradient.reduce(donePieces + part, chunk);
  const reduceAndUpdate = (part: number) => {
    gradient.reduce(part, chunk);
    const begin = detailed?.now();
    gradient.update(part);
    if (begin !== undefined) detailed?.span(SPANS.update, begin, part);
  };
  const updateAny = (part: number) => {
    let own = part;
    for (const { parts, update } of gradients) {
      if (own < parts) return update(own);
      own -= parts;
    }
  };
  const goOn = () => continueStep(control);
  const goOnOrPause = () => continueOrPause(control, piecesLeft);
  const prepareUpdates = () => {
    goOn();
    if (leave(control, step) === undefined) for (const prepare of beforeUpdates) prepare();
  };
  const finish = () => finishStep(control, heads, step, chunk.shape);
  /** Ends a span, if there is a tracer, where the next one begins. */
  let spanBegin = tracer?.now() ?? 0;
  const endSpan = (span: number) => {
    if (tracer !== undefined) spanBegin = tracer.span(span, spanBegin, step);
  };
  /** The members claim the phase's pieces, then wait for each other. Gives why they leave, if they do. */
  const phase = (
    span: number,
    isOver: IsOver,
    pieces: number,
    work: (piece: number) => void,
    completion: () => void,
  ) => {
    claimShardsUntil(isOver, control, pieces, work);
    if (pieces > 0) endSpan(span);
    const isHere = barrier.wait(completion, gradient.meanwhile);
    endSpan(SPANS.barrier);
    if (!isHere) return failed(step);
    return leave(control, completion === finish ? step + 1 : step);
  };

  /** A phase of the gradient, which may be left on the way; `done` of its pieces are. */
  const pausable = (span: number, pieces: number, done: number, work: (piece: number) => void) => {
    donePieces = done;
    piecesLeft = pieces - done;
    return gradient.canPause
      ? phase(span, isPaused, piecesLeft, work, goOnOrPause)
      : phase(span, isCancelled, piecesLeft, work, goOn);
  };
  /** The same, where it was left on the way. */
  const within = (
    left: WorkerResult,
    phase: StepPosition['phase'],
    chunkBegin: number,
    index: number,
  ): WorkerResult =>
    left.state === 'stopped' && left.stop === Stop.yield
      ? {
          ...left,
          within: { chunkBegin, gradient: index, phase, pieces: donePieces + claimedPieces(control) },
        }
      : left;

  let resumed = task.within;
  for (; step < task.stepEnd; step++) {
    const { rowBegin, shape } = stepOf(task, step);
    for (const head of heads) head.beginStep(step, shape.rows);
    for (const each of gradients) each.beginStep(step);
    const { chunkRows } = gradients[0]!;
    let left: WorkerResult | undefined;
    for (let begin = resumed?.chunkBegin ?? 0; begin < shape.rows; begin += chunkRows) {
      const end = Math.min(shape.rows, begin + chunkRows);
      const isLast = end === shape.rows;
      chunk = { rowBegin, shape, begin, end, firstShard: begin / shape.shardRows };
      const shards = Math.ceil((end - begin) / shape.shardRows);
      for (let index = resumed?.gradient ?? 0; index < gradients.length; index++) {
        gradient = gradients[index]!;
        const { phase: at, pieces: done = 0 } = resumed ?? {};
        resumed = undefined;
        if (at !== 'reduce') {
          left = pausable(SPANS.gradient, gradient.piecesOf(shards), done, differentiate);
          if (left !== undefined) return within(left, 'differentiate', begin, index);
        }
        if (isLast && updatesAtOnce) {
          left = phase(SPANS.reduce, never, gradient.parts, reduceAndUpdate, finish);
          if (left !== undefined) return left;
          continue;
        }
        left = pausable(SPANS.reduce, gradient.parts, at === 'reduce' ? done : 0, reduce);
        if (left !== undefined) return within(left, 'reduce', begin, index);
      }
    }
    if (updatesAtOnce) continue;
    left =
      phase(SPANS.update, isCancelled, 0, updateAny, prepareUpdates) ??
      phase(SPANS.update, never, allParts, updateAny, finish);
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
  tracer: Tracer | undefined,
): readonly StepGradient[] {
  const { sharding } = task;
  return sharding.by === 'data-parallel'
    ? [dataParallelGradient(kernels, control, task, sharding, heads, tracer)]
    : heads.map((head) => parameterShardedGradient(kernels, sgemm, control, sharding, head, tracer));
}

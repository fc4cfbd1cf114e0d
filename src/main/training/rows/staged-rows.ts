// Training on rows that do not fit into the arena: main gathers the rows of the next steps, in their order, while workers train
// on the current ones.
import { SoftshardError } from '../../../errors.js';
import { ALIGNMENT_BYTES } from '../../../kernels/layout.js';
import { LOSS_CALL_BYTES } from '../../../kernels/loss-layout.js';
import { NULL_PTR, offsetBy, type Ptr } from '../../../kernels/ptr.js';
import { type GangJob, Stop, type TrainLoss, type TrainTask } from '../../../workers/protocol.js';
import { type ResidencyOptions, runResident, type Stopped } from '../../dispatch/residency.js';
import type { Arena } from '../../memory/arena.js';
import { trainLoss } from '../run-loss.js';
import { type Validate, validateInWindows } from '../validation.js';
import { orderElsewhere, type StepOrder } from './row-order.js';
import {
  bytesOfRows,
  gatherRows,
  neededOf,
  type Residency,
  type TrainingRows,
  type TrainingSetup,
} from './training-rows.js';

/**
 * How often workers poll a barrier before they sleep, some 10 µs: main needs a processor too. With one thread too many,
 * epochs of rows of 784 float32 took 10 to 15 % less time than with the pool's spins; of bytes, the same.
 */
const BARRIER_SPINS = 2000;

type Pieces = ReturnType<typeof piecesOf>;

/** What is allocated for this many steps, in bytes, by name. */
function piecesOf({ sources, loss, plan }: TrainingSetup, steps: number) {
  return {
    ...bytesOfRows(sources, steps * plan.fullStep.rows),
    stepWeights: loss ? steps * 8 : 0,
    call: loss ? LOSS_CALL_BYTES : 0,
  };
}

/** Memory for the rows of some steps. */
interface Stage {
  readonly ptrs: Record<keyof Pieces, Ptr>;
  readonly loss: TrainLoss;
}

/** Steps [stepBegin, stepEnd) of a residency. */
export interface Stretch {
  readonly stepBegin: number;
  readonly stepEnd: number;
}

export class StagedRows implements TrainingRows {
  readonly residentEpochs = 1;
  readonly orders: readonly [StepOrder, StepOrder];
  readonly #setup: TrainingSetup;
  readonly #staging: Staging;
  readonly #stages: readonly Stage[];

  /** Throws ERR_ARENA_FULL if one step does not fit, or so few that waiting for the memory of others pays off. */
  constructor(setup: TrainingSetup) {
    const { resources, scope, inputs, sources, loss, plan, reserve, isAlone } = setup;
    this.#setup = setup;
    for (const [, { held }] of neededOf(sources)) if (held !== undefined) scope.retain(held);
    const piecesOfSteps = (steps: number) => Object.values(piecesOf(setup, steps));
    const least = isAlone ? 0 : WORTHWHILE_STAGE_BYTES;
    const staging = planStaging(resources.arena, piecesOfSteps, plan.stepsAnEpoch, reserve, least);
    if (staging === undefined) {
      const { rows } = plan.fullStep;
      const { smallerForm } = inputs;
      const terms = { smallerForm, batchSize: 'options.batchSize' };
      throw noRoomForStep(resources.arena, piecesOfSteps(1), rows, reserve, terms);
    }
    this.#staging = staging;
    this.#stages = Array.from({ length: staging.stages }, () => {
      const ptrs = scope.allocateIfRoom(piecesOf(setup, staging.steps), []);
      if (ptrs === undefined) throw new Error('the memory that was there for staging is gone');
      return { ptrs, loss: trainLoss(resources, ptrs.call, loss, ptrs, plan) };
    });
    const shape = { ...setup.order, epochs: this.residentEpochs };
    this.orders = [orderElsewhere(shape), orderElsewhere(shape)];
  }

  async train(residency: Residency, options: ResidencyOptions): Promise<Stopped | undefined> {
    const stages = this.#stages;
    let failed = false;
    let training: Promise<Stopped | undefined> = Promise.resolve(undefined);
    try {
      for (const [turn, stretch] of this.#stretches(residency).entries()) {
        const stage = stages[turn % stages.length]!;
        // A single stage is in use until then.
        if (stages.length === 1 && (await training) !== undefined) break;
        await this.#fill(stage, stretch, residency, () => failed || options.signal?.aborted === true);
        const stopped = await training;
        if (stopped !== undefined) break;
        options.signal?.throwIfAborted();
        // Stretches are too short to be asked on the way.
        if (turn > 0 && options.isDue?.()) {
          return { state: 'stopped', stop: Stop.yield, nextStep: stretch.stepBegin };
        }
        const { ptrs, loss } = stage;
        const rows = { ...ptrs, indices: NULL_PTR, loss };
        training = trainStretch(this.#setup, rows, stretch, residency, options);
        // Awaited above; must not count as unhandled until then.
        training.catch(() => {
          failed = true;
        });
      }
      return await training;
    } finally {
      // Release memory only when no worker uses it.
      await Promise.allSettled([training]);
    }
  }

  validation(): Validate {
    const { resources, model, fitLoss, targets, inputs, validation } = this.#setup;
    return validateInWindows(resources, model, fitLoss, targets, inputs, validation);
  }

  /** No stretch spans two epochs. */
  #stretches({ first, steps }: Residency): Stretch[] {
    const stretches: Stretch[] = [];
    for (let stepBegin = first; stepBegin < steps; stepBegin += this.#staging.steps) {
      stretches.push({ stepBegin, stepEnd: Math.min(steps, stepBegin + this.#staging.steps) });
    }
    return stretches;
  }

  /** Gathers the rows of the stretch; stops once they are unwanted. */
  async #fill(
    { ptrs }: Stage,
    { stepBegin, stepEnd }: Stretch,
    { order }: Residency,
    isUnwanted: () => boolean,
  ): Promise<void> {
    const { resources, sources, plan, loss } = this.#setup;
    const rows = order.rows.subarray(stepBegin * plan.fullStep.rows, stepEnd * plan.fullStep.rows);
    await gatherRows(resources, neededOf(sources), ptrs, rows, isUnwanted);
    if (loss === undefined) return;
    const weights = order.weights.subarray(stepBegin, stepEnd);
    resources.arena.view('float64', ptrs.stepWeights, weights.length).set(weights);
  }
}

/** Where the rows of a stretch are. */
interface StretchRows extends Pick<TrainTask, 'inputs' | 'targets' | 'indices'> {
  readonly stepWeights: Ptr;
  readonly loss: TrainLoss;
}

/** For the workers, a stretch is an epoch. */
export async function trainStretch(
  { resources, plan, job, head, format }: TrainingSetup,
  { inputs, targets, indices, stepWeights, loss }: StretchRows,
  { stepBegin: first, stepEnd }: Stretch,
  { stepsBefore, learningRate }: Residency,
  { onSteps, ...options }: ResidencyOptions,
): Promise<Stopped | undefined> {
  const count = stepEnd - first;
  const stepLosses = offsetBy(head.stepLosses, first * Float64Array.BYTES_PER_ELEMENT);
  const update = head.update && { ...head.update, learningRate };
  const heads = [{ ...head, update, loss, stepWeights, stepLosses }];
  const jobFrom = (stepBegin: number): GangJob => ({
    ...job,
    ...format,
    inputs,
    targets,
    heads,
    indices,
    spins: Math.min(job.spins, BARRIER_SPINS),
    stepsAnEpoch: count,
    lastStep: stepEnd === plan.stepsAnEpoch ? plan.lastStep : plan.fullStep,
    stepBegin,
    stepEnd: count,
    stepsBefore: stepsBefore + first,
    buffer: resources.arena.memory.buffer,
  });
  const stopped = await runResident(resources.pool, count, jobFrom, {
    ...options,
    onSteps: (stepsDone) => onSteps(first + stepsDone),
  });
  return stopped && { ...stopped, nextStep: first + stopped.nextStep };
}

/**
 * Some 10 ms of work: it makes the start of the workers (some 150 µs) negligible and gives main time to fill the other
 * stage.
 */
const STAGE_BYTES = 32 * 1024 * 1024;
/** A smaller stage is still better than waiting for other training, which may take hours. */
export const WORTHWHILE_STAGE_BYTES = STAGE_BYTES / 8;

export interface Staging {
  /** Two: one is filled while workers train on the other. One if there is no room for two. */
  readonly stages: 1 | 2;
  readonly steps: number;
}

/**
 * As many steps as STAGE_BYTES hold; fewer, at least one, to leave others as much memory again. Undefined if not even one
 * step fits, or a stage is smaller than `leastBytes`. `piecesOf` gives the pieces of memory for a number of steps, in bytes.
 */
export function planStaging(
  arena: Pick<Arena, 'hasRoomFor'>,
  piecesOf: (steps: number) => readonly number[],
  stepsAnEpoch: number,
  reserve: readonly number[],
  leastBytes = 0,
): Staging | undefined {
  const staging = largestStaging(arena, piecesOf, stepsAnEpoch, reserve);
  return staging !== undefined && sum(piecesOf(staging.steps)) >= leastBytes ? staging : undefined;
}

function largestStaging(
  arena: Pick<Arena, 'hasRoomFor'>,
  piecesOf: (steps: number) => readonly number[],
  stepsAnEpoch: number,
  reserve: readonly number[],
): Staging | undefined {
  const times = (count: number, pieces: readonly number[]) =>
    Array<readonly number[]>(count).fill(pieces).flat();
  const fits = (stages: number, steps: number) =>
    arena.hasRoomFor([...times(stages, piecesOf(steps)), ...reserve]);
  const wanted = Math.floor(STAGE_BYTES / sum(piecesOf(1)));
  for (let steps = Math.min(wanted, stepsAnEpoch); steps >= 1; steps = Math.floor(steps / 2)) {
    if (fits(4, steps)) return { stages: 2, steps };
  }
  if (fits(2, 1)) return { stages: 2, steps: 1 };
  return fits(1, 1) ? { stages: 1, steps: 1 } : undefined;
}

/** `pieces` are those of one step; `batchSize` is what decides its rows, if anything does. */
export function noRoomForStep(
  arena: Arena,
  pieces: readonly number[],
  rows: number,
  reserve: readonly number[],
  { smallerForm, batchSize }: { readonly smallerForm: string; readonly batchSize?: string },
): SoftshardError {
  const bytes = sum(pieces);
  const aligned = (pieces.length + reserve.length) * ALIGNMENT_BYTES;
  const room = arena.largestFreeBytes - sum(reserve) - aligned;
  const fitting = Math.floor(room / (bytes / rows));
  const fewerRows =
    batchSize === undefined || fitting < 1 ? '' : `lower ${batchSize} to at most ${fitting}, `;
  const remedies = fewerRows + smallerForm;
  const message =
    `the arena has no room for the ${rows} rows of a step: they take ${bytes} bytes, the rest of training ${sum(reserve)}, used ${arena.usedBytes}, free ` +
    `${arena.freeBytes} (largest piece ${arena.largestFreeBytes}), limit ${arena.limitBytes}. ` +
    `What helps: ${remedies}free matrices that are done with${arena.growthRemedy}`;
  return new SoftshardError('ERR_ARENA_FULL', message, {
    ...(batchSize !== undefined && { argument: batchSize }),
    value: rows,
  });
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

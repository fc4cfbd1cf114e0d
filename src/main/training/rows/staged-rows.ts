// Training on rows that do not fit into the arena: main brings those of the next steps together, in their order, while the
// workers train on those before.
import { setImmediate } from 'node:timers/promises';
import { LOSS_CALL_BYTES } from '../../../kernels/loss-layout.js';
import type { Ptr } from '../../../kernels/ptr.js';
import type { GangJob, TrainLoss } from '../../../workers/protocol.js';
import { type ResidencyOptions, runResident, type Stopped } from '../../dispatch/residency.js';
import { isArrayOf } from '../../memory/arrays.js';
import { trainLoss } from '../run-loss.js';
import { type Validate, validateInWindows } from '../validation.js';
import { ARRAY_NAMES, bytesOfRows } from './run-arrays.js';
import { noRoomForStep, planStaging, type Staging, WORTHWHILE_STAGE_BYTES } from './staging-plan.js';
import { StepOrder, type StepOrderShape, stepOrderLengths } from './step-order.js';
import type { Residency, TrainingRows, TrainingSetup } from './training-rows.js';

/** Rows are brought together so many bytes at a time: in between main looks after signals, callbacks and other calls. */
const PORTION_BYTES = 4 * 1024 * 1024;

/**
 * How often workers look at a barrier before sleeping, some 10 µs: main needs a processor as well. Where it then was one
 * too many, epochs of 784 float32 a row took 10 to 15 % less time than with the pool's spins, of bytes as much.
 */
const BARRIER_SPINS = 2000;

type Pieces = ReturnType<typeof piecesOf>;

/** What is allocated for so many steps, in bytes. */
function piecesOf({ arrays, loss, plan }: TrainingSetup, steps: number) {
  return {
    ...bytesOfRows(arrays, steps * plan.fullStep.rows),
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
interface Stretch {
  readonly stepBegin: number;
  readonly stepEnd: number;
}

export class StagedRows implements TrainingRows {
  readonly residentEpochs = 1;
  readonly orders: readonly [StepOrder, StepOrder];
  readonly #setup: TrainingSetup;
  readonly #staging: Staging;
  readonly #stages: readonly Stage[];

  /** Throws ERR_ARENA_FULL where not even the rows of one step fit, or few beside others whose memory will be free again. */
  constructor(setup: TrainingSetup) {
    const { resources, scope, arrays, loss, plan, reserve, isAlone } = setup;
    this.#setup = setup;
    for (const name of ARRAY_NAMES) {
      const source = arrays[name]?.source;
      if (source !== undefined) scope.retain(source);
    }
    const piecesOfSteps = (steps: number) => Object.values(piecesOf(setup, steps));
    const least = isAlone ? 0 : WORTHWHILE_STAGE_BYTES;
    const staging = planStaging(resources.arena, piecesOfSteps, plan.stepsAnEpoch, reserve, least);
    if (staging === undefined) {
      const areFloats = isArrayOf('float32', setup.inputs.elements);
      throw noRoomForStep(resources.arena, piecesOfSteps(1), plan.fullStep.rows, reserve, areFloats);
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
      for (const [turn, stretch] of this.#stretches(residency.steps).entries()) {
        const stage = stages[turn % stages.length]!;
        // With one stage its rows are in use until then.
        if (stages.length === 1 && (await training) !== undefined) break;
        await this.#fill(stage, stretch, residency, () => failed || options.signal?.aborted === true);
        const stopped = await training;
        if (stopped !== undefined) break;
        options.signal?.throwIfAborted();
        training = this.#trainStretch(stage, stretch, residency, options);
        // Awaited above; a failure until then must not count as unhandled.
        training.catch(() => {
          failed = true;
        });
      }
      return await training;
    } finally {
      // Memory is given back only when nobody computes on it.
      await Promise.allSettled([training]);
    }
  }

  validation(): Validate {
    const { resources, model, fitLoss, targets, inputs, validation } = this.#setup;
    return validateInWindows(resources, model, fitLoss, targets, inputs, validation);
  }

  /** No stretch has steps of two epochs. */
  #stretches(steps: number): Stretch[] {
    const stretches: Stretch[] = [];
    for (let stepBegin = 0; stepBegin < steps; stepBegin += this.#staging.steps) {
      stretches.push({ stepBegin, stepEnd: Math.min(steps, stepBegin + this.#staging.steps) });
    }
    return stretches;
  }

  /** Brings the rows of the stretch together, or leaves off when they are not wanted any more. */
  async #fill(
    { ptrs }: Stage,
    { stepBegin, stepEnd }: Stretch,
    { order }: Residency,
    isUnwanted: () => boolean,
  ): Promise<void> {
    const { resources, arrays, plan, loss } = this.#setup;
    const rows = order.rows.subarray(stepBegin * plan.fullStep.rows, stepEnd * plan.fullStep.rows);
    const bytesARow = Object.values(bytesOfRows(arrays, 1)).reduce((sum, bytes) => sum + bytes, 0);
    const portion = Math.max(1, Math.floor(PORTION_BYTES / bytesARow));
    for (let begin = 0; begin < rows.length; begin += portion) {
      await setImmediate();
      if (isUnwanted()) return;
      const rowNumbers = rows.subarray(begin, begin + portion);
      for (const name of ARRAY_NAMES) {
        const array = arrays[name];
        array?.gather(ptrs[name] + begin * array.bytesARow, rowNumbers);
      }
    }
    if (loss === undefined) return;
    const weights = order.weights.subarray(stepBegin, stepEnd);
    resources.arena.view('float64', ptrs.stepWeights, weights.length).set(weights);
  }

  /** To the workers a stretch is an epoch of its own, of rows in order. */
  async #trainStretch(
    { ptrs, loss }: Stage,
    { stepBegin: first, stepEnd }: Stretch,
    { steps, stepsBefore }: Residency,
    { onSteps, ...options }: ResidencyOptions,
  ): Promise<Stopped | undefined> {
    const { resources, plan, job, format } = this.#setup;
    const { inputs, targets, stepWeights } = ptrs;
    const count = stepEnd - first;
    const jobFrom = (stepBegin: number): GangJob => ({
      ...job,
      ...format,
      inputs,
      targets,
      loss,
      indices: 0,
      spins: Math.min(job.spins, BARRIER_SPINS),
      stepWeights,
      stepLosses: job.stepLosses + first * Float64Array.BYTES_PER_ELEMENT,
      stepsAnEpoch: count,
      lastStep: stepEnd === steps ? plan.lastStep : plan.fullStep,
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
}

function orderElsewhere(shape: StepOrderShape): StepOrder {
  const lengths = stepOrderLengths(shape);
  const rows = new Uint32Array(lengths.rows);
  const weights = new Float64Array(lengths.weights);
  return new StepOrder({ rows, weights, indices: 0, stepWeights: 0 }, shape);
}

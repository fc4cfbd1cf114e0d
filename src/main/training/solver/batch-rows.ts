// The rows of full-batch passes: all in the arena, or passing through it some steps at a time. Steps have the same rows in the
// same order either way, so the bits are the same.
import { NULL_PTR, type Ptr } from '../../../kernels/ptr.js';
import type { GangJob, StepPosition, TrainHead, TrainTask } from '../../../workers/protocol.js';
import type { Cancellation } from '../../cancellation.js';
import { goingOn } from '../../dispatch/residency.js';
import type { Resources } from '../../dispatch/resources.js';
import type { RowSource } from '../../dispatch/row-source.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { Inputs, InputsFormat } from '../../models/inputs.js';
import type { LinearModel } from '../../models/linear-model.js';
import type { TrainingPlan } from '../../plans/training.js';
import { noRoomForStep, planStaging } from '../rows/staged-rows.js';
import { gatherRows, inputSource, placeRowFormat } from '../rows/training-rows.js';
import type { TrainJob } from '../training-memory.js';
import type { Range } from './row-share.js';

export interface BatchSetup {
  readonly resources: Resources;
  readonly scope: ArenaScope;
  readonly model: LinearModel;
  readonly inputs: Inputs;
  /** Numbers of the rows of this process, ascending. */
  readonly rows: Uint32Array;
  readonly plan: TrainingPlan;
  /** Of the plan: those of the rows. */
  readonly steps: Range;
  readonly job: TrainJob;
}

/** The heads for steps that begin with this row of those of the process, as its step `firstStep`. */
export type HeadsAt = (firstRow: number, firstStep: number) => readonly TrainHead[];

export interface BatchRows {
  /** One pass of all heads over all rows; without `readsInputs`, over what is kept of them alone. Rejects with signal.reason. */
  pass(headsAt: HeadsAt, readsInputs: boolean, signal: Cancellation | undefined): Promise<void>;
}

/** `reserve`: pieces of memory that must stay free, in bytes. */
export function placeBatchRows(setup: BatchSetup, reserve: readonly number[]): BatchRows {
  const { resources, scope, model, inputs, plan } = setup;
  const format = placeRowFormat(resources, scope, model, inputs, plan);
  const source = inputSource(resources, model, inputs, plan);
  return placeAll(setup, source, format, reserve) ?? new PassingRows(setup, source, format, reserve);
}

/** Steps [begin, end) of a pass, over rows that are in the arena. */
async function runSteps(
  { resources, plan, job }: BatchSetup,
  rows: Pick<TrainTask, 'inputs' | 'indices' | 'heads'> & InputsFormat,
  { begin, end }: Range,
  signal: Cancellation | undefined,
): Promise<void> {
  const { pool, arena } = resources;
  const { stepsAnEpoch, fullStep, lastStep } = plan;
  const count = end - begin;
  const members = Math.min(pool.threads, fullStep.shards * rows.heads.length);
  let within: StepPosition | undefined;
  for (let step = 0; step < count; ) {
    const task: GangJob = {
      ...job,
      ...rows,
      targets: NULL_PTR,
      stepsAnEpoch: count,
      lastStep: end === stepsAnEpoch ? lastStep : fullStep,
      stepBegin: step,
      stepEnd: count,
      stepsBefore: begin,
      buffer: arena.memory.buffer,
    };
    const [result] = await pool.run(goingOn(task, within), { members, signal, yields: true });
    // Left to let others in, or because a loss is not finite, which is the caller's matter.
    const stopped = result?.state === 'stopped' ? result : undefined;
    step = stopped?.nextStep ?? count;
    within = stopped?.within;
  }
}

function placeAll(
  setup: BatchSetup,
  source: RowSource,
  format: InputsFormat,
  reserve: readonly number[],
): BatchRows | undefined {
  const { resources, scope, rows } = setup;
  const { arena } = resources;
  const isInPlace = source.ptr !== undefined;
  const isAll = rows.length === source.rows;
  const pieces = {
    inputs: isInPlace ? 0 : source.bytesOf(rows.length),
    indices: isInPlace && !isAll ? rows.length * 4 : 0,
  };
  const ptrs = scope.allocateIfRoom(pieces, reserve);
  if (ptrs === undefined) return undefined;
  if (source.ptr !== undefined) scope.retain(source.ptr);
  if (pieces.indices > 0) arena.view('uint32', ptrs.indices, rows.length).set(rows);
  const inputs = source.ptr ?? ptrs.inputs;
  let isThere = isInPlace;
  return {
    async pass(headsAt, readsInputs, signal) {
      if (readsInputs && !isThere) {
        const isUnwanted = () => signal?.aborted === true;
        await gatherRows(resources, [['inputs', source]], { ...NOWHERE, inputs }, rows, isUnwanted);
        signal?.throwIfAborted();
        isThere = true;
      }
      const heads = headsAt(0, 0);
      await runSteps(setup, { ...format, inputs, indices: ptrs.indices, heads }, setup.steps, signal);
    },
  };
}

const NOWHERE = {
  inputs: NULL_PTR,
  targets: NULL_PTR,
  sampleWeight: NULL_PTR,
  softTargets: NULL_PTR,
  mask: NULL_PTR,
};

/** Rows that do not fit: those of the next steps are gathered while workers are on the current ones. */
class PassingRows implements BatchRows {
  readonly #setup: BatchSetup;
  readonly #source: RowSource;
  readonly #format: InputsFormat;
  readonly #steps: number;
  readonly #stages: readonly Ptr[];

  constructor(setup: BatchSetup, source: RowSource, format: InputsFormat, reserve: readonly number[]) {
    const { resources, scope, plan, steps, inputs } = setup;
    this.#setup = setup;
    this.#source = source;
    this.#format = format;
    if (source.held !== undefined) scope.retain(source.held);
    const piecesOf = (steps: number) => [source.bytesOf(steps * plan.fullStep.rows)];
    const staging = planStaging(resources.arena, piecesOf, steps.end - steps.begin, reserve);
    if (staging === undefined) {
      throw noRoomForStep(resources.arena, piecesOf(1), plan.fullStep.rows, reserve, inputs);
    }
    this.#steps = staging.steps;
    this.#stages = Array.from({ length: staging.stages }, () =>
      scope.allocate(source.bytesOf(staging.steps * plan.fullStep.rows), 'the rows of some steps'),
    );
  }

  async pass(headsAt: HeadsAt, readsInputs: boolean, signal: Cancellation | undefined): Promise<void> {
    const { plan, steps } = this.#setup;
    if (!readsInputs) {
      const noInputs = { ...this.#format, inputs: NULL_PTR, indices: NULL_PTR, heads: headsAt(0, 0) };
      await runSteps(this.#setup, noInputs, steps, signal);
      return;
    }
    let failed = false;
    let running: Promise<void> = Promise.resolve();
    try {
      for (let begin = steps.begin, turn = 0; begin < steps.end; begin += this.#steps, turn++) {
        const end = Math.min(steps.end, begin + this.#steps);
        const inputs = this.#stages[turn % this.#stages.length]!;
        // A single stage is in use until then.
        if (this.#stages.length === 1) await running;
        await this.#gather(begin, end, inputs, () => failed || signal?.aborted === true);
        await running;
        signal?.throwIfAborted();
        const first = begin - steps.begin;
        const heads = headsAt(first * plan.fullStep.rows, first);
        const stage = { ...this.#format, inputs, indices: NULL_PTR, heads };
        running = runSteps(this.#setup, stage, { begin, end }, signal);
        // Awaited above; must not count as unhandled until then.
        running.catch(() => {
          failed = true;
        });
      }
      await running;
    } finally {
      // Release memory only when no worker uses it.
      await Promise.allSettled([running]);
    }
  }

  /** Brings the rows of steps [begin, end) to a stage. */
  async #gather(begin: number, end: number, inputs: Ptr, isUnwanted: () => boolean): Promise<void> {
    const { resources, rows, plan, steps } = this.#setup;
    const rowOf = (step: number) => (step - steps.begin) * plan.fullStep.rows;
    const chosen = rows.subarray(rowOf(begin), rowOf(end));
    const sources: [['inputs', RowSource]] = [['inputs', this.#source]];
    await gatherRows(resources, sources, { ...NOWHERE, inputs }, chosen, isUnwanted);
  }
}

// Training on rows that all lie in the arena.

import { LOSS_CALL_BYTES } from '../../../kernels/loss-layout.js';
import type { Ptr } from '../../../kernels/ptr.js';
import type { GangJob, TrainLoss } from '../../../workers/protocol.js';
import { type ResidencyOptions, runResident, type Stopped } from '../../dispatch/residency.js';
import { Place } from '../../memory/arena.js';
import { evaluationLoss, trainLoss } from '../run-loss.js';
import type { PlacedHead } from '../training-memory.js';
import { type Validate, validateInArena } from '../validation.js';
import { StepOrder, stepOrderLengths } from './row-order.js';
import {
  bytesOfRows,
  gatherRows,
  neededOf,
  type Residency,
  type TrainingRows,
  type TrainingSetup,
} from './training-rows.js';

type Pieces = ReturnType<typeof piecesOf>;

/** What is allocated, in bytes, by name. */
function piecesOf({ sources, targets, loss, order, validation }: TrainingSetup) {
  const { rows } = targets;
  const lengths = stepOrderLengths(order);
  const evaluated = validation.length;
  return {
    ...bytesOfRows(sources, rows),
    order: lengths.rows * 4,
    nextOrder: lengths.rows * 4,
    stepWeights: lengths.weights * 8,
    nextStepWeights: lengths.weights * 8,
    trainCall: loss ? LOSS_CALL_BYTES : 0,
    evaluationCall: loss ? LOSS_CALL_BYTES : 0,
    /** For all rows: kernels write them by row number. */
    lossesWithOptions: loss && evaluated > 0 ? rows * 4 : 0,
    indices: evaluated * 4,
    predictions: evaluated * 4,
    ranks: evaluated * 4,
    losses: evaluated * 8,
    confidences: evaluated * 4,
  };
}

export class RowsInArena implements TrainingRows {
  readonly residentEpochs: number;
  readonly orders: readonly [StepOrder, StepOrder];
  readonly #setup: TrainingSetup;
  readonly #ptrs: Record<keyof Pieces, Ptr>;
  readonly #loss: TrainLoss;
  /** Sources that have not been fetched yet. */
  #missing: ReturnType<typeof neededOf>;

  /** Undefined if the rows and all that goes with them do not fit. */
  static place(setup: TrainingSetup): RowsInArena | undefined {
    const { scope, sources, reserve } = setup;
    const pieces = piecesOf(setup);
    const placed = neededOf(sources).flatMap(([name, { ptr }]) => (ptr === undefined ? [] : [{ name, ptr }]));
    for (const { name } of placed) pieces[name] = 0;
    const ptrs = scope.allocateIfRoom(pieces, reserve);
    if (ptrs === undefined) return undefined;
    for (const { name, ptr } of placed) {
      scope.retain(ptr);
      ptrs[name] = ptr;
    }
    return new RowsInArena(setup, ptrs);
  }

  private constructor(setup: TrainingSetup, ptrs: Record<keyof Pieces, Ptr>) {
    const { resources, sources, loss, plan, order, targets } = setup;
    this.residentEpochs = order.epochs;
    this.#setup = setup;
    this.#ptrs = ptrs;
    const elsewhere = neededOf(sources).filter(([, { ptr }]) => ptr === undefined);
    this.#missing = elsewhere.filter(([, { origin }]) => origin !== 'memory');
    for (const [name, source] of elsewhere.filter(([, { origin }]) => origin === 'memory')) {
      const place = new Place(resources.arena, ptrs[name], source.bytesOf(targets.rows));
      source.gather(place, { begin: 0, end: targets.rows });
    }
    this.#loss = trainLoss(resources, ptrs.trainCall, loss, ptrs, plan);
    this.orders = [
      this.#orderAt(ptrs.order, ptrs.stepWeights),
      this.#orderAt(ptrs.nextOrder, ptrs.nextStepWeights),
    ];
  }

  #orderAt(indices: Ptr, stepWeights: Ptr): StepOrder {
    const { resources, order } = this.#setup;
    const { arena } = resources;
    const lengths = stepOrderLengths(order);
    const rows = arena.view('uint32', indices, lengths.rows);
    const weights = arena.view('float64', stepWeights, lengths.weights);
    return new StepOrder({ rows, weights, indices, stepWeights }, order);
  }

  async train(residency: Residency, options: ResidencyOptions): Promise<Stopped | undefined> {
    return this.trainHeads([headIn(residency, this.#setup.head)], residency, options);
  }

  /** Several heads, which take the same steps at the same time. */
  async trainHeads(
    placed: readonly PlacedHead[],
    { order, first, steps, stepsBefore }: Omit<Residency, 'learningRate'>,
    options: ResidencyOptions,
  ): Promise<Stopped | undefined> {
    const { resources, job, format } = this.#setup;
    const { inputs, targets } = this.#ptrs;
    const { indices, stepWeights } = order;
    if (this.#missing.length > 0) await this.#fetchMissing(options);
    const heads = placed.map((head) => ({ ...head, loss: this.#loss, stepWeights }));
    const jobFrom = (stepBegin: number): GangJob => ({
      ...job,
      ...format,
      inputs,
      targets,
      indices,
      heads,
      stepBegin,
      stepEnd: steps,
      stepsBefore,
      buffer: resources.arena.memory.buffer,
    });
    return runResident(resources.pool, steps, jobFrom, { first, ...options });
  }

  async #fetchMissing({ signal }: ResidencyOptions): Promise<void> {
    const { resources, targets } = this.#setup;
    const all = { begin: 0, end: targets.rows };
    await gatherRows(resources, this.#missing, this.#ptrs, all, () => signal?.aborted === true);
    signal?.throwIfAborted();
    this.#missing = [];
  }

  validation(model = this.#setup.model): Validate {
    const { resources, inputs, targets, fitLoss, loss, format, validation } = this.#setup;
    const ptrs = this.#ptrs;
    const evaluation = loss && evaluationLoss(resources, model, ptrs.evaluationCall, loss, ptrs);
    return validateInArena(resources, model, fitLoss, targets, inputs, {
      ...ptrs,
      ...format,
      loss: evaluation,
      rows: validation,
    });
  }
}

/** A head as it is during a residency. */
export const headIn = ({ learningRate }: Residency, head: PlacedHead): PlacedHead => ({
  ...head,
  update: head.update && { ...head.update, learningRate },
});

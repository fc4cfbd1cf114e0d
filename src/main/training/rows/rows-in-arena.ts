// Training on rows that lie in the arena as a whole.

import { LOSS_CALL_BYTES } from '../../../kernels/loss-layout.js';
import type { Ptr } from '../../../kernels/ptr.js';
import type { GangJob, TrainLoss } from '../../../workers/protocol.js';
import { type ResidencyOptions, runResident, type Stopped } from '../../dispatch/residency.js';
import { evaluationLoss, trainLoss } from '../run-loss.js';
import { type Validate, validateInArena } from '../validation.js';
import { ARRAY_NAMES, bytesOfRows } from './run-arrays.js';
import { StepOrder, stepOrderLengths } from './step-order.js';
import type { Residency, TrainingRows, TrainingSetup } from './training-rows.js';

type Pieces = ReturnType<typeof piecesOf>;

/** What is allocated, in bytes. */
function piecesOf({ arrays, targets, loss, order, validation }: TrainingSetup) {
  const { rows } = targets;
  const lengths = stepOrderLengths(order);
  const evaluated = validation.length;
  return {
    ...bytesOfRows(arrays, rows),
    order: lengths.rows * 4,
    nextOrder: lengths.rows * 4,
    stepWeights: lengths.weights * 8,
    nextStepWeights: lengths.weights * 8,
    trainCall: loss ? LOSS_CALL_BYTES : 0,
    evaluationCall: loss ? LOSS_CALL_BYTES : 0,
    /** Of all rows: kernels write them by the rows' numbers. */
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

  /** Undefined where the rows and what belongs to them do not fit. */
  static place(setup: TrainingSetup): RowsInArena | undefined {
    const { scope, arrays, reserve } = setup;
    const placed = ARRAY_NAMES.filter((name) => arrays[name]?.ptr !== undefined);
    const there = Object.fromEntries(placed.map((name) => [name, 0]));
    const ptrs = scope.allocateIfRoom({ ...piecesOf(setup), ...there } as Pieces, reserve);
    if (ptrs === undefined) return undefined;
    for (const name of placed) {
      const ptr = arrays[name]!.ptr!;
      scope.retain(ptr);
      ptrs[name] = ptr;
    }
    return new RowsInArena(setup, ptrs);
  }

  private constructor(setup: TrainingSetup, ptrs: Record<keyof Pieces, Ptr>) {
    const { resources, arrays, loss, plan, order } = setup;
    this.residentEpochs = order.epochs;
    this.#setup = setup;
    this.#ptrs = ptrs;
    for (const name of ARRAY_NAMES) {
      const array = arrays[name];
      if (array !== undefined && array.ptr === undefined) array.copyAll(ptrs[name]);
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

  train({ order, steps, stepsBefore }: Residency, options: ResidencyOptions): Promise<Stopped | undefined> {
    const { resources, job, format } = this.#setup;
    const { inputs, targets } = this.#ptrs;
    const { indices, stepWeights } = order;
    const rows = { ...format, inputs, targets, loss: this.#loss, indices, stepWeights };
    const jobFrom = (stepBegin: number): GangJob => ({
      ...job,
      ...rows,
      stepBegin,
      stepEnd: steps,
      stepsBefore,
      buffer: resources.arena.memory.buffer,
    });
    return runResident(resources.pool, steps, jobFrom, options);
  }

  validation(): Validate {
    const { resources, model, inputs, targets, fitLoss, loss, format, validation } = this.#setup;
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

// Training on shuffled rows of a file that do not fit into the arena, but the blocks do that they are mixed from at any time: each
// is read once an epoch, straight to where workers gather its rows.
import { LOSS_CALL_BYTES } from '../../../kernels/loss-layout.js';
import { NULL_PTR, offsetBy, type Ptr } from '../../../kernels/ptr.js';
import { Stop, type TrainLoss } from '../../../workers/protocol.js';
import { forEachAtOnce } from '../../data/concurrent.js';
import type { ResidencyOptions, Stopped } from '../../dispatch/residency.js';
import { MIXED_BLOCKS } from '../../plans/row-blocks.js';
import { trainLoss } from '../run-loss.js';
import { type Validate, validateInWindows } from '../validation.js';
import { type BlockLoad, BlockWindow } from './block-window.js';
import { orderElsewhere, type StepOrder } from './row-order.js';
import { type Stretch, trainStretch } from './staged-rows.js';
import {
  bytesOfRows,
  gatherAt,
  neededOf,
  type Residency,
  type TrainingRows,
  type TrainingSetup,
} from './training-rows.js';

/** Blocks whose rows workers take without main: some 5 ms of work. */
const STRETCH_BLOCKS = 16;

/**
 * Blocks beyond those that are mixed, for each that the rows of a stretch make up: its own and those of the next one, which are read
 * meanwhile. Stretches differ by chance; with as many slots, a step that finds too few has a probability below 1e-16.
 */
const SPARE_SLOTS = 4;

/** Of all rows, at least: blocks of which fewer are trained on are mostly read in vain, and more of them pass in a stretch. */
const LEAST_TRAINED = 0.75;

interface WindowPlan {
  readonly blockRows: number;
  readonly slots: number;
  /** Of a stretch, at most. */
  readonly steps: number;
}

function planWindow({ order, plan, sources, targets }: TrainingSetup): WindowPlan | undefined {
  const { shuffle, blockRows, training } = order;
  if (!shuffle || blockRows === undefined || sources.inputs?.origin !== 'file') return undefined;
  if (training.length < LEAST_TRAINED * targets.rows) return undefined;
  const { rows } = plan.fullStep;
  const steps = Math.max(1, Math.floor((STRETCH_BLOCKS * blockRows) / rows));
  const stretchBlocks = Math.max(STRETCH_BLOCKS, Math.ceil((steps * rows) / blockRows));
  return { blockRows, slots: MIXED_BLOCKS + SPARE_SLOTS * stretchBlocks, steps };
}

type Pieces = ReturnType<typeof piecesOf>;

/** What is allocated, in bytes, by name: two stretches take turns. */
function piecesOf({ sources, loss, plan }: TrainingSetup, { blockRows, slots, steps }: WindowPlan) {
  return {
    ...bytesOfRows(sources, slots * blockRows),
    indices: 2 * steps * plan.fullStep.rows * 4,
    stepWeights: loss ? 2 * steps * 8 : 0,
    call: loss ? LOSS_CALL_BYTES : 0,
  };
}

export class WindowedRows implements TrainingRows {
  readonly residentEpochs = 1;
  readonly orders: readonly [StepOrder, StepOrder];
  readonly #setup: TrainingSetup;
  readonly #window: WindowPlan;
  readonly #ptrs: Record<keyof Pieces, Ptr>;
  readonly #loss: TrainLoss;

  /** Undefined if the order is another one, or the blocks do not fit. */
  static place(setup: TrainingSetup): WindowedRows | undefined {
    const window = planWindow(setup);
    const ptrs = window && setup.scope.allocateIfRoom(piecesOf(setup, window), setup.reserve);
    return ptrs && new WindowedRows(setup, window, ptrs);
  }

  private constructor(setup: TrainingSetup, window: WindowPlan, ptrs: Record<keyof Pieces, Ptr>) {
    const { resources, sources, loss, plan, order } = setup;
    this.#setup = setup;
    this.#window = window;
    this.#ptrs = ptrs;
    for (const [, { held }] of neededOf(sources)) if (held !== undefined) setup.scope.retain(held);
    this.#loss = trainLoss(resources, ptrs.call, loss, ptrs, plan);
    const shape = { ...order, epochs: this.residentEpochs };
    this.orders = [orderElsewhere(shape), orderElsewhere(shape)];
  }

  async train(residency: Residency, options: ResidencyOptions): Promise<Stopped | undefined> {
    const { first, steps } = residency;
    const { slots, blockRows } = this.#window;
    const window = new BlockWindow(slots, blockRows, this.#rowsOf(residency, first, steps));
    let failed = false;
    const isUnwanted = () => failed || options.signal?.aborted === true;
    let training: Promise<Stopped | undefined> = Promise.resolve(undefined);
    // Slots that are free once it has ended.
    let ended: readonly number[] = [];
    try {
      for (let stepBegin = first, turn = 0; stepBegin < steps; turn++) {
        let next = this.#place(window, residency, stepBegin, turn);
        if (next === undefined) {
          if ((await training) !== undefined) break;
          window.free(ended);
          ended = [];
          next = this.#place(window, residency, stepBegin, turn) ?? noSlots(stepBegin);
        }
        await this.#load(next.loads, isUnwanted);
        if ((await training) !== undefined) break;
        options.signal?.throwIfAborted();
        // Stretches are too short to be asked on the way.
        if (turn > 0 && options.isDue?.()) {
          return { state: 'stopped', stop: Stop.yield, nextStep: stepBegin };
        }
        window.free(ended);
        ended = window.endedBy(this.#rowsOf(residency, stepBegin, next.stepEnd));
        training = this.#train({ stepBegin, stepEnd: next.stepEnd }, residency, options, turn);
        // Awaited above; must not count as unhandled until then.
        training.catch(() => {
          failed = true;
        });
        stepBegin = next.stepEnd;
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

  #rowsOf({ order }: Residency, stepBegin: number, stepEnd: number): Uint32Array {
    const { rows } = this.#setup.plan.fullStep;
    return order.rows.subarray(stepBegin * rows, stepEnd * rows);
  }

  /** Where the memory of a turn begins, of which each step takes `bytes`. */
  #ofTurn(ptr: Ptr, turn: number, bytes: number): Ptr {
    return offsetBy(ptr, (turn % 2) * this.#window.steps * bytes);
  }

  /** Finds slots for the blocks of the next steps, at most those of a stretch; undefined if not even for one. */
  #place(
    window: BlockWindow,
    residency: Residency,
    stepBegin: number,
    turn: number,
  ): { readonly loads: BlockLoad[]; readonly stepEnd: number } | undefined {
    const { resources, plan } = this.#setup;
    const { rows } = plan.fullStep;
    const most = Math.min(residency.steps, stepBegin + this.#window.steps);
    const indices = resources.arena.view(
      'uint32',
      this.#ofTurn(this.#ptrs.indices, turn, rows * 4),
      this.#window.steps * rows,
    );
    const loads: BlockLoad[] = [];
    let step = stepBegin;
    for (; step < most; step++) {
      const positions = indices.subarray((step - stepBegin) * rows);
      const more = window.place(this.#rowsOf(residency, step, step + 1), positions);
      if (more === undefined) break;
      loads.push(...more);
    }
    return step === stepBegin ? undefined : { loads, stepEnd: step };
  }

  /** Brings blocks to their slots; stops once they are unwanted. When it settles, nothing is read any more. */
  async #load(loads: BlockLoad[], isUnwanted: () => boolean): Promise<void> {
    const { resources, sources, targets } = this.#setup;
    const { blockRows } = this.#window;
    // Near each other on the disk, too.
    loads.sort((a, b) => a.block - b.block);
    await forEachAtOnce(loads, async ({ block, slot }) => {
      const begin = block * blockRows;
      const rows = { begin, end: Math.min(targets.rows, begin + blockRows) };
      await gatherAt(resources, neededOf(sources), this.#ptrs, slot * blockRows, rows, isUnwanted);
    });
  }

  #train(
    stretch: Stretch,
    residency: Residency,
    options: ResidencyOptions,
    turn: number,
  ): Promise<Stopped | undefined> {
    const { resources, plan, loss: hasOptions } = this.#setup;
    const { inputs, targets } = this.#ptrs;
    let stepWeights = NULL_PTR;
    if (hasOptions !== undefined) {
      stepWeights = this.#ofTurn(this.#ptrs.stepWeights, turn, 8);
      const weights = residency.order.weights.subarray(stretch.stepBegin, stretch.stepEnd);
      resources.arena.view('float64', stepWeights, weights.length).set(weights);
    }
    const indices = this.#ofTurn(this.#ptrs.indices, turn, plan.fullStep.rows * 4);
    const rows = { inputs, targets, indices, stepWeights, loss: this.#loss };
    return trainStretch(this.#setup, rows, stretch, residency, options);
  }
}

function noSlots(step: number): never {
  throw new Error(`there are too few slots for the blocks of step ${step}`);
}

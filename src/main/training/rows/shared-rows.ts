// Rows in the arena for several training runs whose steps have the same rows: what the runs are to do with them next goes out in
// one task, once all have asked. Each run is as if it were alone; no bit depends on the others.
import { Stop } from '../../../workers/protocol.js';
import type { Stopped } from '../../dispatch/residency.js';
import type { Arena, ArenaScope } from '../../memory/arena.js';
import type { LinearModel } from '../../models/linear-model.js';
import type { PlacedHead, TrainJob } from '../training-memory.js';
import type { Validate } from '../validation.js';
import { StepOrder } from './row-order.js';
import { headIn, RowsInArena } from './rows-in-arena.js';
import type { Residency, TrainingOptions, TrainingRows, TrainingSetup } from './training-rows.js';

/** What a run waits for. */
interface Request {
  readonly head: PlacedHead;
  readonly residency: Residency;
  readonly options: TrainingOptions;
  readonly resolve: (stopped: Stopped | undefined) => void;
  readonly reject: (reason: unknown) => void;
}

interface Shared {
  readonly rows: RowsInArena;
  readonly orders: readonly [SharedOrder, SharedOrder];
}

export class SharedRows {
  readonly #arena: Arena;
  readonly #scope: ArenaScope;
  readonly #members: number;
  #job: TrainJob | undefined;
  #shared: Shared | undefined;
  readonly #runs = new Set<TrainingRows>();
  readonly #requests = new Map<TrainingRows, Request>();
  /** Validation uses memory that all runs share. */
  #validated: Promise<unknown> = Promise.resolve();

  /** `scope`: of memory that all runs share; `members`: the most threads that take their steps. */
  constructor(arena: Arena, scope: ArenaScope, members: number) {
    this.#arena = arena;
    this.#scope = scope;
    this.#members = members;
  }

  /** The job of all runs, made by the first. */
  jobBy(place: (scope: ArenaScope) => TrainJob): TrainJob {
    this.#job ??= place(this.#scope);
    return this.#job;
  }

  /** The rows as a run sees them, placed by the first. Throws ERR_ARENA_FULL where they do not fit. */
  join(setupIn: (scope: ArenaScope) => TrainingSetup, head: PlacedHead, model: LinearModel): TrainingRows {
    const { rows, orders } = this.#shared ?? this.#place(setupIn(this.#scope));
    const run: TrainingRows = {
      residentEpochs: rows.residentEpochs,
      orders,
      train: (residency, options) =>
        new Promise((resolve, reject) => {
          this.#requests.set(run, { head, residency, options, resolve, reject });
          this.#beginIfAllAsk();
        }),
      validation: () => this.#inTurn(rows.validation(model)),
      leave: () => {
        this.#runs.delete(run);
        this.#beginIfAllAsk();
      },
    };
    this.#runs.add(run);
    return run;
  }

  #place(setup: TrainingSetup): Shared {
    const rows = RowsInArena.place(setup) ?? this.#arena.refuse();
    const isWaiting = () => this.#requests.size > 0;
    const [a, b] = rows.orders;
    const orders = [
      new SharedOrder(a, setup.order, isWaiting),
      new SharedOrder(b, setup.order, isWaiting),
    ] as const;
    this.#shared = { rows, orders };
    return this.#shared;
  }

  #inTurn(validate: Validate): Validate {
    return (signal) => {
      const result = this.#validated.then(() => validate(signal));
      this.#validated = result.catch(() => {});
      return result;
    };
  }

  #beginIfAllAsk(): void {
    if (this.#requests.size === 0 || this.#requests.size < this.#runs.size) return;
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    void this.#train(requests);
    for (const order of this.#shared?.orders ?? []) order.fillIfWanted();
  }

  async #train(requests: readonly Request[]): Promise<void> {
    let left = requests;
    let first = requests[0]?.residency.first ?? 0;
    try {
      const points = requests.map(({ options }) => options.point);
      const meetings = points.flatMap((point) => point.meet() ?? []);
      if (meetings.length > 0) await Promise.all(meetings);
      // Who did not wait would keep others waiting.
      if (points.some((point) => point.isDue())) await Promise.all(points.map((point) => point.wait()));
      while (left.length > 0) {
        const stopped = await this.#trainFrom(first, left);
        const diverged =
          stopped?.stop === Stop.diverged ? left.filter((each) => this.#hasDiverged(each, stopped)) : left;
        for (const { resolve } of diverged) resolve(stopped);
        left = left.filter((each) => !diverged.includes(each));
        first = stopped?.nextStep ?? first;
      }
    } catch (error) {
      for (const { reject } of left) reject(error);
    }
  }

  async #trainFrom(first: number, requests: readonly Request[]): Promise<Stopped | undefined> {
    const [request] = requests;
    if (this.#shared === undefined || request === undefined) return undefined;
    const { rows } = this.#shared;
    const { residency, options } = request;
    const heads = requests.map((each) => headIn(each.residency, each.head));
    return rows.trainHeads(heads, residency, {
      ...options,
      first,
      // Heads are shared out where there are fewer shards than threads.
      members: Math.min(this.#members, options.members * heads.length),
      onSteps: (stepsDone) => {
        for (const each of requests) each.options.onSteps(stepsDone);
      },
    });
  }

  /** The last step is whole for all heads, but not all have a loss there. */
  #hasDiverged({ head }: Request, { nextStep }: Stopped): boolean {
    return !Number.isFinite(this.#arena.view('float64', head.stepLosses, nextStep)[nextStep - 1]);
  }
}

/** An order that several runs fill with the same rows: once, and not before the last of them is done with the former ones. */
class SharedOrder extends StepOrder {
  readonly #isWaiting: () => boolean;
  #filled: number | undefined;
  #wanted: { readonly epoch: number; readonly count: number } | undefined;

  constructor(order: StepOrder, shape: TrainingSetup['order'], isWaiting: () => boolean) {
    super(order, shape);
    this.#isWaiting = isWaiting;
  }

  override fill(epoch: number, count: number): void {
    if (this.#filled === epoch) return;
    this.#wanted = { epoch, count };
    if (!this.#isWaiting()) this.fillIfWanted();
  }

  fillIfWanted(): void {
    if (this.#wanted === undefined) return;
    const { epoch, count } = this.#wanted;
    this.#wanted = undefined;
    this.#filled = epoch;
    super.fill(epoch, count);
  }
}

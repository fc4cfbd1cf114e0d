// Passes over all rows for the heads of a full-batch training. What heads ask for at the same time goes out in one task, whose
// rows are read once; no bit of a head depends on what the others ask.
import { setImmediate } from 'node:timers/promises';
import type { Ptr } from '../../../kernels/ptr.js';
import type { KeptLogitsOperation, LinearLoss, TrainHead } from '../../../workers/protocol.js';
import type { Cancellation } from '../../cancellation.js';
import type { Resources } from '../../dispatch/resources.js';
import { allGatherValues, withOthers } from '../../distributed/together.js';
import type { Transport } from '../../distributed/transport.js';
import type { LinearModel } from '../../models/linear-model.js';
import type { FullBatchPlan } from '../../plans/training.js';
import { concernsAll } from '../concerns-all.js';
import type { TrainJob } from '../training-memory.js';
import { askedByAll } from './asked-by-all.js';
import type { BatchRows } from './batch-rows.js';
import type { Parameters } from './parameters.js';
import { countOf, type RowShare } from './row-share.js';

/** Products with the inputs that an operation takes: a pass is one by the weights and one by the gradient of the logits. */
export const PASSES: Readonly<Record<KeptLogitsOperation['name'], number>> = {
  evaluate: 1,
  curvature: 1,
  gradient: 0.5,
  direct: 0.5,
  move: 0,
  curveBias: 0,
  look: 0,
};

/** What heads weigh own rows by, in the arena. */
export interface HeadRows {
  /** Float32 [own rows], or 0: all are 1. */
  readonly rowWeights: Ptr;
  /** Float32 [own rows]: see KeptLogits. */
  readonly curvatures: Ptr;
  readonly loss: LinearLoss | undefined;
}

export interface PassesSetup {
  readonly resources: Resources;
  readonly model: LinearModel;
  readonly plan: FullBatchPlan;
  readonly job: TrainJob;
  /** What this process has of the rows; `rows`, `targets` and what heads keep are of these alone. */
  readonly share: RowShare;
  readonly rows: BatchRows;
  /** Int32 [own rows]. */
  readonly targets: Ptr;
  readonly temperature: number;
  /** Else probabilities and curvatures are not those of the loss. */
  readonly isConvex: boolean;
  /** One head asks at a time, so that ranks need not agree on who does. */
  readonly hasOneHead: boolean;
  readonly signal: Cancellation | undefined;
}

/** An operation with the vector it takes, if it takes one. */
export interface PassRequest {
  readonly operation: KeptLogitsOperation;
  /** Weights and bias of evaluate, curvature and direct. */
  readonly vector?: Parameters;
  /** Other weights of the rows, for the losses of look. */
  readonly rows?: HeadRows;
}

/** A model in training, as far as passes know it (head.ts). */
export interface PassHead {
  /** The same on all ranks. */
  readonly name: string;
  /** Before an operation. */
  prepare(request: PassRequest): void;
  /** What the task of an operation is told. */
  at(request: PassRequest, firstRow: number, firstStep: number): TrainHead;
}

/** What a head asks for: a pass, or what other ranks have made of their rows. */
interface Pending {
  readonly head: PassHead;
  readonly request: PassRequest | undefined;
  /** Of a request, what came of the own rows. */
  readonly own: () => OwnResult;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
}

/** Of own rows. */
export interface OwnResult {
  /** Of each step. */
  readonly losses: Float64Array;
  /** Of each slot. */
  readonly slopes: Float64Array;
  /** By row, whatever the asker wants to know of all ranks. */
  readonly values: Float64Array;
  /** Of each node, if there are sums; of a length that is the same on all ranks. */
  readonly sums: readonly Float64Array[];
  readonly length: number;
}

/** The same of all ranks, in their order. */
export type Result = Pick<OwnResult, 'losses' | 'slopes' | 'values'> & { readonly sum: Float64Array };

export class Passes {
  readonly setup: PassesSetup;
  #pending: Pending[] = [];
  #isRunning = false;
  /** With several ranks: what this one has failed with. The others are told by whoever trains, and are asked nothing until then. */
  #failure: { readonly error: unknown } | undefined;
  #opened = 0;

  constructor(setup: PassesSetup) {
    this.setup = setup;
  }

  /** Of the next head: heads are opened in the same order on all ranks, unless they have names of their own. */
  nextName(): string {
    return `${this.#opened++}`;
  }

  /** What other processes share the rows with this one. */
  get transport(): Transport | undefined {
    return withOthers(this.setup.resources.transport);
  }

  ask(asked: Pick<Pending, 'head' | 'request' | 'own'>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ ...asked, resolve, reject });
      if (!this.#isRunning) void this.#runPending();
    });
  }

  async #runPending(): Promise<void> {
    this.#isRunning = true;
    while (this.#pending.length > 0) {
      // Heads that are answered ask their next question within this turn of the event loop.
      await setImmediate();
      let pending: readonly Pending[] = this.#pending;
      try {
        this.#throwIfFailed();
        pending = await this.#next();
        await this.#runTask(pending);
        const results = await this.#combine(pending);
        for (const [index, { resolve }] of pending.entries()) resolve(results[index]!);
      } catch (error) {
        if (this.transport !== undefined && concernsAll(error, this.setup.resources))
          this.#failure ??= { error };
        this.#pending = this.#pending.filter((one) => !pending.includes(one));
        for (const { reject } of pending) reject(error);
      }
    }
    this.#isRunning = false;
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.setup.signal?.throwIfAborted();
  }

  /** What is done together. */
  async #next(): Promise<readonly Pending[]> {
    const { transport } = this;
    const all = this.#pending;
    const next =
      transport === undefined || this.setup.hasOneHead
        ? all
        : await askedByAll(
            transport,
            all.map((pending) => ({
              pending,
              head: pending.head.name,
              what: pending.request === undefined ? 'results of rows' : shown(pending.request),
            })),
          ).then((agreed) => agreed.map(({ pending }) => pending));
    this.#pending = this.#pending.filter((one) => !next.includes(one));
    return next;
  }

  async #runTask(pending: readonly Pending[]): Promise<void> {
    const { rows, signal, share } = this.setup;
    signal?.throwIfAborted();
    const asked = pending.flatMap(({ head, request }) => (request === undefined ? [] : [{ head, request }]));
    if (asked.length === 0 || countOf(share.steps) === 0) return;
    for (const { head, request } of asked) head.prepare(request);
    await rows.pass(
      (firstRow, firstStep) => asked.map(({ head, request }) => head.at(request, firstRow, firstStep)),
      asked.some(({ request }) => PASSES[request.operation.name] > 0),
      signal,
    );
  }

  /** Of all ranks: sums along the tree, the rest one after the other. */
  async #combine(pending: readonly Pending[]): Promise<readonly Result[]> {
    const own = pending.map((one) => one.own());
    const { transport } = this;
    if (transport === undefined)
      return own.map(({ sums, ...rest }) => ({ ...rest, sum: sums[0] ?? NOTHING }));
    const all = await allGatherValues(
      transport,
      own.map(({ losses, slopes, values }) => ({ losses, slopes, values })),
    );
    const results: Result[] = [];
    for (const [index, { sums, length }] of own.entries()) {
      const of = (name: 'losses' | 'slopes' | 'values') =>
        concatenated(
          Float64Array,
          all.map((ofRank) => ofRank[index]![name]),
        );
      results.push({
        losses: of('losses'),
        slopes: of('slopes'),
        values: of('values'),
        sum: length === 0 ? NOTHING : await this.#sumOfRanks(transport, sums, length),
      });
    }
    return results;
  }

  async #sumOfRanks(
    transport: Transport,
    sums: readonly Float64Array[],
    length: number,
  ): Promise<Float64Array> {
    const { plan, share } = this.setup;
    const into = sums[0] ?? sharedFloat64(length);
    await transport.treeSum({ ...share.branches, branches: sums, into }, plan.branches);
    return into;
  }
}

export const NOTHING = new Float64Array();

/** Travels between ranks without a copy. */
export const sharedFloat64 = (length: number): Float64Array =>
  new Float64Array(new SharedArrayBuffer(length * 8));

export function concatenated<Values extends Float64Array | Uint8Array>(
  Class: new (length: number) => Values,
  parts: readonly Values[],
): Values {
  const all = new Class(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** With what would show that ranks have come to different numbers. */
const shown = ({ operation }: PassRequest): string =>
  'step' in operation ? `${operation.name} (${operation.step})` : operation.name;

// When checkpoints are made, and of whom: all parts of a training that are at work (one of fit, heads of fitMany) come to a point
// where they can be kept, and wait there for the others. Nothing is computed anew or in another order, so no bit depends on it.
// With several ranks, parts come to these points together on all of them, and stop only there.
import { setImmediate } from 'node:timers/promises';
import { Cancellation } from '../../cancellation.js';
import { byRank0, checkSame, withOthers } from '../../distributed/together.js';
import type { Transport } from '../../distributed/transport.js';
import {
  CHECKPOINT_VERSION,
  type Checkpoint,
  type CheckpointReason,
  type CheckpointState,
} from './checkpoint.js';
import type { CheckedResume } from './checkpoint-options.js';
import { checkConditions } from './conditions.js';
import { type MetPart, RankAgreement } from './rank-agreement.js';

const DEFAULT_MS = 60_000;
/** By default, of the time: what making them may take. */
const MOST_SHARE = 0.01;

/** What a checkpoint has beside its conditions. */
export type KeptState = Pick<Checkpoint, 'position' | 'state'>;

/** States of parts, by their keys. */
export type PartStates = ReadonlyMap<string, KeptState>;

export interface CheckpointsTerms extends CheckedResume {
  readonly kind: Checkpoint['kind'];
  readonly signal: Cancellation | undefined;
  /** Asked for where there is anything to keep or to go on from. */
  readonly conditions: () => Checkpoint['conditions'];
  /** Asked for where ranks train together: what else must be the same for the same bits. */
  readonly start: () => Checkpoint['conditions'];
  readonly transport: Transport | undefined;
  /** Of all parts at work; undefined: there is nothing to keep yet. */
  readonly whole: (parts: PartStates) => KeptState | undefined;
}

/** Copies; of ranks, where all of them make theirs. */
export type Snapshot = () => KeptState | Promise<KeptState>;

interface Waiting {
  readonly snapshot: Snapshot;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export class Checkpoints {
  /** What training goes on from. */
  readonly from: CheckpointState | undefined;
  /** Ends work that can be left at any step: the caller's signal, and what onCheckpoint throws. */
  readonly signal: Cancellation | undefined;
  /** Ends work that can only be kept at the next point: not the caller's signal where that is to be kept. */
  readonly hardSignal: Cancellation | undefined;
  readonly #terms: CheckpointsTerms;
  readonly #conditions: Checkpoint['conditions'];
  readonly #parts = new Set<CheckpointPart>();
  readonly #onAbort: (() => void) | undefined;
  /** What onCheckpoint does at the time. */
  #pending: Promise<void> = Promise.resolve();
  #lastMs = performance.now();
  #costMs = 0;
  #isMaking = false;
  #hasStopped = false;
  /** Of several ranks. */
  readonly #agreement: RankAgreement | undefined;
  #isMeeting = false;
  /** With several ranks: what a part of this one has failed with. The others, who are told at the end, do not come to meet it. */
  #failure: { readonly error: unknown } | undefined;
  #isAgreedDue = false;
  /** Why all parts stop: aborted by the caller's signal, or with several ranks once all have agreed to. */
  readonly #stop: Cancellation | undefined;

  /** Throws ERR_CHECKPOINT where resumeFrom is of another training. */
  constructor(terms: CheckpointsTerms) {
    const { checkpoints, resumeFrom, signal } = terms;
    this.#terms = terms;
    const transport = withOthers(terms.transport);
    this.#agreement = transport && new RankAgreement(transport);
    this.#stop = this.#agreement === undefined ? signal : new Cancellation();
    const isNeeded = checkpoints !== undefined || resumeFrom !== undefined || this.#agreement !== undefined;
    this.#conditions = isNeeded ? terms.conditions() : {};
    if (resumeFrom !== undefined) checkConditions(resumeFrom.conditions, this.#conditions);
    this.from = resumeFrom?.state;
    if (checkpoints === undefined) {
      this.signal = this.#stop;
      this.hardSignal = this.#stop;
      return;
    }
    const stop = this.#stop;
    const [soft, hard] = [new Cancellation(), new Cancellation()];
    this.signal = soft;
    this.hardSignal = hard;
    this.#onAbort = () => {
      soft.abort(stop?.reason);
      if (!checkpoints.atStop) hard.abort(stop?.reason);
    };
    stop?.addListener(this.#onAbort);
  }

  /** Of several ranks. */
  get areShared(): boolean {
    return this.#agreement !== undefined;
  }

  /** Runs a training, and waits for what onCheckpoint has begun. Throws what that throws. */
  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      if (this.areShared) await this.#checkAlike();
      const result = await work();
      await this.#settle();
      return result;
    } catch (error) {
      // All parts may have come to their ends.
      await this.#pending;
      if (this.isStopping && !this.#hasStopped) await this.#make('stopped');
      // All ranks come here, if they have agreed to stop.
      await (this.isStopping && error === this.#stop?.reason ? this.#settle() : this.#pending);
      throw error;
    } finally {
      if (this.#onAbort !== undefined) this.#stop?.removeListener(this.#onAbort);
    }
  }

  /** Ranks that begin with something else would end with something else, or wait for each other in vain. */
  async #checkAlike(): Promise<void> {
    const { kind, start, checkpoints, resumeFrom, transport } = this.#terms;
    if (this.#agreement === undefined || transport === undefined) return;
    const { everySteps, atStop } = checkpoints ?? {};
    const facts = {
      ...this.#conditions,
      ...start(),
      checkpoint: checkpoints === undefined ? 'none' : `of every ${everySteps} steps, at a stop: ${atStop}`,
      resumeFrom: resumeFrom === undefined ? 'none' : JSON.stringify(resumeFrom.position),
    };
    await checkSame(transport, kind, facts, 'all ranks must pass the same rows, labels and options');
  }

  /** A part that is at work from now on. It must not wait for memory that other parts may have. */
  enter(key: string): CheckpointPart {
    const part = new CheckpointPart(this, key);
    this.#parts.add(part);
    return part;
  }

  /** The caller has aborted training, and all that there is will be kept. */
  get isStopping(): boolean {
    return this.#terms.checkpoints?.atStop === true && this.#stop?.aborted === true;
  }

  /** Whether parts are to come to a point. */
  get isDue(): boolean {
    if (this.isStopping) return true;
    return this.#agreement === undefined ? this.#isDueHere : this.#isAgreedDue;
  }

  get #isDueHere(): boolean {
    const { checkpoints } = this.#terms;
    if (checkpoints === undefined) return false;
    if (checkpoints.everySteps !== undefined) {
      return [...this.#parts].some(({ steps }) => this.stepsLeft(steps) <= 0);
    }
    const { everySeconds } = checkpoints;
    const intervalMs =
      everySeconds === undefined ? Math.max(DEFAULT_MS, this.#costMs / MOST_SHARE) : everySeconds * 1000;
    return performance.now() - this.#lastMs >= intervalMs;
  }

  /** Of `steps` since the last one. */
  stepsLeft(steps: number): number {
    return (this.#terms.checkpoints?.everySteps ?? Number.POSITIVE_INFINITY) - steps;
  }

  /** Of a part that ends with it: no part of this rank meets the other ranks any more, unless all have agreed to stop. */
  fail(error: unknown): void {
    if (this.areShared && this.#stop?.aborted !== true) this.#failure ??= { error };
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async leave(part: CheckpointPart): Promise<void> {
    // What came of it is told by then: a checkpoint has the one or the other.
    await setImmediate();
    this.#parts.delete(part);
    await this.makeIfAllWait();
    await this.meetIfAllCome();
  }

  /** With several ranks: they meet once all parts at work have come to a point, or wait at one. */
  async meetIfAllCome(): Promise<void> {
    const parts = [...this.#parts];
    const coming = parts.filter(({ meeting }) => meeting !== undefined);
    const areHere = parts.every(({ meeting, waiting }) => (meeting ?? waiting) !== undefined);
    if (this.#isMeeting || coming.length === 0 || !areHere) return;
    this.#isMeeting = true;
    try {
      await this.#meet(coming);
    } catch (error) {
      for (const part of coming) part.endMeeting(({ reject }) => reject(error));
    } finally {
      this.#isMeeting = false;
    }
    // Those who have not waited for this one.
    await this.meetIfAllCome();
  }

  async #meet(parts: readonly CheckpointPart[]): Promise<void> {
    this.#throwIfFailed();
    // What they have agreed on is not done yet: who comes late does the same.
    if (!this.#stop!.aborted && !this.#isAgreedDue) {
      const { signal } = this.#terms;
      const met = parts.map((part) => part.met).sort((a, b) => (a.key < b.key ? -1 : 1));
      const stop = signal?.aborted ? { reason: signal.reason } : undefined;
      const agreed = await this.#agreement!.meet(met, stop, this.#isDueHere);
      this.#isAgreedDue = agreed.isDue;
      for (const part of parts) part.stepsToMeeting = agreed.stepsOf(part.key);
      if (agreed.stop !== undefined) this.#stop!.abort(agreed.stop.reason);
    }
    const isKept = !this.#stop!.aborted || this.isStopping;
    for (const part of parts) {
      part.endMeeting(({ resolve, reject }) => (isKept ? resolve() : reject(this.#stop!.reason)));
    }
  }

  async makeIfAllWait(): Promise<void> {
    const allWait = () => [...this.#parts].every(({ waiting }) => waiting !== undefined);
    if (this.#isMaking || this.#parts.size === 0 || !allWait()) return;
    this.#isMaking = true;
    try {
      this.#throwIfFailed();
      await this.#settle();
      // Others may have begun meanwhile: they come here, too.
      if (!allWait()) return;
      const { isStopping } = this;
      // Others may have ended for that reason, and would be missing.
      if (!isStopping) this.#stop?.throwIfAborted();
      if (!this.#hasStopped) await this.#make(isStopping ? 'stopped' : 'due');
      if (isStopping) {
        await this.#settle();
        this.#release(({ reject }) => reject(this.#stop?.reason));
      } else {
        this.#release(({ resolve }) => resolve());
      }
    } catch (error) {
      this.#release(({ reject }) => reject(error));
    } finally {
      this.#isMaking = false;
    }
  }

  /** What onCheckpoint has begun: of several ranks, on rank 0, and the others wait for it, however long it takes. */
  async #settle(): Promise<void> {
    const transport = withOthers(this.#terms.transport);
    if (transport === undefined) await this.#pending;
    else
      await byRank0(
        transport,
        () => this.#pending,
        () => new Uint8Array(),
      );
  }

  #release(how: (waiting: Waiting) => void): void {
    for (const part of this.#parts) {
      const { waiting } = part;
      part.waiting = undefined;
      if (waiting !== undefined) how(waiting);
    }
  }

  async #make(reason: CheckpointReason): Promise<void> {
    const { checkpoints, kind, whole, transport } = this.#terms;
    const begin = performance.now();
    if (reason === 'stopped') this.#hasStopped = true;
    const states = new Map<string, KeptState>();
    // Ranks gather what they keep in the same order.
    for (const part of [...this.#parts].sort((a, b) => (a.key < b.key ? -1 : 1))) {
      part.steps = 0;
      if (part.waiting !== undefined) states.set(part.key, await part.waiting.snapshot());
    }
    this.#isAgreedDue = false;
    // Rank 0 keeps what all ranks have made together.
    const kept = transport === undefined || transport.rank === 0 ? whole(states) : undefined;
    this.#lastMs = performance.now();
    this.#costMs = this.#lastMs - begin;
    if (kept === undefined || checkpoints === undefined) return;
    const checkpoint = { kind, version: CHECKPOINT_VERSION, conditions: this.#conditions, ...kept };
    this.#pending = this.#handOut(checkpoint, reason, checkpoints.onCheckpoint);
    // Awaited by the next one, or at the end.
    this.#pending.catch((error: unknown) => {
      this.signal?.abort(error);
      this.hardSignal?.abort(error);
    });
  }

  async #handOut(
    checkpoint: Checkpoint,
    reason: CheckpointReason,
    onCheckpoint: (checkpoint: Checkpoint, reason: CheckpointReason) => void | Promise<void>,
  ): Promise<void> {
    await onCheckpoint(checkpoint, reason);
  }
}

/** One that is at work. */
export class CheckpointPart {
  readonly key: string;
  /** Since the last checkpoint. */
  steps = 0;
  waiting: Waiting | undefined;
  /** With several ranks: it has come to where they meet. */
  meeting: (Omit<Waiting, 'snapshot'> & { readonly figure: number }) | undefined;
  /** How many steps it may take until then, if it can choose. */
  stepsToMeeting = 1;
  #stepsSince = 0;
  readonly #checkpoints: Checkpoints;

  constructor(checkpoints: Checkpoints, key: string) {
    this.#checkpoints = checkpoints;
    this.key = key;
  }

  /** It should come to a point as soon as it can. */
  get isDue(): boolean {
    return this.#checkpoints.isDue;
  }

  /** Until one is due, or ranks meet; Infinity where that goes by time. */
  get stepsLeft(): number {
    const left = this.#checkpoints.stepsLeft(this.steps);
    return this.#checkpoints.areShared ? Math.min(left, this.stepsToMeeting - this.#stepsSince) : left;
  }

  /**
   * It can be kept as it is, one step after its last point. Where a checkpoint is due, resolves once it is made; rejects with
   * signal.reason where training was stopped, and with what onCheckpoint threw. `figure`: see MetPart.
   */
  point(snapshot: Snapshot, figure: number): Promise<void> | undefined {
    this.count(1);
    const meeting = this.meet(figure);
    if (meeting === undefined) return this.isDue ? this.wait(snapshot) : undefined;
    return meeting.then(() => (this.isDue ? this.wait(snapshot) : undefined));
  }

  /** Those who come to a point together count first, and wait if it is due for one of them. */
  count(steps: number): void {
    this.steps += steps;
    this.#stepsSince += steps;
  }

  /** It is at a point where its ranks meet, if there are several. Rejects where they have agreed to stop and nothing is to be kept. */
  meet(figure: number): Promise<void> | undefined {
    if (!this.#checkpoints.areShared) return undefined;
    return new Promise((resolve, reject) => {
      this.meeting = { figure, resolve, reject };
      void this.#checkpoints.meetIfAllCome();
    });
  }

  get met(): MetPart {
    return { key: this.key, steps: this.#stepsSince, figure: this.meeting?.figure ?? 0 };
  }

  endMeeting(how: (meeting: Omit<Waiting, 'snapshot'>) => void): void {
    const { meeting } = this;
    this.meeting = undefined;
    this.#stepsSince = 0;
    if (meeting !== undefined) how(meeting);
  }

  wait(snapshot: Snapshot): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting = { snapshot, resolve, reject };
      void this.#checkpoints.makeIfAllWait();
    });
  }

  /** Before it leaves: with an error that the other parts must end with, too. */
  fail(error: unknown): void {
    this.#checkpoints.fail(error);
  }

  /** It is done, well or not. */
  leave(): void {
    void this.#checkpoints.leave(this);
  }
}

// Memory that calls and training runs take from the arena while they run: where others hold it, they wait for them instead of
// failing, first come first served. Only the first in line tries again, so work does not grow with the square of what waits.
import { SoftshardError } from '../../errors.js';
import type { Ptr } from '../../kernels/ptr.js';
import type { Cancellation } from '../cancellation.js';
import type { Arena, ArenaScope } from './arena.js';
import { Line, type Place } from './line.js';

/**
 * Training waits for that of others as long as anything runs. Where nothing has for so long, those that hold memory may be
 * waiting for it: training that is begun in another's onEpochEnd.
 */
const PATIENCE_MS = 10_000;

/** Of the arena, what training leaves free for calls where other training runs already. */
const CALLS_SHARE = 1 / 8;

/** On what terms a training run may take memory. */
export interface RunTerms {
  /** Nothing that will end by itself holds memory: there is no more to wait for. */
  readonly isAlone: boolean;
  /** Pieces that have to stay free, in bytes, where the run's own are these. */
  reserve(own: readonly number[]): readonly number[];
}

/** A training run that has its memory. */
export interface PlacedRun {
  /** Pieces that have to stay free for it as long as it runs, in bytes. */
  readonly reserve: readonly number[];
}

export class CallMemory {
  readonly #arena: Arena;
  /** How many jobs have ended; undefined while one runs. */
  readonly #idleAfter: () => number | undefined;
  readonly #patienceMs: number;
  /** Calls that may hold memory, those that are just trying included. */
  #calls = 0;
  /** Tries that have ended, well or not. */
  #ended = 0;
  readonly #runs = new Set<PlacedRun>();
  readonly #waitingCalls = new Line();
  readonly #waitingRuns = new Line();
  /** The first of the waiting runs lets no more calls in until it has tried without any: it might find no room for ever. */
  #runNeedsCallsEnded = false;
  /** After which job it has been idle when it was looked at, and since when. */
  #idle: { readonly after: number | undefined; readonly sinceMs: number } = { after: undefined, sinceMs: 0 };

  constructor(arena: Arena, idleAfter: () => number | undefined = () => undefined, patienceMs = PATIENCE_MS) {
    this.#arena = arena;
    this.#idleAfter = idleAfter;
    this.#patienceMs = patienceMs;
  }

  /**
   * Runs work with a scope that is released at its end. Work has to allocate all it needs before it touches anything or awaits:
   * where that fails with ERR_ARENA_FULL while other calls hold memory, it is run again when one of them has ended. Rejects with
   * signal.reason when aborted in between. `held`: addresses of what it works on, which must not be given back meanwhile.
   */
  async use<Result>(
    held: readonly (Ptr | undefined)[],
    signal: Cancellation | undefined,
    work: (scope: ArenaScope) => Promise<Result>,
  ): Promise<Result> {
    const line = this.#waitingCalls;
    let place: Place | undefined;
    let scope = this.#holding(held);
    try {
      if (!line.isEmpty || this.#runNeedsCallsEnded) {
        place = line.newPlace(signal);
        await place.wait();
      }
      for (;;) {
        const ended = this.#ended;
        const { refusals } = this.#arena;
        let isRefused = false;
        this.#calls++;
        try {
          // Until it first awaits, which is not before it has all its memory.
          this.#arena.othersEnd = this.#calls > 1;
          const result = work(scope);
          this.#arena.othersEnd = false;
          isRefused = this.#arena.refusals > refusals;
          // Whoever comes now waits behind one that is refused. One that has its memory is in nobody's way.
          if (isRefused) {
            place ??= line.newPlace(signal);
            place.keep();
          } else if (place?.leave()) this.#wakeNext();
          return await result;
        } catch (error) {
          // A failure arrives some turns later: who held the memory may have ended by now.
          const nobodyHeld = this.#calls === 1 && this.#ended === ended;
          if (!isRefused || !isFull(error) || nobodyHeld) throw error;
        } finally {
          this.#arena.othersEnd = false;
          this.#calls--;
          this.#ended++;
          this.#wakeNext();
        }
        const next = this.#holding(held);
        scope.release();
        scope = next;
        // Unless others than its own try have ended meanwhile.
        if (this.#ended === ended + 1) await place?.wait();
      }
    } finally {
      scope.release();
      if (place?.leave()) this.#wakeNext();
    }
  }

  /**
   * Runs training with memory that `allocate` takes for it, all or none. Where that fails with ERR_ARENA_FULL it waits for calls
   * and for training that hold memory, and tries again. No call waits for training, which may take hours. `held`: as in use.
   */
  async train<Run extends PlacedRun, Result>(
    held: readonly (Ptr | undefined)[],
    signal: Cancellation | undefined,
    allocate: (terms: RunTerms) => Run,
    work: (run: Run) => Promise<Result>,
  ): Promise<Result> {
    const run = await this.#placeRun(held, signal, allocate);
    try {
      return await work(run);
    } finally {
      this.#runs.delete(run);
      this.#waitingRuns.wakeFirst();
    }
  }

  /** Rejects what waits. */
  close(reason: SoftshardError): void {
    this.#waitingCalls.rejectAll(reason);
    this.#waitingRuns.rejectAll(reason);
  }

  async #placeRun<Run extends PlacedRun>(
    held: readonly (Ptr | undefined)[],
    signal: Cancellation | undefined,
    allocate: (terms: RunTerms) => Run,
  ): Promise<Run> {
    const line = this.#waitingRuns;
    const place = line.newPlace(signal);
    const scope = this.#holding(held);
    let isPatient = true;
    try {
      if (!line.isEmpty) await place.wait();
      for (;;) {
        const isAlone = this.#calls === 0 && (this.#runs.size === 0 || !isPatient);
        try {
          const run = allocate({ isAlone, reserve: (own) => this.#reserve(own, isAlone) });
          this.#runs.add(run);
          return run;
        } catch (error) {
          if (!isFull(error) || isAlone) throw error;
        }
        this.#runNeedsCallsEnded = this.#calls > 0;
        if (this.#runNeedsCallsEnded) await place.wait();
        else isPatient = await this.#somethingEnds(place);
      }
    } finally {
      scope.release();
      if (place.leave()) {
        this.#runNeedsCallsEnded = false;
        line.wakeFirst();
        this.#wakeNext();
      }
    }
  }

  /** False where nothing has run for so long that there is nothing to wait for. */
  async #somethingEnds(place: Place): Promise<boolean> {
    const isWorthIt = () => Math.min(this.#idleMs(), place.waitedMs) < this.#patienceMs;
    const looking = setInterval(() => isWorthIt() || place.wake(), this.#patienceMs / 10);
    try {
      place.keep();
      // Calls that waited for its try.
      this.#wakeNext();
      if (isWorthIt()) await place.wait();
      return isWorthIt();
    } finally {
      clearInterval(looking);
    }
  }

  #idleMs(): number {
    const after = this.#idleAfter();
    const now = performance.now();
    if (after === undefined || after !== this.#idle.after) this.#idle = { after, sinceMs: now };
    return now - this.#idle.sinceMs;
  }

  /** The largest that any run needs, since validation takes turns; and something for calls beside those that run already. */
  #reserve(own: readonly number[], isAlone: boolean): readonly number[] {
    const all = [own, ...[...this.#runs].map(({ reserve }) => reserve)];
    const length = Math.max(...all.map((pieces) => pieces.length));
    const largest = Array.from({ length }, (_, i) => Math.max(...all.map((pieces) => pieces[i] ?? 0)));
    return isAlone || this.#runs.size === 0 ? largest : [...largest, this.#arena.limitBytes * CALLS_SHARE];
  }

  #wakeNext(): void {
    if (!this.#runNeedsCallsEnded) this.#waitingCalls.wakeFirst();
    else if (this.#calls === 0) this.#waitingRuns.wakeFirst();
  }

  /** What a call works on must not be handed to somebody else while threads write to it, though its owner frees it. */
  #holding(held: readonly (Ptr | undefined)[]): ArenaScope {
    const scope = this.#arena.scope();
    for (const ptr of held) if (ptr !== undefined) scope.retain(ptr);
    return scope;
  }
}

const isFull = (error: unknown): boolean =>
  error instanceof SoftshardError && error.code === 'ERR_ARENA_FULL';

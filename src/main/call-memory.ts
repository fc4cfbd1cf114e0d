// Memory that calls take from the arena while they run: where other calls hold it, a call waits for them instead of failing.
import { setMaxListeners } from 'node:events';
import { SoftshardError } from '../errors.js';
import type { Ptr } from '../kernels/kernels.js';
import type { Arena, ArenaScope } from './arena.js';

export class CallMemory {
  readonly #arena: Arena;
  /** Calls that may hold memory, those that are just trying included. */
  #running = 0;
  /** Tries that have ended, well or not. */
  #ended = 0;
  /** First come, first to try again. */
  readonly #waiting = new Set<() => void>();

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  /**
   * Runs work with a scope that is released at its end. Work has to allocate all it needs before it touches anything: where
   * that fails with ERR_ARENA_FULL while other calls hold memory, it is run again when one of them has ended. Rejects with
   * signal.reason when aborted in between. `held`: addresses of what it works on, which must not be given back meanwhile.
   */
  async use<Result>(
    held: readonly (Ptr | undefined)[],
    signal: AbortSignal | undefined,
    work: (scope: ArenaScope) => Promise<Result>,
  ): Promise<Result> {
    let scope = this.#holding(held);
    try {
      for (;;) {
        this.#running++;
        const ended = this.#ended;
        try {
          return await work(scope);
        } catch (error) {
          const isFull = error instanceof SoftshardError && error.code === 'ERR_ARENA_FULL';
          // A failure arrives some turns later: who held the memory may have ended by now.
          const nobodyHeld = this.#running === 1 && this.#ended === ended;
          if (!isFull || nobodyHeld) throw error;
        } finally {
          this.#running--;
          this.#ended++;
        }
        const next = this.#holding(held);
        scope.release();
        scope = next;
        if (this.#running > 0) await this.#anotherEnds(signal);
      }
    } finally {
      scope.release();
      for (const tryAgain of this.#waiting) tryAgain();
    }
  }

  /** What a call works on must not be handed to somebody else while threads write to it, though its owner frees it. */
  #holding(held: readonly (Ptr | undefined)[]): ArenaScope {
    const scope = this.#arena.scope();
    for (const ptr of held) if (ptr !== undefined) scope.retain(ptr);
    return scope;
  }

  #anotherEnds(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#waiting.delete(end);
        signal?.removeEventListener('abort', end);
        if (signal?.aborted) reject(signal.reason);
        else resolve();
      };
      this.#waiting.add(end);
      // Node 20 warns of a leak at the eleventh listener, though a signal may well cancel more calls than ten.
      if (signal !== undefined) setMaxListeners(0, signal);
      signal?.addEventListener('abort', end, { once: true });
      if (signal?.aborted) end();
    });
  }
}

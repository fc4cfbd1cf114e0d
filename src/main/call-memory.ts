// Memory that calls take from the arena while they run: where other calls hold it, a call waits for them instead of failing.
import { setMaxListeners } from 'node:events';
import { SoftshardError } from '../errors.js';
import type { Ptr } from '../kernels/kernels.js';
import type { Arena, ArenaScope } from './arena.js';

export class CallMemory {
  readonly #arena: Arena;
  /** Calls that may hold memory, those that are just trying included. */
  #running = 0;
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
    const kept = this.#arena.scope();
    for (const ptr of held) if (ptr !== undefined) kept.retain(ptr);
    try {
      for (;;) {
        const attempt = await this.#try(work);
        if (attempt !== undefined) return attempt.result;
        await this.#anotherEnds(signal);
      }
    } finally {
      kept.release();
      for (const tryAgain of this.#waiting) tryAgain();
    }
  }

  /** Undefined: there was no room, but others hold memory. */
  async #try<Result>(work: (scope: ArenaScope) => Promise<Result>): Promise<{ result: Result } | undefined> {
    const scope = this.#arena.scope();
    this.#running++;
    try {
      return { result: await work(scope) };
    } catch (error) {
      const isFull = error instanceof SoftshardError && error.code === 'ERR_ARENA_FULL';
      if (isFull && this.#running > 1) return undefined;
      throw error;
    } finally {
      scope.release();
      this.#running--;
    }
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

// Who waits for something, first come first served: the first in line is woken to try, the others wait behind it.
import type { Cancellation } from '../cancellation.js';

export class Line {
  readonly #places = new Set<Place>();

  newPlace(signal: Cancellation | undefined): Place {
    return new Place(this.#places, signal);
  }

  get isEmpty(): boolean {
    return this.#places.size === 0;
  }

  wakeFirst(): void {
    firstOf(this.#places)?.wake();
  }

  rejectAll(reason: unknown): void {
    for (const place of this.#places) place.reject(reason);
  }
}

/** Of one who may have to wait, several times over: it keeps its place until it leaves. */
export class Place {
  readonly #places: Set<Place>;
  readonly #signal: Cancellation | undefined;
  #sinceMs = 0;
  #waiting: { resolve(): void; reject(reason: unknown): void } | undefined;

  constructor(places: Set<Place>, signal: Cancellation | undefined) {
    this.#places = places;
    this.#signal = signal;
  }

  keep(): void {
    if (this.#places.has(this)) return;
    this.#places.add(this);
    this.#sinceMs = performance.now();
  }

  /** Whether it was the first. */
  leave(): boolean {
    const wasFirst = firstOf(this.#places) === this;
    this.#places.delete(this);
    return wasFirst;
  }

  get waitedMs(): number {
    return performance.now() - this.#sinceMs;
  }

  /** Until it is woken. Rejects with signal.reason when aborted. */
  wait(): Promise<void> {
    this.keep();
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#signal?.addListener(this.#onAbort);
    });
  }

  wake(): void {
    this.#stopWaiting()?.resolve();
  }

  reject(reason: unknown): void {
    this.#stopWaiting()?.reject(reason);
  }

  readonly #onAbort = (): void => this.reject(this.#signal?.reason);

  #stopWaiting() {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#signal?.removeListener(this.#onAbort);
    return waiting;
  }
}

function firstOf(places: Set<Place>): Place | undefined {
  for (const place of places) return place;
  return undefined;
}

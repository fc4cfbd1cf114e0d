// Calls for few rows that are made in one turn of the event loop become one batch.
import type { Cancellation } from '../cancellation.js';
import type { RowElements } from './rows.js';

export type Answers = Int32Array | Float32Array;

interface Call<Kind extends Answers> {
  /** Where its rows are among those of the batch, in elements. */
  readonly begin: number;
  readonly end: number;
  readonly stop: Cancellation;
  readonly resolve: (answers: Kind) => void;
  readonly reject: (reason: unknown) => void;
}

const NONE = new Float32Array(0);

export class Coalescer<Kind extends Answers> {
  readonly #compute: (rows: Float32Array) => Promise<Kind>;
  readonly #check: (answers: Kind, rows: Float32Array) => void;
  #calls: Call<Kind>[] = [];
  #rows = NONE;
  #used = 0;
  /** As many elements as the batch before had. */
  #expected = 0;

  /** compute: the answers for at least one row, as many elements for each. check throws what a call with these rejects with. */
  constructor(
    compute: (rows: Float32Array) => Promise<Kind>,
    check: (answers: Kind, rows: Float32Array) => void,
  ) {
    this.#compute = compute;
    this.#check = check;
  }

  /** The answers for at least one row, which is copied. `stop` ends this call alone. */
  add(rows: RowElements, stop: Cancellation): Promise<Kind> {
    return new Promise((resolve, reject) => {
      // After the events that are at hand now: each may add a call.
      if (this.#calls.length === 0) setImmediate(() => this.#computeCalls());
      const begin = this.#used;
      const end = begin + rows.length;
      if (end > this.#rows.length) this.#growTo(end);
      this.#rows.set(rows, begin);
      this.#used = end;
      this.#calls.push({ begin, end, stop, resolve, reject });
      stop.addListener(() => reject(stop.reason));
    });
  }

  #growTo(end: number): void {
    const former = this.#rows;
    this.#rows = new Float32Array(Math.max(end, 2 * former.length, this.#expected));
    this.#rows.set(former);
  }

  async #computeCalls(): Promise<void> {
    const calls = this.#calls;
    const rows = this.#rows.subarray(0, this.#used);
    this.#calls = [];
    this.#rows = NONE;
    this.#expected = this.#used;
    this.#used = 0;
    if (calls.every(({ stop }) => stop.aborted)) return;
    try {
      const answers = await this.#compute(rows);
      const at = (element: number) => (element * answers.length) / rows.length;
      for (const { begin, end, resolve, reject } of calls) {
        const own = answers.slice(at(begin), at(end)) as Kind;
        try {
          this.#check(own, rows.subarray(begin, end));
          resolve(own);
        } catch (error) {
          reject(error);
        }
      }
    } catch (error) {
      for (const { reject } of calls) reject(error);
    }
  }
}

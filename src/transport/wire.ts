// What carries numbers from rank to rank: the one thing that MPI and ranks in one process do differently.

export type Floats = Float32Array | Float64Array;

/** One of several that begin together. Sizes are known to both sides. */
export interface Transfer {
  readonly peer: number;
  readonly send?: ArrayBufferView;
  readonly receive?: ArrayBufferView;
}

export interface Wire {
  readonly rank: number;
  readonly ranks: number;
  /**
   * Ends when all transfers have. `meeting`: peers may be long in coming; else all are known to be at the same place, so that
   * it pays to look out for them without a pause.
   */
  exchange(transfers: readonly Transfer[], meeting?: boolean): Promise<void> | void;
  /** sum[i] += values[i] */
  add(sum: Floats, values: Floats): void;
  /** Room for `bytes` that transfers may use, until the next call. */
  scratch(bytes: number): ArrayBufferLike;
}

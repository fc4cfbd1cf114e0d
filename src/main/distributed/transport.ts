// What ranks say to each other. Ranks are processes, of one machine or several, that run the same program, each on its own
// part of the rows.

/** The part of a sum over ranks that one rank brings: branches [begin, end) of all. */
export interface OwnBranches<Values extends Float32Array | Float64Array = Float32Array | Float64Array> {
  readonly begin: number;
  /** Where they end, if some of them are added up already: `branches` are then the nodes that cover them (kernels/tree-sum.ts). */
  readonly end?: number | undefined;
  /** Of equal length on all ranks, and overwritten. Views of a SharedArrayBuffer travel without a copy. */
  readonly branches: readonly Values[];
  /** Where the sum goes; default branches[0]. A rank that brings none must name it. */
  readonly into?: Values | undefined;
}

/**
 * All ranks make the same calls in the same order; a call ends when all ranks have made it. Calls of one rank need not wait for
 * each other. What cannot be mended (a rank is lost, or makes another call) ends the program on all ranks.
 */
export interface Transport {
  /** From 0. */
  readonly rank: number;
  readonly ranks: number;
  /** Every rank's bytes, in the order of ranks; lengths may differ. The same on all ranks. */
  allGather(bytes: Uint8Array): Promise<readonly Uint8Array[]>;
  /**
   * The sum of `count` branches, element by element, along the tree of kernels/tree-sum.ts over all of them, whoever brings them: all
   * ranks get the bits that one rank with all branches gets. Ranks bring them in order, rank 0 the first.
   */
  treeSum(own: OwnBranches, count: number): Promise<void>;
  /** As allGather, for `root` (default 0) alone; the others get undefined. */
  gather(bytes: Uint8Array, root?: number): Promise<readonly Uint8Array[] | undefined>;
  /** The bytes of `root` (default 0), which alone must pass some. */
  broadcast(bytes: Uint8Array | undefined, root?: number): Promise<Uint8Array>;
  /** Resolves when all ranks have come so far. */
  barrier(): Promise<void>;
  /**
   * This rank cannot go on: the call of the other ranks rejects with the error, naming this rank, and the transport stays usable.
   * Gives the lowest rank that failed in the same call, which is the one to report.
   */
  fail(error: unknown): Promise<number>;
  /**
   * What connects ranks [0, ranks) alone, on those ranks; undefined on the others. Calls of it and of this transport must come in the
   * same order on all ranks that make both. Closing it leaves this transport open.
   */
  firstRanks(ranks: number): Transport | undefined;
  /** Prints the cause and ends the program on all ranks with the exit code, by default 70. */
  abort(cause: string, code?: number): never;
  /** All ranks leave together. Rejects, and leaves the transport open, where another rank fails in place of that. */
  close(): Promise<void>;
}

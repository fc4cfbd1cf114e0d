// What main and the communication worker say to each other.

/** What the worker gets at its start. */
export interface TransportSetup {
  /** The file of the MPI library. */
  readonly library: string;
  readonly watchdogMs: number;
  /** Shared, [1]: not 0 once main ends the program. */
  readonly ending: Int32Array;
}

export type TransportCommand = {
  readonly id: number;
  /** The call is of the first so many ranks; left out: of all. */
  readonly ranks?: number | undefined;
} & (
  | { readonly call: 'allGather'; readonly bytes: Uint8Array }
  | { readonly call: 'gather'; readonly bytes: Uint8Array; readonly root: number }
  | { readonly call: 'broadcast'; readonly bytes: Uint8Array | undefined; readonly root: number }
  | { readonly call: 'barrier' }
  | { readonly call: 'fail'; readonly bytes: Uint8Array }
  | {
      readonly call: 'treeSum';
      readonly begin: number;
      readonly end: number | undefined;
      /** All on SharedArrayBuffers. */
      readonly branches: readonly (Float32Array | Float64Array)[];
      readonly into: Float32Array | Float64Array;
      readonly count: number;
    }
  | { readonly call: 'close' }
);

export type TransportReply =
  | { readonly kind: 'ready'; readonly rank: number; readonly ranks: number }
  | { readonly kind: 'done'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly rank: number; readonly bytes: Uint8Array }
  | { readonly kind: 'refused'; readonly id: number; readonly message: string }
  /** MPI_Finalize is called, without which a program may end too: all ranks have come to their end. */
  | { readonly kind: 'finalizing'; readonly id: number }
  /** The program ends; the cause is printed already. */
  | { readonly kind: 'ending' };

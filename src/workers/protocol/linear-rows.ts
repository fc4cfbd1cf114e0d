// Tasks on rows of a linear model's inputs, without training.
import type { Ptr } from '../../kernels/ptr.js';
import type { GangTask } from './gang.js';

/** A linear softmax model in the layout of the kernels, and the rows it is to work on. */
export interface LinearRows {
  /** The buffer at its present length: a worker's own view of a grown memory may lag behind. */
  readonly buffer: SharedArrayBuffer;
  readonly inputs: Ptr;
  /** One of INPUTS_… of layout.ts, and what gatherInputs scales them by. */
  readonly inputsType: number;
  readonly scaling: Ptr;
  /** Uint32 row numbers, or 0 for rows in order. */
  readonly indices: Ptr;
  readonly features: number;
  readonly classes: number;
  /** In strips; for parameter-sharded training in panels. */
  readonly weights: Ptr;
  readonly bias: Ptr;
  /** One piece of scratchBytes for each member, enough for a tile of tileRows. */
  readonly scratch: Ptr;
  readonly scratchBytes: number;
  readonly tileRows: number;
}

/** Softmax cross-entropy with options, of rows of a linear model: what lossRowsAt asks for. */
export interface LinearLoss {
  /** The block of loss-layout.ts. */
  readonly call: Ptr;
  /** Float32 [rows × classes] or 0, and bytes [rows × classes] or 0: indexed as inputs are. */
  readonly softTargets: Ptr;
  readonly mask: Ptr;
  /** Where in a member's scratch the memory for it begins (tileLossScratch); before it lies the tile's. */
  readonly scratchOffset: number;
}

/** The model's class (and, with targets, what metrics keep: see predictRows), probabilities or logits for each row. */
export interface PredictTask extends GangTask, LinearRows {
  readonly kind: 'predict';
  readonly rows: number;
  readonly shardRows: number;
  /** Float32 [rows × classes], or 0 to write predictions (and with targets the rest) instead. */
  readonly probabilities: Ptr;
  /** Whether the logits themselves are wanted in their place. */
  readonly areLogits: boolean;
  readonly predictions: Ptr;
  /** Int32, indexed as inputs are; 0: predictions alone. */
  readonly targets: Ptr;
  readonly ranks: Ptr;
  /** Float64. */
  readonly losses: Ptr;
  readonly confidences: Ptr;
  /** Its losses go where the block says; undefined: only plain ones are wanted. */
  readonly loss: LinearLoss | undefined;
  /** Whether a BLAS computes the logits: the parameters are one panel then. */
  readonly blas: boolean;
}

// The task of a loss over a linear layer.
import type { Ptr } from '../../kernels/ptr.js';
import type { GangTask } from './gang.js';
import type { IgnoredTargets } from './rows.js';

/**
 * Cross-entropy over a linear layer, chunk by chunk of rows. The chunk's logits lie as blockColumns (layout.ts) says, and
 * become their gradient in place.
 */
export interface LinearLossTask extends GangTask {
  readonly kind: 'linearCrossEntropy';
  /** The buffer at its present length, for views. */
  readonly buffer: SharedArrayBuffer;
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
  /** Where this segment starts; it ends with the last chunk, or before when it yields. */
  readonly chunkBegin: number;
  readonly chunkRows: number;
  /** How the work of a chunk is shared: none of these changes a bit. */
  readonly forwardRows: number;
  readonly inputsRows: number;
  readonly inputsFeatures: number;
  readonly weightsFeatures: number;
  /** Classes of a block. */
  readonly columns: number;
  /** Whether a BLAS computes the products. */
  readonly blas: boolean;
  /** Float32 [rows × features]; with halfInputs [chunkRows × features], those of the chunk. */
  readonly inputs: Ptr;
  /** [features × classes] of weightsType. */
  readonly weights: Ptr;
  /** TYPE_FLOAT32 or a half type of loss-layout.ts. */
  readonly weightsType: number;
  /** Float32 [classes] or 0. */
  readonly bias: Ptr;
  /** What `inputs` and `bias` are widened from, with every chunk; undefined: they are the caller's. */
  readonly halfInputs: HalfArray | undefined;
  readonly halfBias: HalfArray | undefined;
  /** [rows], or 0 with soft targets. */
  readonly targets: Ptr;
  /** The block of loss-layout.ts, or 0: plain cross-entropy times `scale`. */
  readonly call: Ptr;
  readonly scale: number;
  readonly ignore: IgnoredTargets | undefined;
  /** Undefined: no row is ignored, or no gradWeights wanted. */
  readonly hidden: HiddenInputs | undefined;
  /** Float32 [rows × classes] or 0, only with a `call`. */
  readonly softTargets: Ptr;
  /** Bytes [rows × classes] or 0, only with a `call`. */
  readonly mask: Ptr;
  /** [rows] or 0. With a `call` it says so itself. */
  readonly losses: Ptr;
  /** [rows × features], [features × classes], [classes]; each may be 0. */
  readonly gradInputs: Ptr;
  readonly gradWeights: Ptr;
  readonly gradBias: Ptr;
  /** Gradients are added to what is there. gradBias always is: main clears it. */
  readonly accumulate: boolean;
  /** Float32 [classBlocks × chunkRows × blockColumns]; with a BLAS [chunkRows × paddedClasses]. */
  readonly logits: Ptr;
  /** Uint32 [chunkRows]: the addresses of the first chunk's inputs, and of its logits in the first block. */
  readonly inputsPtrs: Ptr;
  readonly logitsPtrs: Ptr;
  /** Float64, cleared: sums of losses and of z-losses, one pair for LOSS_SHARD_ROWS rows of the chunk. */
  readonly sums: Ptr;
  /** Float64: the two sums over all chunks so far. */
  readonly totals: Ptr;
  /** One piece of scratchBytes for each member. */
  readonly scratch: Ptr;
  readonly scratchBytes: number;
  /** Rows whose logits are brought together at a time. */
  readonly tileRows: number;
  readonly spins: number;
}

/** All rows of the inputs, or the bias, in a half type. */
export interface HalfArray {
  readonly ptr: Ptr;
  /** As weightsType. */
  readonly type: number;
}

/** A chunk's inputs as gradWeights reads them, ignored rows being rows of zeros: theirs may be NaN. */
export interface HiddenInputs {
  /** Uint32 [chunkRows]: the addresses of the rows, less what the chunk's rows begin after; a BLAS: float32 [chunkRows × features]. */
  readonly shown: Ptr;
  /** Float32 [features] of zeros; not for a BLAS. */
  readonly zeroRow: Ptr;
}

/** Rows whose losses are summed apart: a divisor of SUM_ROWS, so that no shard is part of two chunks. */
export const LOSS_SHARD_ROWS = 8;

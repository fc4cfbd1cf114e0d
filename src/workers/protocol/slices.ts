// Tasks on rows of any element type along any axis, tile by tile.
import type { Ptr } from '../../kernels/ptr.js';
import type { GangTask } from './gang.js';
import type { IgnoredTargets } from './rows.js';

/** Rows of [outer × columns × inner] of any element type, one window; row r = o · inner + i. */
export interface SlicedRows {
  readonly outer: number;
  readonly columns: number;
  readonly inner: number;
  readonly shardOuters: number;
  readonly shardInner: number;
  /** TYPE_… of loss-layout.ts. */
  readonly type: number;
  /** One piece of scratchBytes for each member. */
  readonly scratch: Ptr;
  readonly scratchBytes: number;
  readonly tileRows: number;
}

/** As RowMapTask, for any type and axis. */
export interface TileMapTask extends GangTask, SlicedRows {
  readonly kind: 'tileMap';
  readonly operation: 'softmax' | 'logSoftmax' | 'logSumExp';
  readonly output: Ptr;
  readonly logits: Ptr;
}

/** What metrics keep of each row; see outcomeRows. */
export interface OutcomesTask extends GangTask, SlicedRows {
  readonly kind: 'outcomes';
  readonly logits: Ptr;
  readonly targets: Ptr;
  readonly predictions: Ptr;
  readonly ranks: Ptr;
  /** Float64 [rows]. */
  readonly losses: Ptr;
  /** In the type that is computed in. */
  readonly confidences: Ptr;
}

/** Softmax cross-entropy with every option. */
export interface LossTask extends GangTask, SlicedRows {
  readonly kind: 'loss';
  /** The block of loss-layout.ts; its arrays are those of the window. */
  readonly call: Ptr;
  /** Float64 [shards × 2], cleared: sums of losses and of z-losses. */
  readonly sums: Ptr;
  /** As the logits, or 0. */
  readonly gradLogits: Ptr;
  readonly logits: Ptr;
  /** As the logits, in the type that is computed in, or 0. */
  readonly softTargets: Ptr;
  /** Bytes, as the logits, or 0. */
  readonly mask: Ptr;
  /** The present length of the memory, for views. */
  readonly buffer: SharedArrayBuffer;
}

/**
 * What a loss beside crossEntropy needs but for its rows: the parameters of its kernel (other-loss-kernels.ts). Unless a
 * type is given, arrays are in the type that is computed in; those of elements have the shape of the rows.
 */
export type LossParameters =
  | {
      readonly loss: 'nll';
      readonly targets: Ptr;
      readonly ignore: IgnoredTargets | undefined;
      readonly weight: Ptr;
      readonly sampleWeight: Ptr;
    }
  | {
      readonly loss: 'probability';
      readonly targets: Ptr;
      readonly targetProbabilities: Ptr;
      readonly floor: number;
    }
  | {
      readonly loss: 'squaredError';
      readonly targets: Ptr;
      readonly targetValues: Ptr;
      readonly fromLogits: boolean;
    }
  | {
      readonly loss: 'divergence';
      readonly teacher: Ptr;
      /** TYPE_… of loss-layout.ts. */
      readonly teacherType: number;
      readonly teacherIsProbabilities: boolean;
      readonly targets: Ptr;
      readonly ignore: IgnoredTargets | undefined;
      readonly temperature: number;
      readonly divergenceFactor: number;
      readonly crossEntropyFactor: number;
    }
  | {
      readonly loss: 'binary';
      readonly targets: Ptr;
      readonly weight: Ptr;
      /** TYPE_… of the weights of each element, or undefined for those of columns. */
      readonly weightType: number | undefined;
      readonly posWeight: Ptr;
    };

/** Float64 cells that each shard of an OtherLossTask has for its sums; a loss may use fewer. */
export const SUMS_A_SHARD = 3;

/** One of the losses beside crossEntropy. */
export interface OtherLossTask extends GangTask, SlicedRows {
  readonly kind: 'otherLoss';
  readonly parameters: LossParameters;
  readonly outputs: Ptr;
  /** As the outputs, or 0. */
  readonly gradient: Ptr;
  /** [rows] or 0. */
  readonly gradOutput: Ptr;
  /** [rows] or 0. */
  readonly losses: Ptr;
  /** Float64 [shards × SUMS_A_SHARD], cleared. */
  readonly sums: Ptr;
  readonly scale: number;
  /** Rows of scratch memory that the kernel takes. */
  readonly scratchRows: number;
  /** The present length of the memory, for views. */
  readonly buffer: SharedArrayBuffer;
}

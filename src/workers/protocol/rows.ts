// Tasks on rows of any element type along any axis: softmax, the losses, and what metrics keep of each row.
import type { Ptr } from '../../kernels/ptr.js';
import type { GangTask } from './gang.js';

/** One window of rows [outer × columns × inner]; row r = o · inner + i has its elements `inner` apart. */
export interface StridedRows {
  readonly outer: number;
  readonly columns: number;
  readonly inner: number;
  readonly shardOuters: number;
  readonly shardInner: number;
  readonly tileRows: number;
  /** TYPE_… of loss-layout.ts. */
  readonly type: number;
}

export interface RowOperationTask extends GangTask, StridedRows {
  readonly kind: 'rowOperation';
  readonly operation: RowOperation;
  /** The rows: logits, probabilities, or log-probabilities. */
  readonly input: Ptr;
  /** Of the shape and type of the input, and possibly the input itself: softmax or gradient. 0: there is none. */
  readonly output: Ptr;
  /** Float64, cleared: the cells of each shard, as many as the operation has sums. */
  readonly sums: Ptr;
  /** One piece of scratchBytes for each member. */
  readonly scratch: Ptr;
  readonly scratchBytes: number;
}

/** What is computed of each row. Arrays have one entry a row, in the type that is computed in, unless said; 0: not given. */
export type RowOperation =
  | SoftmaxOperation
  | CrossEntropyOperation
  | CrossEntropyWithOptionsOperation
  | RowLossOperation
  | RowPredictionsOperation;

export type SoftmaxOperation =
  | { readonly kind: 'softmax' | 'logSoftmax' }
  | { readonly kind: 'logSumExp'; readonly values: Ptr };

/** Which targets mark rows to leave out; undefined where there are none. */
export interface IgnoredTargets {
  readonly index: number;
  /** A target that is no class marks its row too. */
  readonly invalid: boolean;
}

/** Softmax cross-entropy of contiguous float32 rows without options: the fastest kernels. One sum a shard. */
export interface CrossEntropyOperation {
  readonly kind: 'crossEntropy';
  readonly targets: Ptr;
  readonly losses: Ptr;
  readonly scale: number;
  readonly ignore: IgnoredTargets | undefined;
  /** The memory at its present length, for views. */
  readonly buffer: SharedArrayBuffer;
}

/** Softmax cross-entropy with every option. Two sums a shard: the losses and the z-losses. */
export interface CrossEntropyWithOptionsOperation {
  readonly kind: 'crossEntropyWithOptions';
  /** The block of loss-layout.ts; its arrays are those of the window. */
  readonly call: Ptr;
  /** [rows × columns] in the order of the input. */
  readonly softTargets: Ptr;
  /** Bytes, likewise. */
  readonly mask: Ptr;
  readonly buffer: SharedArrayBuffer;
}

/** Float64 cells that each shard of a RowLossOperation has for its sums; a loss may use fewer. */
export const ROW_LOSS_SUMS = 3;

export interface RowLossOperation {
  readonly kind: 'rowLoss';
  readonly parameters: RowLossParameters;
  readonly gradOutput: Ptr;
  readonly losses: Ptr;
  readonly scale: number;
  /** Rows of scratch memory that the kernel takes. */
  readonly scratchRows: number;
  readonly buffer: SharedArrayBuffer;
}

/**
 * The parameters of a row loss's kernel (row-loss-kernels.ts). Arrays of elements have the shape of the rows, and the type
 * that is computed in unless one is given.
 */
export type RowLossParameters =
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

/** What metrics keep of each row; see predictRows. */
export interface RowPredictionsOperation {
  readonly kind: 'rowPredictions';
  readonly targets: Ptr;
  readonly predictions: Ptr;
  readonly ranks: Ptr;
  /** Float64. */
  readonly losses: Ptr;
  readonly confidences: Ptr;
}

// What a training that goes on later needs of one that was cut off: plain data, from which it ends with the same bits.

/** Where a training is. What callbacks have told by then is not told again by the training that goes on. */
export interface CheckpointPosition {
  /** 'steps' of SGD or AdamW; the 'choice' of C and scaling; the iterations of a full-batch 'solver'; 'heads' of fitMany. */
  readonly stage: 'steps' | 'choice' | 'solver' | 'heads';
  /** Of 'steps': taken so far, and epochs whose report is made; the rest are steps of an epoch that is not. */
  readonly step?: number;
  readonly epoch?: number;
  /** Of 'choice': settings tried so far. */
  readonly tried?: number;
  /** Of 'solver': iterations and passes so far, as onProgress tells them. */
  readonly iteration?: number;
  readonly passes?: number;
  /** Of 'heads': the numbers of those that onHeadEnd was told of, ascending. */
  readonly headsEnded?: readonly number[];
}

/** Numbers, text, typed arrays, and arrays and records of such. */
export type CheckpointState =
  | number
  | string
  | boolean
  | null
  | undefined
  | CheckpointArray
  | readonly CheckpointState[]
  | { readonly [name: string]: CheckpointState };

/** What an interface has, as CheckpointState takes it. */
export type Plain<Interface> = { readonly [Name in keyof Interface]: Interface[Name] };

export type CheckpointArray = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

/** Plain data: structured-clonable, and bytes by encodeCheckpoint. Nothing in it changes once it is made. */
export interface Checkpoint {
  readonly kind: 'fit' | 'fitMany';
  /** Of this form of it. */
  readonly version: number;
  readonly position: CheckpointPosition;
  /** What else decides about the bits: options, shapes, targets and inputs, kernels. A training that goes on has the same. */
  readonly conditions: Readonly<Record<string, string>>;
  /** Of the classifier's own making: of no use to anybody else. */
  readonly state: CheckpointState;
}

/** 'due': now and then; 'stopped': training was aborted. */
export type CheckpointReason = 'due' | 'stopped';

export interface CheckpointOptions {
  /**
   * Called with a checkpoint now and then; of several ranks, on rank 0. Training goes on while what it returns is pending, until the next one is due or it
   * ends; what it throws ends training.
   */
  onCheckpoint: (checkpoint: Checkpoint, reason: CheckpointReason) => void | Promise<void>;
  /** At least so many seconds lie between two of them; default 60, or more where making one takes more than 1 % of that. */
  everySeconds?: number | undefined;
  /**
   * One after so many steps, or of a full-batch solver after so many iterations, instead of by time. With fitMany, points where
   * all heads that are at work can be kept count.
   */
  everySteps?: number | undefined;
  /** Whether there is one more when `signal` is aborted, before fit rejects: then nothing is lost. Default true. */
  atStop?: boolean | undefined;
}

export const CHECKPOINT_VERSION = 1;

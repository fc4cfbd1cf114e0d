// The one error class of softshard: every failure a caller can meet has a stable code.
import { types } from 'node:util';
import { presentable, shortened } from './printable.js';

export type ErrorCode =
  | 'ERR_OPTION' // an option has a wrong type or value
  | 'ERR_SHAPE' // an array does not have the shape the operation needs
  | 'ERR_TARGET_RANGE' // a target is not one of the classes
  | 'ERR_EMPTY' // a mean over rows that weigh nothing, with onEmpty 'throw'
  | 'ERR_TYPE' // an array has the wrong element type
  | 'ERR_ARENA_FULL' // the arena has no room for an allocation
  | 'ERR_FREED' // a matrix or vector was used after free()
  | 'ERR_NOT_FITTED' // the classifier is used before its first fit, which gives it features and classes
  | 'ERR_BUSY' // the classifier is being trained already, or a run is in use by another process
  | 'ERR_CLOSED' // the engine was used after close(), or a run after its end
  | 'ERR_WORKER' // a worker thread exited or threw, or the calling thread in its place
  | 'ERR_DISTRIBUTED' // MPI is missing or does not fit, or ranks do not make the same calls
  | 'ERR_NUMERICS' // the asked-for kernel build does not run here
  | 'ERR_NOT_FINITE' // a feature is NaN or infinite, or the logits of a row overflow
  | 'ERR_DIVERGED' // training produced a loss that is not finite
  | 'ERR_CHECKPOINT' // training cannot go on from a checkpoint: something differs that decides about the bits
  | 'ERR_WRONG_RESULT' // a result is not that of the float64 reference: measureScaling times nothing then
  | 'ERR_FILE' // a file cannot be read or written
  | 'ERR_FORMAT'; // a file's content is malformed, truncated or too large

export interface ErrorDetails {
  /** The argument or option at fault, as the caller wrote it: "targets", "options.batchSize". */
  readonly argument?: string | undefined;
  /** The row at fault, from 0. */
  readonly row?: number | undefined;
  /** The feature at fault, from 0. */
  readonly feature?: number | undefined;
  /** The offending value; of a long text the beginning. */
  readonly value?: unknown;
  readonly cause?: unknown;
}

/** `message` names the argument, the row and the value, and says what would be right. */
export class SoftshardError extends Error {
  override readonly name = 'SoftshardError';
  readonly code: ErrorCode;
  // `declare`: absent where it does not apply, not undefined.
  declare readonly argument?: string;
  declare readonly row?: number;
  declare readonly feature?: number;
  declare readonly value?: unknown;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(presentable(message), 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    if (details.argument !== undefined) this.argument = details.argument;
    if (details.row !== undefined) this.row = details.row;
    if (details.feature !== undefined) this.feature = details.feature;
    if ('value' in details) {
      this.value = typeof details.value === 'string' ? shortened(details.value) : details.value;
    }
  }
}

/** What an error of any realm says, or the text of whatever else was thrown, which may throw itself. */
export function messageOf(cause: unknown): string {
  try {
    return types.isNativeError(cause) ? `${cause.message}` : String(cause);
  } catch {
    return 'something that cannot be shown';
  }
}

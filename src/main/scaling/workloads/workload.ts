// What the scaling benchmark needs of a workload, whatever it computes.
import type { Engine } from '../../engine.js';
import type { MemoryPattern } from '../roofs.js';

export const OPERATIONS = [
  'softmax',
  'crossEntropyGradient',
  'linearCrossEntropy',
  'trainingStep',
  'fullBatchPass',
] as const;
/** crossEntropyGradient and linearCrossEntropy with their gradients; a step of SGD with momentum; a pass of L-BFGS. */
export type ScalingOperation = (typeof OPERATIONS)[number];

/** What a call asks of the machine, at least. */
export interface Work {
  /**
   * Floating-point operations. Those of the products of a linear layer, two a multiply-add; of row operations the vector
   * instructions of each logit, each counted as the multiply-add that could run in its place.
   */
  readonly flops: number;
  /** Each array once for each reading and each writing of it as a whole. */
  readonly bytes: number;
  /** The way it goes through memory. */
  readonly pattern: MemoryPattern;
}

export interface Workload {
  readonly operation: ScalingOperation;
  /** Rows of a call: of a training step its batch. */
  readonly rows: number;
  readonly columns: number | undefined;
  readonly features: number | undefined;
  readonly classes: number | undefined;
  /** Of a call of so many rows, at most `rows`. */
  work(rows: number): Work;
  /** What prepare takes of the arena. */
  bytes(rows: number): number;
  prepare(engine: Engine, rows: number): PreparedWorkload;
}

export interface PreparedWorkload {
  /** Throws ERR_WRONG_RESULT where the engine's result is not the reference's. Called before any timing. */
  check(): Promise<void>;
  /** One call. Gives a duration of its own in ms where it is not that of the whole call. */
  run(signal?: AbortSignal): Promise<number | undefined>;
  /** All that a call has computed, to be compared bit by bit: after run. */
  results(): readonly ArrayBufferView[];
  free(): void;
}

/** Each of them, once it is there. */
export function freeAll(arrays: Iterable<{ free(): void }>): void {
  for (const array of arrays) array.free();
}

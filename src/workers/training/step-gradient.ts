// How a step's gradient is shared among workers, so far as the phases of a step need to know.
import type { ParameterRange } from './optimizers/optimizer.js';
import type { Step } from './train-step.js';

/** Rows [begin, end) of a step, whose gradient is made and reduced together. */
export interface Chunk extends Step {
  readonly begin: number;
  readonly end: number;
  readonly firstShard: number;
}

/** One worker's instance, for one task. */
export interface StepGradient {
  /** Rows of a chunk, whole shards. */
  readonly chunkRows: number;
  /** Parts of the reduced gradient: workers make different ones at the same time. */
  readonly parts: number;
  /** Short work of use to later steps, for those who wait for others. */
  readonly meanwhile: (() => void) | undefined;
  /** Before the first chunk of a step. */
  beginStep(step: number): void;
  /** The gradient phase: one shard of the step, which is one of the chunk. */
  differentiate(shard: number, chunk: Chunk): void;
  /** The reduce phase: adds the chunk's shards to one part of the gradient, which the step's first chunk begins. */
  reduce(part: number, chunk: Chunk): void;
  /** The parameters of a part, none of them empty. */
  rangesOf(part: number): readonly ParameterRange[];
}

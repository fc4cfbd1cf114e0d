// What a training step needs of an optimizer.
import type { Kernels } from '../../../kernels/kernels.js';
import type { Ptr } from '../../../kernels/ptr.js';
import type { OptimizerSettings } from '../../protocol.js';

/** Parameters that lie together: elements [begin, end) of the vector of all, weights or biases but not both. */
export interface ParameterRange {
  readonly begin: number;
  readonly end: number;
  readonly isBias: boolean;
}

export interface UpdateStep {
  readonly learningRate: number;
  /** From 1, over the whole training. */
  readonly number: number;
}

/** One worker's instance, for one task. */
export interface Optimizer {
  /**
   * Updates the parameters of `range` from the gradient there, whose contents are of no use afterwards. Workers update
   * disjoint ranges at the same time; an element's result must not depend on how the parameters are cut into ranges.
   */
  update(range: ParameterRange, step: UpdateStep): void;
  /**
   * Called by one worker once the whole gradient is reduced and before anything is updated, at the price of one more
   * barrier a step. What it finds out goes into the optimizer's state, where all workers see it. Without this
   * method each part of the gradient is used as soon as it is reduced, while it is in cache.
   */
  beforeUpdates?(): void;
}

/** Float32 vectors of parametersLength elements in the arena. */
export interface OptimizerVectors {
  readonly buffer: SharedArrayBuffer;
  readonly length: number;
  readonly parameters: Ptr;
  readonly gradient: Ptr;
  /** By the names of settings.state. */
  readonly state: Readonly<Record<string, Ptr>>;
}

export interface OptimizerType<Settings extends OptimizerSettings = OptimizerSettings> {
  create(kernels: Kernels, vectors: OptimizerVectors, settings: Settings): Optimizer;
}

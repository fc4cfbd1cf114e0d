// How the rows of a training run get to the workers: they lie in the arena as a whole if they fit, or else pass through
// it some steps at a time. Steps have the same rows in the same order either way, so the bits are the same.

import type { ResidencyOptions, Stopped } from '../../dispatch/residency.js';
import type { Resources } from '../../dispatch/resources.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { Inputs, InputsFormat } from '../../models/inputs.js';
import type { LinearModel } from '../../models/linear-model.js';
import type { RowTargets } from '../../models/row-targets.js';
import type { TrainingPlan } from '../../plans/training.js';
import type { FitLoss } from '../fit-loss.js';
import type { RunLoss } from '../run-loss.js';
import type { TrainJob } from '../training-memory.js';
import type { Validate } from '../validation.js';
import type { RunArrays } from './run-arrays.js';
import type { StepOrder, StepOrderShape } from './step-order.js';

/** What there is of a training run before its rows have a place. */
export interface TrainingSetup {
  readonly resources: Resources;
  readonly scope: ArenaScope;
  readonly model: LinearModel;
  readonly inputs: Inputs;
  readonly targets: RowTargets;
  readonly fitLoss: FitLoss;
  /** Its part in the arena; undefined: plain mean cross-entropy of all rows. */
  readonly loss: RunLoss | undefined;
  readonly arrays: RunArrays;
  readonly format: InputsFormat;
  readonly plan: TrainingPlan;
  readonly job: TrainJob;
  /** Its epochs are those of a residency where all rows are in the arena. */
  readonly order: StepOrderShape;
  /** Numbers of the rows of `inputs` that are kept for validation. */
  readonly validation: Uint32Array;
  /** Pieces of memory that must stay free, for validation above all, in bytes. */
  readonly reserve: readonly number[];
  /** Others' memory is not worth waiting for. */
  readonly isAlone: boolean;
}

/** Steps that are trained without main looking at the weights in between. */
export interface Residency {
  readonly order: StepOrder;
  readonly steps: number;
  /** Steps of the whole training before them. */
  readonly stepsBefore: number;
}

export interface TrainingRows {
  /** Epochs of a residency, at most. */
  readonly residentEpochs: number;
  /** Of a residency, and of the one after it. */
  readonly orders: readonly [StepOrder, StepOrder];
  /** Gives why the workers left before the last step, if it was their own decision; rejects with signal.reason. */
  train(residency: Residency, options: ResidencyOptions): Promise<Stopped | undefined>;
  /** On the rows that are kept for it. */
  validation(): Validate;
}

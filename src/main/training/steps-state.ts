// What training step by step needs to go on from any step.
import type { CheckpointPart, KeptState } from './checkpoint/checkpoints.js';
import type { EarlyStopping } from './early-stopping.js';
import type { EpochReport } from './epoch-report.js';
import type { OptimizerMemory } from './optimizer-memory.js';
import type { Plateau } from './plateau.js';

/** In the layout of models, as that of kernels depends on the size of a step. */
export type StepsState = {
  /** The epoch to go on with, from 1; so many of its steps are taken, with these losses. */
  readonly epoch: number;
  readonly losses: Float64Array;
  readonly weights: Float32Array;
  readonly bias: Float32Array;
  readonly optimizer: ReturnType<OptimizerMemory['snapshot']>;
  /** Of the epochs before. */
  readonly reports: readonly EpochReport[];
  readonly plateau: ReturnType<Plateau['snapshot']> | undefined;
  readonly earlyStopping: ReturnType<EarlyStopping['snapshot']> | undefined;
};

/** How a training that has its memory is kept. */
export interface KeptSteps {
  readonly enter: () => CheckpointPart;
  /** With others that share its rows, and come to a point together. */
  readonly isShared: boolean;
  readonly from: StepsState | undefined;
}

export const keptSteps = (state: StepsState, stepsAnEpoch: number): KeptState => ({
  position: {
    stage: 'steps',
    step: (state.epoch - 1) * stepsAnEpoch + state.losses.length,
    epoch: state.epoch - 1,
  },
  state: { ...state, reports: state.reports.map((report) => ({ ...report })) },
});

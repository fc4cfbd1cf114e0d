// What main and the workers say to each other: the tasks (by family in protocol/), their results, and the control words both
// read. Main and the other workers' files import it from here alone.

import type { Numerics } from '../kernels/load.js';
import type { CompiledModule, SharedMemory } from '../kernels/webassembly.js';
import type { BlasSetup } from './lazy-sgemm.js';
import type { Loading } from './loading.js';
import type { Stop } from './protocol/control-words.js';
import type { GangContext, GangTask } from './protocol/gang.js';
import type { LinearLossTask } from './protocol/linear-loss.js';
import type { PredictTask } from './protocol/linear-rows.js';
import type { ProbeTask } from './protocol/probe.js';
import type { RowOperationTask } from './protocol/rows.js';
import type { TraceSetup } from './protocol/trace.js';
import type { StepPosition, TrainTask } from './protocol/training.js';

export { askToStop, ControlWord, controlWords, failGang, Stop } from './protocol/control-words.js';
export { type GangContext, ownScratch, SEAT_BYTES, seatControl } from './protocol/gang.js';
export { learningRateAt, power } from './protocol/learning-rate.js';
export { type HalfArray, type LinearLossTask, LOSS_SHARD_ROWS } from './protocol/linear-loss.js';
export type { LinearLoss, PredictTask } from './protocol/linear-rows.js';
export { PROBE_PATTERNS, type ProbePattern, type ProbeTask } from './protocol/probe.js';
export {
  type CrossEntropyOperation,
  type CrossEntropyWithOptionsOperation,
  type IgnoredTargets,
  ROW_LOSS_SUMS,
  type RowLossOperation,
  type RowLossParameters,
  type RowOperation,
  type RowOperationTask,
  type RowPredictionsOperation,
  type SoftmaxOperation,
  type StridedRows,
} from './protocol/rows.js';
export {
  clockMs,
  readTrace,
  SPANS,
  type SpanName,
  type TracedThread,
  Tracer,
  type TraceSetup,
  traceBytes,
} from './protocol/trace.js';
export type {
  AdamwSettings,
  CrossEntropyLoss,
  CrossEntropyWithOptions,
  DataParallel,
  DirectionUpdate,
  GradientClipping,
  GradientSumSettings,
  HeadTask,
  KeptLogits,
  KeptLogitsOperation,
  LearningRateSchedule,
  OptimizerSettings,
  ParameterSharded,
  SgdSettings,
  StepPosition,
  StepShape,
  TrainHead,
  TrainLoss,
  TrainTask,
  UpdateTerms,
} from './protocol/training.js';
export type { TransportCommand, TransportReply, TransportSetup } from './protocol/transport.js';

/** What a worker gets once, at its start. */
export interface WorkerSetup {
  readonly memory: SharedMemory;
  readonly module: CompiledModule;
  readonly numerics: Numerics;
  /** Who is loading its modules. */
  readonly modules: Loading;
  /** The BLAS that each worker loads when it needs it; undefined without one. */
  readonly blas: BlasSetup | undefined;
  /** Where to note what it does and when; undefined: nowhere. */
  readonly trace?: TraceSetup | undefined;
  /** URLs of modules that each worker loads at its start: their default export is an Extension (training/registry.ts). */
  readonly extensions?: readonly string[];
}

export type WorkerTask = RowOperationTask | PredictTask | LinearLossTask | TrainTask | ProbeTask;

/** A task as main describes it: the pool adds the context. */
export type GangJob = WorkerTask extends infer Task
  ? Task extends WorkerTask
    ? Omit<Task, keyof GangTask>
    : never
  : never;

/** A task as a worker gets it. */
export type MemberTask = GangJob & GangContext;

export type WorkerResult =
  /** All work is done. */
  | { readonly state: 'done' }
  /** Left early because of the stop word; training left before this step, or on the way through it. */
  | {
      readonly state: 'stopped';
      readonly stop: Stop;
      readonly nextStep: number;
      readonly within?: StepPosition;
    }
  /** A target was out of range although main had checked it: it changed during the call. */
  | { readonly state: 'invalidTarget'; readonly row: number };

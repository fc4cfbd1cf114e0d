// What main and the workers say to each other: the tasks, their results, and the control words both read.

import type { Ptr } from '../kernels/kernels.js';
import { CONTROL_PTR } from '../kernels/layout.js';
import type { Numerics } from '../kernels/load.js';
import type { CompiledModule, SharedMemory } from '../kernels/webassembly.js';

/**
 * Indices into the control words, an Int32Array at CONTROL_PTR of the arena. One gang runs at a time, so one set
 * serves all. Words that different threads write often lie 64 bytes (16 words) apart.
 */
export const ControlWord = {
  /** A Stop value. Main asks; only Stop.failed takes effect at once, the others at the next boundary. */
  stop: 0,
  /** A Stop value: what the last thread at a step's end decided for all (see train.ts). */
  decision: 1,
  /** The next shard (or slice, or tile) nobody has claimed. */
  nextShard: 16,
  /** How many members have arrived at the barrier. */
  arrived: 32,
  /** Counts barrier rounds: what the waiting members wait on. */
  generation: 48,
  /** Steps finished by the running segment of training. */
  stepsDone: 64,
} as const;

const CONTROL_WORDS = 80;

export const Stop = {
  none: 0,
  /** Another operation waits: leave at the next step boundary, to be continued. */
  yield: 1,
  /** The caller's signal is aborted: leave at the next tile, a training step that has not reached its update undone. */
  cancel: 2,
  /** A loss is not finite: leave at the step boundary. */
  diverged: 3,
  /** A member died or threw: leave at once, wherever you are. */
  failed: 4,
} as const;
export type Stop = (typeof Stop)[keyof typeof Stop];

export function controlWords(buffer: SharedArrayBuffer): Int32Array {
  return new Int32Array(buffer, CONTROL_PTR, CONTROL_WORDS);
}

/**
 * Lets every waiting member go, for good. The stop word is set before the generation moves: who wakes by the move
 * sees the stop, and who was about to sleep on the old generation does not.
 */
export function failGang(words: Int32Array): void {
  Atomics.store(words, ControlWord.stop, Stop.failed);
  Atomics.add(words, ControlWord.generation, 1);
  Atomics.notify(words, ControlWord.generation);
}

/** What a worker gets once, at its start. */
export interface WorkerSetup {
  readonly memory: SharedMemory;
  readonly module: CompiledModule;
  readonly numerics: Numerics;
}

interface GangTask {
  /** Which member of the gang this is, from 0: it picks the member's scratch memory and nothing else. */
  readonly member: number;
  readonly members: number;
}

/** Rows [0, rows) of one window, in shards of shardRows. */
interface ShardedRows {
  readonly rows: number;
  readonly columns: number;
  readonly shardRows: number;
}

/** output = softmax, log-softmax or log-sum-exp of each row of logits. */
export interface RowMapTask extends GangTask, ShardedRows {
  readonly kind: 'softmax' | 'logSoftmax' | 'logSumExp';
  readonly output: Ptr;
  readonly logits: Ptr;
}

/** Cross-entropy, with the gradient when gradLogits is not 0. */
export interface CrossEntropyTask extends GangTask, ShardedRows {
  readonly kind: 'crossEntropy';
  readonly gradLogits: Ptr;
  /** [rows] or 0. */
  readonly losses: Ptr;
  /** Float64 [shards], cleared: one slot a shard, so that the sum does not depend on who computes it. */
  readonly lossSums: Ptr;
  readonly logits: Ptr;
  readonly targets: Ptr;
  readonly scale: number;
  /** Which targets mark rows to be left out; undefined where there are none. */
  readonly ignore: { readonly index: number; readonly invalid: boolean } | undefined;
  /** The present length of the memory, for views. */
  readonly buffer: SharedArrayBuffer;
}

/** What a loss beside crossEntropy needs but for its rows: the parameters of its kernel (other-loss-kernels.ts). */
export type LossParameters =
  | { readonly loss: 'nll'; readonly targets: Ptr; readonly weight: Ptr; readonly sampleWeight: Ptr }
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
      readonly throughSoftmax: boolean;
    }
  | {
      readonly loss: 'divergence';
      readonly teacher: Ptr;
      readonly teacherIsProbabilities: boolean;
      readonly targets: Ptr;
      readonly temperature: number;
      readonly divergenceFactor: number;
      readonly crossEntropyFactor: number;
    }
  | {
      readonly loss: 'binary';
      readonly targets: Ptr;
      readonly weight: Ptr;
      readonly weightIsByRow: boolean;
      readonly posWeight: Ptr;
    };

/** Float64 cells that each shard of an OtherLossTask has for its sums; a loss may use fewer. */
export const SUMS_A_SHARD = 3;

/** One of the losses beside crossEntropy. */
export interface OtherLossTask extends GangTask, ShardedRows {
  readonly kind: 'otherLoss';
  readonly parameters: LossParameters;
  readonly outputs: Ptr;
  /** As the outputs, or 0. */
  readonly gradient: Ptr;
  /** [rows] or 0. */
  readonly gradLosses: Ptr;
  /** [rows] or 0. */
  readonly losses: Ptr;
  /** Float64 [shards × SUMS_A_SHARD], cleared. */
  readonly sums: Ptr;
  readonly scale: number;
  /** One piece of scratchBytes for each member; 0 where the loss needs none. */
  readonly scratch: Ptr;
  readonly scratchBytes: number;
}

/** What metrics keep of each row; see outcomeRows. */
export interface OutcomesTask extends GangTask, ShardedRows {
  readonly kind: 'outcomes';
  readonly logits: Ptr;
  readonly targets: Ptr;
  readonly predictions: Ptr;
  readonly ranks: Ptr;
  /** Float64 [rows]. */
  readonly losses: Ptr;
  readonly confidences: Ptr;
}

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

/** A linear softmax model in the layout of the kernels, and the rows it is to work on. */
interface LinearRows {
  /** The buffer at its present length: a worker's own view of a grown memory may lag behind. */
  readonly buffer: SharedArrayBuffer;
  readonly inputs: Ptr;
  /** One of INPUTS_… of layout.ts, and for bytes what gatherInputs scales them by. */
  readonly inputsType: number;
  readonly scaling: Ptr;
  /** Uint32 row numbers, or 0 for rows in order. */
  readonly indices: Ptr;
  readonly features: number;
  readonly classes: number;
  /** In strips; in panels for training by tiles. */
  readonly weights: Ptr;
  readonly bias: Ptr;
  /** One piece of scratchBytes for each member, enough for a tile of tileRows. */
  readonly scratch: Ptr;
  readonly scratchBytes: number;
  readonly tileRows: number;
}

/** The model's class (and, with targets, rank and loss) or probabilities for each row. */
export interface PredictTask extends GangTask, LinearRows {
  readonly kind: 'predict';
  readonly rows: number;
  readonly shardRows: number;
  /** Float32 [rows × classes], or 0 to write predictions (and ranks, losses) instead. */
  readonly probabilities: Ptr;
  readonly predictions: Ptr;
  /** Int32, indexed as inputs are; 0: no ranks and losses. */
  readonly targets: Ptr;
  readonly ranks: Ptr;
  readonly losses: Ptr;
}

/**
 * Cross-entropy over a linear layer, chunk by chunk of rows. The chunk's logits lie as blockColumns (layout.ts) says, and
 * become their gradient in place.
 */
export interface LinearLossTask extends GangTask {
  readonly kind: 'linearCrossEntropy';
  /** The buffer at its present length, for views. */
  readonly buffer: SharedArrayBuffer;
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
  /** Where this segment starts; it ends with the last chunk, or before when it yields. */
  readonly chunkBegin: number;
  readonly chunkRows: number;
  /** How the work of a chunk is shared: none of these changes a bit. */
  readonly forwardRows: number;
  readonly inputsRows: number;
  readonly inputsFeatures: number;
  readonly weightsFeatures: number;
  /** [features × classes]. */
  readonly weights: Ptr;
  /** [classes] or 0. */
  readonly bias: Ptr;
  readonly targets: Ptr;
  /** The block of loss-layout.ts, or 0: plain cross-entropy times `scale`. */
  readonly call: Ptr;
  readonly scale: number;
  /** [rows] or 0. With a `call` it says so itself. */
  readonly losses: Ptr;
  /** [rows × features], [features × classes], [classes]; each may be 0. */
  readonly gradInputs: Ptr;
  readonly gradWeights: Ptr;
  readonly gradBias: Ptr;
  /** Gradients are added to what is there. gradBias always is: main clears it. */
  readonly accumulate: boolean;
  /** Float32 [classBlocks × chunkRows × blockColumns]. */
  readonly logits: Ptr;
  /** Uint32 [chunkRows]: the addresses of the first chunk's inputs, and of its logits in the first block. */
  readonly inputsPtrs: Ptr;
  readonly logitsPtrs: Ptr;
  /** Float64, cleared: sums of losses and of z-losses, one pair for LOSS_SHARD_ROWS rows of the chunk. */
  readonly sums: Ptr;
  /** Float64: the two sums over all chunks so far. */
  readonly totals: Ptr;
  /** One piece of scratchBytes for each member. */
  readonly scratch: Ptr;
  readonly scratchBytes: number;
  /** Rows whose logits are brought together at a time. */
  readonly tileRows: number;
  readonly spins: number;
}

/** Rows whose losses are summed apart: a divisor of SUM_ROWS, so that no shard is part of two chunks. */
export const LOSS_SHARD_ROWS = 8;

/** How the workers share one step over `rows` rows; made by main's plan from shapes alone. */
export interface StepShape {
  readonly rows: number;
  /** Rows of one shard: who computes it owns its partial. */
  readonly shardRows: number;
  readonly shards: number;
}

/** How the learning rate goes from its first value, over all steps: to 0 but for 'constant'. */
export type LearningRateSchedule = 'constant' | 'linear' | 'cosine';

export interface SgdOptions {
  readonly learningRate: number;
  readonly schedule: LearningRateSchedule;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly nesterov: boolean;
}

interface TrainSegment extends GangTask, LinearRows {
  readonly targets: Ptr;
  /** Steps [stepBegin, stepEnd) of the segment; step s takes rows from s · fullStep.rows of indices. */
  readonly stepBegin: number;
  readonly stepEnd: number;
  readonly fullStep: StepShape;
  /** The last step of an epoch, which may have fewer rows; stepsAnEpoch says which those are. */
  readonly lastStep: StepShape;
  readonly stepsAnEpoch: number;
  /** Steps of the whole training before this segment's step 0, and all of them: for the learning rate. */
  readonly stepsBefore: number;
  readonly allSteps: number;
  readonly sgd: SgdOptions;
  /** Lengths in elements, padding included; the bias follows the weights in every vector of parameters. */
  readonly weightsLength: number;
  readonly parametersLength: number;
  readonly velocity: Ptr;
  /** Float64, one a shard of the step. */
  readonly lossSums: Ptr;
  /** Float64 [steps of the segment]: the mean loss of each step's rows, before its update. */
  readonly stepLosses: Ptr;
  /** How often to look at the barrier before sleeping; 0 where threads outnumber processors. */
  readonly spins: number;
}

/** Few parameters: each shard has its own partial gradient, then all are added along a tree. */
export interface TrainByPartialsTask extends TrainSegment {
  readonly kind: 'trainByPartials';
  /** Float32 [shards][partialBytes / 4]. */
  readonly partials: Ptr;
  readonly partialBytes: number;
  /** Elements of the parameters that one claim reduces and updates. */
  readonly sliceLength: number;
}

/** Many parameters: the gradient itself is cut into tiles, each summed over all rows of a chunk by one worker. */
export interface TrainByTilesTask extends TrainSegment {
  readonly kind: 'trainByTiles';
  readonly gradient: Ptr;
  /** Rows whose logits are held at a time. */
  readonly chunkRows: number;
  /** Float32 [chunkRows × padded classes]. */
  readonly gradLogits: Ptr;
  /** Uint32 [chunkRows]. */
  readonly rowPtrs: Ptr;
  readonly panelsATile: number;
  readonly featuresATile: number;
}

export type TrainTask = TrainByPartialsTask | TrainByTilesTask;
export type WorkerTask =
  | RowMapTask
  | CrossEntropyTask
  | TileMapTask
  | LossTask
  | OtherLossTask
  | OutcomesTask
  | PredictTask
  | LinearLossTask
  | TrainTask;

/** A task as main describes it: the pool adds which member of the gang a worker is. */
export type GangJob = WorkerTask extends infer Task
  ? Task extends WorkerTask
    ? Omit<Task, keyof GangTask>
    : never
  : never;

export type WorkerResult =
  /** All work is done. */
  | { readonly state: 'done' }
  /** Left early because of the stop word; training left before this step. */
  | { readonly state: 'stopped'; readonly stop: Stop; readonly nextStep: number }
  /** A target was out of range although main had checked it: it changed during the call. */
  | { readonly state: 'invalidTarget'; readonly row: number };

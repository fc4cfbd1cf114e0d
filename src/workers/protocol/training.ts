// The tasks of training: steps that the workers go through by themselves.
import type { Ptr } from '../../kernels/ptr.js';
import type { GangTask } from './gang.js';
import type { LinearLoss, LinearRows } from './linear-rows.js';

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

/** What takes the place of plain cross-entropy in training. */
export interface TrainLoss extends LinearLoss {
  /** Training by tiles of kernels: float32 [features] of zeros, which ignored rows are taken for, as theirs may be NaN. */
  readonly zeroRow: Ptr;
  /** Whether a step's losses are divided by the weight of its rows. */
  readonly isMean: boolean;
}

interface TrainSegment extends GangTask, LinearRows {
  /** Int32, indexed as inputs are; -1 for an ignored row, which only `loss` can bear. */
  readonly targets: Ptr;
  /** Undefined: plain cross-entropy, its mean over the rows of a step. */
  readonly loss: TrainLoss | undefined;
  /** With `loss`, float64 [steps of the segment]: the weight of each step's rows together. */
  readonly stepWeights: Ptr;
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
  /** Float64 [steps of the segment]: the loss of each step's rows, before its update. */
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
  /** Float32 [chunkRows × extendedStride] for a BLAS, which has the parameters in one panel; 0: kernels, panels. */
  readonly chunkInputs: Ptr;
}

export type TrainTask = TrainByPartialsTask | TrainByTilesTask;

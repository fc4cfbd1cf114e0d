// The tasks of training: steps that the workers go through by themselves, each gradient → reduce → update; and what
// solvers do with gradients.
import type { Ptr } from '../../kernels/ptr.js';
import type { GangTask } from './gang.js';
import type { LinearLoss, LinearRows } from './linear-rows.js';

/** How the workers share one step over `rows` rows; made by main's plan from shapes alone. */
export interface StepShape {
  readonly rows: number;
  /** Rows of one shard: whoever computes it owns its loss, and with data-parallel training its gradient. */
  readonly shardRows: number;
  readonly shards: number;
}

/** The loss to minimize. `kind` picks its kernel (workers/training/registry.ts); the rest are that kernel's settings. */
export interface TrainLoss {
  readonly kind: string;
}

/** The mean over the rows of a step. */
export interface CrossEntropyLoss extends TrainLoss {
  readonly kind: 'crossEntropy';
}

/** Weights, ignored rows, soft targets, masks and the rest. */
export interface CrossEntropyWithOptions extends TrainLoss, LinearLoss {
  readonly kind: 'crossEntropyWithOptions';
  /** Whether a step's losses are divided by the weight of its rows. */
  readonly isMean: boolean;
}

/**
 * Full-batch solvers: each row's logits are kept, and with them what a solver needs of the row, so that steps along a
 * direction cost no product with the inputs. Rows of `stride` elements: classes, or with parameter sharding
 * paddedClasses(classes), whose padding is 0.
 */
export interface KeptLogits extends TrainLoss {
  readonly kind: 'keptLogits';
  readonly operation: KeptLogitsOperation;
  readonly stride: number;
  /** The row of the segment's position 0. */
  readonly firstRow: number;
  /** Float32 [rows × stride]. */
  readonly logits: Ptr;
  readonly probabilities: Ptr;
  /** The logits of a direction: how the logits change along it. */
  readonly direction: Ptr;
  /** The logits of the last vector that a curvature was asked of. */
  readonly product: Ptr;
  /** Int32 [rows]: a class, also of rows of weight 0. */
  readonly targets: Ptr;
  /** Float32 [rows], or 0: all are 1. */
  readonly rowWeights: Ptr;
  /** Float32 [rows]: the Hessian of a row's loss by its logits is this times diag(p) - p pᵀ. */
  readonly curvatures: Ptr;
  /** Soft targets, smoothing, temperature, masks, all by row from 0; undefined: cross-entropy with rowWeights. */
  readonly loss: LinearLoss | undefined;
  readonly temperature: number;
  /** Float64 [steps · shards]: sums by shard, which the operation asks for. */
  readonly slopes: Ptr;
  /** Float32 [steps · shards × stride]. */
  readonly columnSums: Ptr;
  /** Float32 [steps · shards × classes × classes], or 0. */
  readonly biasCurvatures: Ptr;
  /** Float32 [steps · shards × stride]: their diagonals, or 0. */
  readonly biasDiagonals: Ptr;
}

/** What to do with each row's logits z, probabilities p, direction d and product u; r is the gradient of its loss by z. */
export type KeptLogitsOperation =
  /** z = x W + b. Loss and gradient. */
  | { readonly name: 'evaluate' }
  /**
   * z += step · d + vector, after extend. The loss, the column sums of r, and those of its Hessian (biasCurvatures or
   * biasDiagonals).
   */
  | { readonly name: 'move'; readonly step: number; readonly extend: DirectionUpdate; readonly vector: Ptr }
  /** z += vector. Loss and gradient at z. */
  | { readonly name: 'gradient'; readonly vector: Ptr }
  /** u = x W + b, after extend. The gradient is the Hessian's product with (W, b). */
  | { readonly name: 'curvature'; readonly extend: DirectionUpdate }
  /** d = x W + b. The column sums of the Hessian's product with d. */
  | { readonly name: 'direct' }
  /** The column sums of the Hessian's product with the vector in all rows. */
  | { readonly name: 'curveBias'; readonly vector: Ptr }
  /** The loss at z + step · d, and its slope r · d, after extend. */
  | { readonly name: 'look'; readonly step: number; readonly extend: DirectionUpdate };

/** d = (isFirst ? 0 : d) + by · u, or d += vector; undefined: d stays. */
export type DirectionUpdate =
  | { readonly by: number; readonly isFirst: boolean }
  | { readonly vector: Ptr }
  | undefined;

/** How parameters follow from gradients. `kind` picks the code (workers/training/registry.ts), as with losses. */
export interface OptimizerSettings {
  readonly kind: string;
  /** Names of the vectors it keeps from step to step, each as long as the parameters and zero at first. */
  readonly state: readonly string[];
}

/**
 * Adds the gradients of all steps, for callers that want their sum; updates nothing. Those of a branch are added in order, branches
 * along the tree of kernels/tree-sum.ts.
 */
export interface GradientSumSettings extends OptimizerSettings {
  readonly kind: 'gradientSum';
  /** Float64 [depth × parametersLength]: in the end the sums of the nodes that cover this process's branches, in order. */
  readonly sums: Ptr;
  readonly stepsABranch: number;
  /** Of all steps of a pass. */
  readonly branches: number;
  /** Of this process. */
  readonly firstBranch: number;
  /** The end of its steps. */
  readonly stepsEnd: number;
}

/** Stochastic gradient descent as in PyTorch, with dampening 0. */
export interface SgdSettings extends OptimizerSettings {
  readonly kind: 'sgd';
  /** With a momentum of 0 there need be no velocity. */
  readonly state: readonly 'velocity'[];
  readonly momentum: number;
  readonly weightDecay: number;
  readonly nesterov: boolean;
}

/** Adam with decoupled weight decay, as PyTorch's AdamW. */
export interface AdamwSettings extends OptimizerSettings {
  readonly kind: 'adamw';
  readonly state: readonly ['mean', 'square'];
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

/** How the learning rate goes from step to step (learning-rate.ts). */
export type LearningRateSchedule = {
  /** Steps at the beginning that rise to the full rate. */
  readonly warmupSteps: number;
} & (
  | { readonly kind: 'constant' | 'linear' | 'cosine' }
  | { readonly kind: 'step'; readonly everySteps: number; readonly factor: number }
  | { readonly kind: 'one-cycle'; readonly divFactor: number; readonly finalDivFactor: number }
);

/** Where the norm of the whole gradient is more than `norm`, the gradient is scaled down to it. */
export interface GradientClipping {
  readonly norm: number;
  /** Float64: what the step's gradient is multiplied by. */
  readonly scale: Ptr;
}

/** What a step does with its gradient. */
export interface UpdateTerms {
  readonly optimizer: OptimizerSettings;
  /** The vectors that optimizer.state names. */
  readonly state: Readonly<Record<string, Ptr>>;
  /** Undefined: the gradient is used as it is, without waiting for its norm. */
  readonly clipping?: GradientClipping | undefined;
  readonly learningRate: number;
  readonly schedule: LearningRateSchedule;
  /** Of the whole training. */
  readonly allSteps: number;
}

/** Few parameters: each shard of rows has its own partial gradient, and all are added along a tree. */
export interface DataParallel {
  readonly by: 'data-parallel';
  /** Shard s has its partial at gradient + s · partialBytes, so the tree's sum is at `gradient`. */
  readonly partialBytes: number;
  /** Elements of the parameters that one claim reduces and updates. */
  readonly sliceLength: number;
}

/** Many parameters: the gradient itself is cut into tiles, each summed over all rows of a chunk by one worker. */
export interface ParameterSharded {
  readonly by: 'parameter-sharded';
  /** Rows whose logits are held at a time. */
  readonly chunkRows: number;
  /** Float32 [chunkRows × padded classes]. */
  readonly gradLogits: Ptr;
  /** Uint32 [chunkRows]. */
  readonly rowPtrs: Ptr;
  /** Float32 [features] of zeros, which stand in for ignored rows; 0 with a BLAS or where no row is ignored. */
  readonly zeroRow: Ptr;
  readonly panelsATile: number;
  readonly featuresATile: number;
  /** Float32 [chunkRows × tileStride] for a BLAS, which has the parameters in one panel; 0: kernels, panels. */
  readonly chunkInputs: Ptr;
}

/** A model that a task trains or differentiates. */
export interface TrainHead {
  /** In strips; for parameter-sharded training in panels. */
  readonly weights: Ptr;
  readonly bias: Ptr;
  readonly loss: TrainLoss;
  /** Float64 [steps of the segment], where the loss weighs rows: the weight of each step's rows together. */
  readonly stepWeights: Ptr;
  /** Float32 [parametersLength]: the reduced gradient of the last step; its padding is 0. */
  readonly gradient: Ptr;
  /** Undefined: each step leaves the parameters alone; its loss and gradient are for the caller. */
  readonly update: UpdateTerms | undefined;
  /** Float64, one a shard of the step. */
  readonly lossSums: Ptr;
  /** Float64 [steps of the segment]: the loss of each step's rows, before its update. */
  readonly stepLosses: Ptr;
}

/** A task as it concerns one of its heads. */
export type HeadTask = TrainTask & TrainHead;

/** How far a step has come whose members left it on the way: what they have done lies in the memory of the job. */
export interface StepPosition {
  /** The first row of the chunk, in the step. */
  readonly chunkBegin: number;
  /** Of the gradients that are made one after the other for each chunk. */
  readonly gradient: number;
  readonly phase: 'differentiate' | 'reduce';
  /** Pieces of the phase that are done. */
  readonly pieces: number;
}

export interface TrainTask extends GangTask, Omit<LinearRows, 'weights' | 'bias'> {
  readonly kind: 'train';
  /** Models of one shape, which read the same rows at the same time. No bit of a head depends on the others. */
  readonly heads: readonly TrainHead[];
  /** Int32, indexed as inputs are; -1 for an ignored row, where the loss allows it. */
  readonly targets: Ptr;
  /** Steps [stepBegin, stepEnd) of the segment; step s takes rows from s · fullStep.rows of indices. */
  readonly stepBegin: number;
  readonly stepEnd: number;
  /** Where the first of them goes on, if it was left on the way. */
  readonly within?: StepPosition | undefined;
  readonly fullStep: StepShape;
  /** The last step of an epoch, which may have fewer rows; stepsAnEpoch says which those are. */
  readonly lastStep: StepShape;
  readonly stepsAnEpoch: number;
  /** Steps of the whole training before this segment's step 0. */
  readonly stepsBefore: number;
  readonly sharding: DataParallel | ParameterSharded;
  /** Lengths in elements, padding included; the bias follows the weights in every vector of parameters. */
  readonly weightsLength: number;
  readonly parametersLength: number;
  /** How often to look at the barrier before sleeping; 0 where threads outnumber processors. */
  readonly spins: number;
}

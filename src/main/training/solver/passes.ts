// Passes over all rows for the heads of a full-batch training. What heads ask for at the same time goes out in one task, whose
// rows are read once; no bit of a head depends on what the others ask.
import { setImmediate } from 'node:timers/promises';
import { paddedClasses } from '../../../kernels/layout.js';
import { NULL_PTR, offsetBy, offsetIfAny, type Ptr } from '../../../kernels/ptr.js';
import { treeSum } from '../../../kernels/tree-sum.js';
import type { KeptLogits, KeptLogitsOperation, LinearLoss, TrainHead } from '../../../workers/protocol.js';
import type { Cancellation } from '../../cancellation.js';
import type { Resources } from '../../dispatch/resources.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { LinearModel } from '../../models/linear-model.js';
import type { TrainingPlan } from '../../plans/training.js';
import { type PlacedHead, packVector, placeHead, type TrainJob, takeVector } from '../training-memory.js';
import type { BatchRows } from './batch-rows.js';

/** Products with the inputs that an operation takes: a pass is one by the weights and one by the gradient of the logits. */
const PASSES: Readonly<Record<KeptLogitsOperation['name'], number>> = {
  evaluate: 1,
  curvature: 1,
  gradient: 0.5,
  direct: 0.5,
  move: 0,
  curveBias: 0,
  look: 0,
};

/**
 * With more classes the Hessian by the bias is not summed up: sweeps over the probabilities multiply by it. 50 classes take the same
 * time either way; of 200 (6,000 × 384) a fit with the matrix takes 1.5 times as long, of 256 (6,000 × 64) twice.
 */
const MOST_BIAS_CURVATURES = 64;

/** Float64: weights [features × classes], then bias [classes]. */
export type Parameters = Float64Array;

export function dot(x: Parameters, y: Parameters): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
}

export interface PassResult {
  /** The sum of the rows' losses, each times its weight. */
  readonly loss: number;
  readonly slope: number;
  /** [classes]. */
  readonly columnSums: Float64Array;
  /** [classes × classes], of moves, unless there are too many classes. */
  readonly biasCurvature: Float64Array | undefined;
  /** [classes]: its diagonal, where there are. */
  readonly biasDiagonal: Float64Array | undefined;
  /** Of operations that have one. */
  readonly gradient: Parameters;
}

/** What heads weigh rows by, in the arena and by row from 0. */
export interface HeadRows {
  /** Float32 [rows], or 0: all are 1. */
  readonly rowWeights: Ptr;
  /** Float32 [rows]: see KeptLogits. */
  readonly curvatures: Ptr;
  readonly loss: LinearLoss | undefined;
}

export interface PassesSetup {
  readonly resources: Resources;
  readonly model: LinearModel;
  readonly plan: TrainingPlan;
  readonly job: TrainJob;
  readonly rows: BatchRows;
  readonly rowCount: number;
  /** Int32 [rows]. */
  readonly targets: Ptr;
  readonly temperature: number;
  /** Else probabilities and curvatures are not those of the loss. */
  readonly isConvex: boolean;
  readonly signal: Cancellation | undefined;
}

/** An operation with the vector it takes, if it takes one. */
export interface PassRequest {
  readonly operation: KeptLogitsOperation;
  /** Weights and bias of evaluate, curvature and direct. */
  readonly vector?: Parameters;
  /** Other weights of the rows, for the losses of look. */
  readonly rows?: HeadRows;
}

interface Pending {
  readonly head: Head;
  readonly request: PassRequest;
  readonly resolve: (result: PassResult) => void;
  readonly reject: (reason: unknown) => void;
}

export class Passes {
  readonly setup: PassesSetup;
  #pending: Pending[] = [];
  #isRunning = false;

  constructor(setup: PassesSetup) {
    this.setup = setup;
  }

  /** Memory for one head, which belongs to the scope; its logits, and so the direction, are 0. */
  open(scope: ArenaScope, rows: HeadRows): Head {
    return new Head(this, scope, rows);
  }

  /** The pieces of memory of a head, in bytes. */
  static headBytes({
    plan,
    job,
    rowCount,
  }: Pick<PassesSetup, 'plan' | 'job' | 'rowCount'>): readonly number[] {
    const stride = strideOf(plan, job);
    const rows = rowCount * stride * 4;
    const { parametersLength, sharding, fullStep, classes } = job;
    const slots = fullStep.shards * plan.stepsAnEpoch;
    const gradient =
      sharding.by === 'data-parallel' ? fullStep.shards * sharding.partialBytes : parametersLength * 4;
    const biasCurvatures = classes <= MOST_BIAS_CURVATURES ? slots * classes ** 2 * 4 : 0;
    return [
      rows,
      rows,
      rows,
      rows,
      gradient,
      parametersLength * 8,
      parametersLength * 4,
      biasCurvatures,
      slots * stride * 4,
      slots * stride * 4,
      slots * 8,
      fullStep.shards * 8,
      plan.stepsAnEpoch * 8,
      stride * 4,
    ];
  }

  run(head: Head, request: PassRequest): Promise<PassResult> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ head, request, resolve, reject });
      if (!this.#isRunning) void this.#runPending();
    });
  }

  async #runPending(): Promise<void> {
    this.#isRunning = true;
    try {
      while (this.#pending.length > 0) {
        // Heads that are answered ask their next question within this turn of the event loop.
        await setImmediate();
        const pending = this.#pending;
        this.#pending = [];
        try {
          await this.#runTask(pending);
        } catch (error) {
          for (const { reject } of pending) reject(error);
          continue;
        }
        for (const { head, request, resolve } of pending) resolve(head.take(request));
      }
    } finally {
      this.#isRunning = false;
    }
  }

  async #runTask(pending: readonly Pending[]): Promise<void> {
    const { rows, signal } = this.setup;
    signal?.throwIfAborted();
    for (const { head, request } of pending) head.prepare(request);
    await rows.pass(
      (firstRow, firstStep) => pending.map(({ head, request }) => head.at(request, firstRow, firstStep)),
      signal,
    );
  }
}

const strideOf = ({ by }: TrainingPlan, { classes }: TrainJob): number =>
  by === 'data-parallel' ? classes : paddedClasses(classes);

/** One model in training: what is kept of the rows, and how much of the work has been done. */
export class Head {
  /** So far. */
  passes = 0;
  readonly #passes: Passes;
  readonly #rows: HeadRows;
  readonly #stride: number;
  readonly #placed: PlacedHead;
  readonly #sum: Ptr;
  #kept: Pick<
    KeptLogits,
    | 'logits'
    | 'probabilities'
    | 'direction'
    | 'product'
    | 'slopes'
    | 'columnSums'
    | 'biasCurvatures'
    | 'biasDiagonals'
  >;
  /** Float32 [stride]. */
  readonly #shift: Ptr;
  readonly #steps: number;
  readonly #slots: number;

  constructor(passes: Passes, scope: ArenaScope, rows: HeadRows) {
    const { resources, model, plan, job, rowCount } = passes.setup;
    this.#passes = passes;
    this.#rows = rows;
    this.#stride = strideOf(plan, job);
    this.#steps = plan.stepsAnEpoch;
    this.#slots = this.#steps * plan.fullStep.shards;
    this.#sum = scope.allocate(job.parametersLength * 8, 'the gradient of all rows');
    const optimizer = { kind: 'gradientSum', state: [], sum: this.#sum } as const;
    const update = {
      optimizer,
      learningRate: 0,
      schedule: { kind: 'constant', warmupSteps: 0 },
      allSteps: this.#steps,
    } as const;
    this.#placed = placeHead(resources, scope, job, model, { steps: this.#steps, update });
    const keep = (what: string) => scope.allocate(rowCount * this.#stride * 4, what);
    this.#kept = {
      logits: keep('logits'),
      probabilities: keep('probabilities'),
      direction: keep('the logits of a direction'),
      product: keep('the logits of a vector'),
      slopes: scope.allocate(this.#slots * 8, 'slopes'),
      columnSums: scope.allocate(this.#slots * this.#stride * 4, 'sums of columns'),
      biasCurvatures: this.#hasBiasMatrix
        ? scope.allocate(this.#slots * model.classes ** 2 * 4, 'curvatures of the bias')
        : NULL_PTR,
      biasDiagonals: this.#hasBiasDiagonal
        ? scope.allocate(this.#slots * this.#stride * 4, 'the diagonal of the curvatures of the bias')
        : NULL_PTR,
    };
    this.#shift = scope.allocate(this.#stride * 4, 'a change of the bias');
  }

  /** Moves tell how the loss curves along the bias. */
  get hasBiasCurvature(): boolean {
    return this.#passes.setup.isConvex;
  }

  get #hasBiasMatrix(): boolean {
    return this.hasBiasCurvature && this.#passes.setup.model.classes <= MOST_BIAS_CURVATURES;
  }

  get #hasBiasDiagonal(): boolean {
    return this.hasBiasCurvature && !this.#hasBiasMatrix;
  }

  /** Float32 [stride] in the arena, for operations that take a vector of the bias. */
  placeShift(shift: ArrayLike<number>): Ptr {
    this.#passes.setup.resources.arena.view('float32', this.#shift, shift.length).set(shift);
    return this.#shift;
  }

  /** Rejects with signal.reason. A loss may be infinite or NaN. */
  async run(
    operation: KeptLogitsOperation,
    options: Omit<PassRequest, 'operation'> = {},
  ): Promise<PassResult> {
    this.passes += PASSES[operation.name];
    return this.#passes.run(this, { operation, ...options });
  }

  /** [rows × stride] of the present logits: a view, for callers that read them between operations. */
  get logits(): { readonly values: Float32Array; readonly stride: number } {
    const { resources, rowCount } = this.#passes.setup;
    const values = resources.arena.view('float32', this.#kept.logits, rowCount * this.#stride);
    return { values, stride: this.#stride };
  }

  /** Of weights and a bias of 0. */
  clearLogits(): void {
    this.logits.values.fill(0);
  }

  /** The present logits change places with those of the last product: to try another point, and to come back. */
  swapLogits(): void {
    const { logits, product } = this.#kept;
    this.#kept = { ...this.#kept, logits: product, product: logits };
  }

  /** For Passes: before the operation. */
  prepare({ vector, operation }: PassRequest): void {
    const { resources, model, job } = this.#passes.setup;
    const { arena } = resources;
    arena.view('float64', this.#sum, job.parametersLength).fill(0);
    arena.view('float64', this.#kept.slopes, this.#slots).fill(0);
    arena.view('float32', this.#kept.columnSums, this.#slots * this.#stride).fill(0);
    if (operation.name === 'move' && this.#hasBiasMatrix) {
      arena.view('float32', this.#kept.biasCurvatures, this.#slots * model.classes ** 2).fill(0);
    }
    if (operation.name === 'move' && this.#hasBiasDiagonal) {
      arena.view('float32', this.#kept.biasDiagonals, this.#slots * this.#stride).fill(0);
    }
    if (vector === undefined) return;
    const weights = model.features * model.classes;
    const single = Float32Array.from(vector);
    const parameters = { weights: single.subarray(0, weights), bias: single.subarray(weights) };
    packVector(resources, job, model, this.#placed.weights, parameters);
  }

  /** For Passes: what a task is told. */
  at({ operation, rows = this.#rows }: PassRequest, firstRow: number, firstStep: number): TrainHead {
    const { targets, temperature, job } = this.#passes.setup;
    const { classes } = job;
    const { slopes, columnSums, biasCurvatures, biasDiagonals, ...kept } = this.#kept;
    const slot = firstStep * job.fullStep.shards;
    const loss: KeptLogits = {
      kind: 'keptLogits',
      operation,
      stride: this.#stride,
      firstRow,
      targets,
      temperature,
      ...kept,
      ...rows,
      slopes: offsetBy(slopes, slot * 8),
      columnSums: offsetBy(columnSums, slot * this.#stride * 4),
      biasCurvatures: offsetIfAny(biasCurvatures, slot * classes * classes * 4),
      biasDiagonals: offsetIfAny(biasDiagonals, slot * this.#stride * 4),
    };
    return {
      ...this.#placed,
      stepLosses: offsetBy(this.#placed.stepLosses, firstStep * 8),
      stepWeights: NULL_PTR,
      loss,
    };
  }

  /** For Passes: after the operation. */
  take({ operation }: PassRequest): PassResult {
    const { resources, model, job } = this.#passes.setup;
    const { arena } = resources;
    const { classes, features } = model;
    const losses = arena.view('float64', this.#placed.stepLosses, this.#steps);
    const slopes = arena.view('float64', this.#kept.slopes, this.#slots);
    const columnSums = new Float64Array(this.#stride);
    const { name } = operation;
    if (name === 'move' || name === 'direct' || name === 'curveBias') {
      addUp(arena.view('float32', this.#kept.columnSums, this.#slots * this.#stride), columnSums);
    }
    let biasCurvature: Float64Array | undefined;
    let biasDiagonal: Float64Array | undefined;
    if (name === 'move' && this.#hasBiasDiagonal) {
      biasDiagonal = new Float64Array(this.#stride);
      addUp(arena.view('float32', this.#kept.biasDiagonals, this.#slots * this.#stride), biasDiagonal);
    }
    if (name === 'move' && this.#hasBiasMatrix) {
      biasCurvature = new Float64Array(classes ** 2);
      addUp(arena.view('float32', this.#kept.biasCurvatures, this.#slots * classes ** 2), biasCurvature);
    }
    const gradient = new Float64Array(PASSES[operation.name] === 0 ? 0 : (features + 1) * classes);
    if (gradient.length > 0 && operation.name !== 'direct') {
      const weights = gradient.subarray(0, features * classes);
      const bias = gradient.subarray(features * classes);
      takeVector(resources, job, model, this.#sum, { weights, bias }, 'float64');
    }
    return {
      loss: treeSum(losses),
      slope: treeSum(slopes),
      columnSums: columnSums.subarray(0, classes),
      biasCurvature,
      biasDiagonal: biasDiagonal?.subarray(0, classes),
      gradient,
    };
  }
}

/** sums += each of the vectors of their length that lie one after the other. */
function addUp(vectors: Float32Array, sums: Float64Array): void {
  for (let begin = 0; begin < vectors.length; begin += sums.length) {
    for (let i = 0; i < sums.length; i++) sums[i]! += vectors[begin + i]!;
  }
}

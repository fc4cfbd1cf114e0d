// A model in training by full-batch passes: what is kept of the own rows in the arena, and the operations on it.
import { paddedClasses } from '../../../kernels/layout.js';
import { NULL_PTR, offsetBy, offsetIfAny, type Ptr } from '../../../kernels/ptr.js';
import { treeSum } from '../../../kernels/tree-sum.js';
import type { KeptLogits, KeptLogitsOperation, TrainHead } from '../../../workers/protocol.js';
import type { ArenaScope } from '../../memory/arena.js';
import type { FullBatchPlan } from '../../plans/training.js';
import { type PlacedHead, packVector, placeHead, type TrainJob, takeVector } from '../training-memory.js';
import { branchSums } from './branch-sums.js';
import type { Parameters } from './parameters.js';
import {
  concatenated,
  type HeadRows,
  NOTHING,
  type OwnResult,
  PASSES,
  type Passes,
  type PassesSetup,
  type PassHead,
  type PassRequest,
  type Result,
  sharedFloat64,
} from './passes.js';
import { countOf, type Range } from './row-share.js';

/** They leave the probabilities of the logits that they leave; so does a gradient that shifts them. */
const KEEPS_PROBABILITIES: ReadonlySet<string> = new Set(['evaluate', 'move']);

const hasShift = (operation: KeptLogitsOperation): boolean =>
  operation.name === 'gradient' && operation.vector !== NULL_PTR;

/**
 * With more classes the Hessian by the bias is not summed up: sweeps over the probabilities multiply by it. 50 classes take the same
 * time either way; of 200 (6,000 × 384) a fit with the matrix takes 1.5 times as long, of 256 (6,000 × 64) twice.
 */
const MOST_BIAS_CURVATURES = 64;

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

type KeptOfRows = 'logits' | 'probabilities' | 'direction';

/** See PassResult. */
type Lengths = Readonly<Record<'gradient' | 'columnSums' | 'biasDiagonal' | 'biasCurvature', number>>;

/** Of the own rows. */
export interface OwnLogits {
  readonly values: Float32Array;
  readonly stride: number;
  /** Their positions among those of the problem. */
  readonly rows: Range;
}

export type HeadState = Awaited<ReturnType<Head['snapshot']>>;

/** One model in training: what is kept of the own rows, and how much of the work has been done. */
export class Head implements PassHead {
  readonly name: string;
  /** So far. */
  passes = 0;
  /** The probabilities are not those of the logits. */
  #isApart = true;
  readonly #passes: Passes;
  readonly #rows: HeadRows;
  readonly #stride: number;
  readonly #placed: PlacedHead;
  readonly #sums: Ptr;
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

  /** Memory for one head, which belongs to the scope; its logits, and so the direction, are 0. */
  constructor(passes: Passes, scope: ArenaScope, rows: HeadRows, name = passes.nextName()) {
    const { resources, model, plan, job, share } = passes.setup;
    this.name = name;
    this.#passes = passes;
    this.#rows = rows;
    this.#stride = strideOf(plan, job);
    this.#steps = countOf(share.steps);
    this.#slots = this.#steps * plan.fullStep.shards;
    this.#sums = scope.allocate(share.depth * job.parametersLength * 8, 'the gradient of all rows');
    const optimizer = {
      kind: 'gradientSum',
      state: [],
      sums: this.#sums,
      stepsABranch: plan.stepsABranch,
      branches: plan.branches,
      firstBranch: share.branches.begin,
      stepsEnd: share.steps.end,
    } as const;
    const update = {
      optimizer,
      learningRate: 0,
      schedule: { kind: 'constant', warmupSteps: 0 },
      allSteps: plan.stepsAnEpoch,
    } as const;
    this.#placed = placeHead(resources, scope, job, model, { steps: this.#steps, update });
    const keep = (what: string) => scope.allocate(this.#ownRows * this.#stride * 4, what);
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

  /** The pieces of memory of a head, in bytes. */
  static bytesOf({ plan, job, share }: Pick<PassesSetup, 'plan' | 'job' | 'share'>): readonly number[] {
    const stride = strideOf(plan, job);
    const rows = countOf(share.rows) * stride * 4;
    const steps = countOf(share.steps);
    const { parametersLength, sharding, fullStep, classes } = job;
    const slots = fullStep.shards * steps;
    const gradient =
      sharding.by === 'data-parallel' ? fullStep.shards * sharding.partialBytes : parametersLength * 4;
    const biasCurvatures = classes <= MOST_BIAS_CURVATURES ? slots * classes ** 2 * 4 : 0;
    return [
      rows,
      rows,
      rows,
      rows,
      gradient,
      share.depth * parametersLength * 8,
      parametersLength * 4,
      biasCurvatures,
      slots * stride * 4,
      slots * stride * 4,
      slots * 8,
      fullStep.shards * 8,
      steps * 8,
      stride * 4,
    ];
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

  get #ownRows(): number {
    return countOf(this.#passes.setup.share.rows);
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
    if (KEEPS_PROBABILITIES.has(operation.name) || hasShift(operation)) this.#isApart = false;
    const request = { operation, ...options };
    const lengths = this.#lengthsOf(operation);
    const result = await this.#passes.ask({ head: this, request, own: () => this.#take(lengths) });
    return this.#resultOf(result, lengths);
  }

  /** The values of all ranks, one after the other, where each brings those of some of its own rows. */
  async together(own: Float64Array): Promise<Float64Array> {
    if (this.#passes.transport === undefined) return own;
    const nothing = { losses: NOTHING, slopes: NOTHING, sums: [], length: 0 };
    const asked = { head: this, request: undefined, own: () => ({ ...nothing, values: own }) };
    return (await this.#passes.ask(asked)).values;
  }

  /** [own rows × stride] of the present logits: a view, for callers that read them between operations. */
  get logits(): OwnLogits {
    return { values: this.#viewOf('logits'), stride: this.#stride, rows: this.#passes.setup.share.rows };
  }

  /** Of weights and a bias of 0. */
  clearLogits(): void {
    this.logits.values.fill(0);
    this.#isApart = true;
  }

  /** The present logits change places with those of the last product: to try another point, and to come back. */
  swapLogits(): void {
    const { logits, product } = this.#kept;
    this.#kept = { ...this.#kept, logits: product, product: logits };
    this.#isApart = true;
  }

  /**
   * What it keeps of all rows: of the direction only where it is needed, of the probabilities where logits do not say them. On
   * ranks other than 0 of the own rows alone; all must ask at the same time.
   */
  async snapshot(hasDirection: boolean) {
    return {
      passes: this.passes,
      logits: await this.#gather('logits'),
      probabilities: this.#isApart ? await this.#gather('probabilities') : undefined,
      direction: hasDirection ? await this.#gather('direction') : undefined,
    };
  }

  async #gather(name: KeptOfRows): Promise<Float32Array> {
    const own = this.#viewOf(name).slice();
    const all = await this.#passes.transport?.gather(new Uint8Array(own.buffer));
    if (all === undefined) return own;
    const bytes = concatenated(Uint8Array, all);
    return new Float32Array(bytes.buffer);
  }

  async restore({ passes, ...kept }: HeadState): Promise<void> {
    const { begin, end } = this.#passes.setup.share.rows;
    const own = (values: Float32Array | undefined) =>
      values?.subarray(begin * this.#stride, end * this.#stride);
    const { logits, probabilities, direction } = {
      logits: own(kept.logits)!,
      probabilities: own(kept.probabilities),
      direction: own(kept.direction),
    };
    this.logits.values.set(logits);
    if (direction !== undefined) this.#viewOf('direction').set(direction);
    // A move to where it is leaves probabilities alone.
    if (probabilities === undefined)
      await this.run({ name: 'move', step: 0, extend: undefined, vector: NULL_PTR });
    else this.#viewOf('probabilities').set(probabilities);
    this.#isApart = probabilities !== undefined;
    this.passes = passes;
  }

  #viewOf(name: KeptOfRows): Float32Array {
    const { arena } = this.#passes.setup.resources;
    return arena.view('float32', this.#kept[name], this.#ownRows * this.#stride);
  }

  prepare({ vector, operation }: PassRequest): void {
    const { resources, model, job } = this.#passes.setup;
    const { arena } = resources;
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

  /** Of what an operation gives the sum of, one after the other. */
  #lengthsOf({ name }: KeptLogitsOperation): Lengths {
    const { classes, features } = this.#passes.setup.model;
    const isMove = name === 'move';
    return {
      gradient: PASSES[name] === 0 || name === 'direct' ? 0 : (features + 1) * classes,
      columnSums: isMove || name === 'direct' || name === 'curveBias' ? this.#stride : 0,
      biasDiagonal: isMove && this.#hasBiasDiagonal ? this.#stride : 0,
      biasCurvature: isMove && this.#hasBiasMatrix ? classes ** 2 : 0,
    };
  }

  /** After the operation. */
  #take(lengths: Lengths): OwnResult {
    const { resources, plan, share } = this.#passes.setup;
    const { arena } = resources;
    const { columnSums, biasDiagonals, biasCurvatures, slopes } = this.#kept;
    const small = [
      { ptr: columnSums, length: lengths.columnSums },
      { ptr: biasDiagonals, length: lengths.biasDiagonal },
      { ptr: biasCurvatures, length: lengths.biasCurvature },
    ].map(({ ptr, length }) =>
      branchSums(arena.view('float32', ptr, this.#slots * length), length, plan, share),
    );
    const length = Object.values(lengths).reduce((sum, one) => sum + one, 0);
    const sums = share.nodes.map((_, node) => {
      const sum = this.#passes.transport === undefined ? new Float64Array(length) : sharedFloat64(length);
      this.#takeGradient(node, sum.subarray(0, lengths.gradient));
      let at = lengths.gradient;
      for (const { [node]: part } of small) {
        sum.set(part!, at);
        at += part!.length;
      }
      return sum;
    });
    return {
      losses: arena.view('float64', this.#placed.stepLosses, this.#steps).slice(),
      slopes: arena.view('float64', slopes, this.#slots).slice(),
      values: NOTHING,
      sums: length === 0 ? [] : sums,
      length,
    };
  }

  #takeGradient(node: number, gradient: Float64Array): void {
    if (gradient.length === 0) return;
    const { resources, model, job } = this.#passes.setup;
    const weightsLength = model.features * model.classes;
    const parts = { weights: gradient.subarray(0, weightsLength), bias: gradient.subarray(weightsLength) };
    const ptr = offsetBy(this.#sums, node * job.parametersLength * 8);
    takeVector(resources, job, model, ptr, parts, 'float64');
  }

  #resultOf({ losses, slopes, sum }: Result, lengths: Lengths): PassResult {
    const { classes } = this.#passes.setup.model;
    let at = 0;
    const next = (length: number) => {
      at += length;
      return sum.subarray(at - length, at);
    };
    const gradient = next(lengths.gradient);
    const columnSums = next(lengths.columnSums).subarray(0, classes);
    const biasDiagonal = next(lengths.biasDiagonal).subarray(0, classes);
    const biasCurvature = next(lengths.biasCurvature);
    return {
      loss: treeSum(losses),
      slope: treeSum(slopes),
      columnSums,
      biasCurvature: lengths.biasCurvature > 0 ? biasCurvature : undefined,
      biasDiagonal: lengths.biasDiagonal > 0 ? biasDiagonal : undefined,
      gradient,
    };
  }
}

const strideOf = ({ by }: FullBatchPlan, { classes }: TrainJob): number =>
  by === 'data-parallel' ? classes : paddedClasses(classes);

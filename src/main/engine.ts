// The public engine: wires arena, kernels, pool and operations together.
import { SoftshardError } from '../errors.js';
import { type BlasLibrary, loadSgemm, withoutBlas } from '../kernels/blas/library.js';
import { instantiateKernels, leavingKernels, type Numerics } from '../kernels/load.js';
import { SEAT_BYTES } from '../workers/protocol.js';
import type { FloatInput } from './arguments/axis-rows.js';
import type { Targets } from './arguments/targets.js';
import { Cancellation } from './cancellation.js';
import { checkArray, checkInteger, checkOneOf } from './checks.js';
import type { Gradient } from './dispatch/output.js';
import { giveResources, type Resources } from './dispatch/resources.js';
import { EngineTrace, type Trace } from './dispatch/trace.js';
import type { Transport } from './distributed/transport.js';
import { checkEngineOptions, type EngineOptions } from './engine-options.js';
import {
  type BinaryCrossEntropyOptions,
  binaryCrossEntropyWithLogits,
} from './losses/binary-cross-entropy.js';
import {
  type CrossEntropyOptions,
  type CrossEntropyResult,
  crossEntropy,
  crossEntropyGradient,
} from './losses/cross-entropy.js';
import type { DenseTargets } from './losses/dense-targets.js';
import {
  type DistillationOptions,
  type DistillationResult,
  distillation,
  type KlDivergenceOptions,
  klDivergence,
  type Teacher,
} from './losses/divergence.js';
import {
  type LinearCrossEntropyOptions,
  type LinearCrossEntropyResult,
  linearCrossEntropy,
} from './losses/linear-cross-entropy.js';
import type { LinearInputs, LinearType } from './losses/linear-operands.js';
import type { RowGradientOptions } from './losses/loss-options.js';
import { type NllLossOptions, nllLoss } from './losses/nll-loss.js';
import {
  crossEntropyOfProbabilities,
  type ProbabilityCrossEntropyOptions,
} from './losses/probability-cross-entropy.js';
import type { RowLossResult } from './losses/row-loss.js';
import {
  type LogSumExpOutput,
  logSumExp,
  type RowOptions,
  type SoftmaxOptions,
  type SoftmaxOutput,
  softmax,
} from './losses/softmax.js';
import { meanSquaredError, type SquaredErrorOptions } from './losses/squared-error.js';
import { adviseHugePages } from './machine/huge-pages.js';
import { checkWorkerFiles } from './machine/own-files.js';
import { compileEngineKernels } from './machine/wide-simd.js';
import { Arena } from './memory/arena.js';
import { arenaMatrix, arenaTensor, arenaVector } from './memory/arena-tensor.js';
import { CallMemory } from './memory/call-memory.js';
import { ELEMENT_TYPES, type ElementType } from './memory/element-types.js';
import { lockProperties } from './memory/read-only.js';
import type { Allocator, ArenaTensor, Matrix, Tensor, Vector } from './memory/tensor.js';
import { ClassificationMetrics, type MetricsOptions } from './metrics/classification-metrics.js';

export class Engine implements Allocator {
  readonly threads: number;
  readonly numerics: Numerics;
  /** Whether the kernels are compiled with wide SIMD. */
  readonly wideSimd: boolean;
  /** What computes large matrix products; undefined: the engine's own kernels. */
  readonly blas: BlasLibrary | undefined;
  /** Which of the processes that work together this is, from 0, and their number: 0 and 1 without `distributed`. */
  readonly rank: number;
  readonly ranks: number;
  /** What connects them; undefined without `distributed`. */
  readonly transport: Transport | undefined;
  readonly #resources: Resources;
  readonly #trace: EngineTrace | undefined;
  #closed: Promise<void> | undefined;

  private constructor(
    threads: number,
    numerics: Numerics,
    wideSimd: boolean,
    resources: Resources | undefined,
    trace: EngineTrace | undefined,
  ) {
    // JavaScript knows nothing of private constructors.
    if (resources === undefined) {
      throw new SoftshardError(
        'ERR_TYPE',
        'new Engine() makes no engine: await Engine.create(options), which starts its threads',
      );
    }
    this.threads = threads;
    this.numerics = numerics;
    this.wideSimd = wideSimd;
    this.blas = resources.blas;
    this.rank = resources.transport?.rank ?? 0;
    this.ranks = resources.transport?.ranks ?? 1;
    this.transport = resources.transport;
    this.#resources = resources;
    this.#trace = trace;
    giveResources(this, () => this.#open());
    lockProperties(this);
  }

  /**
   * Starts the worker threads. Throws ERR_OPTION, ERR_NUMERICS when the runtime lacks what `numerics` needs, ERR_FILE when
   * files of softshard are missing (docs/bundlers.md), or ERR_DISTRIBUTED where ranks cannot be joined (docs/machines.md).
   */
  static async create(options: EngineOptions = {}): Promise<Engine> {
    const {
      numerics,
      wideSimd: wanted,
      arenaBytes,
      blas,
      distributed,
      traceSpans,
      ...checked
    } = checkEngineOptions(options);
    checkWorkerFiles();
    const joined = distributed && (await (await import('./distributed/join.js')).joinRanks(distributed));
    const threads = (options.threads === undefined && joined?.threads) || checked.threads;
    const { WorkerPool } = await import('./dispatch/pool.js');
    const arena = new Arena(arenaBytes);
    const { memory } = arena;
    adviseHugePages(memory, arenaBytes);
    const { module, wideSimd } = compileEngineKernels(numerics, wanted);
    const kernels = instantiateKernels(module, memory);
    const sgemm = blas === undefined ? withoutBlas : loadSgemm(blas.path, memory);
    const seats = arena.allocate((threads + 1) * SEAT_BYTES, "the kernels' scratch and control words");
    const trace = traceSpans === undefined ? undefined : new EngineTrace(threads, traceSpans);
    const setup = { memory, module, numerics, blas: blas?.path, trace: trace?.setup };
    const pool = new WorkerPool(threads, seats, setup, kernels, sgemm, trace?.tracer);
    const callMemory = new CallMemory(arena, () => pool.idleAfter);
    const closing = new Cancellation();
    const { tracer } = trace ?? {};
    const resources = {
      arena,
      seats,
      callMemory,
      pool,
      closing,
      kernels: leavingKernels(kernels),
      blas,
      tracer,
      ...joined,
    };
    return new Engine(threads, numerics, wideSimd, resources, trace);
  }

  /** Zeroed float32 [rows × columns] in shared memory. Throws ERR_ARENA_FULL. */
  matrix(rows: number, columns: number): Matrix {
    const { arena } = this.#open();
    checkInteger('rows', rows, 0, Number.MAX_SAFE_INTEGER);
    checkInteger('columns', columns, 1, Number.MAX_SAFE_INTEGER);
    return arenaMatrix(arena, rows, columns);
  }

  /** Zeroed tensor in shared memory. Throws ERR_ARENA_FULL. */
  tensor<Type extends ElementType>(type: Type, dims: readonly number[]): ArenaTensor<Type> {
    const { arena } = this.#open();
    checkOneOf('type', type, ELEMENT_TYPES);
    checkArray('dims', dims, 'whole numbers');
    for (const [i, dim] of dims.entries()) checkInteger(`dims[${i}]`, dim, 0, Number.MAX_SAFE_INTEGER);
    return arenaTensor(arena, type, [...dims]);
  }

  /** Zeroed [length] in shared memory. Throws ERR_ARENA_FULL. */
  vector<Type extends ElementType>(type: Type, length: number): Vector<Type> {
    const { arena } = this.#open();
    checkOneOf('type', type, ELEMENT_TYPES);
    checkInteger('length', length, 0, Number.MAX_SAFE_INTEGER);
    return arenaVector(arena, type, length);
  }

  /** How much of the arena is in use, in bytes; peakBytes is the most that ever was. */
  memoryUsage(): { usedBytes: number; peakBytes: number; freeBytes: number; limitBytes: number } {
    const { usedBytes, peakBytes, freeBytes, limitBytes } = this.#open().arena;
    return { usedBytes, peakBytes, freeBytes, limitBytes };
  }

  /**
   * softmax(z)_j = exp(z_j - max z) / Σ_k exp(z_k - max z) along `axis` of logits (default: the last dimension). Gives
   * `into`, or a new tensor of the type and dims of the logits: in this engine's memory, to be freed by you, where the
   * logits are, else a plain one. NaN, infinite and all -Infinity rows: see docs/edge-values.md.
   */
  async softmax<Input extends FloatInput, Into extends FloatInput | undefined = undefined>(
    logits: Input,
    options: SoftmaxOptions<Into> = {},
  ): Promise<SoftmaxOutput<Input, Into>> {
    return softmax(this.#open(), 'softmax', logits, options);
  }

  /** The logarithm of softmax: z_j - logSumExp(z). Output as softmax. */
  async logSoftmax<Input extends FloatInput, Into extends FloatInput | undefined = undefined>(
    logits: Input,
    options: SoftmaxOptions<Into> = {},
  ): Promise<SoftmaxOutput<Input, Into>> {
    return softmax(this.#open(), 'logSoftmax', logits, options);
  }

  /** log Σ_k exp(z_k) along `axis`, with the other dimensions of the logits; float64 for float64, else float32. */
  async logSumExp<Input extends FloatInput>(
    logits: Input,
    options: RowOptions = {},
  ): Promise<LogSumExpOutput<Input>> {
    return logSumExp(this.#open(), logits, options);
  }

  /**
   * Cross-entropy of logits along `axis` (default: the last dimension) against a class index for each row, or against
   * soft targets (a tensor of probabilities with the dims of the logits). All options compose; docs/losses.md has their
   * formulas. Throws ERR_TARGET_RANGE naming the row and the value, before anything is computed.
   */
  async crossEntropy(
    logits: FloatInput,
    targets: Targets | DenseTargets,
    options: CrossEntropyOptions = {},
  ): Promise<CrossEntropyResult> {
    return crossEntropy(this.#open(), logits, targets, options);
  }

  /**
   * Cross-entropy and its derivative by the logits (without options softmax(z) - one-hot(target), divided by the rows
   * for the mean), in one pass. `into` may be the logits themselves. Throws as crossEntropy.
   */
  async crossEntropyGradient<Input extends FloatInput>(
    logits: Input,
    targets: Targets | DenseTargets,
    options: CrossEntropyOptions & RowGradientOptions = {},
  ): Promise<CrossEntropyResult & Gradient<'gradLogits', Input>> {
    return crossEntropyGradient(this.#open(), logits, targets, options);
  }

  /**
   * Cross-entropy of the logits inputs · weights + bias and its gradients, a chunk of rows at a time: the logits of the
   * batch never exist (for 8,192 rows and 131,072 classes they would take 4 GB). inputs [rows × features], weights
   * [features × classes], bias [classes] or undefined, each float32, bfloat16 or float16, targets as in crossEntropy. Half
   * types are widened a part at a time and computed in float32, with the bits of the widened numbers. The gradients are
   * float32 and lie in the arena where the inputs, weights and bias do. Throws as crossEntropy, and ERR_ARENA_FULL naming what has no room: everything is in the arena
   * while it lasts, arrays from outside are copied in.
   */
  async linearCrossEntropy(
    inputs: LinearInputs,
    weights: Tensor<LinearType>,
    bias: Float32Array | Tensor<LinearType> | undefined,
    targets: Targets | DenseTargets,
    options: LinearCrossEntropyOptions = {},
  ): Promise<LinearCrossEntropyResult> {
    return linearCrossEntropy(this.#open(), inputs, weights, bias, targets, options);
  }

  /**
   * Negative log-likelihood of log-probabilities [rows × columns] against a class index for each row:
   * -weight_t · logProbability_t; the mean divides by the sum of the weights of kept rows. docs/row-losses.md.
   */
  async nllLoss(
    logProbabilities: FloatInput,
    targets: Targets,
    options: NllLossOptions = {},
  ): Promise<RowLossResult> {
    return nllLoss.loss(this.#open(), logProbabilities, [targets], options);
  }

  /** nllLoss and its derivative by the log-probabilities: -weight_t at the target, 0 elsewhere. */
  async nllLossGradient<Input extends FloatInput>(
    logProbabilities: Input,
    targets: Targets,
    options: NllLossOptions & RowGradientOptions = {},
  ): Promise<RowLossResult & Gradient<'gradLogProbabilities', Input>> {
    return nllLoss.gradient(this.#open(), logProbabilities, [targets], options);
  }

  /**
   * -Σ_j y_j log max(a_j, floor) of probabilities a [rows × columns], y given by class indices (one-hot) or as target
   * probabilities like a; the mean is that over the rows. Throws ERR_TARGET_RANGE. docs/row-losses.md.
   */
  async crossEntropyOfProbabilities(
    probabilities: FloatInput,
    targets: Targets | DenseTargets,
    options: ProbabilityCrossEntropyOptions = {},
  ): Promise<RowLossResult> {
    return crossEntropyOfProbabilities.loss(this.#open(), probabilities, [targets], options);
  }

  /** crossEntropyOfProbabilities and its derivative by the probabilities: -y / a, and 0 below the floor. */
  async crossEntropyOfProbabilitiesGradient<Input extends FloatInput>(
    probabilities: Input,
    targets: Targets | DenseTargets,
    options: ProbabilityCrossEntropyOptions & RowGradientOptions = {},
  ): Promise<RowLossResult & Gradient<'gradProbabilities', Input>> {
    return crossEntropyOfProbabilities.gradient(this.#open(), probabilities, [targets], options);
  }

  /**
   * Σ_j (a_j - y_j)² of predictions a [rows × columns], or of their softmax (fromLogits); y as class indices (one-hot)
   * or as numbers like a. The mean divides by the number of elements, as PyTorch's mse_loss. docs/row-losses.md.
   */
  async meanSquaredError(
    predictions: FloatInput,
    targets: Targets | DenseTargets,
    options: SquaredErrorOptions = {},
  ): Promise<RowLossResult> {
    return meanSquaredError.loss(this.#open(), predictions, [targets], options);
  }

  /** meanSquaredError and its derivative by the predictions; fromLogits: by the logits, which they then are. */
  async meanSquaredErrorGradient<Input extends FloatInput>(
    predictions: Input,
    targets: Targets | DenseTargets,
    options: SquaredErrorOptions & RowGradientOptions = {},
  ): Promise<RowLossResult & Gradient<'gradPredictions', Input>> {
    return meanSquaredError.gradient(this.#open(), predictions, [targets], options);
  }

  /**
   * Kullback-Leibler divergence Σ_j q_j log(q_j / p_j) of p = softmax(logits / temperature) from a teacher's q: its
   * logits [rows × columns], or probabilities. Small divergences keep their relative accuracy. docs/row-losses.md.
   */
  async klDivergence(
    logits: FloatInput,
    teacher: Teacher,
    options: KlDivergenceOptions = {},
  ): Promise<RowLossResult> {
    return klDivergence.loss(this.#open(), logits, [teacher], options);
  }

  /** klDivergence and its derivative by the (student's) logits: (p Σ q - q) / temperature. */
  async klDivergenceGradient<Input extends FloatInput>(
    logits: Input,
    teacher: Teacher,
    options: KlDivergenceOptions & RowGradientOptions = {},
  ): Promise<RowLossResult & Gradient<'gradLogits', Input>> {
    return klDivergence.gradient(this.#open(), logits, [teacher], options);
  }

  /**
   * alpha · temperature² · KL(teacher, student; temperature) + (1 - alpha) · crossEntropy(student, targets): Hinton's
   * distillation, in one pass. The mean is that over the kept rows. docs/row-losses.md.
   */
  async distillation(
    studentLogits: FloatInput,
    teacherLogits: FloatInput,
    targets: Targets,
    options: DistillationOptions = {},
  ): Promise<DistillationResult> {
    return distillation.loss(this.#open(), studentLogits, [teacherLogits, targets], options);
  }

  /** distillation and its derivative by the student's logits. */
  async distillationGradient<Input extends FloatInput>(
    studentLogits: Input,
    teacherLogits: FloatInput,
    targets: Targets,
    options: DistillationOptions & RowGradientOptions = {},
  ): Promise<DistillationResult & Gradient<'gradLogits', Input>> {
    return distillation.gradient(this.#open(), studentLogits, [teacherLogits, targets], options);
  }

  /**
   * -weight (posWeight · y log σ(z) + (1 - y) log(1 - σ(z))) of each element of logits z [rows × columns], targets y in
   * [0, 1] like them; losses are summed over the columns. The mean divides by the number of elements, as PyTorch's.
   * Throws ERR_TARGET_RANGE. docs/row-losses.md.
   */
  async binaryCrossEntropyWithLogits(
    logits: FloatInput,
    targets: DenseTargets,
    options: BinaryCrossEntropyOptions = {},
  ): Promise<RowLossResult> {
    return binaryCrossEntropyWithLogits.loss(this.#open(), logits, [targets], options);
  }

  /** binaryCrossEntropyWithLogits and its derivative by the logits: without weights σ(z) - y. */
  async binaryCrossEntropyWithLogitsGradient<Input extends FloatInput>(
    logits: Input,
    targets: DenseTargets,
    options: BinaryCrossEntropyOptions & RowGradientOptions = {},
  ): Promise<RowLossResult & Gradient<'gradLogits', Input>> {
    return binaryCrossEntropyWithLogits.gradient(this.#open(), logits, [targets], options);
  }

  /** Metrics of a classifier over a data set, to which batches of logits and targets are added. docs/metrics.md. */
  metrics(options: MetricsOptions): ClassificationMetrics {
    this.#open();
    return new ClassificationMetrics(this, options);
  }

  /**
   * What each thread has done and when, of an engine that was created with `trace`: events that Perfetto and chrome://tracing
   * open as JSON. Of calls under way some may be missing. Throws ERR_OPTION. docs/scaling.md.
   */
  trace(): Trace {
    this.#open();
    if (this.#trace !== undefined) return this.#trace.read();
    const message = 'the engine notes no trace: create it with trace: true';
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.trace' });
  }

  /**
   * Ends the worker threads, and leaves the other ranks together with them; calls under way reject with ERR_CLOSED. Matrices
   * that are not freed keep their contents as long as they are referenced. Where all are freed, the next engine of this
   * arenaBytes uses the memory again. A second call does nothing.
   */
  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    const { arena, seats, callMemory, pool, closing, leave } = this.#resources;
    const reason = closedError('the engine was closed while this call was under way');
    callMemory.close(reason);
    closing.abort(reason);
    await pool.close(reason);
    arena.release(seats);
    arena.retire();
    await leave?.().catch(async (error: unknown) => {
      // Another rank has failed in place of leaving, and leaves next.
      await leave();
      throw error;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #open(): Resources {
    if (this.#closed !== undefined) throw closedError('the engine is closed: create a new one');
    return this.#resources;
  }
}

const closedError = (message: string): SoftshardError => new SoftshardError('ERR_CLOSED', message);

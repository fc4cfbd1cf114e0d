// Prediction for servers: one row at once on the calling thread, many asynchronously, from a model alone.
import { SoftshardError } from '../../errors.js';
import type { Numerics } from '../../kernels/load.js';
import { Cancellation } from '../cancellation.js';
import { checkInteger, checkOptionNames, checkSignal, inspectValue } from '../checks.js';
import { type Resources, resourcesOf } from '../dispatch/resources.js';
import type { Engine } from '../engine.js';
import { chooseNumerics } from '../engine-options.js';
import { isArrayOf } from '../memory/arrays.js';
import { lockProperties } from '../memory/read-only.js';
import type { Tensor } from '../memory/tensor.js';
import { checkModel, type PredictorModel } from '../models/checked-model.js';
import { readModelFile } from '../models/model-file.js';
import { checkOnInvalidInput, type OnInvalidInput } from '../models/not-finite.js';
import type { FeatureScaling } from '../models/scaling.js';
import { Batches, CLASS, PROBABILITIES } from './batches.js';
import type { Answers } from './coalescer.js';
import { PackedModel } from './packed-model.js';
import { checkRow, checkRows, invalidRowError, type Row, type Rows } from './rows.js';

export interface PredictorOptions {
  /**
   * A row whose logits are not finite, because a feature is NaN or infinite or because they overflow: 'throw' (default):
   * ERR_NOT_FINITE names it; 'ignore': its class is -1, its probabilities are NaN.
   */
  onInvalidInput?: OnInvalidInput | undefined;
}

export interface LoadPredictorOptions extends PredictorOptions {
  /** Its threads take long batches while it is open. Without one they are computed in slices. */
  engine?: Engine | undefined;
  /** The build of the kernels: default that of the engine, or as for Engine.create. */
  numerics?: Numerics | undefined;
}

export interface PredictBatchOptions {
  signal?: AbortSignal | undefined;
}

const OPTION_NAMES: readonly (keyof LoadPredictorOptions)[] = ['onInvalidInput', 'engine', 'numerics'];

/**
 * A model as it was when the predictor was made: later training does not change it. It has a small memory of its own and
 * starts no threads. Rows are unscaled: the model's featureScaling is applied to every element type. Results have the bits of
 * the classifier's predict and predictProbabilities with the same `numerics` and no BLAS, whatever rows are computed together.
 */
export class Predictor {
  readonly features: number;
  readonly classes: number;
  readonly classNames: readonly string[] | undefined;
  readonly featureNames: readonly string[] | undefined;
  readonly featureScaling: FeatureScaling | undefined;
  readonly numerics: Numerics;
  readonly #ignoresInvalid: boolean;
  /** For a row that is an array of numbers. */
  readonly #room: Float32Array;
  readonly #closing = new Cancellation();
  readonly #classBatches: Batches<Int32Array>;
  readonly #probabilityBatches: Batches<Float32Array>;
  /** Undefined when closed. */
  #packed: PackedModel | undefined;

  /**
   * Copies a model as readModelFile gives it. Throws ERR_TYPE, ERR_OPTION, ERR_SHAPE, ERR_NUMERICS, or ERR_NOT_FINITE for a
   * parameter that is not finite.
   */
  constructor(model: PredictorModel, options: LoadPredictorOptions = {}) {
    checkOptionNames('options', options, OPTION_NAMES);
    this.#ignoresInvalid = checkOnInvalidInput(options.onInvalidInput) === 'ignore';
    const { engine } = options;
    if (engine !== undefined) threadsOf(engine);
    this.numerics = chooseNumerics(options.numerics ?? engine?.numerics);
    if (engine !== undefined) checkSameNumerics(this.numerics, engine);
    const checked = checkModel(model);
    this.features = checked.features;
    this.classes = checked.classes;
    this.classNames = checked.classNames;
    this.featureNames = checked.featureNames;
    this.featureScaling = checked.featureScaling;
    this.#room = new Float32Array(this.features);
    this.#packed = new PackedModel(checked, this.numerics);
    const served = {
      packed: () => this.#open(),
      linear: engine && { ...checked, weights: checked.weights.slice(), bias: checked.bias.slice() },
      threads: () => engine && threadsOf(engine),
      closing: this.#closing,
      ignoresInvalid: this.#ignoresInvalid,
    };
    this.#classBatches = new Batches(served, CLASS);
    this.#probabilityBatches = new Batches(served, PROBABILITIES);
    lockProperties(this);
  }

  /** Reads what a classifier's save, or `softshard train`, wrote. Throws ERR_FILE, ERR_FORMAT, and as the constructor. */
  static async load(path: string, options: LoadPredictorOptions = {}): Promise<Predictor> {
    checkOptionNames('options', options, OPTION_NAMES);
    return new Predictor(await readModelFile(path), options);
  }

  /** The most probable class of one row; of equals, the lowest. Throws ERR_TYPE, ERR_SHAPE, ERR_NOT_FINITE, ERR_CLOSED. */
  predict(row: Row): number {
    const predicted = this.#place(row).predictClasses(1)[0]!;
    if (predicted < 0 && !this.#ignoresInvalid) throw invalidRowError('row', row);
    return predicted;
  }

  /**
   * The probabilities of one row, [classes], summing to 1: into `into`, or a new array. Throws as predict, and leaves `into`
   * as it was.
   */
  predictProbabilities(row: Row, into?: Float32Array): Float32Array {
    const { classes } = this;
    if (into !== undefined) checkInto(into, classes);
    const probabilities = this.#place(row).predictProbabilities(1);
    if (Number.isNaN(probabilities[0]) && !this.#ignoresInvalid) throw invalidRowError('row', row);
    const output = into ?? new Float32Array(classes);
    output.set(probabilities.subarray(0, classes));
    return output;
  }

  /**
   * The class of each row. Calls for few rows in one turn of the event loop are computed as one batch at its end. Long ones
   * run on the engine's threads or, without an engine, in slices of some 0.3 ms with other events between them; leave their
   * rows as they are until the promise settles. Rejects with what predict throws, or with signal.reason when aborted.
   */
  async predictBatch(rows: Rows, options: PredictBatchOptions = {}): Promise<Int32Array> {
    return this.#predictRows(this.#classBatches, rows, options);
  }

  /** The probabilities of each row, [rows × classes]. Otherwise as predictBatch. */
  async predictBatchProbabilities(rows: Rows, options: PredictBatchOptions = {}): Promise<Tensor<'float32'>> {
    const { classes } = this;
    const data = await this.#predictRows(this.#probabilityBatches, rows, options);
    return { type: 'float32', dims: [data.length / classes, classes], data };
  }

  /** The name of a class; undefined for -1, and where the model has no names. Throws ERR_OPTION for what is no class. */
  className(predicted: number): string | undefined {
    return this.classNames?.[checkInteger('predicted', predicted, -1, this.classes - 1)];
  }

  /** Frees the memory. Calls under way, and calls after this, fail with ERR_CLOSED. A second call does nothing. */
  close(): void {
    this.#closing.abort(closedError('the predictor was closed while this call was under way'));
    this.#packed?.release();
    this.#packed = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Puts the row into the model's memory. */
  #place(row: unknown): PackedModel {
    // Before the memory is looked at: an array may have code of its own, which could close the predictor.
    const elements = checkRow('row', row, this.#room);
    const packed = this.#open();
    packed.rows.set(elements);
    return packed;
  }

  async #predictRows<Kind extends Answers>(
    batches: Batches<Kind>,
    rows: Rows,
    options: PredictBatchOptions,
  ): Promise<Kind> {
    checkOptionNames('options', options, ['signal']);
    const signal = checkSignal('options.signal', options.signal);
    const elements = checkRows(rows, this.features);
    this.#open();
    return batches.predict(elements, signal);
  }

  #open(): PackedModel {
    if (this.#packed !== undefined) return this.#packed;
    throw closedError('the predictor is closed: make a new one (classifier.predictor() or Predictor.load)');
  }
}

const closedError = (message: string): SoftshardError => new SoftshardError('ERR_CLOSED', message);

/** Undefined where the engine is closed. Throws ERR_TYPE where it is none. */
function threadsOf(engine: Engine): Resources | undefined {
  try {
    return resourcesOf(engine);
  } catch (error) {
    if (error instanceof SoftshardError && error.code === 'ERR_CLOSED') return undefined;
    throw error;
  }
}

function checkSameNumerics(numerics: Numerics, engine: Engine): void {
  if (numerics === engine.numerics) return;
  const message = `options.numerics is '${numerics}', but options.engine has '${engine.numerics}', and would give other bits: leave numerics out`;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'options.numerics', value: numerics });
}

function checkInto(into: unknown, classes: number): void {
  const isFloats = isArrayOf('float32', into);
  if (isFloats && into.length === classes) return;
  const found = isFloats ? `has ${into.length} elements` : `is ${inspectValue(into)}`;
  const message = `into ${found}: it must be a Float32Array with an element for each of the ${classes} classes`;
  throw new SoftshardError(isFloats ? 'ERR_SHAPE' : 'ERR_TYPE', message, { argument: 'into', value: into });
}

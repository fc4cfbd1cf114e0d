// The public classifier: multinomial logistic regression, trained on all threads.

import { SoftshardError } from '../../errors.js';
import { type Batch, checkInto, type Float32Rows } from '../arguments/matrices.js';
import type { Targets } from '../arguments/targets.js';
import type { Cancellation } from '../cancellation.js';
import {
  areStrings,
  checkInteger,
  checkOptionNames,
  checkSignal,
  INT32_MAX,
  inspectValue,
} from '../checks.js';
import { resourcesOf } from '../dispatch/resources.js';
import { Engine } from '../engine.js';
import type { DenseTargets } from '../losses/dense-targets.js';
import { checkLossOptions, LOSS_OPTION_NAMES, type LossOptions } from '../losses/loss-options.js';
import { MAX_ARENA_BYTES } from '../memory/arena.js';
import { isArrayOf } from '../memory/arrays.js';
import { lockProperties } from '../memory/read-only.js';
import type { Tensor } from '../memory/tensor.js';
import {
  atTemperature,
  type Calibration,
  calibrationWarnings,
  findTemperature,
} from '../models/calibration.js';
import { checkModel, type PredictorModel } from '../models/checked-model.js';
import { evaluateModel } from '../models/evaluate-model.js';
import type { Evaluation } from '../models/evaluation.js';
import { checkInputs, type FeatureRows, type Inputs } from '../models/inputs.js';
import { type ClassValues, predictClasses, predictClassValues } from '../models/linear-model.js';
import { type Json, readModelFile, writeModelFile } from '../models/model-file.js';
import {
  checkClassValues,
  checkOnInvalidInput,
  checkPredictions,
  markInvalid,
  type OnInvalidInput,
} from '../models/not-finite.js';
import { checkRowTargets, type RowTargetOptions } from '../models/row-targets.js';
import { checkFeatureScaling, type FeatureScaling } from '../models/scaling.js';
import { Predictor, type PredictorOptions } from '../serving/predictor.js';
import { version } from '../version.js';
import { checkFitLoss } from './fit-loss.js';
import { type CheckedFitOptions, checkFitOptions, type FitOptions } from './fit-options.js';
import type { FitResult } from './fit-result.js';
import { OptimizerMemory } from './optimizer-memory.js';
import { checkPartialFitOptions, type PartialFitOptions, type PartialFitResult } from './partial-fit.js';
import { checkRowSplit } from './rows/row-split.js';
import { fitFullBatch, type Solution } from './solver/fit-full-batch.js';
import { train } from './trainer.js';

export interface ClassifierOptions {
  features: number;
  /** At least 2. */
  classes: number;
  /** One for each class. */
  classNames?: readonly string[] | undefined;
  /** One for each feature, all different: kept with the model, for readers to find the columns of a file by. */
  featureNames?: readonly string[] | undefined;
  /** Part of the model: fit, validation, evaluate and predict apply it to the rows they are given, which are unscaled. */
  featureScaling?: FeatureScaling | undefined;
}

export interface PredictOptions {
  /** For inputs given as a bare array it may be given; it must be the number of features. */
  columns?: number | undefined;
  /**
   * A row whose logits are not finite, because a feature is NaN or infinite or because they overflow: 'throw' (default):
   * ERR_NOT_FINITE names it; 'ignore': its class is -1, its probabilities are NaN, and evaluate leaves it out.
   */
  onInvalidInput?: OnInvalidInput | undefined;
  signal?: AbortSignal | undefined;
}

/** As in crossEntropy, for `loss`, `lossSum` and `weightSum`; ignored rows count in none of the metrics. */
export interface EvaluateOptions
  extends PredictOptions,
    Omit<LossOptions, 'reduction' | 'signal' | 'sampleWeight'>,
    RowTargetOptions {
  /** For topKAccuracy; default 5, or the number of classes if that is smaller. */
  topK?: number | undefined;
}

/** Rows that do not count may be ignored, as in crossEntropy. */
export interface CalibrateOptions
  extends PredictOptions,
    Pick<LossOptions, 'ignoreIndex' | 'onInvalidTarget' | 'sampleWeight'> {}

export interface PredictProbabilitiesOptions extends PredictOptions {
  /** Where to write them, [rows × classes]. */
  into?: Float32Rows | undefined;
}

export interface SaveOptions {
  /** How the model came about; readModelFile gives it back. Store nothing that differs from run to run, such as dates:
   * then equal models make equal files. */
  trainingOptions?: Readonly<Record<string, Json>> | undefined;
  /** Aborting rejects with `signal.reason`; a file then is left as it was. */
  signal?: AbortSignal | undefined;
}

const CLASSIFIER_NAMES: readonly (keyof ClassifierOptions)[] = [
  'features',
  'classes',
  'classNames',
  'featureNames',
  'featureScaling',
];

const CALIBRATE_NAMES: readonly (keyof CalibrateOptions)[] = [
  'columns',
  'ignoreIndex',
  'onInvalidInput',
  'onInvalidTarget',
  'sampleWeight',
  'signal',
];

const EVALUATE_NAMES: readonly string[] = [
  ...LOSS_OPTION_NAMES.filter((name) => name !== 'reduction'),
  'mask',
  'columns',
  'onInvalidInput',
  'topK',
];

/**
 * Probabilities are softmax(inputs · weights + bias); training minimizes their mean cross-entropy, or that with the loss
 * options of fit. Weights start at zero (the problem is convex); fit goes on from the present weights.
 */
export class SoftmaxClassifier {
  readonly features: number;
  readonly classes: number;
  readonly classNames: readonly string[] | undefined;
  readonly featureNames: readonly string[] | undefined;
  /**
   * [features × classes]. During fit updated before each onEpochEnd, else now and then; at the latest at its end. Its
   * elements may be written to between calls (weights.set(values)).
   */
  readonly weights: Float32Array;
  /** [classes]. */
  readonly bias: Float32Array;
  readonly #engine: Engine;
  /** Of the constructor. */
  readonly #ownScaling: FeatureScaling | undefined;
  #featureScaling: FeatureScaling | undefined;
  #temperature = 1;
  #fitting = false;
  /** Of partialFit. */
  readonly #memory = new OptimizerMemory();

  constructor(engine: Engine, options: ClassifierOptions) {
    checkEngine(engine);
    checkOptionNames('options', options, CLASSIFIER_NAMES);
    const { features, classes, classNames, featureNames } = options;
    this.features = checkInteger('options.features', features, 1, INT32_MAX);
    this.classes = checkInteger('options.classes', classes, 2, INT32_MAX);
    checkParameters(features, classes);
    this.classNames = checkNames('classNames', classNames, classes, 'class');
    this.featureNames = checkNames('featureNames', featureNames, features, 'feature');
    checkDifferent(this.featureNames);
    this.#ownScaling = checkFeatureScaling('options.featureScaling', options.featureScaling, features);
    this.#featureScaling = this.#ownScaling;
    this.weights = new Float32Array(features * classes);
    this.bias = new Float32Array(classes);
    this.#engine = engine;
    lockProperties(this);
  }

  /** That of the constructor, or what fit has chosen. */
  get featureScaling(): FeatureScaling | undefined {
    return this.#featureScaling;
  }

  /**
   * What calibrate has divided weights and bias by since they were trained: 1 where nothing. For the record: it is in the weights
   * already. Not the loss option of that name, which is for training alone.
   */
  get temperature(): number {
    return this.#temperature;
  }

  /** Reads what save wrote. Throws ERR_FILE or ERR_FORMAT. */
  static async load(engine: Engine, path: string): Promise<SoftmaxClassifier> {
    checkEngine(engine);
    return SoftmaxClassifier.fromModel(engine, await readModelFile(path));
  }

  /** With copies of the parameters of a model, as readModelFile and importSklearn give it. Throws as Predictor. */
  static fromModel(engine: Engine, model: PredictorModel): SoftmaxClassifier {
    checkEngine(engine);
    const { weights, bias, temperature, ...options } = checkModel(model);
    const classifier = new SoftmaxClassifier(engine, options);
    classifier.weights.set(weights);
    classifier.bias.set(bias);
    classifier.#temperature = temperature ?? 1;
    return classifier;
  }

  /**
   * Writes a safetensors file with weights, bias, names and feature scaling, all at once: `path` holds the former
   * content until the new one is complete; pipes and devices are written to. During fit it stores the weights as they are at the call.
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    checkOptionNames('options', options, ['trainingOptions', 'signal']);
    this.#checkParameters();
    const { features, classes, classNames, featureNames, featureScaling } = this;
    const model = {
      features,
      classes,
      weights: this.#fitting ? this.weights.slice() : this.weights,
      bias: this.#fitting ? this.bias.slice() : this.bias,
      ...(classNames && { classNames }),
      ...(featureNames && { featureNames }),
      ...(featureScaling && { featureScaling }),
      ...(this.#temperature !== 1 && { temperature: this.#temperature }),
      ...(options.trainingOptions && { trainingOptions: options.trainingOptions }),
      softshardVersion: version,
    };
    await writeModelFile(path, model, checkSignal('options.signal', options.signal));
  }

  /**
   * Trains by stochastic gradient descent on inputs [rows × features] and a class for each row, or a share of each class
   * (soft targets [rows × classes]). The result has the same bits for any number of threads. Throws ERR_NOT_FINITE for a
   * feature of NaN or Infinity in a row that counts, ERR_DIVERGED when else a loss is not finite; rejects with
   * signal.reason when aborted, the weights then being those after the last whole step.
   */
  async fit(
    inputs: FeatureRows,
    targets: Targets | DenseTargets,
    options: FitOptions = {},
  ): Promise<FitResult> {
    return this.#train(inputs, targets, options, checkFitOptions(options));
  }

  /**
   * One pass over these rows by the solver of the options, from the present weights, as the next epoch of a training without an
   * end: velocity or moments, and the number of steps and passes, stay on the classifier from call to call, until fit is
   * called or another solver is chosen. So k calls on the same rows give the bits of fit with k epochs. Not saved with the
   * model. Throws as fit does; ERR_DIVERGED and ERR_NOT_FINITE leave weights and optimizer as they were before the call.
   */
  async partialFit(
    inputs: FeatureRows,
    targets: Targets | DenseTargets,
    options: PartialFitOptions = {},
  ): Promise<PartialFitResult> {
    const checked = checkPartialFitOptions(options);
    const { epochs } = await this.#train(inputs, targets, options, checked, this.#memory);
    const [report] = epochs;
    if (report === undefined) throw new Error('a pass without a report');
    const { loss, learningRate, durationMs, rowsPerSecond } = report;
    return { ...this.#memory.of(checked.optimizer.kind), loss, learningRate, durationMs, rowsPerSecond };
  }

  async #train(
    inputs: FeatureRows,
    targets: Targets | DenseTargets,
    options: FitOptions,
    withoutRows: CheckedFitOptions,
    memory?: OptimizerMemory,
  ): Promise<FitResult> {
    return this.#alone(async () => {
      const resources = resourcesOf(this.#engine);
      const batch = this.#checkInputs(inputs, options.columns, withoutRows.signal);
      withoutRows.signal?.throwIfAborted();
      const split = options.split && checkRowSplit(options.split, batch.rows);
      const checked = { ...withoutRows, ...(split && { split }) };
      const loss = checkFitLoss(options, this.classes);
      const shape = { rows: batch.rows, classes: this.classes };
      const checkedTargets = checkRowTargets(resources, targets, shape, options, loss);
      // The weights are not to be those that its steps led to.
      if (memory === undefined) this.#memory.clear();
      this.#temperature = 1;
      if (checked.fullBatch === undefined) {
        const steps = await train(resources, this, batch, checkedTargets, loss, checked, memory);
        this.#checkParameters();
        return steps;
      }
      const publish = ({ weights, bias, featureScaling }: Solution) => {
        this.#checkParameters();
        this.weights.set(weights);
        this.bias.set(bias);
        this.#featureScaling = featureScaling;
      };
      const ownScaling = this.#ownScaling;
      const rows = { inputs: batch, targets: checkedTargets };
      const terms = { resources, model: this, ownScaling, ...rows, loss, publish };
      const result = await fitFullBatch(terms, checked, checked.fullBatch);
      this.#checkParameters();
      return result;
    });
  }

  /** Nothing else may change the weights meanwhile. */
  async #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#fitting) {
      const message = 'fit, partialFit or calibrate is already running on this classifier: await it first';
      throw new SoftshardError('ERR_BUSY', message);
    }
    this.#fitting = true;
    try {
      return await work();
    } finally {
      this.#fitting = false;
    }
  }

  /** The most probable class of each row; of equals, the lowest. Throws ERR_NOT_FINITE, or see onInvalidInput. */
  async predict(inputs: FeatureRows, options: PredictOptions = {}): Promise<Int32Array> {
    checkOptionNames('options', options, ['columns', 'onInvalidInput', 'signal']);
    const signal = checkSignal('options.signal', options.signal);
    const batch = this.#checkInputs(inputs, options.columns, signal);
    const onInvalidInput = checkOnInvalidInput(options.onInvalidInput);
    signal?.throwIfAborted();
    const predictions = await predictClasses(resourcesOf(this.#engine), this, batch, signal);
    if (onInvalidInput === 'throw') await checkPredictions(this, batch, predictions);
    return predictions;
  }

  /**
   * [rows × classes], each row summing to 1: into `into`, or a new plain tensor. Throws ERR_NOT_FINITE (`into` is written
   * by then), or see onInvalidInput.
   */
  async predictProbabilities(
    inputs: FeatureRows,
    options: PredictProbabilitiesOptions = {},
  ): Promise<Tensor<'float32'>> {
    return this.#predictClassValues('probabilities', inputs, options);
  }

  /**
   * inputs · weights + bias, [rows × classes], as predictProbabilities gives their softmax. With onInvalidInput 'ignore', a
   * row whose logits are not all finite is NaN.
   */
  async predictLogits(
    inputs: FeatureRows,
    options: PredictProbabilitiesOptions = {},
  ): Promise<Tensor<'float32'>> {
    return this.#predictClassValues('logits', inputs, options);
  }

  async #predictClassValues(
    wanted: ClassValues,
    inputs: FeatureRows,
    options: PredictProbabilitiesOptions,
  ): Promise<Tensor<'float32'>> {
    checkOptionNames('options', options, ['columns', 'into', 'onInvalidInput', 'signal']);
    const signal = checkSignal('options.signal', options.signal);
    const batch = this.#checkInputs(inputs, options.columns, signal);
    const onInvalidInput = checkOnInvalidInput(options.onInvalidInput);
    const resources = resourcesOf(this.#engine);
    const shape = { dims: [batch.rows, this.classes], rows: batch.rows, columns: this.classes };
    signal?.throwIfAborted();
    const output: Batch =
      options.into === undefined
        ? { ...shape, elements: new Float32Array(batch.rows * this.classes), ptr: undefined }
        : checkInto(resources.arena, options.into, shape, batch);
    await predictClassValues(resources, this, batch, output, wanted, signal);
    if (wanted === 'logits') markInvalid(output.elements, this.classes);
    if (onInvalidInput === 'throw') await checkClassValues(this, batch, output.elements, wanted);
    if (options.into !== undefined && !isArrayOf('float32', options.into)) return options.into;
    return { type: 'float32', dims: shape.dims, data: output.elements };
  }

  /**
   * Loss, accuracy, calibration, scores by class and more, in one pass over the rows. Throws ERR_NOT_FINITE for a row that
   * is not ignored, or see onInvalidInput.
   */
  async evaluate(
    inputs: FeatureRows,
    targets: Targets | DenseTargets,
    options: EvaluateOptions = {},
  ): Promise<Evaluation> {
    checkOptionNames('options', options, EVALUATE_NAMES);
    const signal = checkSignal('options.signal', options.signal);
    const batch = this.#checkInputs(inputs, options.columns, signal);
    const { classes } = this;
    const topK = checkInteger('options.topK', options.topK ?? Math.min(5, classes), 1, classes);
    const resources = resourcesOf(this.#engine);
    const onInvalidInput = checkOnInvalidInput(options.onInvalidInput);
    const { sampleWeight: _, ...lossOptions } = options;
    const loss = checkLossOptions(lossOptions, 0, classes);
    signal?.throwIfAborted();
    const checked = checkRowTargets(resources, targets, { rows: batch.rows, classes }, options, loss);
    const rows = { inputs: batch, targets: checked, loss };
    return evaluateModel(resources, this, rows, { topK, onInvalidInput }, signal);
  }

  /**
   * Makes probabilities as sure as the model is right, by temperature scaling: divides weights and bias by the temperature at which
   * the cross-entropy of these rows, which the model must not have been trained on, is least. Predicted classes stay the same, but
   * for rounding. Some ten passes over the rows. Throws as evaluate, and leaves the model as it was; so it is where a warning says
   * that there is no such temperature.
   */
  async calibrate(
    inputs: FeatureRows,
    targets: Targets | DenseTargets,
    options: CalibrateOptions = {},
  ): Promise<Calibration> {
    checkOptionNames('options', options, CALIBRATE_NAMES);
    const signal = checkSignal('options.signal', options.signal);
    return this.#alone(async () => {
      const batch = this.#checkInputs(inputs, options.columns, signal);
      const { classes } = this;
      const resources = resourcesOf(this.#engine);
      const onInvalidInput = checkOnInvalidInput(options.onInvalidInput);
      const { ignoreIndex, onInvalidTarget } = options;
      const loss = checkLossOptions({ ignoreIndex, onInvalidTarget, onEmpty: 'throw' }, 0, classes);
      signal?.throwIfAborted();
      const shape = { rows: batch.rows, classes };
      const rows = {
        inputs: batch,
        targets: checkRowTargets(resources, targets, shape, options, loss),
        loss,
      };
      const rules = { topK: Math.min(5, classes), onInvalidInput };
      const before = await evaluateModel(resources, this, rows, rules, signal);
      const found = await findTemperature(resources, this, rows, signal);
      const { temperature, temperatureError } = found;
      const calibrated = atTemperature(this, temperature);
      const after =
        temperature === 1 ? before : await evaluateModel(resources, calibrated, rows, rules, signal);
      this.#checkParameters();
      this.weights.set(calibrated.weights);
      this.bias.set(calibrated.bias);
      this.#temperature *= temperature;
      const warnings = calibrationWarnings(found, before, after);
      return { temperature, temperatureError, before, after, warnings };
    });
  }

  /**
   * For a server: synchronous predictions of single rows, by the weights as they are now. Outlives the engine, whose threads
   * take long batches while it is open. Throws ERR_NOT_FINITE where a weight is not finite.
   */
  async predictor(options: PredictorOptions = {}): Promise<Predictor> {
    checkOptionNames('options', options, ['onInvalidInput']);
    this.#checkParameters();
    return new Predictor(this, { ...options, engine: this.#engine });
  }

  #checkInputs(inputs: FeatureRows, columns: number | undefined, signal: Cancellation | undefined): Inputs {
    this.#checkParameters();
    return checkInputs(resourcesOf(this.#engine), 'inputs', inputs, columns, this, signal);
  }

  /** Their memory may have been transferred to another thread. */
  #checkParameters(): void {
    const { features, classes } = this;
    for (const [name, length] of [
      ['weights', features * classes],
      ['bias', classes],
    ] as const) {
      if (this[name].length === length) continue;
      const message = `classifier.${name} is detached, its memory has been transferred: transfer a copy (classifier.${name}.slice()), and load or train the model anew`;
      throw new SoftshardError('ERR_TYPE', message, { argument: `classifier.${name}`, value: 0 });
    }
  }
}

/** Before they are allocated: a stray label such as 2147483646 asks for as many classes. */
function checkParameters(features: number, classes: number): void {
  const bytes = (features + 1) * classes * Float32Array.BYTES_PER_ELEMENT;
  if (bytes <= MAX_ARENA_BYTES) return;
  const message = `${features} features × ${classes} classes take ${bytes} bytes of weights, an arena has at most ${MAX_ARENA_BYTES}: number the classes from 0 without gaps, or leave features out`;
  throw new SoftshardError('ERR_ARENA_FULL', message, { argument: 'options.classes', value: classes });
}

function checkEngine(engine: unknown): void {
  if (engine instanceof Engine) return;
  const isForeign = (Object(engine) as object).constructor?.name === 'Engine';
  const message = isForeign
    ? 'engine is of another copy of softshard: create it with the Engine that comes from the same import as SoftmaxClassifier (npm ls softshard shows copies; of import and a bundle, keep one)'
    : `engine is ${inspectValue(engine)}: pass what Engine.create() gives`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'engine', value: engine });
}

function checkNames(
  option: 'classNames' | 'featureNames',
  value: unknown,
  count: number,
  what: 'class' | 'feature',
): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.length === count && areStrings(value)) {
    return Object.freeze([...value]);
  }
  const argument = `options.${option}`;
  const found =
    Array.isArray(value) && value.length !== count
      ? `has ${value.length} names for ${count} ${what === 'class' ? 'classes' : 'features'}`
      : `is ${inspectValue(value)}`;
  const message = `${argument} ${found}: it must be an array with a string for each ${what}`;
  throw new SoftshardError('ERR_OPTION', message, { argument, value });
}

/** A column could not be found by a name that two features have. */
function checkDifferent(names: readonly string[] = []): void {
  const seen = new Set<string>();
  const twice = names.find((name) => seen.size === seen.add(name).size);
  if (twice === undefined) return;
  const argument = 'options.featureNames';
  const message = `${argument} has ${inspectValue(twice)} twice: give each feature a name of its own, or leave the names out`;
  throw new SoftshardError('ERR_OPTION', message, { argument, value: twice });
}

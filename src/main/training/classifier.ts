// The public classifier: multinomial logistic regression, trained on all threads.

import { SoftshardError } from '../../errors.js';
import { type Batch, checkInto, type Float32Rows } from '../arguments/matrices.js';
import type { Cancellation } from '../cancellation.js';
import { checkInteger, checkOptionNames, checkSignal, inspectValue } from '../checks.js';
import { resourcesOf } from '../dispatch/resources.js';
import { Engine } from '../engine.js';
import { classTargets } from '../intake/class-targets.js';
import type { LabelType } from '../intake/classes.js';
import { checkRecordOptions, RECORD_OPTION_NAMES, type RecordOptions } from '../intake/records.js';
import { type AnyRows, type AnyTargets, type LabeledRows, takeRows } from '../intake/take-rows.js';
import {
  type CheckedLossOptions,
  checkLossOptions,
  LOSS_OPTION_NAMES,
  type LossOptions,
} from '../losses/loss-options.js';
import { isArrayOf } from '../memory/arrays.js';
import type { Tensor } from '../memory/tensor.js';
import {
  checkNotEmpty,
  type Evaluation,
  evaluationOf,
  leaveOutInvalid,
  type ReductionRules,
} from '../models/evaluation.js';
import { checkInputs, type Inputs } from '../models/inputs.js';
import { evaluateRows, predictClasses, predictProbabilities } from '../models/linear-model.js';
import { type Json, readModelFile, writeModelFile } from '../models/model-file.js';
import {
  checkConfidences,
  checkOnInvalidInput,
  checkPredictions,
  checkProbabilities,
  type OnInvalidInput,
  TO_EVALUATE,
} from '../models/not-finite.js';
import {
  checkRowTargets,
  type RowTargetOptions,
  type RowTargets,
  weightSumOf,
} from '../models/row-targets.js';
import type { FeatureScaling } from '../models/scaling.js';
import { Predictor, type PredictorOptions } from '../serving/predictor.js';
import { version } from '../version.js';
import { type ClassifierOptions, ClassifierShape } from './classifier-shape.js';
import { checkFitLoss, isPlainLoss } from './fit-loss.js';
import { type CheckedFitOptions, checkFitOptions, type FitOptions } from './fit-options.js';
import type { FitResult } from './fit-result.js';
import {
  type LabeledTraining,
  labelRows,
  type TakenTraining,
  type TrainingTerms,
  takeTraining,
  targetsAndOptions,
  withLabelRules,
} from './labeled-rows.js';
import { OptimizerMemory } from './optimizer-memory.js';
import { checkPartialFitOptions, type PartialFitOptions, type PartialFitResult } from './partial-fit.js';
import { fitFullBatch, type Solution } from './solver/fit-full-batch.js';
import { train } from './trainer.js';

export interface PredictOptions extends RecordOptions {
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

export interface PredictProbabilitiesOptions extends PredictOptions {
  /** Where to write them, [rows × classes]. */
  into?: Float32Rows | undefined;
}

/** A row without a class has no name. */
export type PredictLabelsOptions = Omit<PredictOptions, 'onInvalidInput'>;

export interface SaveOptions {
  /** How the model came about; readModelFile gives it back. Store nothing that differs from run to run, such as dates:
   * then equal models make equal files. */
  trainingOptions?: Readonly<Record<string, Json>> | undefined;
  /** Aborting rejects with `signal.reason`; a file then is left as it was. */
  signal?: AbortSignal | undefined;
}

const SHOWN = [
  'features',
  'classes',
  'classNames',
  'labelType',
  'featureNames',
  'weights',
  'bias',
] as const satisfies readonly (keyof SoftmaxClassifier)[];

const PREDICT_LABELS_NAMES: readonly string[] = ['columns', ...RECORD_OPTION_NAMES, 'signal'];
const PREDICT_NAMES: readonly string[] = [...PREDICT_LABELS_NAMES, 'onInvalidInput'];
const EVALUATE_NAMES: readonly string[] = [
  ...LOSS_OPTION_NAMES.filter((name) => name !== 'reduction'),
  'mask',
  'columns',
  ...RECORD_OPTION_NAMES,
  'onInvalidInput',
  'topK',
];

/**
 * Probabilities are softmax(inputs · weights + bias); training minimizes their mean cross-entropy, or that with the loss
 * options of fit. Weights start at zero (the problem is convex); fit goes on from the present weights.
 */
export class SoftmaxClassifier {
  readonly #engine: Engine;
  readonly #shape: ClassifierShape;
  #featureScaling: FeatureScaling | undefined;
  #fitting = false;
  /** Of partialFit. */
  readonly #memory = new OptimizerMemory();

  /** Without features and classes, the first fit finds them in its rows and labels. */
  constructor(engine: Engine, options: ClassifierOptions = {}) {
    checkEngine(engine);
    this.#shape = new ClassifierShape(options);
    this.#featureScaling = this.#shape.featureScaling;
    this.#engine = engine;
    this.#show();
  }

  /** Once they are known, they are properties of its own, which inspection and spreads see; before, the getters say so. */
  #show(): void {
    for (const name of SHOWN) {
      Reflect.deleteProperty(this, name);
      if (!this.#shape.isSettled) continue;
      Object.defineProperty(this, name, { value: this[name], enumerable: true, configurable: true });
    }
  }

  /** This and the next ones throw ERR_NOT_FITTED where neither the constructor nor a fit has said so yet. */
  get features(): number {
    return this.#shape.features ?? this.#shape.parameters.features;
  }

  get classes(): number {
    return (this.#shape.classes ?? this.#shape.parameters.classes).count;
  }

  /**
   * [features × classes]. During fit updated before each onEpochEnd, else now and then; at the latest at its end. Its
   * elements may be written to between calls (weights.set(values)).
   */
  get weights(): Float32Array {
    return this.#shape.parameters.weights;
  }

  /** [classes]. */
  get bias(): Float32Array {
    return this.#shape.parameters.bias;
  }

  /** Of the constructor, or the labels of the first fit; undefined where these are class indices. */
  get classNames(): readonly string[] | undefined {
    return this.#shape.classes?.names;
  }

  /** 'number' where targets that are numbers are labels, found among classNames. */
  get labelType(): LabelType | undefined {
    return this.#shape.classes?.labelType;
  }

  /** Of the constructor, or the fields of the first records. */
  get featureNames(): readonly string[] | undefined {
    return this.#shape.featureNames;
  }

  /** That of the constructor, or what fit has chosen. */
  get featureScaling(): FeatureScaling | undefined {
    return this.#featureScaling;
  }

  /** Reads what save wrote. Throws ERR_FILE or ERR_FORMAT. */
  static async load(engine: Engine, path: string): Promise<SoftmaxClassifier> {
    checkEngine(engine);
    const { weights, bias, trainingOptions: _, softshardVersion: __, ...options } = await readModelFile(path);
    const classifier = new SoftmaxClassifier(engine, options);
    classifier.weights.set(weights);
    classifier.bias.set(bias);
    return classifier;
  }

  /**
   * Writes a safetensors file with weights, bias, names and feature scaling, all at once: `path` holds the former
   * content until the new one is complete; pipes and devices are written to. During fit it stores the weights as they are at the call.
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    checkOptionNames('options', options, ['trainingOptions', 'signal']);
    this.#checkParameters();
    const { features, classes, classNames, labelType, featureNames, featureScaling } = this;
    const model = {
      features,
      classes,
      weights: this.#fitting ? this.weights.slice() : this.weights,
      bias: this.#fitting ? this.bias.slice() : this.bias,
      ...(classNames && { classNames }),
      ...(labelType && { labelType }),
      ...(featureNames && { featureNames }),
      ...(featureScaling && { featureScaling }),
      ...(options.trainingOptions && { trainingOptions: options.trainingOptions }),
      softshardVersion: version,
    };
    await writeModelFile(path, model, checkSignal('options.signal', options.signal));
  }

  /**
   * Trains on inputs [rows × features] and a class or label for each row, or a share of each class (soft targets [rows ×
   * classes]); or on inputs that bring their labels along. The result has the same bits for any number of threads. Throws
   * ERR_NOT_FINITE for a feature of NaN or Infinity in a row that counts, ERR_DIVERGED when else a loss is not finite; rejects
   * with signal.reason when aborted, the weights then being those after the last whole step.
   */
  async fit(inputs: LabeledRows, options?: FitOptions): Promise<FitResult>;
  async fit(inputs: AnyRows, targets: AnyTargets, options?: FitOptions): Promise<FitResult>;
  async fit(inputs: unknown, second?: unknown, third?: FitOptions): Promise<FitResult> {
    const { targets, options } = targetsAndOptions<FitOptions>(second, third);
    return this.#train(inputs, targets, options, checkFitOptions(options));
  }

  /**
   * One pass over these rows by the solver of the options, from the present weights, as the next epoch of a training without an
   * end: velocity or moments, and the number of steps and passes, stay on the classifier from call to call, until fit is
   * called or another solver is chosen. So k calls on the same rows give the bits of fit with k epochs. Not saved with the
   * model. Needs all classes beforehand. Throws as fit does; ERR_DIVERGED and ERR_NOT_FINITE leave weights and optimizer as they
   * were before the call.
   */
  async partialFit(inputs: LabeledRows, options?: PartialFitOptions): Promise<PartialFitResult>;
  async partialFit(
    inputs: AnyRows,
    targets: AnyTargets,
    options?: PartialFitOptions,
  ): Promise<PartialFitResult>;
  async partialFit(inputs: unknown, second?: unknown, third?: PartialFitOptions): Promise<PartialFitResult> {
    const { targets, options } = targetsAndOptions<PartialFitOptions>(second, third);
    const checked = checkPartialFitOptions(options);
    if (this.#shape.classes === undefined) throw classesUnknown();
    const { epochs } = await this.#train(inputs, targets, options, checked, this.#memory);
    const [report] = epochs;
    if (report === undefined) throw new Error('a pass without a report');
    const { loss, learningRate, durationMs, rowsPerSecond } = report;
    return { ...this.#memory.of(checked.optimizer.kind), loss, learningRate, durationMs, rowsPerSecond };
  }

  async #train(
    inputs: unknown,
    targets: unknown,
    options: FitOptions,
    checked: CheckedFitOptions,
    memory?: OptimizerMemory,
  ): Promise<FitResult> {
    if (this.#fitting) {
      const message = 'fit or partialFit is already running on this classifier: await it first';
      throw new SoftshardError('ERR_BUSY', message);
    }
    this.#fitting = true;
    let taken: TakenTraining | undefined;
    let unsettle = () => {};
    try {
      const resources = resourcesOf(this.#engine);
      const { validation } = options;
      const terms = this.#takeTerms(options, checked.signal);
      const taking = takeTraining(resources, inputs, targets, validation, terms);
      // What needs no conversion is looked at before this call returns.
      taken = 'then' in taking ? await taking : taking;
      const { featureScaling } = this;
      const labels = { ...terms, rules: options, featureScaling, validation };
      const labeled = labelRows(resources, this.#shape, taken, labels);
      unsettle = labeled.unsettle;
      this.#show();
      return await this.#trainOn(labeled, options, { ...checked, validation: labeled.validation }, memory);
    } catch (error) {
      unsettle();
      this.#show();
      throw error;
    } finally {
      taken?.free();
      this.#fitting = false;
    }
  }

  async #trainOn(
    { inputs, targets: given, areLabels }: LabeledTraining,
    options: FitOptions,
    checked: CheckedFitOptions,
    memory: OptimizerMemory | undefined,
  ): Promise<FitResult> {
    this.#checkParameters();
    const resources = resourcesOf(this.#engine);
    const loss = withLabelRules(checkFitLoss(options, this.classes), areLabels);
    const shape = { rows: inputs.rows, classes: this.classes };
    const targets = checkRowTargets(resources, given, shape, options, loss);
    // The weights are not to be those that its steps led to.
    if (memory === undefined) this.#memory.clear();
    if (checked.fullBatch === undefined) {
      const steps = await train(resources, this, inputs, targets, loss, checked, memory);
      this.#checkParameters();
      return steps;
    }
    const publish = ({ weights, bias, featureScaling }: Solution) => {
      this.#checkParameters();
      this.weights.set(weights);
      this.bias.set(bias);
      this.#featureScaling = featureScaling;
    };
    const ownScaling = this.#shape.featureScaling;
    const terms = { resources, model: this, ownScaling, inputs, targets, loss, publish };
    const result = await fitFullBatch(terms, checked, checked.fullBatch);
    this.#checkParameters();
    return result;
  }

  /** The most probable class of each row; of equals, the lowest. Throws ERR_NOT_FINITE, or see onInvalidInput. */
  async predict(inputs: AnyRows, options: PredictOptions = {}): Promise<Int32Array> {
    checkOptionNames('options', options, PREDICT_NAMES);
    const signal = checkSignal('options.signal', options.signal);
    return this.#withRows(inputs, undefined, options, signal, async (batch) => {
      const onInvalidInput = checkOnInvalidInput(options.onInvalidInput);
      signal?.throwIfAborted();
      const predictions = await predictClasses(resourcesOf(this.#engine), this, batch, signal);
      if (onInvalidInput === 'throw') await checkPredictions(this, batch, predictions);
      return predictions;
    });
  }

  /** The name of the most probable class of each row; without classNames its number, as text. Throws as predict. */
  async predictLabels(inputs: AnyRows, options: PredictLabelsOptions = {}): Promise<string[]> {
    checkOptionNames('options', options, PREDICT_LABELS_NAMES);
    const predictions = await this.predict(inputs, options);
    const { classNames } = this;
    return Array.from(predictions, (predicted) => classNames?.[predicted] ?? String(predicted));
  }

  /**
   * [rows × classes], each row summing to 1: into `into`, or a new plain tensor. Throws ERR_NOT_FINITE (`into` is written
   * by then), or see onInvalidInput.
   */
  async predictProbabilities(
    inputs: AnyRows,
    options: PredictProbabilitiesOptions = {},
  ): Promise<Tensor<'float32'>> {
    checkOptionNames('options', options, [...PREDICT_NAMES, 'into']);
    const signal = checkSignal('options.signal', options.signal);
    return this.#withRows(inputs, undefined, options, signal, async (batch) => {
      const onInvalidInput = checkOnInvalidInput(options.onInvalidInput);
      const resources = resourcesOf(this.#engine);
      const shape = { dims: [batch.rows, this.classes], rows: batch.rows, columns: this.classes };
      signal?.throwIfAborted();
      const output: Batch =
        options.into === undefined
          ? { ...shape, elements: new Float32Array(batch.rows * this.classes), ptr: undefined }
          : checkInto(resources.arena, options.into, shape, batch);
      await predictProbabilities(resources, this, batch, output, signal);
      if (onInvalidInput === 'throw') await checkProbabilities(this, batch, output.elements);
      if (options.into !== undefined && !isArrayOf('float32', options.into)) return options.into;
      return { type: 'float32', dims: shape.dims, data: output.elements };
    });
  }

  /**
   * Loss, accuracy, calibration, scores by class and more, in one pass over the rows. Throws ERR_NOT_FINITE for a row that
   * is not ignored, or see onInvalidInput.
   */
  async evaluate(inputs: LabeledRows, options?: EvaluateOptions): Promise<Evaluation>;
  async evaluate(inputs: AnyRows, targets: AnyTargets, options?: EvaluateOptions): Promise<Evaluation>;
  async evaluate(inputs: unknown, second?: unknown, third?: EvaluateOptions): Promise<Evaluation> {
    const { targets, options } = targetsAndOptions<EvaluateOptions>(second, third);
    checkOptionNames('options', options, EVALUATE_NAMES);
    const signal = checkSignal('options.signal', options.signal);
    return this.#withRows(inputs, { targets }, options, signal, (batch, given) =>
      this.#evaluate(batch, given, options, signal),
    );
  }

  async #evaluate(
    batch: Inputs,
    given: unknown,
    options: EvaluateOptions,
    signal: Cancellation | undefined,
  ): Promise<Evaluation> {
    const { classes } = this;
    const topK = checkInteger('options.topK', options.topK ?? Math.min(5, classes), 1, classes);
    const resources = resourcesOf(this.#engine);
    const onInvalidInput = checkOnInvalidInput(options.onInvalidInput);
    const { sampleWeight: _, ...lossOptions } = options;
    const lossGiven = checkLossOptions(lossOptions, 0, classes);
    signal?.throwIfAborted();
    const terms = { argument: 'targets', rows: batch.rows, mayName: () => false, rules: options };
    const found = classTargets(given, { ...terms, classes: this.#shape.classes });
    const loss = withLabelRules(lossGiven, found.areLabels);
    const checked = checkRowTargets(resources, found.targets, { rows: batch.rows, classes }, options, loss);
    const rules = reductionRules(loss, checked);
    const general = isPlainLoss(loss, checked) ? undefined : loss;
    const results = await evaluateRows(resources, this, batch, checked, general, signal);
    const shape = { classes, topK };
    const evaluation = evaluationOf(results, checked.classes, { ...shape, invalid: 0 }, rules);
    // It is NaN where a row has no probabilities, or there are no rows.
    if (!Number.isNaN(evaluation.calibration.expectedError)) return evaluation;
    if (onInvalidInput === 'throw') {
      await checkConfidences(this, { inputs: batch, ...TO_EVALUATE }, results.confidences);
    }
    const invalid = leaveOutInvalid(results, checked);
    return evaluationOf(results, checked.classes, { ...shape, invalid }, reductionRules(loss, checked));
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

  /** Gives `work` the rows and, of a call that has any, their targets; and then their memory back. */
  async #withRows<Result>(
    inputs: unknown,
    given: { readonly targets: unknown } | undefined,
    options: PredictOptions,
    signal: Cancellation | undefined,
    work: (batch: Inputs, targets: unknown) => Promise<Result>,
  ): Promise<Result> {
    this.#checkParameters();
    const resources = resourcesOf(this.#engine);
    const hasTargets = given !== undefined;
    const terms = { ...this.#takeTerms(options, signal), argument: 'inputs', hasTargets };
    const taking = takeRows(resources, inputs, given?.targets, terms);
    const taken = 'then' in taking ? await taking : taking;
    try {
      this.#checkParameters();
      return await work(
        checkInputs(resources, 'inputs', taken.inputs, options.columns, this, signal),
        taken.targets,
      );
    } finally {
      taken.free();
    }
  }

  #takeTerms(options: PredictOptions, signal: Cancellation | undefined): TrainingTerms {
    const { features, featureNames } = this.#shape;
    return { features, featureNames, columns: options.columns, options: checkRecordOptions(options), signal };
  }

  /** Their memory may have been transferred to another thread. */
  #checkParameters(): void {
    const { features, classes } = this.#shape.parameters;
    for (const [name, length] of [
      ['weights', features * classes.count],
      ['bias', classes.count],
    ] as const) {
      if (this[name].length === length) continue;
      const message = `classifier.${name} is detached, its memory has been transferred: transfer a copy (classifier.${name}.slice()), and load or train the model anew`;
      throw new SoftshardError('ERR_TYPE', message, { argument: `classifier.${name}`, value: 0 });
    }
  }
}

function classesUnknown(): SoftshardError {
  const message =
    'partialFit needs all classes beforehand, as later rows may have others: give the classifier classNames (or classes), or call fit first';
  return new SoftshardError('ERR_NOT_FITTED', message, { argument: 'classes' });
}

function reductionRules(loss: CheckedLossOptions, targets: RowTargets): ReductionRules {
  const rules = { ...loss, weightSum: weightSumOf(targets, loss.weight) };
  checkNotEmpty(rules, targets.rows);
  return rules;
}

export function checkEngine(engine: unknown): void {
  if (engine instanceof Engine) return;
  const isForeign = (Object(engine) as object).constructor?.name === 'Engine';
  const message = isForeign
    ? 'engine is of another copy of softshard: create it with the Engine that comes from the same import as SoftmaxClassifier (npm ls softshard shows copies; of import and a bundle, keep one)'
    : `engine is ${inspectValue(engine)}: pass what Engine.create() gives`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'engine', value: engine });
}

// The public classifier: multinomial logistic regression, trained on all threads.

import { SoftshardError } from '../../errors.js';
import { type Batch, checkInto } from '../arguments/matrices.js';
import type { Cancellation } from '../cancellation.js';
import { checkOptionNames, checkSignal, inspectValue } from '../checks.js';
import { resourcesOf } from '../dispatch/resources.js';
import { togetherAlone, togetherWithOthers } from '../distributed/together.js';
import { Engine } from '../engine.js';
import type { LabelType } from '../intake/classes.js';
import { checkRecordOptions } from '../intake/records.js';
import { type AnyRows, type AnyTargets, type LabeledRows, takeRows } from '../intake/take-rows.js';
import { isArrayOf } from '../memory/arrays.js';
import type { Tensor } from '../memory/tensor.js';
import { atTemperature, type Calibration } from '../models/calibration.js';
import { checkModel, type PredictorModel } from '../models/checked-model.js';
import type { Evaluation } from '../models/evaluation.js';
import { checkInputs, type Inputs } from '../models/inputs.js';
import { type ClassValues, predictClasses, predictClassValues } from '../models/linear-model.js';
import { type Json, readModelFile, writeModelFile } from '../models/model-file.js';
import {
  checkClassValues,
  checkOnInvalidInput,
  checkPredictions,
  markInvalid,
} from '../models/not-finite.js';
import { checkRowTargets, type RowTargets } from '../models/row-targets.js';
import type { FeatureScaling } from '../models/scaling.js';
import { Predictor, type PredictorOptions } from '../serving/predictor.js';
import { version } from '../version.js';
import { Checkpoints } from './checkpoint/checkpoints.js';
import { fitConditions } from './checkpoint/fit-conditions.js';
import { checkResult, parameterFacts, warnOfSteps } from './checkpoint/rank-agreement.js';
import { type ClassifierOptions, ClassifierShape } from './classifier-shape.js';
import { calibrateLabeled, evaluateLabeled, type LabeledTerms } from './evaluate-labeled.js';
import { calibrateFit, checkCalibrates } from './fit-calibration.js';
import { checkFitLoss, type FitLoss } from './fit-loss.js';
import {
  type CertainFitOptions,
  type CheckedFitOptions,
  checkFitOptions,
  type FitOptions,
  type FullBatchFitOptions,
  type StepFitOptions,
} from './fit-options.js';
import type { CertainFitResult, FitResult, FullBatchFitResult, StepFitResult } from './fit-result.js';
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
import {
  CALIBRATE_NAMES,
  type CalibrateOptions,
  EVALUATE_NAMES,
  type EvaluateOptions,
  PREDICT_LABELS_NAMES,
  PREDICT_NAMES,
  type PredictLabelsOptions,
  type PredictOptions,
  type PredictProbabilitiesOptions,
} from './predict-options.js';
import { checkRowSplit } from './rows/row-split.js';
import { fitFullBatch, type Solution } from './solver/fit-full-batch.js';
import type { StepsState } from './steps-state.js';
import { train } from './trainer.js';

/** A training whose arguments are checked. */
interface SolveTerms {
  readonly inputs: Inputs;
  readonly targets: RowTargets;
  readonly loss: FitLoss;
  readonly checked: CheckedFitOptions;
  readonly memory: OptimizerMemory | undefined;
}

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

/**
 * Probabilities are softmax(inputs · weights + bias); training minimizes their mean cross-entropy, or that with the loss
 * options of fit. Weights start at zero (the problem is convex); fit goes on from the present weights.
 */
export class SoftmaxClassifier {
  readonly #engine: Engine;
  readonly #shape: ClassifierShape;
  #featureScaling: FeatureScaling | undefined;
  #temperature = 1;
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
      ...(this.#temperature !== 1 && { temperature: this.#temperature }),
      ...(options.trainingOptions && { trainingOptions: options.trainingOptions }),
      softshardVersion: version,
    };
    await writeModelFile(path, model, checkSignal('options.signal', options.signal));
  }

  /**
   * Trains on inputs [rows × features] and a class or label for each row, or a share of each class (soft targets [rows ×
   * classes]); or on inputs that bring their labels along. The result has the same bits for any number of threads, and of ranks
   * (docs/machines.md), all of which pass all rows. Throws
   * ERR_NOT_FINITE for a feature of NaN or Infinity in a row that counts, ERR_DIVERGED when else a loss is not finite; rejects
   * with signal.reason when aborted, the weights then being those after the last whole step.
   */
  async fit(inputs: LabeledRows, options?: CertainFitOptions): Promise<CertainFitResult>;
  async fit(inputs: LabeledRows, options: FullBatchFitOptions): Promise<FullBatchFitResult>;
  async fit(inputs: LabeledRows, options: StepFitOptions): Promise<StepFitResult>;
  async fit(inputs: LabeledRows, options?: FitOptions): Promise<FitResult>;
  async fit(inputs: AnyRows, targets: AnyTargets, options?: CertainFitOptions): Promise<CertainFitResult>;
  async fit(inputs: AnyRows, targets: AnyTargets, options: FullBatchFitOptions): Promise<FullBatchFitResult>;
  async fit(inputs: AnyRows, targets: AnyTargets, options: StepFitOptions): Promise<StepFitResult>;
  async fit(inputs: AnyRows, targets: AnyTargets, options?: FitOptions): Promise<FitResult>;
  async fit(inputs: unknown, second?: unknown, third?: FitOptions): Promise<FitResult> {
    return togetherAlone('fit', this.#engine.transport, async () => {
      const { targets, options } = targetsAndOptions<FitOptions>(second, third);
      return this.#train(inputs, targets, options, checkFitOptions(options));
    });
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
    return togetherAlone('partialFit', this.#engine.transport, async () => {
      const { targets, options } = targetsAndOptions<PartialFitOptions>(second, third);
      const checked = checkPartialFitOptions(options);
      if (this.#shape.classes === undefined) throw classesUnknown();
      const { epochs } = await this.#train(inputs, targets, options, checked, this.#memory);
      const [report] = epochs;
      if (report === undefined) throw new Error('a pass without a report');
      const { loss, learningRate, durationMs, rowsPerSecond } = report;
      return { ...this.#memory.of(checked.optimizer.kind), loss, learningRate, durationMs, rowsPerSecond };
    });
  }

  async #train(
    inputs: unknown,
    targets: unknown,
    options: FitOptions,
    withoutRows: CheckedFitOptions,
    memory?: OptimizerMemory,
  ): Promise<FitResult> {
    return this.#alone(async () => {
      let taken: TakenTraining | undefined;
      let unsettle = () => {};
      try {
        const resources = resourcesOf(this.#engine);
        const { validation } = options;
        const terms = this.#takeTerms(options, withoutRows.signal);
        const taking = takeTraining(resources, inputs, targets, validation, terms);
        // What needs no conversion is looked at before this call returns.
        taken = 'then' in taking ? await taking : taking;
        const { featureScaling } = this;
        const labels = { ...terms, rules: options, featureScaling, validation };
        const labeled = labelRows(resources, this.#shape, taken, labels);
        unsettle = labeled.unsettle;
        this.#show();
        const split = options.split && checkRowSplit(options.split, labeled.inputs.rows);
        const checked = { ...withoutRows, ...(split && { split }), validation: labeled.validation };
        return await this.#trainOn(labeled, options, checked, memory);
      } catch (error) {
        unsettle();
        this.#show();
        throw error;
      } finally {
        taken?.free();
      }
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

  async #trainOn(
    { inputs, targets: given, areLabels }: LabeledTraining,
    options: FitOptions,
    checked: CheckedFitOptions,
    memory: OptimizerMemory | undefined,
  ): Promise<FitResult> {
    this.#checkParameters();
    const resources = resourcesOf(this.#engine);
    const loss = withLabelRules(checkFitLoss(options, this.classes, this.classNames), areLabels);
    const shape = { rows: inputs.rows, classes: this.classes };
    const targets = checkRowTargets(resources, given, shape, options, loss);
    // The weights are not to be those that its steps led to.
    if (memory === undefined) this.#memory.clear();
    const restoreTemperature = this.#resetTemperature();
    try {
      return await this.#solve({ inputs, targets, loss, checked, memory });
    } catch (error) {
      restoreTemperature();
      throw error;
    }
  }

  /** Gives what a training that fails calls: where it has left the weights as they were, they have been divided still. */
  #resetTemperature(): () => void {
    const temperature = this.#temperature;
    if (temperature === 1) return () => {};
    const weights = this.weights.slice();
    this.#temperature = 1;
    return () => {
      if (weights.every((weight, i) => Object.is(weight, this.weights[i]))) this.#temperature = temperature;
    };
  }

  async #solve(terms: SolveTerms): Promise<FitResult> {
    const { inputs, targets, loss, checked } = terms;
    const resources = resourcesOf(this.#engine);
    if (checked.calibrate) checkCalibrates(this, targets, checked);
    const result = await this.#minimize(terms);
    if (!checked.calibrate) return result;
    const own = { resources, model: this, inputs, targets, loss, options: checked };
    const calibration = await calibrateFit(own, result);
    this.#divideBy(calibration.temperature);
    return { ...result, calibration };
  }

  async #minimize({ inputs, targets, loss, checked, memory }: SolveTerms): Promise<FitResult> {
    const resources = resourcesOf(this.#engine);
    const checkpoints = new Checkpoints({
      ...checked,
      kind: 'fit',
      conditions: () => fitConditions(this.#engine, this, { inputs, targets }, loss, checked),
      start: () => (checked.warmStart ? parameterFacts(this) : {}),
      transport: resources.transport,
      whole: (parts) => parts.get('fit'),
    });
    const { signal } = checkpoints;
    if (checked.fullBatch === undefined) {
      warnOfSteps(resources.transport);
      const from = checkpoints.from as StepsState | undefined;
      const kept = { enter: () => checkpoints.enter('fit'), isShared: false, from };
      const steps = await checkpoints.during(() =>
        train(resources, this, inputs, targets, loss, { ...checked, signal, kept }, memory),
      );
      this.#checkParameters();
      await checkResult('fit', resources.transport, this);
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
    const { fullBatch } = checked;
    const result = await checkpoints.during(() =>
      fitFullBatch(terms, { ...checked, signal }, fullBatch, checkpoints),
    );
    this.#checkParameters();
    await checkResult('fit', resources.transport, this);
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
    return this.#predictClassValues('probabilities', inputs, options);
  }

  /**
   * inputs · weights + bias, [rows × classes], as predictProbabilities gives their softmax. With onInvalidInput 'ignore', a
   * row whose logits are not all finite is NaN.
   */
  async predictLogits(
    inputs: AnyRows,
    options: PredictProbabilitiesOptions = {},
  ): Promise<Tensor<'float32'>> {
    return this.#predictClassValues('logits', inputs, options);
  }

  async #predictClassValues(
    wanted: ClassValues,
    inputs: AnyRows,
    options: PredictProbabilitiesOptions,
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
      await predictClassValues(resources, this, batch, output, wanted, signal);
      if (wanted === 'logits') markInvalid(output.elements, this.classes);
      if (onInvalidInput === 'throw') await checkClassValues(this, batch, output.elements, wanted);
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
    return togetherWithOthers(resourcesOf(this.#engine).transport, async () => {
      const { targets, options } = targetsAndOptions<EvaluateOptions>(second, third);
      checkOptionNames('options', options, EVALUATE_NAMES);
      const signal = checkSignal('options.signal', options.signal);
      return this.#withRows(inputs, { targets }, options, signal, (batch, given) =>
        evaluateLabeled(this.#labeled(batch, given, signal), options),
      );
    });
  }

  /**
   * Makes probabilities as sure as the model is right, by temperature scaling: divides weights and bias by the temperature at which
   * the cross-entropy of these rows, which the model must not have been trained on, is least. Predicted classes stay the same, but
   * for rounding. Some ten passes over the rows. Throws as evaluate, and leaves the model as it was; so it is where a warning says
   * that there is no such temperature.
   */
  async calibrate(inputs: LabeledRows, options?: CalibrateOptions): Promise<Calibration>;
  async calibrate(inputs: AnyRows, targets: AnyTargets, options?: CalibrateOptions): Promise<Calibration>;
  async calibrate(inputs: unknown, second?: unknown, third?: CalibrateOptions): Promise<Calibration> {
    const { targets, options } = targetsAndOptions<CalibrateOptions>(second, third);
    checkOptionNames('options', options, CALIBRATE_NAMES);
    const signal = checkSignal('options.signal', options.signal);
    return this.#alone(() =>
      this.#withRows(inputs, { targets }, options, signal, async (batch, given) => {
        const calibration = await calibrateLabeled(this.#labeled(batch, given, signal), options);
        this.#divideBy(calibration.temperature);
        return calibration;
      }),
    );
  }

  #divideBy(temperature: number): void {
    this.#checkParameters();
    const { weights, bias } = atTemperature(this, temperature);
    this.weights.set(weights);
    this.bias.set(bias);
    this.#temperature *= temperature;
  }

  #labeled(inputs: Inputs, given: unknown, signal: Cancellation | undefined): LabeledTerms {
    const { classes } = this.#shape;
    return { resources: resourcesOf(this.#engine), model: this, classes, inputs, given, signal };
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

export function checkEngine(engine: unknown): void {
  if (engine instanceof Engine) return;
  const isForeign = (Object(engine) as object).constructor?.name === 'Engine';
  const message = isForeign
    ? 'engine is of another copy of softshard: create it with the Engine that comes from the same import as SoftmaxClassifier (npm ls softshard shows copies; of import and a bundle, keep one)'
    : `engine is ${inspectValue(engine)}: pass what Engine.create() gives`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'engine', value: engine });
}

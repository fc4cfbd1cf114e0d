// The rows and targets of a call, and those to validate on, in whatever form they come: taken first, then matched with the classes
// that the classifier has or now gets.
import type { Resources } from '../dispatch/resources.js';
import { type ClassTargets, classTargets } from '../intake/class-targets.js';
import { type Classes, IGNORED_LABEL, type LabelRules } from '../intake/classes.js';
import { isItemSource } from '../intake/iteration.js';
import { type TakenRows, type TakeTerms, takeRows } from '../intake/take-rows.js';
import { isTensorLike } from '../intake/tensors.js';
import type { CheckedLossOptions } from '../losses/loss-options.js';
import { arrayClassOf } from '../memory/arrays.js';
import { checkInputs, type FeatureModel, featuresOf, type Inputs } from '../models/inputs.js';
import type { FeatureScaling } from '../models/scaling.js';
import type { ClassifierShape } from './classifier-shape.js';
import type { ReadyValidation, ValidationRows } from './fit-options.js';

export interface TakenTraining {
  readonly rows: TakenRows;
  readonly validation: TakenRows | undefined;
  free(): void;
}

/** What takeRows is to know for training. */
export type TrainingTerms = Omit<TakeTerms, 'argument' | 'hasTargets'>;

/** At once where nothing has to be converted. */
export function takeTraining(
  resources: Resources,
  inputs: unknown,
  targets: unknown,
  validation: ValidationRows | undefined,
  terms: TrainingTerms,
): TakenTraining | Promise<TakenTraining> {
  const rows = takeRows(resources, inputs, targets, { ...terms, argument: 'inputs', hasTargets: true });
  const withValidation = (taken: TakenRows) => takeValidation(resources, taken, validation, terms);
  return 'then' in rows ? rows.then(withValidation) : withValidation(rows);
}

function takeValidation(
  resources: Resources,
  rows: TakenRows,
  validation: ValidationRows | undefined,
  terms: TrainingTerms,
): TakenTraining | Promise<TakenTraining> {
  if (validation === undefined) return { rows, validation: undefined, free: rows.free };
  const both = (taken: TakenRows): TakenTraining => ({
    rows,
    validation: taken,
    free: () => {
      rows.free();
      taken.free();
    },
  });
  const failed = (error: unknown): never => {
    rows.free();
    throw error;
  };
  try {
    const { inputs, targets } = validation;
    const argument = 'options.validation.inputs';
    const featureNames = terms.featureNames ?? rows.featureNames;
    const apart = { ...terms, featureNames, argument, hasTargets: true };
    const taken = takeRows(resources, inputs, targets, apart);
    return 'then' in taken ? taken.then(both, failed) : both(taken);
  } catch (error) {
    return failed(error);
  }
}

/** What the call has said beside its rows and targets. */
export interface LabelTerms extends Pick<TakeTerms, 'columns' | 'signal'> {
  readonly rules: LabelRules;
  readonly featureScaling: FeatureScaling | undefined;
  readonly validation: ValidationRows | undefined;
}

export interface LabeledTraining extends ClassTargets {
  readonly inputs: Inputs;
  readonly features: number;
  readonly validation: ReadyValidation | undefined;
  /** As settle of the shape gives it. */
  readonly unsettle: () => void;
}

/** Checks the rows, and gives the shape the features and classes that they show where it has none. */
export function labelRows(
  resources: Resources,
  shape: ClassifierShape,
  taken: TakenTraining,
  { columns, signal, rules, featureScaling, validation: given }: LabelTerms,
): LabeledTraining {
  const { rows } = taken;
  const features = shape.features ?? featuresOf(resources, 'inputs', rows.inputs, columns);
  const model = { features, featureScaling };
  const inputs = checkInputs(resources, 'inputs', rows.inputs, columns, model, signal);
  signal?.throwIfAborted();
  const found = classTargets(rows.targets, {
    argument: 'targets',
    rows: inputs.rows,
    classes: shape.classes,
    mayName: () => shape.isUntrained,
    rules,
  });
  const { classes } = found;
  const apart = taken.validation && { taken: taken.validation, given, classes, rules, signal };
  const validation = apart && readyValidation(resources, model, apart);
  return {
    ...found,
    inputs,
    features,
    validation,
    unsettle: shape.settle(features, rows.featureNames, classes),
  };
}

interface ValidationTerms extends Omit<LabelTerms, 'columns' | 'featureScaling' | 'validation'> {
  readonly taken: TakenRows;
  readonly given: ValidationRows | undefined;
  readonly classes: Classes;
}

/** The validation rows with their targets as classes of the training rows. */
function readyValidation(
  resources: Resources,
  model: FeatureModel,
  { taken, given, classes, rules, signal }: ValidationTerms,
): ReadyValidation {
  const { inputs } = taken;
  const { rows } = checkInputs(resources, 'options.validation.inputs', inputs, undefined, model, signal);
  const argument = 'options.validation.targets';
  const { targets } = classTargets(taken.targets, { argument, rows, classes, rules, mayName: () => false });
  return { ...given, inputs, targets };
}

/** Labels that are to be ignored have an index of their own. */
export const withLabelRules = <Loss extends CheckedLossOptions>(loss: Loss, areLabels: boolean): Loss =>
  areLabels ? { ...loss, ignoreIndex: IGNORED_LABEL } : loss;

/** fit(inputs, targets, options), or fit(inputs, options) of inputs that bring their labels along. */
export function targetsAndOptions<Options extends object>(
  second: unknown,
  third: Options | undefined,
): { readonly targets: unknown; readonly options: Options } {
  if (third !== undefined || !isOptions<Options>(second)) {
    return { targets: second, options: third === undefined ? ({} as Options) : third };
  }
  return { targets: undefined, options: second };
}

const isOptions = <Options extends object>(value: unknown): value is Options =>
  typeof value === 'object' &&
  value !== null &&
  !isTensorLike(value) &&
  arrayClassOf(value) === undefined &&
  !('data' in value || 'length' in value || 'then' in value || 'dataSync' in value) &&
  !isItemSource(value);

// The rows and targets of a call, and those to validate on, in whatever form they come: taken first, then matched with the classes
// that the classifier has or now gets.
import type { Resources } from '../dispatch/resources.js';
import { type ClassTargets, classTargets, type TargetTerms } from '../intake/class-targets.js';
import { isItemSource } from '../intake/iteration.js';
import { type TakenRows, type TakeTerms, takeRows } from '../intake/take-rows.js';
import { isTensorLike } from '../intake/tensors.js';
import { arrayClassOf } from '../memory/arrays.js';
import { checkInputs, type FeatureModel } from '../models/inputs.js';
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
  return rows instanceof Promise ? rows.then(withValidation) : withValidation(rows);
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
    return taken instanceof Promise ? taken.then(both, failed) : both(taken);
  } catch (error) {
    return failed(error);
  }
}

/** The validation rows with their targets as classes of the training rows. */
export function readyValidation(
  resources: Resources,
  taken: TakenRows | undefined,
  given: ValidationRows | undefined,
  model: FeatureModel,
  {
    classes,
    signal,
    ...terms
  }: Pick<TargetTerms, 'rules'> & Pick<ClassTargets, 'classes'> & Pick<TakeTerms, 'signal'>,
): ReadyValidation | undefined {
  if (taken === undefined || given === undefined) return undefined;
  const { inputs } = taken;
  const { rows } = checkInputs(resources, 'options.validation.inputs', inputs, undefined, model, signal);
  const argument = 'options.validation.targets';
  const { targets } = classTargets(taken.targets, {
    ...terms,
    argument,
    rows,
    classes,
    mayName: () => false,
  });
  return { ...given, inputs, targets };
}

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

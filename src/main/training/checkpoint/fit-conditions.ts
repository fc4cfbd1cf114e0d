// What decides about the bits of a call of fit.
import type { Engine } from '../../engine.js';
import type { FeatureModel, Inputs } from '../../models/inputs.js';
import type { RowTargets } from '../../models/row-targets.js';
import type { FitLoss } from '../fit-loss.js';
import type { CheckedFitOptions, ReadyValidation } from '../fit-options.js';
import type { NamedClasses } from '../warnings.js';
import {
  type Conditions,
  engineConditions,
  inputsHash,
  optionConditions,
  rowConditions,
  textOf,
} from './conditions.js';

/** Of a call of fit: the options as they are after their defaults, and the rows. */
export function fitConditions(
  engine: Engine,
  {
    features,
    classes,
    classNames,
    featureScaling,
  }: FeatureModel & NamedClasses & { readonly classes: number },
  { inputs, targets }: { readonly inputs: Inputs; readonly targets: RowTargets },
  loss: FitLoss,
  checked: CheckedFitOptions,
): Conditions {
  const { fullBatch, validation, ...options } = checked;
  return {
    ...engineConditions(engine),
    solver: textOf(fullBatch?.solver ?? options.optimizer.kind),
    features: String(features),
    classes: String(classes),
    classNames: textOf(classNames),
    featureScaling: textOf(featureScaling),
    ...optionConditions(fullBatch === undefined ? options : { ...ofRows(options), ...fullBatch }),
    ...optionConditions(loss),
    ...rowConditions(inputs, targets),
    ...validationConditions(validation),
  };
}

/** Of options of steps, those that count for full-batch solvers, too. */
const ofRows = ({ split, validationSplit, seed, warmStart }: Partial<CheckedFitOptions>) => ({
  split,
  validationSplit,
  seed,
  warmStart,
});

/** Of rows to validate on. */
export function validationConditions(validation: ReadyValidation | undefined): Conditions {
  if (validation === undefined) return { validation: 'none' };
  const { inputs, targets, ...others } = validation;
  const elements = ArrayBuffer.isView(inputs) ? inputs : 'data' in inputs ? inputs.data : undefined;
  const rows = 'rows' in inputs ? inputs.rows : 'dims' in inputs ? (inputs.dims[0] ?? 1) : 1;
  return {
    validation: 'apart',
    ...(elements && { 'validation.inputs': inputsHash(elements, rows) }),
    ...optionConditions({ targets, ...others }, 'validation.'),
  };
}

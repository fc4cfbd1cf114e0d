// A model as callers pass it: checked, since it need not come from a file.
import { type ErrorCode, SoftshardError } from '../../errors.js';
import { checkInteger, checkStrings, INT32_MAX, inspectValue } from '../checks.js';
import { isArrayOf } from '../memory/arrays.js';
import type { LinearModel } from './linear-model.js';
import { findBadParameter } from './not-finite.js';
import { checkFeatureScaling, type FeatureScaling } from './scaling.js';

/** A model, such as readModelFile gives; a SoftmaxClassifier is one too. */
export interface PredictorModel {
  readonly features: number;
  /** At least 2. */
  readonly classes: number;
  /** [features × classes], finite. */
  readonly weights: Float32Array;
  /** [classes], finite or -Infinity. */
  readonly bias: Float32Array;
  readonly classNames?: readonly string[] | undefined;
  /** 'number' where targets that are numbers are labels, found among classNames. */
  readonly labelType?: 'number' | undefined;
  readonly featureNames?: readonly string[] | undefined;
  readonly featureScaling?: FeatureScaling | undefined;
  /** What calibrate has divided weights and bias by; for the record of an export. */
  readonly temperature?: number | undefined;
}

/** Names and scaling are immutable copies, weights and bias are not copied. */
export function checkModel(model: PredictorModel): LinearModel & PredictorModel {
  if (typeof model !== 'object' || model === null) {
    throw modelError(
      'ERR_TYPE',
      'model',
      model,
      'pass what readModelFile gives, or use Predictor.load(path)',
    );
  }
  const { weights, bias } = model;
  const features = checkInteger('model.features', model.features, 1, INT32_MAX);
  const classes = checkInteger('model.classes', model.classes, 2, INT32_MAX);
  checkParameters('weights', weights, features * classes, 'features × classes');
  checkParameters('bias', bias, classes, 'classes');
  return {
    features,
    classes,
    weights,
    bias,
    classNames: checkNames('model.classNames', model.classNames, classes),
    labelType: model.classNames && model.labelType === 'number' ? 'number' : undefined,
    featureNames: checkNames('model.featureNames', model.featureNames, features),
    featureScaling: checkFeatureScaling('model.featureScaling', model.featureScaling, features),
    temperature: checkTemperature(model.temperature),
  };
}

function checkParameters(name: 'weights' | 'bias', values: unknown, length: number, meaning: string): void {
  const argument = `model.${name}`;
  if (!isArrayOf('float32', values) || values.length !== length) {
    const code = isArrayOf('float32', values) ? 'ERR_SHAPE' : 'ERR_TYPE';
    throw modelError(code, argument, values, `it must be a Float32Array of ${meaning} = ${length} elements`);
  }
  const bad = findBadParameter(name, values);
  if (bad < 0) return;
  throw modelError(
    'ERR_NOT_FINITE',
    `${argument}[${bad}]`,
    values[bad],
    'parameters must be finite: train anew',
  );
}

function checkTemperature(temperature: unknown): number | undefined {
  if (temperature === undefined) return undefined;
  if (typeof temperature === 'number' && temperature > 0 && Number.isFinite(temperature)) return temperature;
  throw modelError('ERR_OPTION', 'model.temperature', temperature, 'it must be a positive number');
}

function checkNames(argument: string, names: unknown, count: number): readonly string[] | undefined {
  if (names === undefined) return undefined;
  const rule = `it must be an array of ${count} strings`;
  if (!Array.isArray(names) || names.length !== count) throw modelError('ERR_OPTION', argument, names, rule);
  checkStrings(argument, names);
  return Object.freeze([...names]);
}

const modelError = (code: ErrorCode, argument: string, value: unknown, rule: string): SoftshardError =>
  new SoftshardError(code, `${argument} is ${inspectValue(value)}: ${rule}`, { argument, value });

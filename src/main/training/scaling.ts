// Feature scaling: what was done to the features before training must be done again before prediction, so it travels
// with the model.
import { SoftshardError } from '../../errors.js';
import { checkOptionNames, shown } from '../options.js';
import type { Tensor } from '../tensor.js';

/** scaled = (feature - shift) · scale, one number for all features or one for each. */
export interface FeatureScaling {
  readonly shift: number | ArrayLike<number>;
  readonly scale: number | ArrayLike<number>;
}

/** Scales inputs [rows × features] in place. */
export function scaleFeatures(inputs: Tensor<'float32'>, { shift, scale }: FeatureScaling): void {
  const features = inputs.dims.at(-1) ?? 0;
  const { data } = inputs;
  const shifts = onePerFeature('featureScaling.shift', shift, features);
  const scales = onePerFeature('featureScaling.scale', scale, features);
  if (typeof shift === 'number' && typeof scale === 'number') {
    for (let i = 0; i < data.length; i++) data[i] = (data[i]! - shift) * scale;
    return;
  }
  for (let rowBegin = 0; rowBegin < data.length; rowBegin += features) {
    for (let feature = 0; feature < features; feature++) {
      data[rowBegin + feature] = (data[rowBegin + feature]! - shifts[feature]!) * scales[feature]!;
    }
  }
}

export function checkFeatureScaling(
  argument: string,
  scaling: FeatureScaling | undefined,
  features: number,
): FeatureScaling | undefined {
  if (scaling === undefined) return undefined;
  checkOptionNames(argument, scaling, ['shift', 'scale']);
  onePerFeature(`${argument}.shift`, scaling.shift, features);
  onePerFeature(`${argument}.scale`, scaling.scale, features);
  return scaling;
}

function onePerFeature(argument: string, value: number | ArrayLike<number>, features: number): Float64Array {
  const isList = typeof value === 'object' && value !== null;
  if (isList && value.length !== features) {
    const message = `${argument} has ${value.length} entries for ${features} features: it needs one for each, or one number`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: value.length });
  }
  const numbers = isList ? Float64Array.from(value) : new Float64Array(features).fill(value);
  const feature = numbers.findIndex((number) => !Number.isFinite(number));
  if (feature < 0) return numbers;
  const found = isList
    ? `${argument}[${feature}] is ${shown(value[feature])}`
    : `${argument} is ${shown(value)}`;
  throw new SoftshardError('ERR_OPTION', `${found}: it must be a finite number`, { argument, value });
}

/**
 * The scaling that gives each feature of inputs [rows × features] mean 0 and standard deviation 1 (over the rows,
 * divided by their number, as scikit-learn's StandardScaler). A constant feature is only shifted.
 */
export function standardScaling(inputs: Tensor<'float32'>): FeatureScaling {
  const features = inputs.dims.at(-1) ?? 0;
  const { data } = inputs;
  const rows = data.length / features;
  const mean = new Float64Array(features);
  for (let i = 0; i < data.length; i += features) {
    for (let feature = 0; feature < features; feature++) mean[feature]! += data[i + feature]! / rows;
  }
  const variance = new Float64Array(features);
  for (let i = 0; i < data.length; i += features) {
    for (let feature = 0; feature < features; feature++) {
      variance[feature]! += (data[i + feature]! - mean[feature]!) ** 2 / rows;
    }
  }
  return {
    shift: Float32Array.from(mean),
    scale: Float32Array.from(variance, (v) => (v > 0 ? 1 / Math.sqrt(v) : 1)),
  };
}

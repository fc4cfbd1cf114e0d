// Feature scaling: what was done to the features before training must be done again before prediction, so it travels
// with the model.
import { SoftshardError } from '../../errors.js';
import { CONSTRUCTORS } from '../arena.js';
import { checkedDims, isArrayOf } from '../arrays.js';
import { checkOptionNames, shown } from '../options.js';
import type { Tensor } from '../tensor.js';

/** scaled = (feature - shift) · scale in float32, one number for all features or one for each. */
export interface FeatureScaling {
  readonly shift: number | ArrayLike<number>;
  readonly scale: number | ArrayLike<number>;
}

/** Scales inputs [rows × features] in place. */
export function scaleFeatures(inputs: Tensor<'float32'>, scaling: FeatureScaling): void {
  const features = checkFeatures(inputs, ['float32']);
  checkOptionNames('featureScaling', scaling, ['shift', 'scale']);
  scaleRows(inputs.data, inputs.data, features, scaling);
}

/** Gives how many features a row has. */
function checkFeatures(inputs: unknown, types: readonly ('float32' | 'uint8')[]): number {
  const { dims: given, data } = Object(inputs) as { readonly dims?: unknown; readonly data?: unknown };
  if (!types.some((type) => isArrayOf(type, data))) {
    const names = types.map((type) => CONSTRUCTORS[type].name).join(' or ');
    const message = `inputs is ${shown(inputs)}: pass { type, dims: [rows, features], data } with data a ${names}`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'inputs', value: inputs });
  }
  const { length } = data as Float32Array | Uint8Array;
  const dims = checkedDims(given) ?? [];
  const features = dims.at(-1) ?? 0;
  if (features > 0 && dims.reduce((product, dim) => product * dim, 1) === length) return features;
  const message = `inputs.dims is ${shown(given)} for ${length} elements: it must be [rows, features], with at least 1 feature`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'inputs.dims', value: given });
}

/** scaled [rows × features], which may be values, = (values - shift) · scale: float32 at each step, as the kernels do. */
export function scaleRows(
  scaled: Float32Array,
  values: Float32Array | Uint8Array,
  features: number,
  { shift, scale }: FeatureScaling,
): void {
  const shifts = Float32Array.from(onePerFeature('featureScaling.shift', shift, features));
  const scales = Float32Array.from(onePerFeature('featureScaling.scale', scale, features));
  for (let rowBegin = 0; rowBegin < values.length; rowBegin += features) {
    for (let feature = 0; feature < features; feature++) {
      const difference = Math.fround(values[rowBegin + feature]! - shifts[feature]!);
      scaled[rowBegin + feature] = difference * scales[feature]!;
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
  const numbers = Float64Array.from({ length: features }, (_, feature) => {
    const number: unknown = isList ? value[feature] : value;
    return typeof number === 'number' ? number : Number.NaN;
  });
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
export function standardScaling(inputs: Tensor<'float32'> | Tensor<'uint8'>): FeatureScaling {
  const features = checkFeatures(inputs, ['float32', 'uint8']);
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
  // What rounding alone makes of a constant feature's variance, as in scikit-learn's StandardScaler; dividing by it
  // would blow the feature up.
  const rounding = (feature: number) => (rows * mean[feature]! * Number.EPSILON) ** 2;
  return {
    shift: Float32Array.from(mean),
    scale: Float32Array.from(variance, (v, feature) => (v > rounding(feature) ? 1 / Math.sqrt(v) : 1)),
  };
}

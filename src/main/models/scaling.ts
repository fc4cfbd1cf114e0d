// Feature scaling is part of the model: prediction must scale as training does.
import { SoftshardError } from '../../errors.js';
import { checkOptionNames, inspectValue } from '../checks.js';
import { checkedDims, isArrayOf, product } from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';
import { arrayClass } from '../memory/element-types.js';
import type { Tensor } from '../memory/tensor.js';

/** scaled = (feature - shift) · scale in float32, one number for all features or one for each. */
export interface FeatureScaling {
  readonly shift: number | ArrayLike<number>;
  readonly scale: number | ArrayLike<number>;
}

/**
 * Scales inputs [rows × features] in place. Not for a classifier with this featureScaling: it scales inputs itself, and would
 * scale them twice.
 */
export function scaleFeatures(inputs: Tensor<'float32'>, scaling: FeatureScaling): void {
  const features = checkFeatures(inputs, ['float32']);
  checkOptionNames('featureScaling', scaling, ['shift', 'scale']);
  scaleRows(inputs.data, inputs.data, features, scaling);
}

/** Of rows in an array: how many features they have. */
export function checkFeatures(inputs: unknown, types: readonly ('float32' | 'uint8')[]): number {
  const { dims: given, data } = Object(inputs) as { readonly dims?: unknown; readonly data?: unknown };
  if (!types.some((type) => isArrayOf(type, data))) {
    const names = types.map((type) => arrayClass(type).name).join(' or ');
    const message = `inputs is ${inspectValue(inputs)}: pass { type, dims: [rows, features], data } with data a ${names}`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'inputs', value: inputs });
  }
  checkAttached('inputs', data);
  const { length } = data as Float32Array | Uint8Array;
  const dims = checkedDims(given) ?? [];
  const features = dims.at(-1) ?? 0;
  if (features > 0 && product(dims) === length) return features;
  const message = `inputs.dims is ${inspectValue(given)} for ${length} elements: it must be [rows, features], with at least 1 feature`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'inputs.dims', value: given });
}

/** scaled [rows × features] = (values - shift) · scale, rounded to float32 at each step as in the kernels. May work in place. */
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

/** An immutable copy. */
export function checkFeatureScaling(
  argument: string,
  scaling: FeatureScaling | undefined,
  features: number,
): FeatureScaling | undefined {
  if (scaling === undefined) return undefined;
  checkOptionNames(argument, scaling, ['shift', 'scale']);
  const { shift, scale } = scaling;
  const copyOf = (name: string, value: number | ArrayLike<number>) => {
    const numbers = onePerFeature(`${argument}.${name}`, value, features);
    return typeof value === 'number' ? value : Object.freeze([...numbers]);
  };
  return Object.freeze({ shift: copyOf('shift', shift), scale: copyOf('scale', scale) });
}

function onePerFeature(argument: string, value: number | ArrayLike<number>, features: number): Float64Array {
  const isList = typeof value === 'object' && value !== null;
  checkAttached(argument, value);
  if (isList && value.length !== features) {
    const message = `${argument} has ${value.length} entries for ${features} features: it needs one for each, or one number`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: value.length });
  }
  const numbers = Float64Array.from({ length: features }, (_, feature) => {
    const number: unknown = isList ? value[feature] : value;
    return typeof number === 'number' ? number : Number.NaN;
  });
  const feature = numbers.findIndex((number) => !Number.isFinite(Math.fround(number)));
  if (feature < 0) return numbers;
  const found = isList
    ? `${argument}[${feature}] is ${inspectValue(value[feature])}`
    : `${argument} is ${inspectValue(value)}`;
  throw new SoftshardError('ERR_OPTION', `${found}: it must be a finite float32`, { argument, value });
}

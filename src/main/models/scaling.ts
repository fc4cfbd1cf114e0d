// Feature scaling is part of the model: prediction must scale as training does.
import { SoftshardError } from '../../errors.js';
import { FLOAT32_BYTES } from '../../kernels/layout.js';
import { checkOptionNames, inspectValue } from '../checks.js';
import { checkedDims, isArrayOf, product } from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';
import { arrayClass } from '../memory/element-types.js';
import type { Tensor } from '../memory/tensor.js';
import { areFetched, checkChosen, checkFetched, type FetchedRows } from './fetched-rows.js';
import { findNotFinite, notFiniteError, TO_SCALE } from './not-finite.js';

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

/** Returns the number of features. */
function checkFeatures(inputs: unknown, types: readonly ('float32' | 'uint8')[]): number {
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

/**
 * The scaling that gives each feature of inputs [rows × features] mean 0 and standard deviation 1 (over the rows,
 * divided by their number, as scikit-learn's StandardScaler), or of the rows with these numbers: those that are trained on. A
 * constant feature is only shifted. Rows of a FeatureSource are fetched twice, in order. Throws ERR_NOT_FINITE.
 */
export function standardScaling(
  inputs: Tensor<'float32'> | Tensor<'uint8'>,
  rowNumbers?: Uint32Array,
): FeatureScaling;
export function standardScaling(inputs: FetchedRows, rowNumbers?: Uint32Array): Promise<FeatureScaling>;
export function standardScaling(
  inputs: Tensor<'float32'> | Tensor<'uint8'> | FetchedRows,
  rowNumbers?: Uint32Array,
): FeatureScaling | Promise<FeatureScaling> {
  if (areFetched(inputs)) return standardScalingOf(checkFetched(inputs), rowNumbers);
  const features = checkFeatures(inputs, ['float32', 'uint8']);
  const { data } = inputs;
  const rows = data.length / features;
  if (rowNumbers !== undefined) checkChosen(rowNumbers, rows);
  const moments = new ColumnMoments(rowNumbers?.length ?? rows, features);
  const visit = (use: (values: Float32Array | Uint8Array, firstRow: number) => void) => {
    if (rowNumbers === undefined) use(data, 0);
    else for (const row of rowNumbers) use(data.subarray(row * features, (row + 1) * features), row);
  };
  visit((values) => moments.addToMeans(values));
  if (!moments.areFinite) {
    visit((values, firstRow) => {
      const found = findNotFinite(values, features);
      if (found !== undefined) throw notFiniteError({ ...found, row: firstRow + found.row }, TO_SCALE);
    });
  }
  visit((values) => moments.addToVariances(values));
  return moments.scaling;
}

/** Bytes of rows that are fetched at a time. */
const FETCHED_BYTES = 4 * 1024 * 1024;

async function standardScalingOf(
  { rows, features, type, gather }: FetchedRows,
  rowNumbers: Uint32Array = Uint32Array.from({ length: rows }, (_, row) => row),
): Promise<FeatureScaling> {
  const chosen = checkChosen(rowNumbers, rows);
  const moments = new ColumnMoments(chosen.length, features);
  const portion = Math.max(1, Math.floor(FETCHED_BYTES / (features * FLOAT32_BYTES)));
  const visit = async (use: (values: Float32Array | Uint8Array, some: Uint32Array) => void) => {
    for (let begin = 0; begin < chosen.length; begin += portion) {
      const some = chosen.slice(begin, begin + portion);
      const values = new (arrayClass(type))(some.length * features);
      await gather(some, values);
      use(values, some);
    }
  };
  await visit((values, some) => {
    moments.addToMeans(values);
    const found = moments.areFinite ? undefined : findNotFinite(values, features);
    if (found !== undefined) throw notFiniteError({ ...found, row: some[found.row]! }, TO_SCALE);
  });
  await visit((values) => moments.addToVariances(values));
  return moments.scaling;
}

/** Means, then variances, of rows that are added in order. */
class ColumnMoments {
  readonly #rows: number;
  readonly #mean: Float64Array;
  readonly #variance: Float64Array;

  constructor(rows: number, features: number) {
    this.#rows = rows;
    this.#mean = new Float64Array(features);
    this.#variance = new Float64Array(features);
  }

  addToMeans(values: Float32Array | Uint8Array): void {
    const { length } = this.#mean;
    for (let i = 0; i < values.length; i += length) {
      for (let feature = 0; feature < length; feature++) {
        this.#mean[feature]! += values[i + feature]! / this.#rows;
      }
    }
  }

  get areFinite(): boolean {
    return this.#mean.every(Number.isFinite);
  }

  addToVariances(values: Float32Array | Uint8Array): void {
    const { length } = this.#mean;
    for (let i = 0; i < values.length; i += length) {
      for (let feature = 0; feature < length; feature++) {
        this.#variance[feature]! += (values[i + feature]! - this.#mean[feature]!) ** 2 / this.#rows;
      }
    }
  }

  get scaling(): FeatureScaling {
    // The variance that rounding alone gives a constant feature, as in scikit-learn's StandardScaler; dividing by it would
    // blow the feature up.
    const rounding = (feature: number) => (this.#rows * this.#mean[feature]! * Number.EPSILON) ** 2;
    const scaleOf = (v: number, feature: number) =>
      v > rounding(feature) ? Math.fround(1 / Math.sqrt(v)) : 1;
    return {
      shift: Float32Array.from(this.#mean),
      // The inverse of a denormal deviation overflows float32: such features count as constant.
      scale: Float32Array.from(this.#variance, scaleOf).map((scale) => (Number.isFinite(scale) ? scale : 1)),
    };
  }
}

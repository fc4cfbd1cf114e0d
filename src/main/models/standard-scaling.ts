// The feature scaling that standardizes given rows.
import { FLOAT32_BYTES } from '../../kernels/layout.js';
import { arrayClass } from '../memory/element-types.js';
import type { Tensor } from '../memory/tensor.js';
import { ColumnMoments, scalingOf } from './column-statistics.js';
import {
  checkChosen,
  checkFeatureSource,
  checkSourceFeatures,
  type FeatureSource,
  isFeatureSource,
} from './feature-source.js';
import { findNotFinite, notFiniteError, TO_SCALE } from './not-finite.js';
import { checkFeatures, type FeatureScaling } from './scaling.js';

/**
 * The scaling that gives each feature of inputs [rows × features] mean 0 and standard deviation 1 (over the rows,
 * divided by their number, as scikit-learn's StandardScaler), or of the rows with these numbers: those that are trained on. A
 * constant feature is only shifted. Rows of a FeatureSource are fetched once, in order. Throws ERR_NOT_FINITE.
 */
export function standardScaling(
  inputs: Tensor<'float32'> | Tensor<'uint8'>,
  rowNumbers?: Uint32Array,
): FeatureScaling;
export function standardScaling(inputs: FeatureSource, rowNumbers?: Uint32Array): Promise<FeatureScaling>;
export function standardScaling(
  inputs: Tensor<'float32'> | Tensor<'uint8'> | FeatureSource,
  rowNumbers?: Uint32Array,
): FeatureScaling | Promise<FeatureScaling> {
  return isFeatureSource(inputs) ? scalingOfSource(inputs, rowNumbers) : scalingOfArray(inputs, rowNumbers);
}

function scalingOfArray(
  inputs: Tensor<'float32'> | Tensor<'uint8'>,
  rowNumbers: Uint32Array | undefined,
): FeatureScaling {
  const features = checkFeatures(inputs, ['float32', 'uint8']);
  const { data } = inputs;
  if (rowNumbers !== undefined) checkChosen(rowNumbers, data.length / features);
  const moments = new ColumnMoments(features);
  const visit = (use: (values: Float32Array | Uint8Array, firstRow: number) => void) => {
    if (rowNumbers === undefined) use(data, 0);
    else for (const row of rowNumbers) use(data.subarray(row * features, (row + 1) * features), row);
  };
  visit((values) => moments.add(values));
  if (!moments.areFinite) {
    visit((values, firstRow) => {
      const found = findNotFinite(values, features);
      if (found !== undefined) throw notFiniteError({ ...found, row: firstRow + found.row }, TO_SCALE);
    });
  }
  return scalingOf(moments.statistics);
}

/** Bytes of rows that are fetched at a time. */
const FETCHED_BYTES = 4 * 1024 * 1024;

async function scalingOfSource(
  inputs: FeatureSource,
  rowNumbers: Uint32Array | undefined,
): Promise<FeatureScaling> {
  const { rows, type, gather } = checkFeatureSource('inputs', inputs);
  const features = checkSourceFeatures('inputs', inputs);
  const chosen = checkChosen(rowNumbers ?? Uint32Array.from({ length: rows }, (_, row) => row), rows);
  const moments = new ColumnMoments(features);
  const portion = Math.max(1, Math.floor(FETCHED_BYTES / (features * FLOAT32_BYTES)));
  for (let begin = 0; begin < chosen.length; begin += portion) {
    const some = chosen.slice(begin, begin + portion);
    const values = new (arrayClass(type))(some.length * features);
    await gather(some, values);
    moments.add(values);
    const found = moments.areFinite ? undefined : findNotFinite(values, features);
    if (found !== undefined) throw notFiniteError({ ...found, row: some[found.row]! }, TO_SCALE);
  }
  return scalingOf(moments.statistics);
}

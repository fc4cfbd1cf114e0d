// The rows a classifier works on, as callers hand them in: float32 or bytes, scaled tile by tile as the model wants them.
import { SoftshardError } from '../../errors.js';
import {
  INPUTS_BYTES,
  INPUTS_BYTES_BY_FEATURE,
  INPUTS_FLOAT32,
  INPUTS_SCALED_FLOAT32,
  tileStride,
} from '../../kernels/layout.js';
import type { Ptr } from '../../kernels/ptr.js';
import { inspectValue } from '../arguments/checks.js';
import { checkBatch, type Float32Rows, type RowsOf } from '../arguments/matrices.js';
import type { Resources } from '../dispatch/resources.js';
import type { ArenaScope } from '../memory/arena.js';
import { isArrayOf } from '../memory/arrays.js';
import type { Tensor } from '../memory/tensor.js';
import type { FeatureScaling } from './scaling.js';

/**
 * Rows of features as they are, unscaled: float32, or uint8 (a quarter of the memory and its traffic: images are like
 * that). The classifier's featureScaling is applied to them as they are read, with the bits of scaleFeatures.
 */
export type FeatureRows = Float32Rows | Tensor<'uint8'> | Uint8Array;

export type Inputs = RowsOf<Float32Array> | RowsOf<Uint8Array>;

/** The shape and the scaling of the model that the rows are for. */
export interface FeatureModel {
  readonly features: number;
  readonly featureScaling?: FeatureScaling | undefined;
}

export function checkInputs(
  { arena }: Resources,
  argument: string,
  value: unknown,
  columns: number | undefined,
  { features }: FeatureModel,
): Inputs {
  const isFlat = isArrayOf('float32', value) || isArrayOf('uint8', value);
  const width = isFlat ? (columns ?? features) : columns;
  const inputs = holdsBytes(value)
    ? checkBatch(arena, argument, value, width, 'uint8')
    : checkBatch(arena, argument, value, width);
  if (inputs.columns === features) return inputs;
  const message = `${argument} has ${inputs.columns} columns (dims ${inspectValue(inputs.dims)}), the classifier has ${features} features`;
  throw new SoftshardError('ERR_SHAPE', message, { argument, value: inputs.columns });
}

function holdsBytes(value: unknown): boolean {
  if (isArrayOf('uint8', value)) return true;
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'uint8';
}

/** What tells the kernels how inputs are kept. */
export interface InputsFormat {
  readonly inputsType: number;
  readonly scaling: Ptr;
}

/** In bytes; one number for all features takes less. */
export const scalingBytes = ({ features, featureScaling }: FeatureModel): number =>
  featureScaling === undefined ? 0 : 2 * tileStride(features) * Float32Array.BYTES_PER_ELEMENT;

/** Puts the scaling where kernels find it; the memory is the scope's. */
export function placeFormat(
  { arena }: Resources,
  scope: ArenaScope,
  inputs: Inputs,
  model: FeatureModel,
): InputsFormat {
  const areBytes = isArrayOf('uint8', inputs.elements);
  if (!areBytes && model.featureScaling === undefined) return UNSCALED;
  const { features, featureScaling = { shift: 0, scale: 1 } } = model;
  const { shift, scale } = featureScaling;
  if (areBytes && typeof shift === 'number' && typeof scale === 'number') {
    const scaling = scope.allocate(8, 'the feature scaling');
    arena.view('float32', scaling, 2).set([shift, scale]);
    return { inputsType: INPUTS_BYTES, scaling };
  }
  const stride = tileStride(features);
  const scaling = scope.allocate(2 * stride * 4, 'the feature scaling');
  const view = arena.view('float32', scaling, 2 * stride).fill(0);
  for (const [values, begin] of [
    [shift, 0],
    [scale, stride],
  ] as const) {
    if (typeof values === 'number') view.fill(values, begin, begin + features);
    else view.set(values, begin);
  }
  return { inputsType: areBytes ? INPUTS_BYTES_BY_FEATURE : INPUTS_SCALED_FLOAT32, scaling };
}

/** Of float32 that is taken as it is. */
export const UNSCALED: InputsFormat = { inputsType: INPUTS_FLOAT32, scaling: 0 };

// Problems that a classifier can learn: rows around a center for each class.
import type { Tensor, Training } from '#softshard/main/index.js';
import type { Place } from '../case.js';
import { Inputs } from '../inputs.js';
import { lossCall } from './cross-entropy.js';
import type { OptionGroup } from './cross-entropy-options.js';

export interface ProblemShape {
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
  /** Of the inputs; default float32. */
  readonly type?: 'float32' | 'uint8';
  /** Of bytes: one number for all features (default), one for each, or none. */
  readonly scaling?: 'numbers' | 'features' | 'none';
  /** Options of the loss, and the targets that they need. */
  readonly groups?: readonly OptionGroup[];
}

export interface Problem {
  readonly inputs: Tensor<'float32'> | Tensor<'uint8'>;
  readonly targets: Tensor<'int32'> | Tensor<'float32'> | Float64Array | Uint8Array;
  readonly options: Pick<Training.FitOptions, 'weight' | 'sampleWeight' | 'mask'>;
  readonly featureScaling: Training.FeatureScaling | undefined;
}

/** Inputs repeat after so many numbers, which is prime: drawing the tens of millions of wide rows would take too long. */
const PERIOD = 99_991;

export function problemOf(place: Place, shape: ProblemShape, seed = 61): Problem {
  const { rows, features, classes, type = 'float32', groups = [] } = shape;
  const inputs = new Inputs(seed);
  const { targets, dense, options } = lossCall({ rows, classes }, groups, inputs);
  const drawn = Math.min(rows * features, PERIOD);
  const noise = type === 'uint8' ? inputs.bytes(drawn) : inputs.float32(drawn, 1);
  const data = type === 'uint8' ? new Uint8Array(rows * features) : new Float32Array(rows * features);
  for (let begin = 0; begin < data.length; begin += drawn) {
    data.set(noise.subarray(0, Math.min(drawn, data.length - begin)), begin);
  }
  // What tells the classes apart: each has some features of its own that are larger.
  for (let row = 0; row < rows; row++) {
    const target = Math.max(0, targets[row]!) % classes;
    for (let feature = target % features; feature < features; feature += classes) {
      const index = row * features + feature;
      if (data instanceof Uint8Array) data[index] = 128 + (data[index]! >>> 1);
      else data[index]! += 0.75;
    }
  }
  const dims = [rows, features];
  const { mask, ...others } = options;
  const placed =
    data instanceof Uint8Array ? place.put('uint8', dims, data) : place.put('float32', dims, data);
  return {
    inputs: placed,
    targets: targetsIn(place, dense ?? targets, [rows, classes]),
    options: {
      ...(others as Pick<Training.FitOptions, 'weight' | 'sampleWeight'>),
      ...(mask instanceof Uint8Array && { mask: place.put('uint8', [rows, classes], mask) }),
    },
    featureScaling: type === 'uint8' ? scalingOf(shape, inputs) : undefined,
  };
}

function targetsIn(
  place: Place,
  targets: Int32Array | Float32Array | Float64Array | Uint8Array,
  dims: readonly number[],
): Problem['targets'] {
  if (targets instanceof Int32Array) return place.put('int32', [targets.length], targets);
  return targets instanceof Float32Array ? place.put('float32', dims, targets) : targets;
}

function scalingOf(
  { features, scaling = 'numbers' }: ProblemShape,
  inputs: Inputs,
): Training.FeatureScaling | undefined {
  if (scaling === 'none') return undefined;
  if (scaling === 'numbers') return { shift: 128, scale: 1 / 64 };
  return {
    shift: inputs.positive(features).map((shift) => shift * 128),
    scale: inputs.positive(features).map((scale) => scale / 64),
  };
}

const SCALED = { numbers: '', features: ' scaled by feature', none: ' not scaled' } as const;

/** As the name of a case says it. */
export function problemName({ rows, features, classes, type, scaling = 'numbers' }: ProblemShape): string {
  const elements = type === 'uint8' ? `bytes${SCALED[scaling]}` : 'float32';
  return `${elements}, ${rows} rows, ${features} features, ${classes} classes`;
}

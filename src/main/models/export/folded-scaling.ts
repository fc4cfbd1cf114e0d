// A model's feature scaling as part of its parameters.
import type { FeatureScaling } from '../scaling.js';

/** One number for each feature, as the kernels use it: float32. */
export const perFeature = (values: number | ArrayLike<number>, features: number): Float32Array =>
  typeof values === 'number' ? new Float32Array(features).fill(values) : Float32Array.from(values);

/** Whether scaling by it changes features; a scale alone may. */
export const shifts = (scaling: FeatureScaling | undefined): boolean =>
  scaling !== undefined &&
  (typeof scaling.shift === 'number'
    ? scaling.shift !== 0
    : Array.from(scaling.shift).some((it) => it !== 0));

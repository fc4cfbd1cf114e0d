// Shared by the row losses: numbers of a type that is known at run time, a row's scale, its loss.
import { TYPE_FLOAT64 } from '../../loss-layout';
import { sizeShift } from '../vectors/element-types';
import { storeFloat32, storeFloat64 } from '../vectors/not-a-number';

/** A float32 or float64. */
@inline
export function loadFloat(type: i32, ptr: usize): f64 {
  return type == TYPE_FLOAT64 ? load<f64>(ptr) : <f64>load<f32>(ptr);
}

/** scale, times gradOutput of row i where that is given. */
@inline
export function rowScale(type: i32, scale: f64, gradOutput: usize, i: i32): f64 {
  return gradOutput ? scale * loadFloat(type, gradOutput + ((<usize>i) << sizeShift(type))) : scale;
}

/** losses[i] = loss, where losses are asked for. */
@inline
export function storeLoss(type: i32, losses: usize, i: i32, loss: f64): void {
  if (!losses) return;
  const ptr = losses + ((<usize>i) << sizeShift(type));
  if (type == TYPE_FLOAT64) storeFloat64(ptr, loss);
  else storeFloat32(ptr, loss);
}

// Fills the block that describes a call of the cross-entropy kernels with options (loss-layout.ts).

import * as layout from '../../kernels/loss-layout.js';
import { NULL_PTR, type Ptr } from '../../kernels/ptr.js';
import type { FloatArray } from '../arguments/numeric-vectors.js';
import type { Arena, ArenaScope } from '../memory/arena.js';
import { type ComputeType, elementBytes } from '../memory/element-types.js';
import type { CheckedLossOptions } from './loss-options.js';

/** Everything but addresses. */
export function writeLossOptions(
  arena: Arena,
  block: Ptr,
  options: CheckedLossOptions,
  weightSum: number,
): void {
  const doubles = arena.view('float64', block, layout.LOSS_CALL_BYTES / 8);
  const words = arena.view('int32', block, layout.LOSS_CALL_BYTES / 4);
  doubles[layout.LOSS_TEMPERATURE / 8] = options.temperature;
  doubles[layout.LOSS_SOFTCAP / 8] = options.softcap;
  doubles[layout.LOSS_Z_LOSS / 8] = options.zLoss;
  doubles[layout.LOSS_FOCAL_GAMMA / 8] = options.focalGamma;
  doubles[layout.LOSS_LABEL_SMOOTHING / 8] = options.labelSmoothing;
  doubles[layout.LOSS_SCALE / 8] = gradientScale(options, weightSum);
  words[layout.LOSS_IGNORE_INDEX / 4] = options.ignoreIndex;
  words[layout.LOSS_ZERO_IS_NAN / 4] = options.zeroTimesInfinity === 'nan' ? 1 : 0;
  words[layout.LOSS_IGNORE_INVALID / 4] = options.onInvalidTarget === 'ignore' ? 1 : 0;
}

/**
 * The gradient of the mean of no rows is 0, and so is its factor: rows without weight have a gradient through smoothing and
 * z-loss.
 */
export function gradientScale(
  { reduction, gradScale }: Pick<CheckedLossOptions, 'reduction' | 'gradScale'>,
  weightSum: number,
): number {
  if (reduction !== 'mean') return gradScale;
  return weightSum === 0 ? 0 : gradScale / weightSum;
}

/** Copies an option's numbers into the arena. 0: not given. */
export function placeNumbers(
  arena: Arena,
  scope: ArenaScope,
  what: string,
  values: FloatArray | undefined,
  type: ComputeType = 'float32',
): Ptr {
  if (values === undefined) return NULL_PTR;
  const ptr = scope.allocate(values.length * elementBytes(type), what);
  arena.view(type, ptr, values.length).set(values);
  return ptr;
}

/** Fills the block for float32 rows that all lie in the arena, and copies the options' arrays in. */
export function placeLossCall(
  arena: Arena,
  scope: ArenaScope,
  block: Ptr,
  options: CheckedLossOptions,
  weightSum: number,
  rows: { readonly targets: Ptr; readonly losses: Ptr },
): void {
  const place = (what: string, values: FloatArray | undefined) => placeNumbers(arena, scope, what, values);
  writeLossOptions(arena, block, options, weightSum);
  const addresses = arena.view('uint32', block, layout.LOSS_CALL_BYTES / 4);
  addresses[layout.LOSS_TARGETS / 4] = rows.targets;
  addresses[layout.LOSS_LOSSES / 4] = rows.losses;
  addresses[layout.LOSS_WEIGHT / 4] = place('weight', options.weight);
  addresses[layout.LOSS_SAMPLE_WEIGHT / 4] = place('sampleWeight', options.sampleWeight);
  addresses[layout.LOSS_GRAD_LOSSES / 4] = place('gradOutput', options.gradOutput);
}

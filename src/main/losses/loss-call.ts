// The block that describes a call to the general loss kernels, and what a weighted mean divides by.
import type { Ptr } from '../../kernels/kernels.js';
import * as layout from '../../kernels/loss-layout.js';
import type { Arena, ArenaScope } from '../arena.js';
import type { CheckedTargets } from '../targets.js';
import type { CheckedLossOptions, Numbers } from './loss-options.js';

/** Fills `block` for float32 rows that are in the arena as a whole; the arrays of the options are copied in. */
export function placeLossCall(
  arena: Arena,
  scope: ArenaScope,
  block: Ptr,
  options: CheckedLossOptions,
  weightSum: number,
  rows: { readonly targets: Ptr; readonly losses: Ptr },
): void {
  const doubles = arena.view('float64', block, layout.LOSS_CALL_BYTES / 8);
  const words = arena.view('uint32', block, layout.LOSS_CALL_BYTES / 4);
  const place = (what: string, values: Numbers | undefined): Ptr => {
    if (values === undefined) return 0;
    const ptr = scope.allocate(values.length * 4, what);
    arena.view('float32', ptr, values.length).set(values);
    return ptr;
  };
  doubles[layout.LOSS_TEMPERATURE / 8] = options.temperature;
  doubles[layout.LOSS_SOFTCAP / 8] = options.softcap;
  doubles[layout.LOSS_Z_LOSS / 8] = options.zLoss;
  doubles[layout.LOSS_FOCAL_GAMMA / 8] = options.focalGamma;
  doubles[layout.LOSS_LABEL_SMOOTHING / 8] = options.labelSmoothing;
  // Where no row has a weight all gradients are 0, and so must their factor be finite.
  const divisor = options.reduction === 'mean' && weightSum !== 0 ? weightSum : 1;
  doubles[layout.LOSS_SCALE / 8] = options.gradScale / divisor;
  words[layout.LOSS_IGNORE_INDEX / 4] = options.ignoreIndex;
  words[layout.LOSS_IGNORE_INVALID / 4] = options.onInvalidTarget === 'ignore' ? 1 : 0;
  words[layout.LOSS_TARGETS / 4] = rows.targets;
  words[layout.LOSS_LOSSES / 4] = rows.losses;
  words[layout.LOSS_WEIGHT / 4] = place('weight', options.weight);
  words[layout.LOSS_SAMPLE_WEIGHT / 4] = place('sampleWeight', options.sampleWeight);
  words[layout.LOSS_GRAD_LOSSES / 4] = place('gradLosses', options.gradLosses);
}

/** Σ of sampleWeight · weight[target] over the rows that are kept. */
export function sumRowWeights(
  targets: CheckedTargets,
  { weight, sampleWeight }: Pick<CheckedLossOptions, 'weight' | 'sampleWeight'>,
): number {
  if (weight === undefined && sampleWeight === undefined) return targets.rows - targets.ignored;
  let sum = 0;
  for (let row = 0; row < targets.rows; row++) {
    const target = targets.classOf(row);
    if (target >= 0) sum += (weight?.[target] ?? 1) * (sampleWeight?.[row] ?? 1);
  }
  return sum;
}

// The targets, mask and statistics of softmax cross-entropy, for logits that exist (crossEntropy) and logits that never do
// (linearCrossEntropy).

import { rowDimsOf } from '../arguments/axis-rows.js';
import { type CheckedTargets, checkTargets, type Targets } from '../arguments/targets.js';
import type { Resources } from '../dispatch/resources.js';
import type { Operand } from '../dispatch/windows.js';
import { checkNotFreed } from '../memory/arena-tensor.js';
import { dataOf } from '../memory/arrays.js';
import {
  areDense,
  checkOneHot,
  type DenseTargets,
  denseTargetsOperand,
  type LogitsShape,
  type Mask,
  maskOperand,
} from './dense-targets.js';
import type { CheckedLossOptions } from './loss-options.js';
import { checkStatistics, type RowStatistics, type StatisticsOptions } from './statistics.js';

export interface TargetOptions extends StatisticsOptions {
  /** A byte for each element of the logits: 0 leaves the class out of its row, as a logit of -Infinity would. */
  mask?: Mask | undefined;
}

export const TARGET_OPTION_NAMES: readonly (keyof TargetOptions)[] = ['mask', 'statistics', 'topK'];

export interface LossTargets {
  /** Class indices, or undefined with soft targets. */
  readonly classes: CheckedTargets | undefined;
  readonly softTargets: Operand | undefined;
  readonly mask: Operand | undefined;
  readonly statistics: RowStatistics;
  /** The caller's arrays by their names: gradients must not be written over them. */
  readonly arrays: readonly (readonly [name: string, elements: ArrayBufferView])[];
}

export function checkLossTargets(
  { arena, kernels }: Resources,
  targets: Targets | DenseTargets,
  options: TargetOptions,
  logits: LogitsShape,
  checked: CheckedLossOptions,
): LossTargets {
  checkNotFreed('targets', targets);
  checkNotFreed('options.mask', options.mask);
  const dense = areDense(targets, logits);
  const softTargets = dense ? denseTargetsOperand(arena, targets, logits) : undefined;
  if (dense) checkOneHot('targets', targets, logits);
  const { ignoreIndex, onInvalidTarget } = checked;
  const rules = { ignoreIndex, onInvalidTarget, rowDims: rowDimsOf(logits) };
  const arrays: [name: string, elements: ArrayBufferView][] = [];
  const note = (name: string, elements: unknown) => {
    if (ArrayBuffer.isView(elements)) arrays.push([name, elements]);
  };
  note('targets', dataOf(targets));
  note('options.mask', dataOf(options.mask));
  return {
    classes: dense ? undefined : checkTargets(arena, kernels, targets, logits.rows, logits.columns, rules),
    softTargets,
    mask: options.mask === undefined ? undefined : maskOperand(arena, options.mask, logits),
    statistics: checkStatistics(options, logits, dense),
    arrays,
  };
}

/** Class indices and nothing else, as the plain kernels need. */
export const areClassesOnly = ({ softTargets, mask, statistics }: LossTargets): boolean =>
  softTargets === undefined && mask === undefined && statistics.arrays.length === 0;

// The public cross-entropy and its gradient: checks the arguments and chooses the kernels.

import {
  type AxisOptions,
  type AxisRows,
  checkLogits,
  computeType,
  type FloatInput,
  isContiguousFloat32,
} from '../arguments/axis-rows.js';
import { checkApart } from '../arguments/matrices.js';
import { checkNotOptions, type Targets } from '../arguments/targets.js';
import { checkOptionNames } from '../checks.js';
import { type Gradient, withGradient } from '../dispatch/output.js';
import type { Resources } from '../dispatch/resources.js';
import { crossEntropyWithOptions, type LossSums, plainCrossEntropy } from './cross-entropy-operations.js';
import type { DenseTargets } from './dense-targets.js';
import {
  type CheckedLossOptions,
  checkLossOptions,
  hasNoOptions,
  LOSS_OPTION_NAMES,
  type LossOptions,
  ROW_GRADIENT_OPTION_NAMES,
  type RowGradientOptions,
} from './loss-options.js';
import { areClassesOnly, checkLossTargets, TARGET_OPTION_NAMES, type TargetOptions } from './loss-targets.js';
import type { RowStatistics, Statistics } from './statistics.js';

export interface CrossEntropyOptions extends LossOptions, TargetOptions, AxisOptions {}

/** The sums are float64, so that means over batches, accumulation or machines can be made exact. */
export interface CrossEntropyResult {
  /** lossSum / weightSum, or with reduction 'sum' lossSum. */
  readonly loss: number;
  /** Σ of the rows' losses, z-losses included. */
  readonly lossSum: number;
  /** Σ over the kept rows of sampleWeight · weight[target] (of sampleWeight with soft targets). */
  readonly weightSum: number;
  /** With the option zLoss: how much of `loss` it is. */
  readonly zLoss?: number;
  /** [rows], with reduction 'none' only; float64 for float64 logits. */
  readonly losses?: Float32Array | Float64Array;
  readonly statistics?: Statistics;
}

const NAMES: readonly (keyof CrossEntropyOptions)[] = [
  ...LOSS_OPTION_NAMES,
  ...TARGET_OPTION_NAMES,
  'axis',
  'columns',
];
const GRADIENT_NAMES: readonly string[] = [...NAMES, ...ROW_GRADIENT_OPTION_NAMES];
export async function crossEntropy(
  resources: Resources,
  input: FloatInput,
  targets: Targets | DenseTargets,
  options: CrossEntropyOptions,
): Promise<CrossEntropyResult> {
  checkOptionNames('options', options, NAMES);
  const { run } = checkCall(resources, input, targets, options);
  return run(undefined);
}

export async function crossEntropyGradient<Input extends FloatInput>(
  resources: Resources,
  input: Input,
  targets: Targets | DenseTargets,
  options: CrossEntropyOptions & RowGradientOptions,
): Promise<CrossEntropyResult & Gradient<'gradLogits', Input>> {
  checkOptionNames('options', options, GRADIENT_NAMES);
  const { logits, run } = checkCall(resources, input, targets, options);
  return withGradient(resources.arena, logits, options.into, 'gradLogits', run);
}

interface CheckedCall {
  readonly logits: AxisRows;
  readonly run: (output: AxisRows | undefined) => Promise<CrossEntropyResult>;
}

function checkCall(
  resources: Resources,
  input: FloatInput,
  targets: Targets | DenseTargets,
  options: CrossEntropyOptions & RowGradientOptions,
): CheckedCall {
  checkNotOptions('targets', targets, NAMES);
  const logits = checkLogits(resources.arena, 'logits', input, options);
  const checked = checkLossOptions(options, logits.rows, logits.columns, computeType(logits));
  checked.signal?.throwIfAborted();
  const lossTargets = checkLossTargets(resources, targets, options, logits, checked);
  const { classes, statistics, arrays } = lossTargets;
  const isPlain = isContiguousFloat32(logits) && hasNoOptions(checked) && areClassesOnly(lossTargets);
  const run = async (output: AxisRows | undefined): Promise<CrossEntropyResult> => {
    if (output !== undefined) for (const [name, elements] of arrays) checkApart(output, elements, name);
    const sums =
      isPlain && classes !== undefined
        ? await plainCrossEntropy(resources, logits, classes, checked, output)
        : await crossEntropyWithOptions(resources, logits, lossTargets, checked, output);
    return resultOf(sums, checked, options, statistics);
  };
  return { logits, run };
}

function resultOf(
  { loss, lossSum, weightSum, zLoss, losses }: LossSums,
  checked: CheckedLossOptions,
  options: CrossEntropyOptions,
  statistics: RowStatistics,
): CrossEntropyResult {
  return {
    loss,
    lossSum,
    weightSum,
    ...(checked.zLoss > 0 && { zLoss }),
    ...(losses !== undefined && { losses }),
    ...(options.statistics !== undefined && { statistics: statistics.result() }),
  };
}

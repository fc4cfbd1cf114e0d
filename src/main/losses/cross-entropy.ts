// The public cross-entropy and its gradient: checks the arguments and chooses the kernels.

import {
  type AxisOptions,
  checkLogits,
  computeType,
  type FloatInput,
  type FloatType,
  isPlain,
  type Logits,
} from '../arguments/axis-rows.js';
import { checkOptionNames } from '../arguments/checks.js';
import type { DenseTargets } from '../arguments/dense-targets.js';
import { checkApart } from '../arguments/matrices.js';
import type { Targets } from '../arguments/targets.js';
import type { Resources } from '../dispatch/resources.js';
import type { Tensor } from '../memory/tensor.js';
import { generalLoss, type LossSums } from './general-loss.js';
import {
  type CheckedLossOptions,
  checkLossOptions,
  GRADIENT_OPTION_NAMES,
  type GradientOptions,
  isPlainLoss,
  LOSS_OPTION_NAMES,
  type LossOptions,
} from './loss-options.js';
import {
  arePlainTargets,
  checkLossTargets,
  TARGET_OPTION_NAMES,
  type TargetOptions,
} from './loss-targets.js';
import { plainLoss } from './plain-loss.js';
import { withOutput } from './row-maps.js';
import type { RowStatistics, Statistics } from './statistics.js';

export interface CrossEntropyOptions extends LossOptions, TargetOptions, AxisOptions {}

export interface CrossEntropyGradientOptions extends CrossEntropyOptions, GradientOptions {
  /** Where to write the gradient, of the type and dims of the logits; the logits themselves for in-place work. */
  into?: FloatInput | undefined;
}

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

export interface CrossEntropyGradientResult extends CrossEntropyResult {
  /** As the logits: the derivative of `loss` (with reduction 'none': of Σ gradOutput · losses) by each logit. */
  readonly gradLogits: Tensor<FloatType>;
}

const NAMES: readonly (keyof CrossEntropyOptions)[] = [
  ...LOSS_OPTION_NAMES,
  ...TARGET_OPTION_NAMES,
  'axis',
  'columns',
];
const GRADIENT_NAMES: readonly (keyof CrossEntropyGradientOptions)[] = [
  ...NAMES,
  ...GRADIENT_OPTION_NAMES,
  'into',
];

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

export async function crossEntropyGradient(
  resources: Resources,
  input: FloatInput,
  targets: Targets | DenseTargets,
  options: CrossEntropyGradientOptions,
): Promise<CrossEntropyGradientResult> {
  checkOptionNames('options', options, GRADIENT_NAMES);
  const { logits, run } = checkCall(resources, input, targets, options);
  let result: CrossEntropyResult | undefined;
  const gradLogits = await withOutput(resources.arena, logits, options.into, async (output) => {
    result = await run(output);
  });
  return { ...result!, gradLogits };
}

interface CheckedCall {
  readonly logits: Logits;
  readonly run: (output: Logits | undefined) => Promise<CrossEntropyResult>;
}

function checkCall(
  resources: Resources,
  input: FloatInput,
  targets: Targets | DenseTargets,
  options: CrossEntropyGradientOptions,
): CheckedCall {
  const logits = checkLogits(resources.arena, 'logits', input, options);
  const checked = checkLossOptions(options, logits.rows, logits.columns, computeType(logits));
  checked.signal?.throwIfAborted();
  const lossTargets = checkLossTargets(resources, targets, options, logits, checked);
  const { classes, softTargets, mask, statistics, arrays } = lossTargets;
  const isFast = isPlain(logits) && isPlainLoss(checked) && arePlainTargets(lossTargets);
  const run = async (output: Logits | undefined): Promise<CrossEntropyResult> => {
    if (output !== undefined) for (const [name, elements] of arrays) checkApart(output, elements, name);
    const sums =
      isFast && classes !== undefined
        ? await plainLoss(resources, logits, classes, checked, output)
        : await generalLoss(
            resources,
            { logits, targets: classes, softTargets, mask, options: checked, statistics },
            output,
          );
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

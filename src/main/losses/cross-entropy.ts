// The public cross-entropy and its gradient: checks the arguments and chooses the kernels.
import { SoftshardError } from '../../errors.js';
import { checkNotFreed } from '../arena-tensor.js';
import { checkApart } from '../batches.js';
import { checkInteger, checkOptionNames, shown } from '../options.js';
import type { Resources } from '../resources.js';
import { checkTargets, type Targets } from '../targets.js';
import type { Tensor } from '../tensor.js';
import { areDense, type DenseTargets, denseTargetsOperand, type Mask, maskOperand } from './dense-targets.js';
import { generalLoss, type LossSums } from './general-loss.js';
import {
  type AxisOptions,
  checkLogits,
  computeType,
  type FloatType,
  isPlain,
  type Logits,
  type LogitsInput,
} from './logits.js';
import {
  type CheckedLossOptions,
  checkLossOptions,
  GRADIENT_OPTION_NAMES,
  type GradientOptions,
  isPlainLoss,
  LOSS_OPTION_NAMES,
  type LossOptions,
} from './loss-options.js';
import { plainLoss } from './plain-loss.js';
import { withOutput } from './row-maps.js';
import { RowStatistics, type StatisticName, type Statistics } from './statistics.js';

export interface CrossEntropyOptions extends LossOptions, AxisOptions {
  /** A byte for each element of the logits: 0 leaves the class out of its row, as a logit of -Infinity would. */
  mask?: Mask;
  /** What to tell of each row along the way; it comes back in `statistics`. */
  statistics?: readonly StatisticName[];
  /** For the statistic topKCorrect; default 5, or the number of classes if that is smaller. */
  topK?: number;
}

export interface CrossEntropyGradientOptions extends CrossEntropyOptions, GradientOptions {
  /** Where to write the gradient, of the type and dims of the logits; the logits themselves for in-place work. */
  into?: LogitsInput;
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
  /** As the logits: the derivative of `loss` (with reduction 'none': of Σ gradLosses · losses) by each logit. */
  readonly gradLogits: Tensor<FloatType>;
}

const NAMES: readonly (keyof CrossEntropyOptions)[] = [
  ...LOSS_OPTION_NAMES,
  'axis',
  'columns',
  'mask',
  'statistics',
  'topK',
];
const GRADIENT_NAMES: readonly (keyof CrossEntropyGradientOptions)[] = [
  ...NAMES,
  ...GRADIENT_OPTION_NAMES,
  'into',
];

export async function crossEntropy(
  resources: Resources,
  input: LogitsInput,
  targets: Targets | DenseTargets,
  options: CrossEntropyOptions,
): Promise<CrossEntropyResult> {
  checkOptionNames('options', options, NAMES);
  const { run } = checkCall(resources, input, targets, options);
  return run(undefined);
}

export async function crossEntropyGradient(
  resources: Resources,
  input: LogitsInput,
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
  input: LogitsInput,
  targets: Targets | DenseTargets,
  options: CrossEntropyGradientOptions,
): CheckedCall {
  const { arena, kernels } = resources;
  const logits = checkLogits(arena, 'logits', input, options);
  const { rows, columns } = logits;
  const checked = checkLossOptions(options, rows, columns);
  checked.signal?.throwIfAborted();
  checkNotFreed('targets', targets);
  const dense = areDense(targets, logits);
  const classes = dense ? undefined : checkTargets(arena, kernels, targets, rows, columns, checked);
  const softTargets = dense ? denseTargetsOperand(arena, targets, logits) : undefined;
  const mask = options.mask === undefined ? undefined : maskOperand(arena, options.mask, logits);
  const statistics = checkStatistics(options, logits, dense);

  const isFast =
    isPlain(logits) &&
    isPlainLoss(checked) &&
    classes !== undefined &&
    mask === undefined &&
    statistics.arrays.length === 0;
  const run = async (output: Logits | undefined): Promise<CrossEntropyResult> => {
    if (output !== undefined && classes?.elements !== undefined) {
      checkApart(output, classes.elements, 'targets');
    }
    const sums = isFast
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

function checkStatistics(
  { statistics = [], topK }: CrossEntropyOptions,
  logits: Logits,
  dense: boolean,
): RowStatistics {
  if (!Array.isArray(statistics)) {
    const message = `options.statistics is ${shown(statistics)}: it must be an array of names`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.statistics', value: statistics });
  }
  const { rows, columns } = logits;
  const k = checkInteger('options.topK', topK ?? Math.min(5, columns), 1, columns);
  return new RowStatistics(statistics, k, rows, computeType(logits), dense);
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

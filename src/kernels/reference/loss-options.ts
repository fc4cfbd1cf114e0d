// The options of cross-entropy: their types, their defaults, and what is refused.
import { SoftshardError } from '../../errors.js';
import { checkChoice, checkLength, checkMatrix } from './checks.js';
import type { Reduction } from './cross-entropy.js';

/** Class indices [rows], or a distribution for each row [rows × classes]. */
export type LossTargets = ArrayLike<number> | { readonly softTargets: ArrayLike<number> };

/** All off by default. How they compose is in docs/losses.md. */
export interface LossOptions {
  /** [classes]: the weight of each class. */
  readonly weight?: ArrayLike<number> | undefined;
  /** [rows]: the weight of each row. */
  readonly sampleWeight?: ArrayLike<number> | undefined;
  /** Rows with this target do not count; default -100. It may be one of the classes. */
  readonly ignoreIndex?: number | undefined;
  /** Default 'throw'; 'ignore' treats rows with a target that is no class as rows with the ignoreIndex. */
  readonly onInvalidTarget?: 'throw' | 'ignore' | undefined;
  /** In [0, 1]. */
  readonly labelSmoothing?: number | undefined;
  /** [rows × classes]: 0 takes a class out of its row. */
  readonly mask?: ArrayLike<number> | undefined;
  /** Logits are divided by it, after the soft cap. */
  readonly temperature?: number | undefined;
  /** Logits become cap · tanh(z / cap); 0 is no cap. */
  readonly softcap?: number | undefined;
  /** The factor of logSumExp². */
  readonly zLoss?: number | undefined;
  /** Each -log p is multiplied by (1 - p)^focalGamma. */
  readonly focalGamma?: number | undefined;
  /** What a share or weight of 0 costs where the logit is -Infinity: default 'zero', PyTorch's is 'nan'. */
  readonly zeroTimesInfinity?: 'zero' | 'nan' | undefined;
  /** What the mean of no weight is: default 'nan'. */
  readonly onEmpty?: 'nan' | 'zero' | 'throw' | undefined;
}

export interface LossGradientOptions extends LossOptions {
  /** Which result the gradient is of; default 'mean'. */
  readonly reduction?: Reduction | undefined;
  /** A factor of the whole gradient; default 1. */
  readonly gradScale?: number | undefined;
  /** [rows], with reduction 'none' only: the gradient by each row's loss, where the chain rule begins. Default 1. */
  readonly gradOutput?: ArrayLike<number> | undefined;
}

/** Checked arguments with every default filled in. */
export interface LossBatch {
  readonly logits: Float64Array;
  readonly rows: number;
  readonly classes: number;
  readonly targets: ArrayLike<number> | undefined;
  readonly softTargets: ArrayLike<number> | undefined;
  readonly weight: ArrayLike<number> | undefined;
  readonly sampleWeight: ArrayLike<number> | undefined;
  readonly mask: ArrayLike<number> | undefined;
  /** By row: 1 where the row counts. */
  readonly kept: Uint8Array;
  readonly labelSmoothing: number;
  readonly temperature: number;
  readonly softcap: number;
  readonly zLoss: number;
  readonly focalGamma: number;
  readonly zeroTimesInfinity: 'zero' | 'nan';
  readonly onEmpty: 'nan' | 'zero' | 'throw';
}

/** Throws ERR_SHAPE, ERR_OPTION, ERR_TARGET_RANGE. */
export function lossBatch(
  logits: ArrayLike<number>,
  targets: LossTargets,
  rows: number,
  classes: number,
  options: LossOptions,
): LossBatch {
  const { weight, sampleWeight, mask, onEmpty = 'nan', zeroTimesInfinity = 'zero' } = options;
  checkMatrix('logits', logits, rows, classes, 'rows × classes');
  if (weight !== undefined) checkLength('weight', weight, classes, 'classes');
  if (sampleWeight !== undefined) checkLength('sampleWeight', sampleWeight, rows, 'rows');
  if (mask !== undefined) checkLength('mask', mask, rows * classes, 'rows × classes');
  checkChoice('onEmpty', onEmpty, ['nan', 'zero', 'throw']);
  checkChoice('zeroTimesInfinity', zeroTimesInfinity, ['zero', 'nan']);
  const { labelSmoothing = 0, temperature = 1, softcap = 0, zLoss = 0, focalGamma = 0 } = options;
  checkNumber('labelSmoothing', labelSmoothing, 'from 0 to 1', (x) => x >= 0 && x <= 1);
  checkNumber('temperature', temperature, 'above 0', (x) => x > 0);
  checkNumber('softcap', softcap, 'above 0, or 0 for no cap', (x) => x >= 0);
  checkNumber('zLoss', zLoss, 'of at least 0', (x) => x >= 0);
  checkNumber('focalGamma', focalGamma, 'of at least 0', (x) => x >= 0);
  const soft = 'softTargets' in targets ? targets.softTargets : undefined;
  const indices = 'softTargets' in targets ? undefined : targets;
  if (soft !== undefined) checkLength('softTargets', soft, rows * classes, 'rows × classes');
  if (indices !== undefined) checkLength('targets', indices, rows, 'rows');
  return {
    logits: Float64Array.from(logits),
    rows,
    classes,
    targets: indices,
    softTargets: soft,
    weight,
    sampleWeight,
    mask,
    kept: indices === undefined ? new Uint8Array(rows).fill(1) : keptRows(indices, classes, options),
    labelSmoothing,
    temperature,
    softcap,
    zLoss,
    focalGamma,
    zeroTimesInfinity,
    onEmpty,
  };
}

/**
 * [rows]: 0 where the target is the ignoreIndex, and with onInvalidTarget 'ignore' where it is no class. Throws
 * ERR_TARGET_RANGE with row and value otherwise.
 */
export function keptRows(
  targets: ArrayLike<number>,
  classes: number,
  options: Pick<LossOptions, 'ignoreIndex' | 'onInvalidTarget'> = {},
): Uint8Array {
  const { ignoreIndex = -100, onInvalidTarget = 'throw' } = options;
  checkChoice('onInvalidTarget', onInvalidTarget, ['throw', 'ignore']);
  checkNumber('ignoreIndex', ignoreIndex, 'that is an integer', Number.isInteger);
  return Uint8Array.from(targets, (target, row) => {
    if (target === ignoreIndex) return 0;
    if (Number.isInteger(target) && target >= 0 && target < classes) return 1;
    if (onInvalidTarget === 'ignore') return 0;
    throw new SoftshardError(
      'ERR_TARGET_RANGE',
      `targets[${row}] is ${target}; a target must be a class index from 0 to ${classes - 1}, or the ignoreIndex ${ignoreIndex}.`,
      { argument: 'targets', row, value: target },
    );
  });
}

/** Throws ERR_OPTION unless `value` is a finite number that passes `test`. */
export function checkNumber(
  argument: string,
  value: number,
  requirement: string,
  test: (value: number) => boolean,
): void {
  if (typeof value === 'number' && Number.isFinite(value) && test(value)) return;
  throw new SoftshardError('ERR_OPTION', `${argument} is ${value}; it must be a number ${requirement}.`, {
    argument,
    value,
  });
}

// Early stopping: training ends when a metric of its epochs no longer improves, and the best epoch's weights are kept.
import { SoftshardError } from '../../errors.js';
import { checkBoolean, checkInteger, checkNumber, checkOneOf, checkOptionNames } from '../checks.js';
import type { LinearModel } from '../models/linear-model.js';

export type WatchedMetric = 'validationLoss' | 'validationAccuracy' | 'loss';

export interface EarlyStoppingOptions {
  /** What is watched after each epoch: 'validationLoss' (default), 'validationAccuracy', or 'loss', that of training. */
  metric?: WatchedMetric | undefined;
  /** Training ends after so many epochs that are no better than the best; at least 1, default 5. */
  patience?: number | undefined;
  /** Better is better by more than this; default 0. */
  minDelta?: number | undefined;
  /** Whether the weights are those of the best epoch at the end, also where training went through all epochs. Default true. */
  restoreBest?: boolean | undefined;
}

/** Of an epoch's report. */
type WatchedEpoch = { readonly epoch: number } & { readonly [Metric in WatchedMetric]?: number };

export type CheckedEarlyStopping = {
  readonly [Name in keyof EarlyStoppingOptions]-?: Exclude<EarlyStoppingOptions[Name], undefined>;
};

const ARGUMENT = 'options.earlyStopping';
const METRICS = ['validationLoss', 'validationAccuracy', 'loss'] as const satisfies readonly WatchedMetric[];

/** `validates`: there are rows to validate on. */
export function checkEarlyStopping(
  given: boolean | EarlyStoppingOptions | undefined,
  validates: boolean,
): CheckedEarlyStopping | undefined {
  if (given === undefined || given === false) return undefined;
  const options = given === true ? {} : given;
  checkOptionNames(ARGUMENT, options, ['metric', 'patience', 'minDelta', 'restoreBest']);
  const { metric = 'validationLoss', patience = 5, minDelta = 0, restoreBest = true } = options;
  const checked = {
    metric: checkOneOf(`${ARGUMENT}.metric`, metric, METRICS),
    patience: checkInteger(`${ARGUMENT}.patience`, patience, 1, Number.MAX_SAFE_INTEGER),
    minDelta: checkNumber(`${ARGUMENT}.minDelta`, minDelta, 0),
    restoreBest: checkBoolean(`${ARGUMENT}.restoreBest`, restoreBest),
  };
  if (validates || checked.metric === 'loss') return checked;
  const message = `${ARGUMENT} watches ${checked.metric}, and there are no rows to validate on: give validationSplit or validation, or metric 'loss'`;
  throw new SoftshardError('ERR_OPTION', message, { argument: ARGUMENT, value: given });
}

/** Of one training run. */
export class EarlyStopping {
  readonly #options: CheckedEarlyStopping;
  #best = Number.POSITIVE_INFINITY;
  #bestEpoch = 0;
  #lastEpoch = 0;
  /** Of the best epoch. */
  #kept: { readonly weights: Float32Array; readonly bias: Float32Array } | undefined;

  constructor(options: CheckedEarlyStopping) {
    this.#options = options;
  }

  snapshot() {
    const kept = this.#kept && { weights: this.#kept.weights.slice(), bias: this.#kept.bias.slice() };
    return { best: this.#best, bestEpoch: this.#bestEpoch, lastEpoch: this.#lastEpoch, kept };
  }

  restore({ best, bestEpoch, lastEpoch, kept }: ReturnType<EarlyStopping['snapshot']>): void {
    this.#best = best;
    this.#bestEpoch = bestEpoch;
    this.#lastEpoch = lastEpoch;
    this.#kept = kept && { weights: kept.weights.slice(), bias: kept.bias.slice() };
  }

  /** `model` has the weights of the epoch. A metric that is NaN is no better. */
  observe(epoch: WatchedEpoch, { weights, bias }: LinearModel): void {
    const { metric, minDelta, restoreBest } = this.#options;
    const value = epoch[metric] ?? Number.NaN;
    const cost = metric === 'validationAccuracy' ? -value : value;
    this.#lastEpoch = epoch.epoch;
    if (!(cost < this.#best - minDelta)) return;
    this.#best = cost;
    this.#bestEpoch = epoch.epoch;
    if (!restoreBest) return;
    this.#kept ??= { weights: new Float32Array(weights.length), bias: new Float32Array(bias.length) };
    this.#kept.weights.set(weights);
    this.#kept.bias.set(bias);
  }

  get isOver(): boolean {
    return this.#lastEpoch - this.#bestEpoch >= this.#options.patience;
  }

  /** The last epoch where none had a metric. */
  get bestEpoch(): number {
    return this.#bestEpoch === 0 ? this.#lastEpoch : this.#bestEpoch;
  }

  get isRestored(): boolean {
    return this.#kept !== undefined;
  }

  /** Gives the model the weights of the best epoch, if they are to be restored. */
  restoreBest({ weights, bias }: LinearModel): void {
    if (this.#kept === undefined) return;
    // A caller may have transferred their memory, which fit reports.
    if (weights.length > 0) weights.set(this.#kept.weights);
    if (bias.length > 0) bias.set(this.#kept.bias);
  }
}

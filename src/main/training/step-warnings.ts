// What training step by step warns of.
import type { RowTargets } from '../models/row-targets.js';
import type { BaselineLosses, ClassCounts } from './class-counts.js';
import type { EpochReport } from './fit-options.js';
import type { ValidationResult } from './validation.js';
import {
  type FitWarning,
  labelWarnings,
  lossWarning,
  type NamedClasses,
  predictionWarning,
  short,
} from './warnings.js';

interface TrainedSteps {
  readonly model: NamedClasses;
  readonly targets: RowTargets;
  /** Of the rows trained on. */
  readonly counts: ClassCounts;
  readonly baselines: BaselineLosses | undefined;
  readonly epochs: readonly EpochReport[];
  /** With early stopping: whose weights the model has. */
  readonly bestEpoch: number | undefined;
  /** After the last epoch. */
  readonly validated: ValidationResult | undefined;
}

export function stepWarnings(trained: TrainedSteps): readonly FitWarning[] {
  const { model, targets, counts, baselines, epochs, bestEpoch, validated } = trained;
  const last = epochs.at(-1);
  const isLast = bestEpoch === undefined || bestEpoch === epochs.length;
  const comparable = epochs.length > 1 ? baselines : asUniform(baselines);
  const above = last && lossWarning(last.loss, comparable, counts.rows.length, REMEDY);
  const isStopped = bestEpoch !== undefined;
  const warnings = [
    ...(targets.softTargets === undefined ? labelWarnings(counts, model) : []),
    above ?? (isStopped ? undefined : epochsWarning(epochs, baselines)),
    validated && isLast && predictionWarning(validated.prediction, validated.counts, model, VALIDATED),
  ];
  return warnings.filter((warning) => typeof warning === 'object');
}

const VALIDATED = { rows: 'to validate on', remedy: 'Train longer' } as const;

/** For the loss of a first epoch, much of which is that of weights that are still 0. */
const asUniform = (baselines: BaselineLosses | undefined): BaselineLosses | undefined =>
  baselines && { ...baselines, prior: baselines.uniform };

/** With fewer epochs, who trains knows that they are few. */
const FEW_EPOCHS = 5;
/** As many epochs again, at the pace of the last ones, would add this much of what all have gained. */
const STILL_FALLING = 0.3;
/** Their share of all: losses of single epochs go up and down. */
const LAST_SHARE = 0.1;

const meanLoss = (epochs: readonly EpochReport[]): number =>
  epochs.reduce((sum, { loss }) => sum + loss, 0) / epochs.length;

/** Of training step by step, which has no certificate. */
function epochsWarning(
  epochs: readonly EpochReport[],
  baselines: BaselineLosses | undefined,
): FitWarning | undefined {
  if (baselines === undefined || epochs.length < FEW_EPOCHS) return undefined;
  const count = Math.max(1, Math.floor(LAST_SHARE * epochs.length));
  const former = meanLoss(epochs.slice(-2 * count, -count));
  const last = meanLoss(epochs.slice(-count));
  const gained = baselines.uniform - last;
  const fallen = (former - last) / count;
  if (gained <= 0 || fallen * epochs.length < STILL_FALLING * gained) return undefined;
  const lastEpochs = count === 1 ? 'last' : `last ${count}`;
  const message =
    `the training loss still fell from ${short(former)} to ${short(last)} in the ${lastEpochs} of ${epochs.length} epochs: take more ` +
    `options.epochs or a larger options.learningRate, or ${FULL_BATCH}`;
  return { code: 'not-converged', message };
}

const FULL_BATCH = "leave the options of steps out for options.solver 'lbfgs', which needs neither";

const REMEDY = `lower options.learningRate, scale the features, take more options.epochs, or ${FULL_BATCH}`;

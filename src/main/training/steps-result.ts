// What fit gives of training step by step.
import type { LinearModel } from '../models/linear-model.js';
import type { RowTargets } from '../models/row-targets.js';
import { baselineLosses, countClasses } from './class-counts.js';
import type { EarlyStopping } from './early-stopping.js';
import type { FitLoss } from './fit-loss.js';
import type { CheckedFitOptions, EpochReport } from './fit-options.js';
import { NO_SOLUTION, type StepFitResult } from './fit-result.js';
import { stepWarnings } from './step-warnings.js';
import type { ValidationResult } from './validation.js';
import type { NamedClasses } from './warnings.js';

interface EndedTraining {
  readonly model: LinearModel & NamedClasses;
  readonly targets: RowTargets;
  /** Numbers of the rows. */
  readonly training: Uint32Array;
  readonly loss: FitLoss;
  readonly options: CheckedFitOptions;
  readonly stepsAnEpoch: number;
  readonly epochs: readonly EpochReport[];
  readonly early: EarlyStopping | undefined;
  /** Of the last epoch. */
  readonly validated: ValidationResult | undefined;
  /** A call of partialFit sees some of the rows only. */
  readonly isPartial: boolean;
}

/** Gives the model the weights of the best epoch, where they are to be restored. */
export function stepsResult({ early, isPartial, ...ended }: EndedTraining): StepFitResult {
  const { model, targets, training, loss, options, stepsAnEpoch, epochs, validated } = ended;
  early?.restoreBest(model);
  // Whose weights the model has.
  const last = epochs[(early?.isRestored ? early.bestEpoch : epochs.length) - 1];
  const bestEpoch = early?.bestEpoch;
  const counts = countClasses(targets, training, model.classes);
  const baselines = baselineLosses(targets, training, loss, model.classes);
  const result: StepFitResult = {
    ...NO_SOLUTION,
    solver: options.optimizer.kind === 'adamw' ? 'adamw' : 'sgd',
    loss: last?.loss ?? Number.NaN,
    majority: counts.majority,
    validationLoss: last?.validationLoss,
    validationAccuracy: last?.validationAccuracy,
    validationMajority: validated?.counts.majority,
    calibration: undefined,
    warnings: isPartial
      ? []
      : stepWarnings({ model, targets, counts, baselines, epochs, bestEpoch, validated }),
    epochs,
    steps: epochs.length * stepsAnEpoch,
  };
  if (bestEpoch === undefined) return result;
  return { ...result, bestEpoch, stoppedEarly: epochs.length < options.epochs };
}

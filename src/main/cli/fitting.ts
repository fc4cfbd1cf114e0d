// Runs fit with progress; an interrupted run keeps what it has learned.

import type { RunDirectory, Runs, SoftmaxClassifier, Training } from '../index.js';
import { Interrupted, interruptionOf } from './interruption.js';
import { count } from './output.js';
import type { Progress } from './progress.js';
import { stepsALine } from './step-lines.js';
import type { TrainingBoard } from './tensorboard.js';

export interface Fitted {
  readonly epochs: readonly Training.EpochReport[];
  /** Steps taken: fewer than planned when interrupted. */
  readonly steps: number;
  readonly plannedSteps: number;
  /** Rows trained on, and rows of --data kept for validation. */
  readonly trainingRows: number;
  readonly validationRows: number;
  /** Includes validation. */
  readonly durationMs: number;
  /** Training steps only, over all epochs. */
  readonly rowsPerSecond: number;
  /** With early stopping, unless interrupted: the epoch whose weights the classifier has. */
  readonly bestEpoch: number | undefined;
  readonly stoppedEarly: boolean;
  /** Undefined if interrupted. */
  readonly result: Training.FitResult | undefined;
  readonly interrupted: Interrupted | undefined;
}

/** What keeps the reports of a training, beside the progress that shows them. */
export interface ReportKeepers {
  readonly board?: TrainingBoard;
  readonly run?: RunDirectory | undefined;
  /** One in so many steps is kept. Default: by the length of the epochs. */
  readonly logEvery?: number | undefined;
}

/** Rows trained on, and rows of --data kept for validation. */
export const rowCounts = (split: Training.RowSplit | undefined, rows: number) => ({
  trainingRows: split?.training.length ?? rows,
  validationRows: split?.validation?.length ?? 0,
});

/** Throws if interrupted before the first step ends: then there is nothing to keep. */
export async function runFit(
  classifier: SoftmaxClassifier,
  inputs: Training.FeatureRows,
  targets: Int32Array,
  options: Training.FitOptions & { epochs: number; batchSize: number | 'full'; signal: AbortSignal },
  progress: Progress,
  { board, run, logEvery }: ReportKeepers = {},
): Promise<Fitted> {
  const { trainingRows, validationRows } = rowCounts(options.split, targets.length);
  const stepsAnEpoch = options.batchSize === 'full' ? 1 : Math.ceil(trainingRows / options.batchSize);
  const plannedSteps = options.epochs * stepsAnEpoch;
  const every = logEvery ?? stepsALine(stepsAnEpoch, options.epochs);
  const epochs: Training.EpochReport[] = [];
  let steps = 0;
  let result: Training.FitResult | undefined;
  let interrupted: Interrupted | undefined;
  progress.begin({ rows: trainingRows, epochs: options.epochs });
  const begin = performance.now();
  const onAbort = () => progress.note('stopping after the running step; a second signal ends at once');
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    result = await classifier.fit(inputs, targets, {
      ...options,
      onStep: (report) => {
        steps = report.step;
        progress.step(report);
        if (steps % every !== 0) return;
        const { loss } = report;
        board?.step(steps, loss);
        run?.log({ step: steps, epoch: Math.ceil(steps / stepsAnEpoch), 'train/stepLoss': loss });
      },
      onEpochEnd: (report) => {
        epochs.push(report);
        progress.epoch(report);
        const step = report.epoch * stepsAnEpoch;
        board?.epoch(step, report);
        run?.log(epochMetrics(step, report));
      },
    });
    progress.stop();
    progress.warnOf(result);
  } catch (error) {
    interrupted = interruptionOf(error);
    if (interrupted === undefined || steps === 0) throw interrupted ?? error;
  } finally {
    options.signal.removeEventListener('abort', onAbort);
    progress.stop();
    board?.end(result);
  }
  // Of a run that goes on, with those before.
  const allEpochs = result?.epochs ?? epochs;
  const stepsMs = epochs.reduce((sum, epoch) => sum + epoch.durationMs, 0);
  return {
    epochs: allEpochs,
    steps: result?.steps ?? steps,
    plannedSteps,
    trainingRows,
    validationRows,
    durationMs: performance.now() - begin,
    rowsPerSecond: stepsMs === 0 ? Number.NaN : (1000 * trainingRows * epochs.length) / stepsMs,
    bestEpoch: result?.bestEpoch,
    stoppedEarly: result?.stoppedEarly ?? false,
    result,
    interrupted,
  };
}

/** A line of the metrics of a run. */
const epochMetrics = (
  step: number,
  { epoch, loss, validationLoss, validationAccuracy, learningRate }: Training.EpochReport,
): Runs.RunMetrics => ({
  step,
  epoch,
  'train/loss': loss,
  'validation/loss': validationLoss,
  'validation/accuracy': validationAccuracy,
  learningRate,
});

/** Call after saving: an interrupted run still fails, and its message says where the model is. */
export function throwIfInterrupted({ interrupted, steps, plannedSteps }: Fitted, out: string): void {
  if (interrupted === undefined) return;
  const { signalName } = interrupted;
  const done = `${count(steps)} of ${count(plannedSteps)} steps`;
  throw new Interrupted(
    signalName,
    `interrupted by ${signalName} after ${done}: the model so far is in ${out}`,
    interrupted,
  );
}

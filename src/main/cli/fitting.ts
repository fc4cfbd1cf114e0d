// Runs fit with progress; an interrupted run keeps what it has learned.

import type { SoftmaxClassifier, Training } from '../index.js';
import { Interrupted } from './interruption.js';
import { count } from './output.js';
import type { Progress } from './progress.js';

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
  options: Training.FitOptions & { epochs: number; signal: AbortSignal },
  progress: Progress,
): Promise<Fitted> {
  const { trainingRows, validationRows } = rowCounts(options.split, targets.length);
  const epochs: Training.EpochReport[] = [];
  let steps = 0;
  let plannedSteps = 0;
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
        plannedSteps = report.steps;
        progress.step(report);
      },
      onEpochEnd: (report) => {
        epochs.push(report);
        progress.epoch(report);
      },
    });
    progress.stop();
    progress.warnOf(result);
  } catch (error) {
    if (!(error instanceof Interrupted) || steps === 0) throw error;
    interrupted = error;
  } finally {
    options.signal.removeEventListener('abort', onAbort);
    progress.stop();
  }
  const stepsMs = epochs.reduce((sum, epoch) => sum + epoch.durationMs, 0);
  return {
    epochs,
    steps,
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

/** Call after saving: an interrupted run still fails, and its message says where the model is. */
export function throwIfInterrupted({ interrupted, steps, plannedSteps }: Fitted, out: string): void {
  if (interrupted === undefined) return;
  const { signalName } = interrupted;
  const done = `${count(steps)} of ${count(plannedSteps)} steps`;
  throw new Interrupted(
    signalName,
    `interrupted by ${signalName} after ${done}: the model so far is in ${out}`,
  );
}

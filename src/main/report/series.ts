// The lines of metrics.jsonl as series to draw, and what of them stands in for them where there are none.
import type { Point } from './charts/thin.js';
import type { MetricsLine, ReportFacts } from './facts.js';
import { isNumber } from './figures.js';

/** What a series may be drawn against, the finest first. */
const PROGRESS = ['step', 'pass', 'iteration', 'epoch'] as const;
type Progress = (typeof PROGRESS)[number] | 'time';

/** Of training alone; those of the models of a sweep, and of settings that were tried, are in their tables. */
export const trainingLines = ({ metrics = [], result }: ReportFacts): readonly MetricsLine[] => {
  const lines = metrics.filter(({ head, score }) => !isNumber(head) && !isNumber(score));
  return lines.length > 0 ? lines : epochLines(result?.epochs ?? []);
};

const epochLines = (
  epochs: NonNullable<ReportFacts['result']>['epochs'] & object,
): readonly MetricsLine[] => {
  let time = 0;
  return epochs.map(({ epoch, loss, validationLoss, validationAccuracy, learningRate, ...cost }) => {
    time += (cost.durationMs ?? 0) / 1000;
    return {
      time,
      epoch,
      'train/loss': loss,
      ...(validationLoss !== undefined && { 'validation/loss': validationLoss }),
      ...(validationAccuracy !== undefined && { 'validation/accuracy': validationAccuracy }),
      ...(learningRate !== undefined && { learningRate }),
      ...(cost.rowsPerSecond !== undefined && { rowsPerSecond: cost.rowsPerSecond }),
    };
  });
};

export interface DrawnFields {
  /** What x is. */
  readonly xTitle: string;
  readonly series: readonly { readonly name: string; readonly points: readonly Point[] }[];
}

/** The fields of the lines against what all of them have; fields that no line has are left out. */
export function drawnFields(
  lines: readonly MetricsLine[],
  fields: Readonly<Record<string, string>>,
): DrawnFields | undefined {
  const present = Object.entries(fields)
    .map(([field, name]) => ({ field, name, lines: lines.filter((line) => field in line) }))
    .filter(({ lines, field }) => lines.some((line) => isNumber(line[field])));
  if (present.length === 0) return undefined;
  const progress: Progress =
    PROGRESS.find((it) => present.every(({ lines }) => lines.every((line) => isNumber(line[it])))) ?? 'time';
  return {
    xTitle: progress === 'time' ? 'seconds' : progress,
    series: present.map(({ field, name, lines }) => ({
      name,
      points: lines.map((line) => {
        const [x, y] = [line[progress], line[field]];
        return { x: isNumber(x) ? x : Number.NaN, y: isNumber(y) ? y : null };
      }),
    })),
  };
}

/** Whether numbers are of sizes that only a log scale shows together: all positive, the largest ten times the least. */
export function spansDecades(series: DrawnFields['series']): boolean {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (const { points } of series) {
    for (const { y } of points) {
      if (y === null) continue;
      if (y <= 0) return false;
      least = Math.min(least, y);
      most = Math.max(most, y);
    }
  }
  return most >= 10 * least;
}

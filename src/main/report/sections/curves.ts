// How training went: losses, the gap of a full-batch solver, accuracy, and whatever else the run has kept.
import { lineChart, type Mark } from '../charts/line-chart.js';
import type { MetricsLine, ReportFacts } from '../facts.js';
import { figure, isNumber, percent, percentTick, smallPercent, whole } from '../figures.js';
import { card } from '../html.js';
import { drawnFields, spansDecades, trainingLines } from '../series.js';

interface Curve {
  readonly title: string;
  readonly yTitle: string;
  /** Fields of the lines, and what they are called. */
  readonly fields: Readonly<Record<string, string>>;
  /** Default: where the numbers span decades. */
  readonly isLog?: boolean;
  readonly format?: (value: number) => string;
  readonly formatTick?: (value: number) => string;
  readonly note?: string;
}

const CURVES: readonly Curve[] = [
  {
    title: 'Loss',
    yTitle: 'mean cross-entropy, nats',
    fields: { 'train/loss': 'training', 'validation/loss': 'validation', 'train/stepLoss': 'single steps' },
  },
  {
    title: 'Distance from the minimum',
    yTitle: 'gap / objective',
    formatTick: percentTick,
    fields: { gapRelative: 'at most' },
    isLog: true,
    format: smallPercent,
    note: 'How far the objective is from its minimum, at most: a bound that holds for certain (duality gap).',
  },
  {
    title: 'Accuracy',
    yTitle: 'rows classified correctly',
    formatTick: percentTick,
    fields: { 'validation/accuracy': 'validation', 'train/accuracy': 'training' },
    isLog: false,
    format: (value) => percent(value),
  },
  { title: 'Objective', yTitle: 'losses + penalty', fields: { objective: 'objective' } },
  { title: 'Gradient', yTitle: 'norm', fields: { 'train/gradientNorm': 'gradient norm' } },
  { title: 'Learning rate', yTitle: 'learning rate', fields: { learningRate: 'learning rate' } },
  {
    title: 'Speed',
    yTitle: 'rows a second',
    fields: { rowsPerSecond: 'rows/s' },
    isLog: false,
    format: whole,
  },
];

/** What says where a line stands, or is drawn with others. */
const NOT_CURVES = ['time', 'step', 'epoch', 'pass', 'iteration', 'head', 'fold', 'C', 'gap', 'score'];
const MOST_OTHERS = 12;

export function curves(facts: ReportFacts): string {
  const lines = trainingLines(facts);
  const known = new Set([...NOT_CURVES, ...CURVES.flatMap(({ fields }) => Object.keys(fields))]);
  const others = new Set<string>();
  for (const line of lines) {
    for (const name in line) if (!known.has(name) && isNumber(line[name])) others.add(name);
  }
  const more = [...others]
    .slice(0, MOST_OTHERS)
    .map((name): Curve => ({ title: name, yTitle: name, fields: { [name]: name } }));
  return [...CURVES, ...more].map((curve) => drawnCurve(curve, lines, facts)).join('');
}

function drawnCurve(curve: Curve, lines: readonly MetricsLine[], facts: ReportFacts): string {
  const drawn = drawnFields(lines, curve.fields);
  if (drawn === undefined) return '';
  const { xTitle, series } = drawn;
  const { title, yTitle, format, formatTick, note } = curve;
  const names = series.map(({ name }) => name).join(' and ');
  const chart = lineChart({
    title: `${title} (${names}) against the ${xTitle}${lastOf(series, format ?? figure)}`,
    series,
    xTitle,
    yTitle,
    isLogY: curve.isLog ?? spansDecades(series),
    marks: marksOf(curve, xTitle, lines, facts),
    ...(format && { format }),
    ...(formatTick && { formatTick }),
  });
  return card(title, chart, note === undefined ? {} : { note });
}

const lastOf = (
  series: readonly { readonly points: readonly { readonly y: number | null }[] }[],
  format: (value: number) => string,
): string => {
  const last = series[0]?.points.findLast(({ y }) => y !== null)?.y;
  return isNumber(last) ? `, ${format(last)} at the end` : '';
};

function marksOf(curve: Curve, xTitle: string, lines: readonly MetricsLine[], { result }: ReportFacts) {
  const marks: Mark[] = [];
  const { tol, bestEpoch } = result ?? {};
  if ('gapRelative' in curve.fields && isNumber(tol)) marks.push({ y: tol, text: 'wanted' });
  const isValidated = Object.keys(curve.fields).some((field) => field.startsWith('validation/'));
  if (isValidated && bestEpoch !== undefined) {
    const best = lines.findLast(({ epoch }) => epoch === bestEpoch);
    const x = best?.[xTitle === 'seconds' ? 'time' : xTitle];
    if (isNumber(x)) marks.push({ x, text: `best: epoch ${bestEpoch}` });
  }
  return marks;
}

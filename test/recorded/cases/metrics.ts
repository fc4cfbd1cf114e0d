// Metrics over a data set: reports, merging, and what is saved of them.
import { ClassificationMetrics, type FloatType, type Metrics, type Training } from '#softshard/main/index.js';
import { type Case, float64, type Place, shapeName, type Values } from '../case.js';
import { asType, Inputs, product } from '../inputs.js';
import { EDGE_DIMS, edgeRows, FLOAT_TYPES } from './rows.js';

/** Perplexities are Math.exp of what is recorded; its last bits may differ between Node versions. */
export function reportValues(report: Metrics.MetricsReport | Training.Evaluation): Values {
  const { calibration, perClass, confusion } = report;
  const bins = (of: 'from' | 'to' | 'rows' | 'accuracy' | 'confidence') =>
    float64(calibration.bins.map((bin) => bin[of]));
  const scores = ({ precision, recall, f1 }: Metrics.ScoreAverages) => float64([precision, recall, f1]);
  return {
    rows: report.rows,
    ignored: report.ignored,
    loss: report.loss,
    lossSum: report.lossSum,
    lossStandardError: report.lossStandardError,
    correct: report.correct,
    topK: report.topK,
    accuracyAtK: float64(report.accuracyAtK),
    'calibration.expectedError': calibration.expectedError,
    'calibration.maximumError': calibration.maximumError,
    'calibration.from': bins('from'),
    'calibration.to': bins('to'),
    'calibration.rows': bins('rows'),
    'calibration.accuracy': bins('accuracy'),
    'calibration.confidence': bins('confidence'),
    'perClass.precision': perClass.precision,
    'perClass.recall': perClass.recall,
    'perClass.f1': perClass.f1,
    'perClass.support': perClass.support,
    macro: scores(report.macro),
    weighted: scores(report.weighted),
    confusion: confusion?.data,
  };
}

/** Sums are written in as many digits as they need, but a value has the same length in each build. */
const savedText = (metrics: ClassificationMetrics): string => JSON.stringify(metrics).padEnd(8000);

interface Batch {
  readonly type: FloatType;
  readonly dims: readonly number[];
  readonly axis?: number;
  readonly numbers?: ArrayLike<number>;
}

/** Logits that are right for about half of the rows; every ninth row is ignored. */
async function add(
  { put }: Place,
  metrics: ClassificationMetrics,
  { type, dims, axis = dims.length - 1, numbers }: Batch,
  seed: number,
  ignoreIndex = -100,
): Promise<void> {
  const inputs = new Inputs(seed);
  const classes = dims[axis]!;
  const rows = product(dims) / classes;
  const inner = product(dims.slice(axis + 1));
  const logits = Float64Array.from(numbers ?? inputs.floats('float64', rows * classes, 4));
  const targets = inputs.classes(rows, classes);
  for (const [row, target] of targets.entries()) {
    if (numbers === undefined && row % 2 === 0) {
      const first = Math.floor(row / inner) * classes * inner + (row % inner);
      logits[first + target * inner]! += 3;
    }
    if (row % 9 === 5) targets[row] = ignoreIndex;
  }
  await metrics.add(put(type, dims, asType(type, logits)), put('int32', [rows], targets), { axis });
}

function metricsCase(what: string, options: Metrics.MetricsOptions, batches: readonly Batch[]): Case {
  return {
    name: `metrics: ${what}`,
    run: async (place) => {
      const metrics = place.engine.metrics(options);
      for (const [index, batch] of batches.entries()) {
        await add(place, metrics, batch, 41 + index, options.ignoreIndex);
      }
      return { ...reportValues(metrics.report()), saved: savedText(metrics) };
    },
  };
}

export const metricsCases: readonly Case[] = [
  ...FLOAT_TYPES.flatMap((type) => [
    metricsCase(`${type} [83 × 7]`, { classes: 7 }, [{ type, dims: [83, 7] }]),
    metricsCase(`${type} [3 × 5 × 14] along axis 1`, { classes: 5, topK: 3, bins: 4 }, [
      { type, dims: [3, 5, 14], axis: 1 },
    ]),
    metricsCase(`${type}, ties, infinities and NaN`, { classes: EDGE_DIMS[1] }, [
      { type, dims: EDGE_DIMS, numbers: edgeRows },
    ]),
    metricsCase(`${type} [2 × 40 × 431] along axis 1`, { classes: 40 }, [
      { type, dims: [2, 40, 431], axis: 1 },
    ]),
  ]),
  ...[1, 2, 3, 4, 5, 8, 9, 16, 17, 33].map((classes) =>
    metricsCase(`float32 ${shapeName([21, classes])}`, { classes }, [
      { type: 'float32', dims: [21, classes] },
    ]),
  ),
  metricsCase('ignoreIndex 2, several batches', { classes: 6, ignoreIndex: 2, topK: 6 }, [
    { type: 'float32', dims: [5, 6] },
    { type: 'float64', dims: [2, 11, 6] },
    { type: 'bfloat16', dims: [6, 6] },
  ]),
  {
    name: 'metrics: merged from parts and from what was saved',
    run: async (place) => {
      const parts = [1, 2, 3].map(() => place.engine.metrics({ classes: 6 }));
      for (const [index, part] of parts.entries()) {
        await add(place, part, { type: 'float32', dims: [40 + index, 6] }, 51 + index);
      }
      const [first, second, third] = parts;
      const saved = JSON.stringify(third);
      const merged = first!.merge(second!).merge(ClassificationMetrics.fromJSON(JSON.parse(saved)));
      return { ...reportValues(merged.report()), saved: savedText(merged) };
    },
  },
];

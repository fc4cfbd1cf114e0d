// A scaling measurement for people, in 80 columns, and as CSV.

import { formatCsvRecord, type Scaling } from '../index.js';
import { predictionsText, sumsText } from './bench-ranks-text.js';
import { percent, three, wrapped } from './bench-words.js';
import { count, duration, table } from './output.js';

export function scalingText(result: Scaling.ScalingResult): string {
  const { environment, roofs, workloads, recommendation, ranks, warnings, durationMs } = result;
  const options = ranks === undefined ? ` As options: ${flagsText(recommendation)}` : '';
  return [
    headText(environment),
    roofsText(roofs),
    ...(ranks === undefined ? [] : [sumsText(ranks)]),
    ...workloads.map((workload) => workloadText(workload, ranks === undefined ? 'threads' : 'ranks')),
    ...(ranks === undefined ? [] : [predictionsText(ranks)]),
    wrapped(`Best here: ${recommendation.text}${options}`),
    ...(warnings.length === 0 ? [] : [warnings.map((warning) => wrapped(`warning: ${warning}`)).join('')]),
    `Measured in ${duration(durationMs)}.\n`,
  ].join('\n');
}

function headText(environment: Scaling.ScalingEnvironment): string {
  const { cpu, cores, node, numerics, wideSimd, blas, softshard } = environment;
  const kernels = [
    `${numerics} kernels`,
    ...(wideSimd ? ['wide SIMD'] : []),
    ...(blas === undefined ? [] : [`BLAS ${blas}`]),
  ];
  return wrapped(
    `${cpu}, ${count(cores)} ${cores === 1 ? 'core' : 'cores'}; softshard ${softshard}, Node ${node}; ${kernels.join(', ')}`,
  );
}

function roofsText(roofs: readonly Scaling.Roof[]): string {
  return table([
    ['roofs: threads', 'read GB/s', 'copy GB/s', 'GFLOP/s'],
    ...roofs.map(({ threads, gbPerSecond, gflops }) => [
      String(threads).padStart(14),
      three(gbPerSecond.read),
      three(gbPerSecond.copy),
      three(gflops),
    ]),
  ]);
}

function workloadText(workload: Scaling.WorkloadScaling, units: 'threads' | 'ranks'): string {
  const { strong, weak, bitsEqual, verdict, tried } = workload;
  const lines = (kind: Scaling.ScalingKind, points: readonly Scaling.ScalingPoint[]) =>
    points.map((point) => [
      kind,
      String(point[units]),
      three(point.medianMs),
      `${percent(point.spread)}${point.spread > NOISY ? '!' : ' '}`,
      point.speedup.toFixed(2),
      percent(point.efficiency),
      three(point.gbPerSecond),
      three(point.gflops),
      roofCell(point),
      kind === 'strong' ? (bitsEqual ? 'equal' : 'DIFFER') : '',
    ]);
  const options = tried.map(
    ({ option, ratio, low, high }) =>
      `With ${OPTION_NAMES[option]}: ${ratio.toFixed(2)} times as fast (${low.toFixed(2)} to ${high.toFixed(2)}). `,
  );
  return (
    `${operationText(workload.operation)}, ${shapeOf(workload)}\n` +
    table([
      ['', units, 'ms', 'IQR ', '×', 'effic.', 'GB/s', 'GFLOP/s', 'of roof', 'bits'],
      ...lines('strong', strong),
      ...(weak.length > 1 ? lines('weak', weak) : []),
    ]) +
    wrapped(`${verdict.text} ${options.join('')}`)
  );
}

/** As warnings say it. */
const NOISY = 0.1;

const OPTION_NAMES = { wideSimd: 'wide SIMD', blas: 'BLAS' } as const;

/** The nearer roof: arithmetic or memory. */
function roofCell({ memoryShare, arithmeticShare }: Scaling.ScalingPoint): string {
  return arithmeticShare >= memoryShare ? `${percent(arithmeticShare)} A` : `${percent(memoryShare)} M`;
}

const OPERATIONS: Readonly<Record<Scaling.ScalingOperation, string>> = {
  softmax: 'softmax',
  crossEntropyGradient: 'cross-entropy + gradient',
  linearCrossEntropy: 'linear cross-entropy + gradients',
  trainingStep: 'training step',
  fullBatchPass: 'full-batch pass',
};
const operationText = (operation: Scaling.ScalingOperation): string => OPERATIONS[operation];

/** 512 rows × 32,768 columns (vocab) */
function shapeOf({ preset, rows, columns, features, classes }: Scaling.WorkloadScaling): string {
  const sizes =
    columns === undefined
      ? `${count(rows)} rows × ${count(features ?? 0)} features × ${count(classes ?? 0)} classes`
      : `${count(rows)} rows × ${count(columns)} columns`;
  return preset === 'own' ? sizes : `${sizes} (${preset})`;
}

function flagsText({ threads, wideSimd, blas }: Scaling.ScalingRecommendation): string {
  const flags = [`--threads ${threads}`, ...(wideSimd ? ['--wide-simd'] : []), ...(blas ? ['--blas'] : [])];
  return flags.join(' ');
}

const unitsText = ({ threads, ranks }: Scaling.ComparedPoint): string =>
  `${ranks > 1 ? `${ranks} ranks × ` : ''}${threads} ${threads === 1 ? 'thread' : 'threads'}`;

/** In the order of the new measurement, those that changed first. */
export function comparisonText(comparison: Scaling.ScalingComparison): string {
  const { points, differences, unmatched } = comparison;
  const changed = points.filter(({ change }) => change !== 'same');
  const counts = (['slower', 'faster', 'same'] as const).map(
    (change) => `${points.filter((point) => point.change === change).length} ${change}`,
  );
  const lines = changed.map((point) =>
    wrapped(
      `${point.change}: ${operationText(point.operation)} ${point.shape}, ${point.kind}, ${unitsText(point)}: ${three(point.beforeMs)} → ${three(point.afterMs)} ms, ` +
        `${point.ratio.toFixed(2)} (${point.low.toFixed(2)} to ${point.high.toFixed(2)}) times as fast`,
    ),
  );
  return [
    '\n',
    ...differences.map((difference) => wrapped(`differs: ${difference}`)),
    wrapped(
      `Compared with before, beyond noise: ${counts.join(', ')}` +
        `${unmatched === 0 ? '' : `; ${unmatched} figures were not measured then`}.`,
    ),
    ...lines,
  ].join('');
}

const COLUMNS = [
  'operation',
  'preset',
  'rows',
  'columns',
  'features',
  'classes',
  'scaling',
  'ranks',
  'threads',
  'call_rows',
  'median_ms',
  'q1_ms',
  'q3_ms',
  'samples',
  'spread',
  'speedup',
  'efficiency',
  'gb_per_second',
  'gflops',
  'memory_share',
  'arithmetic_share',
  'other_cores',
  'bits_equal',
] as const;

/** One record a figure. */
export function scalingCsv({ workloads }: Scaling.ScalingResult): string {
  const records = workloads.flatMap((workload) =>
    (['strong', 'weak'] as const).flatMap((kind) =>
      workload[kind].map((point) => recordOf(workload, kind, point)),
    ),
  );
  return [COLUMNS, ...records].map((record) => formatCsvRecord(record.map(String))).join('');
}

const recordOf = (
  { operation, preset, rows, columns, features, classes, bitsEqual }: Scaling.WorkloadScaling,
  kind: Scaling.ScalingKind,
  point: Scaling.ScalingPoint,
): readonly (string | number | boolean)[] => [
  operation,
  preset,
  rows,
  columns ?? '',
  features ?? '',
  classes ?? '',
  kind,
  point.ranks,
  point.threads,
  point.rows,
  point.medianMs,
  point.q1Ms,
  point.q3Ms,
  point.samples,
  point.spread,
  point.speedup,
  point.efficiency,
  point.gbPerSecond,
  point.gflops,
  point.memoryShare,
  point.arithmeticShare,
  point.otherCores,
  kind === 'strong' ? bitsEqual : '',
];

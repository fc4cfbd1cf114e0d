// A scaling measurement as one HTML file that needs nothing else: no network, no fonts, no library.

import { checkScalingComparison, checkScalingResult } from '../../scaling/check-result.js';
import { shapeText } from '../../scaling/plan.js';
import type {
  ComparedPoint,
  ScalingComparison,
  ScalingPoint,
  ScalingResult,
  WorkloadScaling,
} from '../../scaling/result.js';
import { byteText, duration, figure, percent } from '../figures.js';
import { type Cell, card, dataTable, escapeHtml, nameValues, type TableRow } from '../html.js';
import { pageOf, partOf, type Tile, tilesOf, warningList } from '../page/frame.js';
import { predictionCards, sumCards } from './rank-cards.js';
import { rooflineChart, strongChart, weakChart } from './scaling-charts.js';

/**
 * The page of a measurement, and of its comparison with another. The same figures give the same text; all of it is escaped.
 * Throws ERR_FORMAT.
 */
export function scalingReport(given: ScalingResult, givenComparison?: ScalingComparison): string {
  const result = checkScalingResult('result', given);
  const comparison =
    givenComparison === undefined ? undefined : checkScalingComparison('comparison', givenComparison);
  const presets = [...new Set(result.workloads.map(({ preset }) => preset))];
  const { ranks } = result;
  const parts = [
    partOf('ranks', 'Ranks', ranks === undefined ? '' : sumCards(ranks)),
    ...presets.map((preset) => {
      const own = result.workloads.filter((workload) => workload.preset === preset);
      return partOf(preset, TITLES[preset] ?? preset, workloadCards(own, result));
    }),
    partOf('predicted', 'More ranks', ranks === undefined ? '' : predictionCards(ranks)),
    partOf('comparison', 'Compared with before', comparison === undefined ? '' : comparisonCards(comparison)),
    partOf('machine', 'Machine', machineCards(result)),
  ];
  return pageOf({
    title: `Scaling on ${result.environment.cpu}`,
    about: escapeHtml(aboutText(result), 500),
    header: tilesOf(figuresOf(result)) + warningList(result.warnings),
    parts,
    maker: 'softshard bench',
    facts: comparison === undefined ? result : { ...result, comparison },
  });
}

const TITLES: Readonly<Record<string, string>> = {
  vocab: 'Many classes (vocab)',
  probe: 'Embeddings (probe)',
  images: 'Images',
  own: 'Own shape',
};

function aboutText({ environment, durationMs, quick }: ScalingResult): string {
  const { softshard, node, date, numerics, wideSimd, blas } = environment;
  return [
    `softshard ${softshard}`,
    `Node ${node}`,
    `${numerics} kernels`,
    ...(wideSimd ? ['wide SIMD'] : []),
    ...(blas === undefined ? [] : [`BLAS ${blas}`]),
    date,
    `measured in ${duration(durationMs)}`,
    ...(quick ? ['a quick run'] : []),
  ].join(' · ');
}

function figuresOf(result: ScalingResult): readonly Tile[] {
  const { roofs, recommendation, workloads, environment, ranks } = result;
  const roof = roofs.at(-1)!;
  const scaled = workloads.map(({ strong }) => Math.max(...strong.map(({ speedup }) => speedup)));
  const { threads } = recommendation;
  const isEqual = workloads.every(({ bitsEqual }) => bitsEqual);
  return [
    ranks === undefined
      ? ['best threads here', figure(threads), `of ${environment.cores} that the process may use`]
      : ['best ranks here', figure(workloads[0]!.verdict.threads), `of ${ranks.ranks}`],
    ['largest speed-up', `${figure(Math.max(...scaled), 3)} ×`, ''],
    ['memory', `${figure(roof.gbPerSecond.copy, 3)} GB/s`, `copy, ${roof.threads} threads`],
    ['arithmetic', `${figure(roof.gflops, 3)} GFLOP/s`, `${roof.threads} threads`],
    ['bits', isEqual ? 'equal' : 'DIFFER', `on all numbers of ${unitsOf(result)}`],
  ];
}

/** What differs between the points. */
const unitsOf = ({ ranks }: ScalingResult): 'threads' | 'ranks' =>
  ranks === undefined ? 'threads' : 'ranks';

function workloadCards(workloads: readonly WorkloadScaling[], result: ScalingResult): string {
  const units = unitsOf(result);
  const hasSeveral = workloads.some(({ strong }) => strong.length > 1);
  return [
    card('What the figures say', verdicts(workloads), { wide: true }),
    hasSeveral
      ? card('Strong scaling', strongChart(workloads, units), {
          note: `The same work on each number of ${units}: how many times as fast as on the fewest.`,
        }) +
        card('Weak scaling', weakChart(workloads, units), {
          note: `Work in proportion to the ${units}: rows a second for each of them, of those on the fewest.`,
        })
      : '',
    units === 'ranks'
      ? ''
      : card('Roofline', rooflineChart(workloads, result.roofs), {
          note: 'Each workload below what memory (the slope) and arithmetic (the level) of as many threads allow.',
        }),
    card('Figures', figuresTable(workloads), {
      wide: true,
      note: '“!”: the quartiles are more than 10 % apart.',
    }),
  ].join('');
}

function verdicts(workloads: readonly WorkloadScaling[]): string {
  const items = workloads.map(({ verdict, tried, ...workload }) => {
    const options = tried.map(
      ({ option, ratio, low, high }) =>
        ` With ${option === 'blas' ? 'BLAS' : 'wide SIMD'} ${ratio.toFixed(2)} times as fast (${low.toFixed(2)} to ${high.toFixed(2)}).`,
    );
    const text = escapeHtml(`${verdict.text}${options.join('')}`, 500);
    return `<p><strong>${escapeHtml(nameOf(workload))}</strong><br>${text}</p>`;
  });
  return items.join('');
}

const OPERATIONS: Readonly<Record<string, string>> = {
  softmax: 'softmax',
  crossEntropyGradient: 'cross-entropy + gradient',
  linearCrossEntropy: 'linear cross-entropy + gradients',
  trainingStep: 'training step',
  fullBatchPass: 'full-batch pass',
};

type Named = Pick<WorkloadScaling, 'operation' | 'rows' | 'columns' | 'features' | 'classes'>;

const nameOf = (workload: Named): string => `${operationText(workload.operation)}, ${shapeText(workload)}`;

const operationText = (operation: string): string => OPERATIONS[operation] ?? operation;

const FIGURES = [
  { title: 'workload' },
  { title: 'scaling' },
  ...[
    'ranks',
    'threads',
    'ms',
    'IQR',
    'speed-up',
    'efficiency',
    'GB/s',
    'GFLOP/s',
    'of memory',
    'of arithmetic',
  ].map((title) => ({ title, isNumber: true })),
];

function figuresTable(workloads: readonly WorkloadScaling[]): string {
  const rows = workloads.flatMap((workload) =>
    (['strong', 'weak'] as const).flatMap((kind) =>
      workload[kind].map((point): TableRow => ({ cells: [nameOf(workload), kind, ...pointCells(point)] })),
    ),
  );
  return dataTable('figures of all workloads', FIGURES, rows);
}

const NOISY = 0.1;

function pointCells(point: ScalingPoint): Cell[] {
  const { ranks, threads, medianMs, spread, speedup, efficiency } = point;
  const { gbPerSecond, gflops, memoryShare, arithmeticShare } = point;
  const number = (value: number, text = figure(value, 3)): Cell => ({ text, value });
  return [
    number(ranks),
    number(threads),
    number(medianMs),
    number(spread, `${percent(spread, 0)}${spread > NOISY ? ' !' : ''}`),
    number(speedup),
    number(efficiency, percent(efficiency, 0)),
    number(gbPerSecond),
    number(gflops),
    { ...number(memoryShare, percent(memoryShare, 0)), part: memoryShare },
    { ...number(arithmeticShare, percent(arithmeticShare, 0)), part: arithmeticShare },
  ];
}

function comparisonCards({ points, differences, unmatched }: ScalingComparison): string {
  const about = [
    ...differences.map((difference) => `differs: ${difference}`),
    ...(unmatched === 0 ? [] : [`${unmatched} figures were not measured then`]),
  ];
  return card('Times as fast as before', comparisonTable(points), {
    wide: true,
    note: escapeHtml(about.join(' · '), 1000),
  });
}

function comparisonTable(points: readonly ComparedPoint[]): string {
  const columns = [
    { title: 'workload' },
    { title: 'scaling' },
    ...['ranks', 'threads', 'before ms', 'now ms', 'ratio', 'from', 'to'].map((title) => ({
      title,
      isNumber: true,
    })),
    { title: 'beyond noise' },
  ];
  const number = (value: number): Cell => ({ text: figure(value, 3), value });
  const rows = points.map(
    ({ operation, shape, kind, ranks, threads, beforeMs, afterMs, ratio, low, high, change }): TableRow => ({
      cells: [
        `${operationText(operation)}, ${shape}`,
        kind,
        ...[ranks, threads, beforeMs, afterMs, ratio, low, high].map(number),
        change,
      ],
      isMarked: change === 'slower',
    }),
  );
  return dataTable('comparison with the measurement before', columns, rows);
}

function machineCards({ environment, roofs, recommendation }: ScalingResult): string {
  const { cpu, cores, memoryBytes, node, v8, platform, loadBefore } = environment;
  const columns = ['threads', 'read GB/s', 'write GB/s', 'scale in place GB/s', 'copy GB/s', 'GFLOP/s'].map(
    (title) => ({ title, isNumber: true }),
  );
  const rows = roofs.map(({ threads, gbPerSecond: { read, write, scale, copy }, gflops }) => ({
    cells: [threads, read, write, scale, copy, gflops].map((value) => ({ text: figure(value, 3), value })),
  }));
  return (
    card('Recommended', nameValues([['options', recommendation.text]])) +
    card('Roofs', dataTable('roofs of this machine', columns, rows), {
      note: 'What probe kernels reach on so many threads at once, beyond the caches; bytes are those that programs ask for.',
    }) +
    card(
      'Environment',
      nameValues([
        ['CPU', cpu],
        ['cores', String(cores)],
        ['memory', byteText(memoryBytes)],
        ['platform', platform],
        ['Node', `${node} (V8 ${v8})`],
        ['load before', loadBefore.toFixed(2)],
      ]),
    )
  );
}

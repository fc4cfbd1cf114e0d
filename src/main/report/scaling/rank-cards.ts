// What a measurement between ranks adds to the page: sums, and what the cost model predicts.
import type { PredictedLink, PredictedPoint } from '../../scaling/ranks/predict.js';
import type { RankFigures } from '../../scaling/ranks/result.js';
import type { MeasuredSum } from '../../scaling/ranks/sums.js';
import { lineChart } from '../charts/line-chart.js';
import { byteText, figure, percent } from '../figures.js';
import { type Cell, card, dataTable, escapeHtml, nameValues, type TableRow } from '../html.js';

export const sumCards = (ranks: RankFigures): string =>
  card('Between ranks', sumsTable(ranks), {
    note: `What ${ranks.ranks} ranks take to meet (barrier) and to add up a vector along the tree; bits ${ranks.sumsBitsEqual ? 'equal' : 'DIFFER'} on all of them.`,
  }) + card('The ranks', nameValues(placesOf(ranks)));

export const predictionCards = (ranks: RankFigures): string =>
  card('Predicted strong scaling', strongChart(ranks.predictions), {
    note: 'The same rows on more ranks, each with the threads of those measured: how many times as fast as on one.',
  }) +
  card('Predicted weak scaling', weakChart(ranks.predictions), {
    note: 'Rows in proportion to the ranks: rows a second and rank, of those of one.',
  }) +
  card('Where strong scaling ends', endings(ranks.predictions), { wide: true }) +
  card('Cost model', nameValues(constantsOf(ranks)), {
    note: 'Time of a pass: fixed part, kernels of the busiest rank, and the calls between ranks; latency and bandwidth are fitted to the sums above. Over a link, messages take 10 µs more and bytes no less than here.',
  }) +
  card('Predicted passes', predictionsTable(ranks.predictions), { wide: true });

const number = (value: number, text = figure(value, 3)): Cell => ({ text, value });

function sumsTable({ barrier, sums }: RankFigures): string {
  const columns = [
    { title: 'call' },
    ...['µs', 'first quartile', 'third quartile', 'GB/s'].map((title) => ({ title, isNumber: true })),
  ];
  const row = (name: string, { medianMs, q1Ms, q3Ms, gbPerSecond }: MeasuredSum): TableRow => ({
    cells: [name, ...[1000 * medianMs, 1000 * q1Ms, 1000 * q3Ms, gbPerSecond].map((value) => number(value))],
  });
  return dataTable('barrier and sums', columns, [
    row('barrier', barrier),
    ...sums.map((sum) => row(`sum of ${byteText(sum.bytes)}`, sum)),
  ]);
}

const placesOf = ({ ranks, threads, hosts, oneProcess, branches }: RankFigures): [string, string][] => [
  ['ranks', `${ranks} with ${threads} ${threads === 1 ? 'thread' : 'threads'} each`],
  ['machines', hosts.map((one) => `${one.host} (${one.ranks})`).join(', ')],
  ['branches of a pass', String(branches)],
  ...(oneProcess === undefined
    ? []
    : ([
        [
          `one process, ${oneProcess.threads} threads`,
          `${figure(oneProcess.medianMs, 3)} ms, ${figure(oneProcess.speedup, 3)} times as fast as one rank`,
        ],
      ] as [string, string][])),
];

const constantsOf = ({ transport, pass }: RankFigures): [string, string][] => [
  ['a row, kernels', `${figure(1000 * pass.rowMs, 3)} µs`],
  ['fixed part of a pass', `${figure(pass.fixedMs, 3)} ms`],
  ['a call of the transport', `${figure(1000 * transport.callMs, 3)} µs`],
  ['a message', `${figure(1000 * transport.latencyMs, 3)} µs`],
  ['bandwidth, each way', `${figure(transport.bytesPerMs / 1e6, 3)} GB/s`],
  ['adding', `${figure(transport.addBytesPerMs / 1e6, 3)} GB/s`],
  ...pass.calls.map(({ kind, bytes, count }): [string, string] => [
    kind === 'sum' ? `sums of ${byteText(bytes)}` : `messages to all of ${byteText(bytes)}`,
    `${figure(count, 3)} a pass`,
  ]),
];

const linkName = ({ gbitPerSecond }: PredictedLink): string => `${gbitPerSecond} Gbit/s`;

function strongChart(predictions: readonly PredictedLink[]): string {
  const counts = predictions[0]?.strong.map(({ ranks }) => ranks) ?? [];
  return lineChart({
    title: 'Predicted strong scaling: speed-up by number of ranks',
    xTitle: 'ranks (log)',
    yTitle: 'speed-up',
    isLogX: true,
    isLogY: true,
    series: [
      ...predictions.map((link) => ({
        name: linkName(link),
        points: link.strong.map(({ ranks, efficiency }) => ({ x: ranks, y: ranks * efficiency })),
      })),
      { name: 'ideal', points: counts.map((count) => ({ x: count, y: count })) },
    ],
  });
}

const weakChart = (predictions: readonly PredictedLink[]): string =>
  lineChart({
    title: 'Predicted weak scaling: efficiency by number of ranks',
    xTitle: 'ranks (log)',
    yTitle: 'efficiency, %',
    isLogX: true,
    series: predictions.map((link) => ({
      name: linkName(link),
      points: link.weak.map(({ ranks, efficiency }) => ({ x: ranks, y: 100 * efficiency })),
    })),
  });

const endings = (predictions: readonly PredictedLink[]): string =>
  predictions.map(({ text }) => `<p>${escapeHtml(text, 300)}</p>`).join('');

function predictionsTable(predictions: readonly PredictedLink[]): string {
  const columns = [
    { title: 'network' },
    { title: 'scaling' },
    ...['ranks', 'with work', 'rows', 'ms', 'between ranks, ms', 'of the pass', 'efficiency'].map(
      (title) => ({
        title,
        isNumber: true,
      }),
    ),
  ];
  const row = (link: PredictedLink, kind: string, point: PredictedPoint): TableRow => {
    const { ranks, busyRanks, rows, ms, networkMs, efficiency } = point;
    return {
      cells: [
        linkName(link),
        kind,
        number(ranks),
        number(busyRanks),
        number(rows, figure(rows)),
        number(ms),
        number(networkMs),
        number(networkMs / ms, percent(networkMs / ms, 0)),
        number(efficiency, percent(efficiency, 0)),
      ],
    };
  };
  const rows = predictions.flatMap((link) =>
    (['strong', 'weak'] as const).flatMap((kind) => link[kind].map((point) => row(link, kind, point))),
  );
  return dataTable('predicted passes', columns, rows);
}

// What is measured between ranks, and predicted of more, for people: in 80 columns.
import type { Scaling } from '../index.js';
import { percent, three, wrapped } from './bench-words.js';
import { bytes, count, table } from './output.js';

/** The ranks, and what they need to meet and to add up. */
export function sumsText({
  ranks,
  threads,
  hosts,
  barrier,
  sums,
  sumsBitsEqual,
}: Scaling.RankFigures): string {
  const where = hosts.map((one) => `${one.host} (${one.ranks})`).join(', ');
  const each = `${threads} ${threads === 1 ? 'thread' : 'threads'} each`;
  const row = (name: string, sum: Scaling.MeasuredSum, bits: string) => {
    const spread = (sum.q3Ms - sum.q1Ms) / sum.medianMs;
    return [
      name,
      three(1000 * sum.medianMs),
      percent(spread),
      sum.bytes === 0 ? '' : three(sum.gbPerSecond),
      bits,
    ];
  };
  return (
    wrapped(`${ranks} ranks with ${each}, on ${where}`) +
    table([
      ['between ranks', 'µs', 'IQR', 'GB/s', 'bits'],
      row('barrier', barrier, ''),
      ...sums.map((sum) => row(`sum of ${bytes(sum.bytes)}`, sum, sumsBitsEqual ? 'equal' : 'DIFFER')),
    ])
  );
}

/** Powers of four: all of them are in --json. */
const SHOWN = new Set([2, 4, 16, 64, 256, 1024]);

export function predictionsText({
  oneProcess,
  predictions,
  modelMs,
  branches,
  transport,
}: Scaling.RankFigures): string {
  const alone =
    oneProcess === undefined
      ? ''
      : wrapped(
          `One process with ${oneProcess.threads} threads takes ${three(oneProcess.medianMs)} ms (${three(oneProcess.speedup)} times as fast as one rank).`,
        );
  const [first] = predictions;
  const shown = first!.strong.filter(({ ranks }) => SHOWN.has(ranks));
  const cellsOf = (ranks: number) =>
    predictions.flatMap(({ strong, weak }) => {
      const [one, other] = [strong, weak].map((points) => points.find((point) => point.ranks === ranks)!);
      return [three(one!.efficiency * ranks), percent(one!.networkMs / one!.ms), percent(other!.efficiency)];
    });
  const latency = `${three(1000 * transport.latencyMs)} µs`;
  const rate = `${three(transport.bytesPerMs / 1e6)} GB/s`;
  return (
    alone +
    wrapped(
      `Cost model: a message takes ${latency} here, ${rate} each way; passes above: ${modelMs.map(three).join(', ')} ms by the model. ` +
        `The rows have ${count(branches)} ${branches === 1 ? 'branch' : 'branches'} to share. Predicted: × of strong scaling, calls between ranks (net), efficiency of weak scaling:`,
    ) +
    table([
      ['', ...predictions.flatMap(({ gbitPerSecond }) => ['', `${gbitPerSecond}`, 'Gbit/s'])],
      ['ranks', ...predictions.flatMap(() => ['×', 'net', 'weak'])],
      ...shown.map(({ ranks }) => [String(ranks), ...cellsOf(ranks)]),
    ]) +
    predictions.map(({ text }) => wrapped(text)).join('')
  );
}

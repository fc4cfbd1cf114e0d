// From what was measured between ranks to figures: points of scaling, constants of the cost model, predictions.
import type { RankPlace } from '../../distributed/thread-shares.js';
import { planFullBatch } from '../../plans/training.js';
import { scalingPoints, type Timed } from '../points.js';
import type { ScalingPoint, WorkloadScaling } from '../result.js';
import type { Roof } from '../roofs.js';
import { quartiles } from '../statistics.js';
import { passWorkload } from '../workloads/training.js';
import { fitTransport, type PassConstants, predictPass, type TransportConstants } from './cost-model.js';
import type { CheckedRankOptions } from './options.js';
import type { TimedPasses } from './passes.js';
import { predictScaling } from './predict.js';
import type { OneProcess, RankFigures, RankHost } from './result.js';
import type { MeasuredTransport } from './sums.js';
import { rankVerdict } from './verdict.js';

export interface Measured {
  readonly threads: number;
  readonly roof: Roof;
  readonly measured: MeasuredTransport;
  readonly timed: readonly TimedPasses[];
}

/** The workload with its points, and the figures that only ranks have. */
export function summary(
  { rows, features, classes }: CheckedRankOptions,
  places: readonly RankPlace[],
  { threads, roof, measured, timed }: Measured,
): { readonly workload: WorkloadScaling; readonly figures: RankFigures } {
  const ranks = places.length;
  const { work } = passWorkload({ rows, features, classes });
  const branchesOf = (count: number) => planFullBatch({ rows: count, features, classes }).branches;
  const branches = branchesOf(rows);
  const counted = timed.map((one): Timed => ({ ...one, work: work(one.rows) }));
  const strongCount = timed.findIndex((one) => one.ranks === ranks) + 1;
  const weakEnd = 2 * strongCount - 1;
  const [ofStrong, ofWeak] = [timed.slice(0, strongCount), timed.slice(strongCount, weakEnd)];
  const strong = scalingPoints(counted.slice(0, strongCount), [roof]);
  const weak = scalingPoints([...counted.slice(strongCount, weakEnd), counted[strongCount - 1]!], [roof]);
  const [apart, alone] = counted.slice(weakEnd);
  const load = Math.max(1, quartiles(apart!.timings.samplesMs).medianMs / weak[0]!.medianMs);
  const transport = transportOf(measured, ranks);
  const pass = passConstants(strong[0]!, weak[0]!, ofStrong.at(-1)!);
  const model = strong.map((point) => {
    const busy = Math.min(point.ranks, branches);
    const shape = { rows, branches, load: loadOf(load, places, busy) };
    return predictPass(transport, pass, shape, point.ranks);
  });
  const last = model.at(-1)!;
  const passMs = strong.at(-1)!.medianMs;
  const leftMs = Math.max(0, passMs - last.ms);
  const networkShare = Math.min(1, (last.networkMs + leftMs) / passMs);
  const causes = { branches, networkShare, load, isOversubscribed: isOversubscribed(places, threads) };
  return {
    workload: {
      operation: 'fullBatchPass',
      preset: 'own',
      rows,
      columns: undefined,
      features,
      classes,
      bitsEqual: areBitsEqual([...ofStrong, ...timed.slice(weakEnd + 1)], ofWeak),
      strong,
      weak,
      verdict: rankVerdict(strong, causes),
      tried: [],
    },
    figures: {
      ranks,
      hosts: hostsOf(places),
      threads,
      barrier: measured.barrier,
      sums: measured.sums,
      sumsBitsEqual: measured.bitsEqual,
      oneProcess: alone && oneProcessOf(alone, strong[0]!),
      branches,
      transport,
      pass,
      load,
      modelMs: model.map(({ ms }) => ms),
      predictions: predictScaling(
        transport,
        { ...pass, rowMs: load * pass.rowMs, waitMs: waitOf(pass, leftMs) },
        { rows, rowsPerRank: rows / ranks, branchesOf },
      ),
    },
  };
}

/** Of those with the same rows; of others on their own ranks. */
function areBitsEqual(same: readonly TimedPasses[], others: readonly TimedPasses[]): boolean {
  const areAgreed = [...same, ...others].every(({ digest }) => digest !== undefined);
  return areAgreed && new Set(same.map(({ digest }) => digest)).size === 1;
}

const transportOf = (measured: MeasuredTransport, ranks: number): TransportConstants =>
  fitTransport(
    measured,
    ranks,
    measured.barrier.medianMs,
    measured.sums.map(({ bytes, medianMs }) => ({ bytes, ms: medianMs })),
  );

function oneProcessOf({ threads, timings }: Timed, oneRank: ScalingPoint): OneProcess {
  const summary = quartiles(timings.samplesMs);
  return { threads, ...summary, speedup: oneRank.medianMs / summary.medianMs };
}

/** From passes of one rank over all rows and over its share of them. */
function passConstants(all: ScalingPoint, some: ScalingPoint, { calls }: TimedPasses): PassConstants {
  const rowMs = (all.medianMs - some.medianMs) / (all.rows - some.rows);
  const mostRowMs = all.medianMs / all.rows;
  const kept = Math.max(0, Math.min(mostRowMs, rowMs));
  return { rowMs: kept, fixedMs: all.medianMs - kept * all.rows, calls };
}

/** What is left of a pass, shared out among its calls. */
function waitOf({ calls }: PassConstants, leftMs: number): number {
  const count = calls.reduce((sum, call) => sum + call.count, 0);
  return count === 0 ? 0 : leftMs / count;
}

/** With so many of the ranks at work: on the machine of rank 0 in proportion to its neighbors that are. */
function loadOf(load: number, places: readonly RankPlace[], ranks: number): number {
  const neighborsOf = (some: readonly RankPlace[]) =>
    some.filter(({ host }) => host === places[0]!.host).length - 1;
  const [all, working] = [neighborsOf(places), neighborsOf(places.slice(0, ranks))];
  return all === 0 ? 1 : 1 + ((load - 1) * working) / all;
}

/** Threads of the ranks are more than the CPUs of their machine. */
function isOversubscribed(places: readonly RankPlace[], threads: number): boolean {
  return hostsOf(places).some(({ host, ranks }) => {
    const { cpus } = places.find((place) => nameOf(place) === host)!;
    return ranks * threads > cpus;
  });
}

const nameOf = ({ host }: RankPlace): string => host.split(' ', 1)[0]!;

function hostsOf(places: readonly RankPlace[]): RankHost[] {
  const names = places.map(nameOf);
  return [...new Set(names)].map((host) => ({ host, ranks: names.filter((name) => name === host).length }));
}

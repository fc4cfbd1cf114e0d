// How full-batch passes scale with ranks: what ranks need to meet and to add up, passes on 1, 2, 4, … of them, and what that
// predicts for more.

import { SoftshardError } from '../../../errors.js';
import { inspectValue } from '../../checks.js';
import { resourcesOf } from '../../dispatch/resources.js';
import { placesOf, type RankPlace, threadsOf } from '../../distributed/thread-shares.js';
import { together } from '../../distributed/together.js';
import type { Transport } from '../../distributed/transport.js';
import { Engine } from '../../engine.js';
import { environmentBefore } from '../environment.js';
import type { ScalingResult, WorkloadScaling } from '../result.js';
import { measureRoofs } from '../roofs.js';
import { scalingWarnings } from '../warnings.js';
import { saidByFirst } from './group.js';
import { type CheckedRankOptions, checkRankOptions, type RankScalingOptions } from './options.js';
import { type PassContest, timePasses } from './passes.js';
import type { RankFigures } from './result.js';
import { summary } from './summary.js';
import { measureSums } from './sums.js';

/** Of the time. */
const SUMS_SHARE = 0.35;
const ROOF_EFFORT = { rounds: 3, durationMs: 30 };
const QUICK_ROOF_BYTES = 16 * 2 ** 20;

/**
 * Measures, on all ranks of the transport at once, what they need to meet and to add up vectors, and full-batch passes of a shape on the
 * first 1, 2, 4, … of them, checked against the float64 reference and compared bit by bit; predicts passes on up to 1,024 ranks. To be
 * called by all with the same options; gives all of them what rank 0 has measured. Throws ERR_OPTION, ERR_WRONG_RESULT, and
 * what Engine.create throws; rejects with signal.reason. docs/scaling.md.
 */
export async function measureRankScaling(
  transport: Transport,
  options: RankScalingOptions = {},
): Promise<ScalingResult> {
  checkTransport(transport);
  const { ranks } = transport;
  if (ranks === 1) {
    const message = 'transport has one rank: measureScaling measures one process';
    throw new SoftshardError('ERR_OPTION', message, { argument: 'transport' });
  }
  const checked = checkRankOptions(options, ranks);
  checked.signal?.throwIfAborted();
  return together(transport, () => measureTogether(transport, checked, options.signal));
}

function checkTransport(transport: unknown): void {
  if (typeof transport === 'object' && transport !== null && 'treeSum' in transport) return;
  const message = `transport is ${inspectValue(transport)}: pass engine.transport, or what openMpi() gives`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'transport', value: transport });
}

async function measureTogether(
  transport: Transport,
  checked: CheckedRankOptions,
  abortSignal: AbortSignal | undefined,
): Promise<ScalingResult> {
  const { ranks } = transport;
  const { budgetMs, quick, signal, onProgress } = checked;
  const begin = performance.now();
  const before = environmentBefore();
  const places = await placesOf(transport);
  const threads = await saidByFirst(transport, checked.threads ?? threadsOf(places, transport.rank));
  onProgress({ fraction: 0, what: 'roofs of this machine' });
  const { roof, numerics, wideSimd, blas } = await roofOf(transport, checked, threads);
  onProgress({ fraction: 0.1, what: `sums on ${ranks} ranks` });
  const measured = await measureSums(transport, { budgetMs: SUMS_SHARE * budgetMs, quick, signal });
  onProgress({ fraction: SUMS_SHARE, what: `full-batch passes on 1 to ${ranks} ranks` });
  const contests = contestsOf(ranks, threads, checked.rows, places);
  const timed = await timePasses(
    {
      world: transport,
      hosts: places.map(({ host }) => host),
      ...checked,
      budgetMs: Math.max(0, budgetMs - (performance.now() - begin)),
      abortSignal,
    },
    [...contests.strong, ...contests.weak, contests.apart, ...contests.oneProcess],
  );
  const { workload, figures } = summary(checked, places, { threads, roof, measured, timed });
  const environment = { ...before, numerics, wideSimd, blas };
  const best = workload.verdict.threads;
  return saidByFirst(transport, {
    kind: 'softshard scaling',
    environment,
    quick,
    durationMs: performance.now() - begin,
    threads: [threads],
    roofs: [roof],
    workloads: [workload],
    recommendation: {
      threads,
      wideSimd: false,
      blas: false,
      text: `${best} ${best === 1 ? 'rank' : 'ranks'} with ${threads} ${threads === 1 ? 'thread' : 'threads'} each.`,
    },
    ranks: figures,
    warnings: warningsOf(workload, figures, environment, quick),
  } satisfies ScalingResult);
}

/** Of a rank, while all of them measure theirs. */
async function roofOf(
  transport: Transport,
  { engine: options, quick, signal }: CheckedRankOptions,
  threads: number,
) {
  const engine = await Engine.create({ ...options, threads });
  try {
    await transport.barrier();
    const effort = { ...ROOF_EFFORT, ...(quick && { leastBytes: QUICK_ROOF_BYTES }) };
    const [roof] = await measureRoofs(resourcesOf(engine), [threads], effort, signal);
    const { numerics, wideSimd, blas } = engine;
    return { roof: roof!, numerics, wideSimd, blas: blas?.path };
  } finally {
    await engine.close();
  }
}

interface Contests {
  readonly strong: readonly PassContest[];
  readonly weak: readonly PassContest[];
  /** Each rank for itself. */
  readonly apart: PassContest;
  readonly oneProcess: readonly PassContest[];
}

function contestsOf(ranks: number, threads: number, rows: number, places: readonly RankPlace[]): Contests {
  const counts = new Set<number>();
  for (let count = 1; count < ranks; count *= 2) counts.add(count);
  const strong = [...counts, ranks].map((count): PassContest => ({ ranks: count, rows, threads }));
  // That of all ranks is the strong one.
  const weak = strong.slice(0, -1).map(
    ({ ranks: count }): PassContest => ({
      ranks: count,
      rows: Math.round((rows * count) / ranks),
      threads,
    }),
  );
  const isOneHost = new Set(places.map(({ host }) => host)).size === 1;
  const all = Math.min(ranks * threads, places[0]!.threads);
  const oneProcess = isOneHost && all > threads ? [{ ranks: 1, rows, threads: all }] : [];
  return { strong, weak, apart: { ...weak[0]!, apart: ranks }, oneProcess };
}

function warningsOf(
  workload: WorkloadScaling,
  { sumsBitsEqual, ranks, threads, hosts }: RankFigures,
  environment: Pick<ScalingResult['environment'], 'cores'>,
  quick: boolean,
): string[] {
  const warnings = scalingWarnings([workload], environment, { threads: [threads], quick });
  if (!sumsBitsEqual) {
    warnings.push('sums between ranks differ in their bits, which is a bug of softshard: please report it');
  }
  const most = Math.max(...hosts.map((host) => host.ranks));
  if (most * threads > environment.cores) {
    warnings.push(
      `${most * threads} threads of ${most} ranks share ${environment.cores} CPUs of a machine: times on ${ranks} ranks are not those of ranks with CPUs of their own`,
    );
  }
  return warnings;
}

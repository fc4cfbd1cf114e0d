// One workload on every number of threads: checked, compared bit by bit, timed in turns.
import { createHash } from 'node:crypto';
import { freemem } from 'node:os';
import type { Cancellation } from '../cancellation.js';
import type { Engine } from '../engine.js';
import { type Effort, measureInTurns, type Timings } from './measure.js';
import type { PlannedWorkload } from './plan.js';
import { scalingPoints, type Timed } from './points.js';
import type { WorkloadScaling } from './result.js';
import type { Roof } from './roofs.js';
import { scalingVerdict } from './verdict.js';
import type { PreparedWorkload, Workload } from './workloads/workload.js';

/** How long each contestant may take; asked anew for each group of them. */
export interface Budget {
  msForEach(contestants: number): number;
  signal: Cancellation | undefined;
  abortSignal: AbortSignal | undefined;
}

/** An engine, and the rows it works on. */
export interface Contest {
  readonly engine: Engine;
  readonly rows: number;
}

interface Contender extends Contest {
  readonly prepared: PreparedWorkload;
  /** Of the results. */
  digest: string;
  callMs: number;
}

/** Of the machine's free memory. */
const MEMORY_SHARE = 1 / 2;
/** Fewer say nothing of noise. */
const LEAST_ROUNDS = 3;
const ROUNDS = 5;
const WARMUP_SHARE = 0.15;

/** `engines`: by rising threads. Throws ERR_WRONG_RESULT; rejects with signal.reason. */
export async function measureWorkload(
  workload: PlannedWorkload,
  engines: readonly Engine[],
  roofs: readonly Roof[],
  budget: Budget,
): Promise<WorkloadScaling> {
  const { operation, preset, rows, columns, features, classes, work } = workload;
  const most = engines.at(-1)!.threads;
  const strong = engines.map((engine): Contest => ({ engine, rows }));
  // That of the most threads is the strong one.
  const weak = engines
    .slice(0, -1)
    .map((engine): Contest => ({ engine, rows: Math.max(1, Math.round((rows * engine.threads) / most)) }));
  const { timings, digests } = await timeContests(workload, [...strong, ...weak], budget);
  const timed = [...strong, ...weak].map(
    ({ engine, rows: count }, index): Timed => ({
      threads: engine.threads,
      rows: count,
      work: work(count),
      timings: timings[index]!,
    }),
  );
  const ofStrong = timed.slice(0, strong.length);
  const points = scalingPoints(ofStrong, roofs);
  return {
    operation,
    preset,
    rows,
    columns,
    features,
    classes,
    bitsEqual: new Set(digests.slice(0, strong.length)).size === 1,
    strong: points,
    weak: scalingPoints([...timed.slice(strong.length), ofStrong.at(-1)!], roofs),
    verdict: scalingVerdict(points),
    tried: [],
  };
}

/** In their order: the timings of each, and what its results are. As many take turns as there is memory for. */
export async function timeContests(
  workload: Workload,
  contests: readonly Contest[],
  budget: Budget,
): Promise<{ timings: Timings[]; digests: string[] }> {
  const timings: Timings[] = [];
  const digests: string[] = [];
  for (let begin = 0; begin < contests.length; ) {
    const count = fittingCount(workload, contests.slice(begin));
    const contenders: Contender[] = [];
    try {
      for (const contest of contests.slice(begin, begin + count)) {
        budget.signal?.throwIfAborted();
        contenders.push(await prepare(workload, contest, contenders, budget));
      }
      const slowest = Math.max(...contenders.map(({ callMs }) => callMs));
      const effort = effortFor(budget.msForEach(count), slowest);
      const runs = contenders.map(({ prepared }) => ({ run: () => prepared.run(budget.abortSignal) }));
      timings.push(...(await measureInTurns(runs, effort, budget.signal)));
      digests.push(...contenders.map(({ digest }) => digest));
    } finally {
      for (const { prepared } of contenders) prepared.free();
    }
    begin += count;
  }
  return { timings, digests };
}

function fittingCount({ bytes }: Workload, contests: readonly Contest[]): number {
  let left = freemem() * MEMORY_SHARE;
  const first = contests.findIndex(({ rows }) => {
    left -= bytes(rows);
    return left < 0;
  });
  return first === -1 ? contests.length : Math.max(1, first);
}

/** Checked against the reference, unless its bits are those of an engine that was. */
async function prepare(
  { prepare: prepareOn }: Workload,
  contest: Contest,
  before: readonly Contender[],
  { abortSignal }: Budget,
): Promise<Contender> {
  const prepared = prepareOn(contest.engine, contest.rows);
  try {
    const twin = before.find(({ rows }) => rows === contest.rows);
    if (twin === undefined) await prepared.check();
    const begin = performance.now();
    await prepared.run(abortSignal);
    const callMs = performance.now() - begin;
    const digest = digestOf(prepared);
    if (twin !== undefined && digest !== twin.digest) await prepared.check();
    return { ...contest, prepared, digest, callMs };
  } catch (error) {
    prepared.free();
    throw error;
  }
}

function digestOf(prepared: PreparedWorkload): string {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of prepared.results()) {
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex');
}

/** At least LEAST_ROUNDS rounds of a call each, however long they take. */
export function effortFor(budgetMs: number, callMs: number): Effort {
  const rounds = Math.max(LEAST_ROUNDS, Math.min(ROUNDS, Math.floor(budgetMs / callMs)));
  return {
    rounds,
    roundMs: (budgetMs * (1 - WARMUP_SHARE)) / rounds,
    warmupMs: budgetMs * WARMUP_SHARE,
    // Checks have called it before.
    warmupCalls: 1,
  };
}

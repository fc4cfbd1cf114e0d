// Full-batch passes on the first 1, 2, 4, … of all ranks, in turns.
import { createHash } from 'node:crypto';
import type { Cancellation } from '../../cancellation.js';
import { allGatherValues } from '../../distributed/together.js';
import type { Transport } from '../../distributed/transport.js';
import { Engine } from '../../engine.js';
import type { EngineOptions } from '../../engine-options.js';
import type { Timings } from '../measure.js';
import { type CoreUse, CoreUseMeter } from '../processor-time.js';
import { preparePasses } from '../workloads/training.js';
import type { PreparedWorkload } from '../workloads/workload.js';
import type { PassCalls } from './cost-model.js';
import { type Call, CountingTransport, callsAPass } from './counting-transport.js';
import { amongFirst, saidByFirst } from './group.js';

export interface PassContest {
  readonly ranks: number;
  /** Of all of them together. */
  readonly rows: number;
  readonly threads: number;
  /** So many ranks do it at the same time, each for itself; left out: the ranks do it together. */
  readonly apart?: number;
}

export interface TimedPasses extends PassContest {
  readonly timings: Timings;
  /** Of the parameters, the same on all of its ranks; undefined where they differ. */
  readonly digest: string | undefined;
  readonly calls: readonly PassCalls[];
}

export interface PassesSetup {
  readonly world: Transport;
  /** The machine of each rank. */
  readonly hosts: readonly string[];
  readonly features: number;
  readonly classes: number;
  readonly engine: Pick<EngineOptions, 'numerics' | 'wideSimd' | 'blas'>;
  readonly budgetMs: number;
  readonly signal: Cancellation | undefined;
  readonly abortSignal: AbortSignal | undefined;
}

const LEAST_ROUNDS = 3;

interface Contender {
  readonly contest: PassContest;
  readonly group: Transport | undefined;
  readonly prepared: PreparedWorkload | undefined;
  readonly calls: readonly PassCalls[];
  readonly digest: string | undefined;
  readonly meter: CoreUseMeter;
  readonly samplesMs: number[];
  readonly close: () => Promise<void>;
}

/** In the order of the contests; what rank 0 measured. Throws ERR_WRONG_RESULT. */
export async function timePasses(
  setup: PassesSetup,
  contests: readonly PassContest[],
): Promise<TimedPasses[]> {
  const { world, budgetMs, signal, abortSignal } = setup;
  const contenders: Contender[] = [];
  try {
    for (const contest of contests) contenders.push(await prepare(setup, contest));
    const begin = performance.now();
    for (let round = 0; ; round++) {
      const isOver = round >= LEAST_ROUNDS && performance.now() - begin > budgetMs;
      if (await saidByFirst(world, isOver)) break;
      for (const { group, prepared, meter, samplesMs } of contenders) {
        signal?.throwIfAborted();
        await amongFirst(world, group, async () => {
          const stop = meter.start();
          samplesMs.push((await prepared!.run(abortSignal))!);
          stop();
        });
      }
    }
    const cores = await coresOf(setup, contenders);
    const timed = contenders.map(({ contest, digest, calls, samplesMs }, index) => ({
      ...contest,
      digest,
      calls,
      timings: { samplesMs, cores: cores[index]! },
    }));
    return await saidByFirst(world, timed);
  } finally {
    for (const { close } of contenders) await close();
  }
}

const atWork = ({ ranks, apart = ranks }: PassContest): number => apart;

/** To rank 0, other ranks of its machine are others: they are taken off. */
async function coresOf({ world, hosts }: PassesSetup, contenders: readonly Contender[]): Promise<CoreUse[]> {
  const own = contenders.map(({ meter }) => meter.read());
  const all = await allGatherValues(world, own);
  return all[0]!.map(({ own: first, others }, index) => {
    const neighbors = all
      .slice(1, atWork(contenders[index]!.contest))
      .filter((_, i) => hosts[i + 1] === hosts[0])
      .reduce((sum, ofRank) => sum + ofRank[index]!.own, 0);
    return { own: first + neighbors, others: Math.max(0, others - neighbors) };
  });
}

/** Checked against the reference, and its parameters compared among its ranks. */
async function prepare(setup: PassesSetup, contest: PassContest): Promise<Contender> {
  const { world, features, classes, engine: options } = setup;
  const { ranks, rows, threads } = contest;
  const group = world.firstRanks(atWork(contest));
  const blank = { contest, group, meter: new CoreUseMeter(), samplesMs: [] as number[] };
  let engine: Engine | undefined;
  let prepared: PreparedWorkload | undefined;
  const close = async () => {
    prepared?.free();
    await engine?.close();
  };
  try {
    const found = await amongFirst(world, group, async (own) => {
      const counting = new CountingTransport(own);
      engine = await Engine.create({ ...options, threads, ...(ranks > 1 && { distributed: counting }) });
      const reports: { readonly passes: number; readonly calls: readonly Call[] }[] = [];
      prepared = preparePasses(
        engine,
        { rows, features, classes },
        { byFormula: true, onPasses: (passes) => reports.push({ passes, calls: counting.take() }) },
      );
      await prepared.check();
      const calls = callsBetween(reports);
      const digest = digestOf(prepared);
      const digests = await allGatherValues(own, digest);
      return { calls, digest: new Set(digests).size === 1 ? digest : undefined };
    });
    return { ...blank, prepared, calls: found?.calls ?? [], digest: found?.digest, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** From the first report of a run to the last, as passes are timed. */
function callsBetween(
  reports: readonly { readonly passes: number; readonly calls: readonly Call[] }[],
): PassCalls[] {
  const passes = (reports.at(-1)?.passes ?? 0) - (reports[0]?.passes ?? 0);
  if (passes === 0) return [];
  return callsAPass(
    reports.slice(1).flatMap(({ calls }) => calls),
    passes,
  );
}

function digestOf(prepared: PreparedWorkload): string {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of prepared.results()) {
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest('hex');
}

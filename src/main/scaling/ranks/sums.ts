// How long ranks take to meet, and to add up vectors: checked first.
import { createHash } from 'node:crypto';
import { SoftshardError } from '../../../errors.js';
import { treeSum } from '../../../kernels/tree-sum.js';
import type { Cancellation } from '../../cancellation.js';
import { allGatherValues } from '../../distributed/together.js';
import type { Transport } from '../../distributed/transport.js';
import { type Quartiles, quartiles } from '../statistics.js';
import { saidByFirst } from './group.js';

const SUM_BYTES: readonly number[] = [8, 65_536, 1_048_576, 4_194_304, 16_777_216];
const QUICK_SUM_BYTES: readonly number[] = [8, 65_536, 1_048_576];
const LEAST_ROUNDS = 5;
const MOST_CALLS = 200;
const CHECKED_LENGTH = 1001;

export interface MeasuredSum extends Quartiles {
  /** Of the vector; 0: a barrier. */
  readonly bytes: number;
  /** 10⁹ bytes of the vector a second. */
  readonly gbPerSecond: number;
}

export interface MeasuredTransport {
  readonly barrier: MeasuredSum;
  readonly sums: readonly MeasuredSum[];
  /** Whether all ranks got the bits that one process gets. */
  readonly bitsEqual: boolean;
  /** A call that no other rank has a part in. */
  readonly callMs: number;
  readonly addBytesPerMs: number;
}

export interface SumsEffort {
  readonly budgetMs: number;
  readonly quick: boolean;
  readonly signal: Cancellation | undefined;
}

/** The same on all ranks, of which there are two or more. Throws ERR_WRONG_RESULT. */
export async function measureSums(
  transport: Transport,
  { budgetMs, quick, signal }: SumsEffort,
): Promise<MeasuredTransport> {
  const { rank, ranks } = transport;
  const bitsEqual = await checkSums(transport);
  const sizes = quick ? QUICK_SUM_BYTES : SUM_BYTES;
  const longest = sizes.at(-1)!;
  const [one, two] = [vector(longest), vector(longest)];
  const sumOf = (bytes: number, branches: number) => () =>
    transport.treeSum(
      {
        begin: rank * branches,
        branches: [one, two].slice(0, branches).map((values) => values.subarray(0, bytes / 4)),
      },
      ranks * branches,
    );
  const alone = transport.firstRanks(1);
  const contests = [
    ...(alone === undefined ? [async () => {}] : [() => alone.barrier()]),
    () => transport.barrier(),
    ...sizes.map((bytes) => sumOf(bytes, 1)),
    // Each rank adds its two branches first: what that takes longer is the adding.
    sumOf(longest, 2),
  ];
  const samples = await timeInTurns(transport, contests, budgetMs, signal);
  const [call, barrier, ...rest] = samples.map(quartiles);
  const sums = sizes.map((bytes, index): MeasuredSum => {
    const summary = rest[index]!;
    return { bytes, ...summary, gbPerSecond: bytes / summary.medianMs / 1e6 };
  });
  const addMs = rest.at(-1)!.medianMs - sums.at(-1)!.medianMs;
  return saidByFirst(transport, {
    barrier: { bytes: 0, ...barrier!, gbPerSecond: 0 },
    sums,
    bitsEqual,
    callMs: call!.medianMs,
    addBytesPerMs: longest / Math.max(addMs, LEAST_ADD_SHARE * sums.at(-1)!.medianMs),
  });
}

/** Of a sum: adding takes at least so much, whatever noise makes of a difference. */
const LEAST_ADD_SHARE = 0.05;

/** Zeros, which stay. */
const vector = (bytes: number): Float32Array => new Float32Array(new SharedArrayBuffer(bytes));

/** Times of a call, of each contest; rank 0 says how many calls. */
async function timeInTurns(
  transport: Transport,
  contests: readonly (() => Promise<void>)[],
  budgetMs: number,
  signal: Cancellation | undefined,
): Promise<number[][]> {
  const timed = async (run: () => Promise<void>, calls: number): Promise<number> => {
    await transport.barrier();
    const begin = performance.now();
    for (let call = 0; call < calls; call++) await run();
    return (performance.now() - begin) / calls;
  };
  const first: number[] = [];
  for (const run of contests) {
    await timed(run, 2);
    first.push(await timed(run, 1));
  }
  const roundMs = budgetMs / contests.length / LEAST_ROUNDS;
  const calls = first.map((ms) => Math.max(1, Math.min(MOST_CALLS, Math.floor(roundMs / ms))));
  const agreed = await saidByFirst(transport, calls);
  const samples = contests.map((): number[] => []);
  const begin = performance.now();
  for (let round = 0; ; round++) {
    const isOver = round >= LEAST_ROUNDS && performance.now() - begin > budgetMs;
    if (await saidByFirst(transport, isOver)) return samples;
    for (const [index, run] of contests.entries()) {
      signal?.throwIfAborted();
      samples[index]!.push(await timed(run, agreed[index]!));
    }
  }
}

/** Throws ERR_WRONG_RESULT where a sum is wrong; gives whether all ranks have it with the same bits. */
async function checkSums(transport: Transport): Promise<boolean> {
  const { rank, ranks } = transport;
  const branchOf = (branch: number) =>
    Float64Array.from({ length: CHECKED_LENGTH }, (_, i) => Math.sin(1 + 131 * branch + 0.7 * i));
  const own = branchOf(rank);
  await transport.treeSum({ begin: rank, branches: [own] }, ranks);
  const all = Array.from({ length: ranks }, (_, branch) => branchOf(branch));
  for (let i = 0; i < CHECKED_LENGTH; i++) {
    const expected = treeSum(Float64Array.from(all, (branch) => branch[i]!));
    if (own[i] === expected) continue;
    const message = `treeSum on ${ranks} ranks: [${i}] is ${own[i]} on rank ${rank}, expected ${expected}`;
    throw new SoftshardError('ERR_WRONG_RESULT', message);
  }
  const digests = await allGatherValues(transport, createHash('sha256').update(own).digest('hex'));
  return new Set(digests).size === 1;
}

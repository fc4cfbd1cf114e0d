// Contenders of different processes on the same work, in turns: each round all of them, one after the other.
import { setTimeout as pause } from 'node:timers/promises';
import { CoreUseMeter } from '#softshard/main/scaling/processor-time.js';
import type { Measurement } from '../measure.js';
import { summarize } from '../statistics.js';

/** Who computes: softshard with its defaults and with options, and what it is measured against. */
export type By =
  | 'softshard'
  | 'softshard wide'
  | 'softshard BLAS'
  | 'PyTorch'
  | 'scikit-learn'
  | 'C limit'
  | 'BLAS';

export interface Contender {
  readonly by: By;
  /** How, where there are several ways. */
  readonly setting: string;
  readonly threads: number;
  /** Does the work once. */
  turn(): Promise<Turn>;
}

export interface Turn {
  readonly ms: number;
  /** Processor time of the process that did the work. */
  readonly cpuMs?: number;
}

export interface Work {
  readonly work: string;
  readonly shape: string;
}

export interface PeerRow extends Work, Measurement {
  readonly by: By;
  readonly setting: string;
  readonly threads: number;
}

export const isOurs = ({ by }: Pick<Contender, 'by'>): boolean => by.startsWith('softshard');

/** Threads of a math library spin for a while before they sleep; nobody should be timed meanwhile. */
const SETTLE_MS = 80;
/** A peer this much slower than another way of the same peer is not waited for after the first round. */
const HOPELESS = 3;

interface Tally {
  readonly contender: Contender;
  readonly meter: CoreUseMeter;
  readonly samples: number[];
}

/**
 * The warm-up of a contender before each timed turn: a time or a number of turns. After sleep, processors are slow for a while
 * and threads may share one: much of a short turn, nothing of continuous work.
 */
export type Wake = { readonly ms: number } | { readonly turns: number };
export const NO_WAKE: Wake = { turns: 0 };
export const SHORT_WAKE: Wake = { ms: 100 };

/** The first round warms up and is not counted, unless `rounds` is 0: then it is all there is. */
export async function takeTurns(
  { work, shape }: Work,
  contenders: readonly Contender[],
  rounds: number,
  wake: Wake,
): Promise<PeerRow[]> {
  const tallies = contenders.map(
    (contender): Tally => ({ contender, meter: new CoreUseMeter(), samples: [] }),
  );
  let running = tallies;
  const counted = Math.min(1, rounds);
  for (let round = 0; round <= rounds; round++) {
    for (const { contender, meter, samples } of running) {
      await pause(SETTLE_MS);
      await takeUncounted(contender, wake);
      const stop = round < counted ? undefined : meter.start();
      const { ms, cpuMs } = await contender.turn();
      stop?.(cpuMs);
      if (round >= counted) samples.push(ms);
    }
    if (round === 1) running = running.filter((tally) => !isHopeless(tally, tallies));
  }
  return tallies.map(({ contender: { by, setting, threads }, samples, meter }) => ({
    work,
    shape,
    by,
    setting,
    threads,
    ...summarize(samples),
    cores: meter.read(),
  }));
}

async function takeUncounted(contender: Contender, wake: Wake): Promise<void> {
  const begin = performance.now();
  const goesOn = (turns: number) => ('ms' in wake ? performance.now() - begin < wake.ms : turns < wake.turns);
  for (let turns = 0; goesOn(turns); turns++) await contender.turn();
}

function isHopeless({ contender, samples }: Tally, tallies: readonly Tally[]): boolean {
  if (isOurs(contender)) return false;
  const others = tallies.filter((other) => other.contender.by === contender.by);
  const best = Math.min(...others.map((tally) => tally.samples[0]!));
  return samples[0]! > HOPELESS * best;
}

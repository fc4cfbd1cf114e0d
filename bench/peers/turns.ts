// Contenders of different processes on the same work, in turns: each round all of them, one after the other.
import { setTimeout as pause } from 'node:timers/promises';
import type { Measurement } from '../measure.js';
import { CoreUseMeter } from '../processor-time.js';
import { summarize } from '../statistics.js';

/** Who computes: softshard as it comes and with what it can be given, and what it is measured against. */
export type By =
  | 'softshard'
  | 'softshard wide'
  | 'softshard BLAS'
  | 'PyTorch'
  | 'scikit-learn'
  | 'C limit'
  | 'OpenBLAS';

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

/** Threads of a math library look for work for a while before they sleep; nobody should be timed beside them. */
const SETTLE_MS = 80;
/** A peer this much slower than another way of the same peer is not waited for after the first round. */
const HOPELESS = 3;

interface Tally {
  readonly contender: Contender;
  readonly meter: CoreUseMeter;
  readonly samples: number[];
}

/**
 * What a contender does before each turn that counts, uncounted: turns for so long, or so many. Who has slept starts on
 * processors that are slow for a while, threads on those that others sit on: much of a short turn, nothing of work that goes on.
 */
export interface Wake {
  readonly wakeMs?: number;
  readonly wakeTurns?: number;
}
/** An epoch that took 23.5 ms took 25.7 at first, and 24.1 as the second one. */
export const WAKE_MS = 100;

/** The first round warms up and is not counted. */
export async function takeTurns(
  { work, shape }: Work,
  contenders: readonly Contender[],
  rounds: number,
  { wakeMs = 0, wakeTurns = 0 }: Wake = {},
): Promise<PeerRow[]> {
  const tallies = contenders.map(
    (contender): Tally => ({ contender, meter: new CoreUseMeter(), samples: [] }),
  );
  let running = tallies;
  for (let round = 0; round <= rounds; round++) {
    for (const { contender, meter, samples } of running) {
      await pause(SETTLE_MS);
      const awake = performance.now() + wakeMs;
      for (let turns = 0; turns < wakeTurns || performance.now() < awake; turns++) await contender.turn();
      const stop = round === 0 ? undefined : meter.start();
      const { ms, cpuMs } = await contender.turn();
      stop?.(cpuMs);
      if (round > 0) samples.push(ms);
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

function isHopeless({ contender, samples }: Tally, tallies: readonly Tally[]): boolean {
  if (isOurs(contender)) return false;
  const others = tallies.filter((other) => other.contender.by === contender.by);
  const best = Math.min(...others.map((tally) => tally.samples[0]!));
  return samples[0]! > HOPELESS * best;
}

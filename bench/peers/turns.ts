// Contenders of different processes on the same work, in turns: each round all of them, one after the other.
import { setTimeout as pause } from 'node:timers/promises';
import type { Measurement } from '../measure.js';
import { CoreUseMeter } from '../processor-time.js';
import { summarize } from '../statistics.js';

export interface Contender {
  readonly name: string;
  readonly threads: number;
  readonly isPeer: boolean;
  /** Does the work once. */
  turn(): Promise<Turn>;
}

export interface Turn {
  readonly ms: number;
  /** Where the work was done in another process: its processor time. */
  readonly cpuMs?: number;
}

export interface PeerRow extends Measurement {
  readonly case: string;
  readonly contender: string;
  readonly threads: number;
  readonly isPeer: boolean;
  /** The fastest peer's median over this one's: how many times faster this is. */
  readonly ratio: number;
}

/** Threads of a math library look for work for a while before they sleep; nobody should be timed beside them. */
const SETTLE_MS = 80;
/** A peer this much slower than the best of the peers is not waited for after the first round. */
const HOPELESS = 4;

/** The first round warms up and is not counted. */
export async function takeTurns(
  name: string,
  contenders: readonly Contender[],
  rounds: number,
): Promise<PeerRow[]> {
  const tallies = contenders.map((contender) => ({
    contender,
    meter: new CoreUseMeter(),
    samples: [] as number[],
  }));
  let running = tallies;
  for (let round = 0; round <= rounds; round++) {
    for (const { contender, meter, samples } of running) {
      await pause(SETTLE_MS);
      const stop = round === 0 ? undefined : meter.start();
      const { ms, cpuMs } = await contender.turn();
      stop?.(cpuMs);
      if (round > 0) samples.push(ms);
    }
    if (round === 1) running = running.filter((tally) => !isHopeless(tally, tallies));
  }
  const measured = tallies.map(({ contender, meter, samples }) => ({
    contender,
    ...summarize(samples),
    cores: meter.read(),
  }));
  const best = Math.min(...measured.filter((one) => one.contender.isPeer).map((one) => one.medianMs));
  return measured.map(({ contender, ...measurement }) => ({
    case: name,
    contender: contender.name,
    threads: contender.threads,
    isPeer: contender.isPeer,
    ...measurement,
    ratio: best / measurement.medianMs,
  }));
}

interface Tally {
  readonly contender: Contender;
  readonly samples: readonly number[];
}

function isHopeless({ contender, samples }: Tally, tallies: readonly Tally[]): boolean {
  const peers = tallies.filter((tally) => tally.contender.isPeer);
  const best = Math.min(...peers.map((tally) => tally.samples[0]!));
  return contender.isPeer && samples[0]! > HOPELESS * best;
}

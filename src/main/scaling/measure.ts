// Timing several contestants of one case against each other with tinybench: they take turns in short rounds, so that what else
// the machine does meanwhile hits all of them alike.
import type { Cancellation } from '../cancellation.js';
import { type CoreUse, CoreUseMeter } from './processor-time.js';

export interface Contestant {
  /** The timed body. It may give a duration of its own in ms: that of a part of it. */
  run(): Promise<number | undefined>;
}

export interface Effort {
  readonly rounds: number;
  /** Of each contestant in each round; at least one call. */
  readonly roundMs: number;
  /** Before the first round, and at least so many calls. */
  readonly warmupMs: number;
  readonly warmupCalls: number;
}

export interface Timings {
  /** Of each call. */
  readonly samplesMs: readonly number[];
  readonly cores: CoreUse;
}

/** One result a contestant, in their order. Rejects with signal.reason between two calls. */
export async function measureInTurns(
  contestants: readonly Contestant[],
  { rounds, roundMs, warmupMs, warmupCalls }: Effort,
  signal?: Cancellation,
): Promise<Timings[]> {
  const { Bench } = await import('tinybench');
  const bench = new Bench({
    time: roundMs,
    iterations: 1,
    warmupTime: warmupMs,
    warmupIterations: warmupCalls,
    retainSamples: true,
    throws: true,
  });
  for (const [index, contestant] of contestants.entries()) {
    const call = async () => {
      signal?.throwIfAborted();
      const own = await contestant.run();
      return own === undefined ? undefined : { overriddenDuration: own };
    };
    bench.add(String(index), call, { async: true });
  }
  for (const task of bench.tasks) await task.warmup();
  const tallies = contestants.map(() => ({ samplesMs: [] as number[], meter: new CoreUseMeter() }));
  for (let round = 0; round < rounds; round++) {
    for (const [index, task] of bench.tasks.entries()) {
      const { samplesMs, meter } = tallies[index]!;
      task.reset();
      const stop = meter.start();
      await task.run();
      stop();
      const { result } = task;
      if (result.state !== 'completed') throw new Error(`measuring ended ${result.state}`);
      samplesMs.push(...result.latency.samples!);
    }
  }
  return tallies.map(({ samplesMs, meter }) => ({ samplesMs, cores: meter.read() }));
}

// Timing several contestants of one case against each other with tinybench: they take turns in short rounds, so that
// what else the machine does meanwhile hits all of them alike.
import { Bench, type FnReturnedObject } from 'tinybench';
import { type CoreUse, CoreUseMeter } from './processor-time.js';
import { type Summary, summarize } from './statistics.js';

export interface Contestant {
  readonly name: string;
  /** The timed body. What it returns may carry a duration of its own (tinybench's overriddenDuration). */
  run(): Promise<FnReturnedObject | undefined>;
}

export interface Measurement extends Summary {
  readonly cores: CoreUse;
}

export interface Effort {
  readonly rounds: number;
  /** Of each contestant in each round; at least one call. */
  readonly roundMs: number;
  readonly warmupMs: number;
}

/** One measurement a contestant, in their order. */
export async function measureInTurns(
  contestants: readonly Contestant[],
  { rounds, roundMs, warmupMs }: Effort,
): Promise<Measurement[]> {
  const bench = new Bench({
    time: roundMs,
    iterations: 1,
    warmupTime: warmupMs,
    warmupIterations: 2,
    retainSamples: true,
    throws: true,
  });
  for (const { name, run } of contestants) bench.add(name, run, { async: true });
  for (const task of bench.tasks) await task.warmup();
  const tallies = contestants.map(() => ({ samples: [] as number[], meter: new CoreUseMeter() }));
  for (let round = 0; round < rounds; round++) {
    for (const [index, task] of bench.tasks.entries()) {
      task.reset();
      const tally = tallies[index]!;
      const stop = tally.meter.start();
      await task.run();
      stop();
      const { result } = task;
      if (result.state !== 'completed') throw new Error(`${task.name} ended ${result.state}`);
      tally.samples.push(...result.latency.samples!);
    }
  }
  return tallies.map(({ samples, meter }) => ({ ...summarize(samples), cores: meter.read() }));
}

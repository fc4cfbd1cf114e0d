// Timing several contestants of one case against each other with tinybench: they take turns in short rounds, so that
// what else the machine does meanwhile hits all of them alike.
import { Bench, type FnReturnedObject } from 'tinybench';
import { type Measurement, summarize } from './statistics.js';

export interface Contestant {
  readonly name: string;
  /** The timed body. What it returns may carry a duration of its own (tinybench's overriddenDuration). */
  run(): Promise<FnReturnedObject | undefined>;
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
  const tallies = contestants.map(() => ({ samples: [] as number[], cpuMs: 0, wallMs: 0 }));
  for (let round = 0; round < rounds; round++) {
    for (const [index, task] of bench.tasks.entries()) {
      task.reset();
      const begin = performance.now();
      const cpuBegin = process.cpuUsage();
      await task.run();
      const { user, system } = process.cpuUsage(cpuBegin);
      const { result } = task;
      if (result.state !== 'completed') throw new Error(`${task.name} ended ${result.state}`);
      const tally = tallies[index]!;
      tally.cpuMs += (user + system) / 1000;
      tally.wallMs += performance.now() - begin;
      tally.samples.push(...result.latency.samples!);
    }
  }
  return tallies.map(({ samples, cpuMs, wallMs }) => ({ ...summarize(samples), coresUsed: cpuMs / wallMs }));
}

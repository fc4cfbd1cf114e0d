// The command line of `npm run bench`.
import { parseArgs } from 'node:util';
import { NUMERICS, type Numerics, supportsNumerics } from '#softshard/kernels/load.js';
import { availableThreads } from '#softshard/main/index.js';

/** Of a run, in this order: latencies while the process has nothing else on its mind. */
export const PARTS = ['latency', 'machine', 'operations'] as const;
export type Part = (typeof PARTS)[number];

export interface BenchOptions {
  /** Ascending, without repetition. */
  readonly threads: readonly number[];
  readonly numerics: readonly Numerics[];
  /** Lower case; part of "case shape". */
  readonly filter: string;
  readonly quick: boolean;
  readonly parts: readonly Part[];
  /** Keep what the results file has and this run does not measure. */
  readonly add: boolean;
  readonly json: string | undefined;
}

export const USAGE = `Usage: npm run bench -- [options]

  --threads 1,2,4      thread counts to compare; default 1, 2, 4, … up to what this machine allows
  --numerics portable  kernel builds to run: portable, fast, or both with a comma; default: all that run here
  --only PARTS         some of ${PARTS.join(', ')}, with commas between; default all
  --filter TEXT        of the operations only cases whose "case shape" contains TEXT, as in "gradient in place" or "× 10"
  --quick              small shapes, short rounds: a smoke test of some seconds, not for figures
  --add                keep what the results file has and this run does not measure
  --json PATH          where to write the results; default bench/results/latest.json, with latest.md next to it
  --help`;

/** A mistake in the command line: its message is for the user, without a stack. */
export class UsageError extends Error {}

/** Undefined for --help. Throws UsageError. */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  return {
    threads: values.threads === undefined ? defaultThreads() : parseThreads(values.threads),
    numerics:
      values.numerics === undefined ? NUMERICS.filter(supportsNumerics) : parseNumerics(values.numerics),
    filter: (values.filter ?? '').toLowerCase(),
    quick: values.quick ?? false,
    parts: values.only === undefined ? PARTS : parseChoices('--only', values.only, PARTS),
    add: values.add ?? false,
    json: values.json,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        threads: { type: 'string' },
        numerics: { type: 'string' },
        filter: { type: 'string' },
        quick: { type: 'boolean' },
        only: { type: 'string' },
        add: { type: 'boolean' },
        json: { type: 'string' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}

/** Powers of two, and the machine's own number at the end. */
export function defaultThreads(limit: number = availableThreads()): number[] {
  const counts = new Set<number>();
  for (let threads = 1; threads < limit; threads *= 2) counts.add(threads);
  return [...counts.add(limit)];
}

function parseThreads(text: string): number[] {
  const counts = text.split(',').map(Number);
  if (counts.every((count) => Number.isInteger(count) && count >= 1 && count <= 1024)) {
    return [...new Set(counts)].sort((a, b) => a - b);
  }
  throw new UsageError(
    `--threads ${text}: give whole numbers from 1 to 1024 with commas between, as in 1,2,4`,
  );
}

/** Names with commas between, each one of `choices`. */
export function parseChoices<Choice extends string>(
  option: string,
  text: string,
  choices: readonly Choice[],
): Choice[] {
  return text.split(',').map((name) => {
    const known = choices.find((choice) => choice === name);
    if (known !== undefined) return known;
    throw new UsageError(`${option} ${name}: give one or more of ${choices.join(', ')}`);
  });
}

function parseNumerics(text: string): Numerics[] {
  return [...new Set(text.split(','))].map((name) => {
    const numerics = NUMERICS.find((known) => known === name);
    if (numerics === undefined)
      throw new UsageError(`--numerics ${text}: give ${NUMERICS.join(', ')} or both`);
    if (supportsNumerics(numerics)) return numerics;
    throw new UsageError(
      `--numerics ${numerics}: Node ${process.versions.node} cannot run it, use Node 22 or newer`,
    );
  });
}

// The command line of `npm run bench:peers`.
import { parseArgs } from 'node:util';
import { defaultThreads, UsageError } from '../options.js';

const COMPARISONS = ['fashion-mnist', 'cross-entropy', 'linear-cross-entropy'] as const;
export type Comparison = (typeof COMPARISONS)[number];

export interface PeerOptions {
  readonly python: string;
  /** The folder of Fashion-MNIST's four files. */
  readonly data: string;
  readonly rounds: number;
  readonly batches: readonly number[];
  readonly threads: readonly number[];
  readonly only: Comparison | undefined;
  readonly json: string | undefined;
}

export const USAGE = `Usage: npm run bench:peers -- [options]

  --python PATH     a Python 3 that has PyTorch; default /usr/bin/python3
  --data FOLDER     Fashion-MNIST's files; default /usr/share/datasets/fashion-mnist
  --rounds N        turns of each contender, after one to warm up; default 9
  --batch 128,1024  batch sizes of the epochs; default 128,1024,8192
  --threads 1,2     threads of softshard's contenders; default 1, 2, 4, … up to what this machine allows
  --only NAME       fashion-mnist, cross-entropy or linear-cross-entropy
  --json PATH       where to write the results; default bench/results/peers.json, with peers.md beside it
  --help`;

/** Undefined for --help. Throws UsageError. */
export function parsePeerOptions(args: readonly string[]): PeerOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const only = COMPARISONS.find((name) => name === values.only);
  if (values.only !== undefined && only === undefined) {
    throw new UsageError(`--only ${values.only}: give one of ${COMPARISONS.join(', ')}`);
  }
  return {
    python: values.python ?? '/usr/bin/python3',
    data: values.data ?? '/usr/share/datasets/fashion-mnist',
    rounds: counts('--rounds', values.rounds ?? '9')[0]!,
    batches: counts('--batch', values.batch ?? '128,1024,8192'),
    threads: values.threads === undefined ? defaultThreads() : counts('--threads', values.threads),
    only,
    json: values.json,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        python: text,
        data: text,
        rounds: text,
        batch: text,
        threads: text,
        only: text,
        json: text,
        help: { type: 'boolean' },
      },
    }).values;
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}

function counts(option: string, text: string): number[] {
  const values = text.split(',').map(Number);
  if (values.every((value) => Number.isInteger(value) && value >= 1)) return values;
  throw new UsageError(`${option} ${text}: give whole numbers of at least 1 with commas between`);
}

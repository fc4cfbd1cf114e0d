// The command line of `npm run bench:peers`.
import { parseArgs } from 'node:util';
import { defaultThreads, parseChoices, UsageError } from '../options.js';
import { repositoryFile } from '../result-files.js';
import { LIMIT_MS } from './peer-process.js';

export const COMPARISONS = [
  'rows',
  'fashion-mnist',
  'first-model',
  'logistic-regression',
  'penalties',
  'step',
  'linear-cross-entropy',
] as const;
export type ComparisonName = (typeof COMPARISONS)[number];

/** Who takes part, in addition to softshard. */
export const PEERS = ['torch', 'sklearn', 'c-limit'] as const;
export type PeerName = (typeof PEERS)[number];

export interface PeerOptions {
  /** Undefined: an environment is made for them. */
  readonly python: string | undefined;
  readonly peers: readonly PeerName[];
  /** The folder of Fashion-MNIST's four files. */
  readonly data: string;
  readonly rounds: number;
  readonly batches: readonly number[];
  readonly threads: readonly number[];
  /** For one answer of a peer. */
  readonly limitMs: number;
  /** Which shapes of rows: part of "65536 × 10". */
  readonly filter: string;
  readonly only: readonly ComparisonName[];
  /** Keep what the results file has and this run does not measure. */
  readonly add: boolean;
  readonly json: string | undefined;
  /** Small sizes, one round: not for figures. */
  readonly quick: boolean;
}

/** The full data set; a quick run takes the bundled images. */
const DATA = '/usr/share/datasets/fashion-mnist';
const QUICK_DATA = 'examples/fashion-mnist';

export const USAGE = `Usage: npm run bench:peers -- [options]

  --peers NAMES     some of ${PEERS.join(', ')}, with commas between; default all
  --python PATH     a Python 3 that has PyTorch and scikit-learn; by default they are installed from PyPI into .peers/
  --data FOLDER     Fashion-MNIST's files; default /usr/share/datasets/fashion-mnist
  --rounds N        turns of each contender, after one to warm up; default 5
  --batch 128,1024  batch sizes of the epochs; default 128,1024,8192
  --threads 1,2     threads of the contenders; default 1, 2, 4, … up to what this machine allows
  --limit SECONDS   the longest that a peer may take for one answer, before it is ended and named; default ${LIMIT_MS / 1000}
  --only NAMES      some of ${COMPARISONS.join(', ')}, with commas between; default all
  --filter TEXT     of rows only shapes that contain TEXT, as in "× 1000"
  --quick           small shapes, one round: a smoke test of a minute or two, not for figures
  --add             keep what the results file has and this run does not measure
  --json PATH       where to write the results; default bench/results/peers.json (--quick: peers-quick.json),
                    and the same in Markdown next to it; written after each case
  --help`;

/** Undefined for --help. Throws UsageError. */
export function parsePeerOptions(args: readonly string[]): PeerOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const quick = values.quick ?? false;
  return {
    python: values.python,
    peers: values.peers === undefined ? PEERS : parseChoices('--peers', values.peers, PEERS),
    data: values.data ?? (quick ? repositoryFile(QUICK_DATA) : DATA),
    rounds: counts('--rounds', values.rounds ?? (quick ? '1' : '5'))[0]!,
    batches: counts('--batch', values.batch ?? (quick ? '1024' : '128,1024,8192')),
    threads: values.threads === undefined ? defaultThreads() : counts('--threads', values.threads),
    limitMs: values.limit === undefined ? LIMIT_MS : counts('--limit', values.limit)[0]! * 1000,
    filter: values.filter ?? '',
    only: values.only === undefined ? COMPARISONS : parseChoices('--only', values.only, COMPARISONS),
    add: values.add ?? false,
    json: values.json,
    quick,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        peers: text,
        python: text,
        data: text,
        rounds: text,
        batch: text,
        threads: text,
        limit: text,
        only: text,
        filter: text,
        quick: { type: 'boolean' },
        add: { type: 'boolean' },
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

// What measureRankScaling is asked for, its defaults and checks.
import type { Cancellation } from '../../cancellation.js';
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkNumber,
  checkOptionNames,
  checkSignal,
} from '../../checks.js';
import type { EngineOptions } from '../../engine-options.js';
import type { ScalingProgress } from '../options.js';

export interface RankScalingOptions extends Pick<EngineOptions, 'numerics' | 'wideSimd' | 'blas'> {
  /** Of all ranks together; default: as many as give each of them work, 60,000 at least. */
  rows?: number | undefined;
  /** Default 784. */
  features?: number | undefined;
  /** Default 10. */
  classes?: number | undefined;
  /** Of each rank; default: its share of its machine. */
  threads?: number | undefined;
  /** About how long to take; default 20, with `quick` 4. */
  seconds?: number | undefined;
  /** Fewer sizes and short rounds: to see that all works, not for figures. */
  quick?: boolean | undefined;
  onProgress?: ((progress: ScalingProgress) => void) | undefined;
  /** Aborting rejects with signal.reason on all ranks. */
  signal?: AbortSignal | undefined;
}

export interface CheckedRankOptions {
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
  readonly threads: number | undefined;
  readonly budgetMs: number;
  readonly quick: boolean;
  readonly engine: Pick<EngineOptions, 'numerics' | 'wideSimd' | 'blas'>;
  readonly onProgress: (progress: ScalingProgress) => void;
  readonly signal: Cancellation | undefined;
}

const NAMES: readonly (keyof RankScalingOptions)[] = [
  'rows',
  'features',
  'classes',
  'threads',
  'seconds',
  'quick',
  'numerics',
  'wideSimd',
  'blas',
  'onProgress',
  'signal',
];
const MOST = 2 ** 31 - 1;
const MAX_THREADS = 1024;
const SECONDS = 20;
const QUICK_SECONDS = 4;
/** Fashion-MNIST's. */
const ROWS = 60_000;
const FEATURES = 784;
const CLASSES = 10;
/** More than a branch of a pass has (plans/training.ts). */
const BYTES_PER_RANK = 40 * 2 ** 20;
/** Rank 0 has them all when it works alone. */
const MOST_BYTES = 2 ** 30;

/** Throws ERR_OPTION. */
export function checkRankOptions(options: RankScalingOptions, ranks: number): CheckedRankOptions {
  checkOptionNames('options', options, NAMES);
  const { numerics, wideSimd, blas, threads } = options;
  const quick = checkBoolean('options.quick', options.quick ?? false);
  const features = checkInteger('options.features', options.features ?? FEATURES, 1, MOST);
  const seconds = checkNumber('options.seconds', options.seconds ?? (quick ? QUICK_SECONDS : SECONDS), 0);
  return {
    rows: checkInteger('options.rows', options.rows ?? defaultRows(features, ranks), ranks, MOST),
    features,
    classes: checkInteger('options.classes', options.classes ?? CLASSES, 2, MOST),
    threads: threads === undefined ? undefined : checkInteger('options.threads', threads, 1, MAX_THREADS),
    budgetMs: 1000 * seconds,
    quick,
    engine: { numerics, wideSimd, blas },
    onProgress: checkFunction('options.onProgress', options.onProgress) ?? (() => {}),
    signal: checkSignal('options.signal', options.signal),
  };
}

/** 60,000, or what gives each rank a branch, as far as one rank can have them all. */
function defaultRows(features: number, ranks: number): number {
  const rowBytes = 4 * features;
  const wanted = Math.max(ROWS, Math.ceil((ranks * BYTES_PER_RANK) / rowBytes));
  return Math.max(ranks, Math.min(wanted, Math.floor(MOST_BYTES / rowBytes)));
}

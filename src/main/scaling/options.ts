// What measureScaling is asked for, its defaults and checks.
import { SoftshardError } from '../../errors.js';
import type { Cancellation } from '../cancellation.js';
import {
  checkArray,
  checkBoolean,
  checkFunction,
  checkInteger,
  checkNumber,
  checkOptionNames,
  checkSignal,
} from '../checks.js';
import type { EngineOptions } from '../engine-options.js';
import { availableThreads } from '../machine/available-threads.js';
import { type PlannedWorkload, planWorkloads, type WorkloadChoice } from './plan.js';

export interface ScalingProgress {
  /** Of the whole measurement, from 0 to 1. */
  readonly fraction: number;
  /** What is being measured. */
  readonly what: string;
}

export interface ScalingOptions
  extends WorkloadChoice,
    Pick<EngineOptions, 'numerics' | 'wideSimd' | 'blas'> {
  /** Default 1, 2, 4, … and what this process may use (availableThreads). */
  threads?: readonly number[] | undefined;
  /** About how long to take; default 50, with `quick` 8. More where a single call takes long. */
  seconds?: number | undefined;
  /** Smaller shapes and short rounds: to see that all works, not for figures. */
  quick?: boolean | undefined;
  /** Try wide SIMD and a BLAS, where this machine has them and they are not on. Default true. */
  tryOptions?: boolean | undefined;
  onProgress?: ((progress: ScalingProgress) => void) | undefined;
  /** Aborting rejects with signal.reason after the call under way. */
  signal?: AbortSignal | undefined;
}

export interface CheckedScalingOptions {
  /** Ascending. */
  readonly threads: readonly number[];
  readonly workloads: readonly PlannedWorkload[];
  readonly budgetMs: number;
  readonly quick: boolean;
  readonly tryOptions: boolean;
  readonly engine: Pick<EngineOptions, 'numerics' | 'wideSimd' | 'blas'>;
  readonly onProgress: (progress: ScalingProgress) => void;
  readonly signal: Cancellation | undefined;
}

const NAMES: readonly (keyof ScalingOptions)[] = [
  'presets',
  'shape',
  'operations',
  'threads',
  'seconds',
  'quick',
  'tryOptions',
  'numerics',
  'wideSimd',
  'blas',
  'onProgress',
  'signal',
];
const SECONDS = 50;
const QUICK_SECONDS = 8;
const MAX_THREADS = 1024;

/** Throws ERR_OPTION. */
export function checkScalingOptions(options: ScalingOptions): CheckedScalingOptions {
  checkOptionNames('options', options, NAMES);
  const { numerics, wideSimd, blas, presets, shape, operations } = options;
  const quick = checkBoolean('options.quick', options.quick ?? false);
  const seconds = checkNumber('options.seconds', options.seconds ?? (quick ? QUICK_SECONDS : SECONDS), 0);
  return {
    threads: checkThreads(options.threads),
    workloads: planWorkloads({ presets, shape, operations }, quick),
    budgetMs: 1000 * seconds,
    quick,
    tryOptions: checkBoolean('options.tryOptions', options.tryOptions ?? true),
    engine: { numerics, wideSimd, blas },
    onProgress: checkFunction('options.onProgress', options.onProgress) ?? (() => {}),
    signal: checkSignal('options.signal', options.signal),
  };
}

function checkThreads(threads: readonly number[] | undefined): readonly number[] {
  if (threads === undefined) return defaultThreads();
  checkArray('options.threads', threads, 'whole numbers');
  for (const [index, count] of threads.entries()) {
    checkInteger(`options.threads[${index}]`, count, 1, MAX_THREADS);
  }
  if (threads.length > 0) return [...new Set(threads)].sort((a, b) => a - b);
  const message = 'options.threads is empty: leave it out for 1, 2, 4, … and all that this machine allows';
  throw new SoftshardError('ERR_OPTION', message, { argument: 'options.threads', value: threads });
}

/** Powers of two, and the machine's own number at the end. */
export function defaultThreads(limit: number = availableThreads()): number[] {
  const counts = new Set<number>();
  for (let threads = 1; threads < limit; threads *= 2) counts.add(threads);
  return [...counts.add(limit)];
}

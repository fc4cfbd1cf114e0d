// What an engine is created with: the options, their defaults and their checks.
import { SoftshardError } from '../errors.js';
import type { BlasLibrary } from '../kernels/blas/library.js';
import { NUMERICS, type Numerics, supportsNumerics } from '../kernels/load.js';
import { checkBoolean, checkInteger, checkOneOf, checkOptionNames, inspectValue } from './checks.js';
import type { MpiOptions } from './distributed/mpi.js';
import type { Transport } from './distributed/transport.js';
import { availableThreads } from './machine/available-threads.js';
import { chooseBlas } from './machine/blas.js';
import { checkWideSimd } from './machine/wide-simd.js';
import { MAX_ARENA_BYTES } from './memory/arena.js';

export interface EngineOptions {
  /** Worker threads; default: the CPUs that this process may use, by affinity and CPU quota (docs/threads.md). */
  threads?: number | undefined;
  /**
   * Which build of the kernels: 'fast' (relaxed SIMD with fused multiply-add, Node 22 and newer; the default where it
   * runs) or 'portable' (the same bits on every CPU and Node version). Both give the same bits for any threads.
   */
  numerics?: Numerics | undefined;
  /**
   * Has V8 make 256-bit code of the kernels' 128-bit operations, with the same bits; experimental in V8 (Node 24 to 26
   * on x64). Where it cannot, or a self-test at the start fails, the engine warns and goes on without (docs/wide-simd.md).
   * Default: whether SOFTSHARD_WIDE_SIMD is 1 in the environment.
   */
  wideSimd?: boolean | undefined;
  /** How much memory the arena may grow to, in bytes; default and maximum 4 GiB. It is committed as it is used. */
  arenaBytes?: number | undefined;
  /**
   * Computes large matrix products (64 classes and more) with the machine's own BLAS: true for one in the usual places, or
   * its file or name; default: what the environment variable SOFTSHARD_BLAS says, or false. It needs the package koffi.
   * Where something is missing, a warning says what, and the engine goes on without; see Engine.blas and docs/blas.md.
   */
  blas?: boolean | string | undefined;
  /**
   * Joins the processes that mpirun started beside this one (docs/machines.md): true, or what to start MPI with; a Transport joins the
   * ranks that it connects, and is not closed by the engine. Needs the package koffi. Default false: one process.
   */
  distributed?: boolean | MpiOptions | Transport | undefined;
  /**
   * Notes what each thread does and when, for engine.trace(): true, or how many spans each thread keeps, 32 bytes each (default
   * 65,536: the newest). A span takes up to 0.1 µs (docs/scaling.md). Default false.
   */
  trace?: boolean | { readonly spansPerThread?: number | undefined } | undefined;
}

const MAX_THREADS = 1024;
const MIN_ARENA_BYTES = 1024 * 1024;

export interface CheckedEngineOptions {
  readonly threads: number;
  readonly numerics: Numerics;
  readonly wideSimd: boolean;
  readonly arenaBytes: number;
  readonly blas: BlasLibrary | undefined;
  readonly distributed: MpiOptions | Transport | undefined;
  /** That each thread keeps; undefined: no trace. */
  readonly traceSpans: number | undefined;
}

/** The options with their defaults in place, each as Engine.create takes it. Throws as that says. */
export function checkEngineOptions(options: EngineOptions): CheckedEngineOptions {
  checkOptionNames('options', options, [
    'threads',
    'numerics',
    'wideSimd',
    'arenaBytes',
    'blas',
    'distributed',
    'trace',
  ]);
  return {
    threads: checkInteger('options.threads', options.threads ?? availableThreads(), 1, MAX_THREADS),
    numerics: chooseNumerics(options.numerics),
    wideSimd: checkWideSimd(options.wideSimd),
    arenaBytes: checkInteger(
      'options.arenaBytes',
      options.arenaBytes ?? MAX_ARENA_BYTES,
      MIN_ARENA_BYTES,
      MAX_ARENA_BYTES,
    ),
    blas: chooseBlas(options.blas),
    distributed: checkDistributed(options.distributed),
    traceSpans: checkTrace(options.trace),
  };
}

/** MPI's own options are checked where it is started. */
function checkDistributed(option: EngineOptions['distributed']): MpiOptions | Transport | undefined {
  if (option === undefined || option === false) return undefined;
  if (option === true) return {};
  if (typeof option === 'object' && option !== null) {
    if ('treeSum' in option) return option;
    checkOptionNames('options.distributed', option, ['library', 'watchdogSeconds']);
    return option;
  }
  const message = `options.distributed is ${inspectValue(option)}: it must be true, false, options of MPI or a Transport`;
  throw new SoftshardError('ERR_OPTION', message, {
    argument: 'options.distributed',
    value: option satisfies never,
  });
}

/** 2 MiB a thread. */
const TRACE_SPANS = 65_536;
const MIN_TRACE_SPANS = 16;
const MAX_TRACE_SPANS = 2 ** 24;

function checkTrace(trace: EngineOptions['trace']): number | undefined {
  if (trace === undefined || trace === false) return undefined;
  if (trace === true) return TRACE_SPANS;
  const argument = 'options.trace';
  if (typeof trace !== 'object') checkBoolean(argument, trace);
  checkOptionNames(argument, trace, ['spansPerThread']);
  const spans = trace.spansPerThread ?? TRACE_SPANS;
  return checkInteger(`${argument}.spansPerThread`, spans, MIN_TRACE_SPANS, MAX_TRACE_SPANS);
}

/** Throws ERR_OPTION or ERR_NUMERICS. */
export function chooseNumerics(asked: Numerics | undefined): Numerics {
  if (asked === undefined) return supportsNumerics('fast') ? 'fast' : 'portable';
  const numerics = checkOneOf('options.numerics', asked, NUMERICS);
  if (supportsNumerics(numerics)) return numerics;
  const message = `options.numerics is '${numerics}', which Node ${process.versions.node} cannot run: use Node 22 or newer for 'fast' (relaxed SIMD), or 'portable'`;
  throw new SoftshardError('ERR_NUMERICS', message, { argument: 'options.numerics', value: numerics });
}

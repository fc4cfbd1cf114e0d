// An MPI library through koffi: identified, and its functions in JavaScript. Loading it starts nothing; that is `init`.
import type { Koffi, NativeFunction, NativeLibrary } from '../koffi.js';
import { MPI_ABIS, type MpiAbi, type MpiConstant, type MpiKind } from './mpi-abi.js';

type Handle = number | bigint;

export type Requests = BigInt64Array | Int32Array;

export interface MpiLibrary {
  readonly kind: MpiKind;
  readonly path: string;
  /** What it says of itself, the first line. */
  readonly version: string;
  readonly constants: Readonly<Record<MpiConstant, Handle>>;
  /** Room for so many requests. */
  newRequests(count: number): Requests;
  /** Starts MPI with the calling thread as the only one that calls it. Gives this process's rank and their number. */
  init(): { readonly rank: number; readonly ranks: number };
  /** The request is put to request[0]. */
  isend(buffer: ArrayBufferView, bytes: number, peer: number, request: Requests): void;
  ireceive(buffer: ArrayBufferView, bytes: number, peer: number, request: Requests): void;
  /** Whether the first `count` requests are all done; also moves them on. */
  testAll(requests: Requests, count: number): boolean;
  /** into[i] += values[i] */
  add(into: ArrayBufferView, values: ArrayBufferView, length: number, type: 'FLOAT' | 'DOUBLE'): void;
  /** May be called by any thread: it does not return. */
  abort(code: number): void;
  /** Lets other threads that are ready run first. Not of MPI. */
  yieldCore(): void;
  /** Ends the process at once, whatever its threads do. Not of MPI. */
  exitNow(code: number): void;
  finalize(): void;
}

/** Longest text that libraries write: MPI_MAX_LIBRARY_VERSION_STRING is 8192 or 256, MPI_MAX_ERROR_STRING at most 1024. */
const TEXT_BYTES = 8192;
/** All messages have it: those of a pair of ranks arrive in order. */
const TAG = 7;

/** Throws an Error that says why not. */
export function openMpiLibrary(koffi: Koffi, path: string): MpiLibrary {
  // Open MPI's plugins do not name the library that they belong to: they find it among the global symbols.
  const native = koffi.load(path, { global: true });
  const version = textOf(native.func('MPI_Get_library_version', 'int', ['void *', 'void *']));
  const kind = kindOf(path, version);
  const abi = MPI_ABIS[kind];
  const constants = constantsOf(native, abi);
  const system = koffi.load(null);
  const yieldCore = system.func('sched_yield', 'int', []) as () => void;
  const exitNow = system.func('_exit', 'void', ['int']) as (code: number) => void;
  return {
    kind,
    path,
    version: shortVersion(version),
    constants,
    yieldCore,
    exitNow,
    ...functionsOf(native, abi, constants),
  };
}

function textOf(call: NativeFunction, ...before: readonly unknown[]): string {
  const text = new Uint8Array(TEXT_BYTES);
  const length = new Int32Array(new SharedArrayBuffer(4));
  call(...before, text, length);
  return new TextDecoder().decode(text.subarray(0, Math.min(length[0]!, TEXT_BYTES))).replace(/\0.*$/s, '');
}

/** "MPICH Version:      4.0.2" and more lines, or "Open MPI v4.1.4, package: …". */
const shortVersion = (text: string): string => text.split(/[\n,]/)[0]!.replace(/\s+/g, ' ');

function kindOf(path: string, version: string): MpiKind {
  if (/mpi_abi/.test(path)) return 'MPI ABI';
  if (/Open MPI/i.test(version)) return 'Open MPI';
  if (/MPICH|Intel|MVAPICH|CRAY/i.test(version)) return 'MPICH';
  throw new Error(`it is none of Open MPI, MPICH and their kin: it says ${shortVersion(version)}`);
}

function constantsOf(native: NativeLibrary, { constants }: MpiAbi): Record<MpiConstant, Handle> {
  const entries = Object.entries(constants).map(([name, value]) => [
    name,
    typeof value === 'string' ? native.symbol(value) : value,
  ]);
  return Object.fromEntries(entries) as Record<MpiConstant, Handle>;
}

type Functions = Omit<MpiLibrary, 'kind' | 'path' | 'version' | 'constants' | 'yieldCore' | 'exitNow'>;

function functionsOf(
  native: NativeLibrary,
  { handle, funneled, ignoreStatus }: MpiAbi,
  { COMM_WORLD, BYTE, FLOAT, DOUBLE, SUM, ERRORS_RETURN }: Readonly<Record<MpiConstant, Handle>>,
): Functions {
  const errorString = native.func('MPI_Error_string', 'int', ['int', 'void *', 'void *']);
  const bind = (name: string, ...parameters: readonly string[]) => {
    const call = native.func(name, 'int', parameters);
    return (...values: readonly unknown[]): void => {
      const code = call(...values) as number;
      if (code !== 0) throw new Error(`${name}: ${textOf(errorString, code)}`);
    };
  };
  const initThread = bind('MPI_Init_thread', 'void *', 'void *', 'int', 'void *');
  const setErrorHandler = bind('MPI_Comm_set_errhandler', handle, handle);
  const commRank = bind('MPI_Comm_rank', handle, 'void *');
  const commSize = bind('MPI_Comm_size', handle, 'void *');
  const transfer = ['void *', 'int', handle, 'int', 'int', handle, 'void *'];
  const isend = bind('MPI_Isend', ...transfer);
  const ireceive = bind('MPI_Irecv', ...transfer);
  const testAll = bind('MPI_Testall', 'int', 'void *', 'void *', 'void *');
  const reduceLocal = bind('MPI_Reduce_local', 'void *', 'void *', 'int', handle, handle);
  const abort = bind('MPI_Abort', handle, 'int');
  const finalize = bind('MPI_Finalize');
  const word = new Int32Array(new SharedArrayBuffer(4));
  return {
    newRequests: (count) =>
      handle === 'int'
        ? new Int32Array(new SharedArrayBuffer(4 * count))
        : new BigInt64Array(new SharedArrayBuffer(8 * count)),
    init: () => {
      initThread(null, null, funneled, word);
      setErrorHandler(COMM_WORLD, ERRORS_RETURN);
      commRank(COMM_WORLD, word);
      const rank = word[0]!;
      commSize(COMM_WORLD, word);
      return { rank, ranks: word[0]! };
    },
    isend: (buffer, bytes, peer, requests) => isend(buffer, bytes, BYTE, peer, TAG, COMM_WORLD, requests),
    ireceive: (buffer, bytes, peer, requests) =>
      ireceive(buffer, bytes, BYTE, peer, TAG, COMM_WORLD, requests),
    testAll: (requests, count) => {
      testAll(count, requests, word, ignoreStatus);
      return word[0] !== 0;
    },
    add: (into, values, length, type) =>
      reduceLocal(values, into, length, type === 'FLOAT' ? FLOAT : DOUBLE, SUM),
    abort: (code) => abort(COMM_WORLD, code),
    finalize: () => finalize(),
  };
}

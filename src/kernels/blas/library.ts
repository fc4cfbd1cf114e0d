// The machine's own BLAS through koffi: found, identified, limited to one thread, and tested before it is
// trusted.
import { statSync } from 'node:fs';
import { messageOf, SoftshardError } from '../../errors.js';
import { type Koffi, loadKoffi, type NativeFunction, type NativeLibrary } from '../../koffi.js';
import { inspectValue, shortened } from '../../printable.js';
import { NULL_PTR, offsetBy, type Ptr } from '../ptr.js';
import type { SharedMemory } from '../webassembly.js';
import { ACCELERATE, blasCandidates } from './candidates.js';
import { oldKernelsAdvice } from './old-kernels.js';

/** A BLAS on this machine. */
export interface BlasLibrary {
  readonly name: 'OpenBLAS' | 'MKL' | 'BLIS' | 'Accelerate';
  /** The file, or if that is not known the name under which the system finds it. */
  readonly path: string;
  /** What it says of its version and configuration; empty where it says nothing. */
  readonly version: string;
  /** Why it is slower than it could be, and what to do. */
  readonly advice?: string;
}

/** A library, or why there is none. */
export type BlasSearch = { readonly library: BlasLibrary } | { readonly missing: string };

/** A row-major float32 matrix in the arena, rows `stride` elements apart; transposed: the product takes its transpose. */
export interface Operand {
  readonly ptr: Ptr;
  readonly stride: number;
  readonly transposed?: boolean;
}

/** output [rows × columns] = a [rows × depth] · b [depth × columns], with `adds` added to what output holds. */
export type Sgemm = (
  output: Operand,
  a: Operand,
  b: Operand,
  shape: { readonly rows: number; readonly columns: number; readonly depth: number },
  adds: boolean,
) => void;

/** The C parameters of cblas_sgemm; addresses as numbers, which hold the 47 bits that processes have. */
const SGEMM_PARAMETERS = [
  ...['int', 'int', 'int', 'int', 'int', 'int', 'float'],
  ...['uintptr_t', 'int', 'uintptr_t', 'int', 'float', 'uintptr_t', 'int'],
];
const ROW_MAJOR = 101;
const NOT_TRANSPOSED = 111;
const TRANSPOSED = 112;

interface Kind {
  readonly name: BlasLibrary['name'];
  /** A function that only this library has. */
  readonly symbol: string;
  /** Keeps the library to the calling thread and gives its version. */
  prepare(native: NativeLibrary): string;
  advise?(native: NativeLibrary): string | undefined;
}

const KINDS: readonly Kind[] = [
  {
    name: 'OpenBLAS',
    symbol: 'openblas_get_config',
    prepare(native) {
      const version = native.func('openblas_get_config', 'str', [])() as string;
      if (version.includes('USE64BITINT')) throw new Error(WIDE_INTEGERS);
      native.func('openblas_set_num_threads', 'void', ['int'])(1);
      return version;
    },
    advise: (native) => oldKernelsAdvice(native.func('openblas_get_corename', 'str', [])() as string),
  },
  {
    name: 'MKL',
    symbol: 'MKL_Set_Num_Threads_Local',
    prepare(native) {
      // 32-bit integers, and no threading library beside it: both must be set before anything else is called.
      native.func('MKL_Set_Interface_Layer', 'int', ['int'])(0);
      native.func('MKL_Set_Threading_Layer', 'int', ['int'])(1);
      native.func('MKL_Set_Num_Threads_Local', 'int', ['int'])(1);
      const text = new Uint8Array(200);
      native.func('MKL_Get_Version_String', 'void', ['void *', 'int'])(text, text.length);
      return new TextDecoder().decode(text.subarray(0, text.indexOf(0))).trim();
    },
  },
  {
    name: 'BLIS',
    symbol: 'bli_thread_set_num_threads',
    prepare(native) {
      const bits = Number(native.func('bli_info_get_blas_int_type_size', 'int64_t', [])());
      if (bits !== 32) throw new Error(WIDE_INTEGERS);
      native.func('bli_thread_set_num_threads', 'void', ['int64_t'])(1);
      return native.func('bli_info_get_version_str', 'str', [])() as string;
    },
  },
];
const WIDE_INTEGERS = 'its interface has 64-bit integers, and 32-bit ones are needed';

/** Tries what `asked` says: a file or a name, or true for all that is usual. Loads koffi only now. */
export function findBlas(asked: string | true = true): BlasSearch {
  if (asked !== true && typeof asked !== 'string') {
    const message = `asked is ${inspectValue(asked)}: it must be the file or the name of a BLAS, or true`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'asked', value: asked satisfies never });
  }
  let koffi: Koffi;
  try {
    koffi = loadKoffi();
  } catch (cause) {
    return {
      missing: `the package koffi, which calls it, cannot be loaded (${firstLine(cause)}): npm install koffi`,
    };
  }
  const paths = asked === true ? blasCandidates(process.platform, process.env) : [asked];
  const reasons: string[] = [];
  let slower: BlasLibrary | undefined;
  for (const path of paths) {
    try {
      const { library } = open(koffi, path);
      if (library.advice === undefined || asked !== true) return { library };
      slower ??= library;
    } catch (cause) {
      reasons.push(`${shortened(path)}: ${firstLine(cause)}`);
    }
  }
  if (slower !== undefined) return { library: slower };
  if (asked !== true) return { missing: reasons.join('; ') };
  // Missing libraries need no mention; those that are there and cannot be used do.
  const unusable = reasons.filter(
    (reason) => !/no such file|not found|cannot find|image not|could not be found/i.test(reason),
  );
  const tried = 'no OpenBLAS, MKL, BLIS or Accelerate is in the usual places';
  const remedy = 'install one (Debian: apt install libopenblas0), or give its path';
  return { missing: [`${tried}: ${remedy}`, ...unusable].join('; ') };
}

/** The product of the library that findBlas found, for operands in `memory`. */
export function loadSgemm(path: string, memory: SharedMemory): Sgemm {
  const koffi = loadKoffi();
  const { sgemm } = open(koffi, path);
  // A shared memory stays where it is as it grows.
  return sgemmAt(sgemm, Number(koffi.address(new Uint8Array(memory.buffer, 0, 1))));
}

/** Stands in for an Sgemm where there is none. */
export function withoutBlas(): never {
  throw new Error('a task asks for a BLAS, and this engine has none');
}

const firstLine = (cause: unknown): string => shortened(messageOf(cause).split('\n', 1)[0]!);

interface Opened {
  readonly library: BlasLibrary;
  readonly sgemm: NativeFunction;
}

/** Throws an Error that says why not. */
function open(koffi: Koffi, path: string): Opened {
  // The system would wait for ever to open a pipe of this name.
  const isThere = path.includes('/') ? statSync(path, { throwIfNoEntry: false }) : undefined;
  if (isThere && !isThere.isFile()) throw new Error('it is not a regular file');
  const isAccelerate = path === ACCELERATE;
  // Read as the framework is loaded: later nothing keeps it to one thread.
  if (isAccelerate) process.env.VECLIB_MAXIMUM_THREADS = '1';
  const native = koffi.load(path);
  const sgemm = native.func('cblas_sgemm', 'void', SGEMM_PARAMETERS);
  const library = isAccelerate
    ? { name: 'Accelerate' as const, version: '', path }
    : { ...identify(native), path: fileOf(koffi, native) ?? path };
  checkProduct(koffi, sgemm);
  return { library, sgemm };
}

function identify(native: NativeLibrary): Omit<BlasLibrary, 'path'> {
  for (const { name, symbol, prepare, advise } of KINDS) {
    if (!has(native, symbol)) continue;
    const version = prepare(native);
    const advice = advise?.(native);
    return { name, version, ...(advice !== undefined && { advice }) };
  }
  throw new Error('it is none of OpenBLAS, MKL, BLIS and Accelerate, so it cannot be kept to one thread');
}

function has(native: NativeLibrary, symbol: string): boolean {
  try {
    return native.symbol(symbol) !== 0n;
  } catch {
    return false;
  }
}

/** The file that the library was loaded from, where dladdr can tell. */
function fileOf(koffi: Koffi, native: NativeLibrary): string | undefined {
  try {
    // Dl_info: four pointers, the first of them to the file's name.
    const found = new BigUint64Array(4);
    const dladdr = koffi.load(null).func('dladdr', 'int', ['void *', 'void *']);
    if (dladdr(native.symbol('cblas_sgemm'), found) === 0) return undefined;
    return koffi.decode(found[0]!, 'char', -1) as string;
  } catch {
    return undefined;
  }
}

/** [2 × 3] · [3 × 2] of whole numbers: an interface of other integers or strides would show. */
function checkProduct(koffi: Koffi, sgemm: NativeFunction): void {
  const values = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0, 0, 0);
  const multiply = sgemmAt(sgemm, Number(koffi.address(values)));
  const [a, b, output] = [
    { ptr: NULL_PTR, stride: 3 },
    { ptr: offsetBy(NULL_PTR, 24), stride: 2 },
    { ptr: offsetBy(NULL_PTR, 48), stride: 2 },
  ] as const;
  multiply(output, a, b, { rows: 2, columns: 2, depth: 3 }, false);
  const got = values.subarray(12).join(', ');
  if (got !== '58, 64, 139, 154') throw new Error(`its cblas_sgemm gives ${got} for 58, 64, 139, 154`);
}

function sgemmAt(sgemm: NativeFunction, base: number): Sgemm {
  const order = ({ transposed }: Operand) => (transposed ? TRANSPOSED : NOT_TRANSPOSED);
  return (output, a, b, { rows, columns, depth }, adds) => {
    sgemm(
      ROW_MAJOR,
      order(a),
      order(b),
      rows,
      columns,
      depth,
      1,
      base + a.ptr,
      a.stride,
      base + b.ptr,
      b.stride,
      adds ? 1 : 0,
      base + output.ptr,
      output.stride,
    );
  };
}

// The one place that loads WASM: finds the builds, compiles them, gives typed exports.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { messageOf, SoftshardError } from '../errors.js';
import { inspectValue } from '../printable.js';
import type { Kernels } from './kernels.js';
import { type CompiledModule, type SharedMemory, WebAssembly } from './webassembly.js';
import { clearUpperHalves, compileWide, isCompiledWide } from './wide-simd.js';

/**
 * portable: strict SIMD, the same bits on every CPU and Node version. fast: relaxed SIMD with fused multiply-add
 * (Node 22 and newer), bits may differ between CPUs. Both give the same bits for any number of threads.
 */
export type Numerics = 'portable' | 'fast';

export const NUMERICS: readonly Numerics[] = ['portable', 'fast'];

function bytesOf(numerics: Numerics): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(readFileSync(new URL(`./${numerics}.wasm`, import.meta.url)));
  } catch (cause) {
    throw missingFile(`kernels/${numerics}.wasm`, cause);
  }
}

/** For a file of softshard that is not beside its code: bundlers take only the code. */
export function missingFile(file: string, cause?: unknown): SoftshardError {
  const message =
    `softshard's file ${file} is not beside its code (${cause === undefined ? 'there is none' : messageOf(cause)}). ` +
    'If the code is bundled, keep softshard out of the bundle: esbuild --external:softshard, externals of webpack and ' +
    'rollup, serverExternalPackages of Next (docs/bundlers.md); else install softshard again';
  return new SoftshardError('ERR_FILE', message, { value: file, cause });
}

/** Of a build's file: tells whether two runs compute by the same kernels. */
export const kernelsHash = (numerics: Numerics): string =>
  createHash('sha256').update(bytesOf(numerics)).digest('hex');

/** Whether this runtime can run that build of the kernels. */
export function supportsNumerics(numerics: Numerics): boolean {
  if (NUMERICS.includes(numerics)) return WebAssembly.validate(bytesOf(numerics));
  const found = typeof numerics === 'string' ? numerics : inspectValue(numerics);
  const message = `numerics is ${found}: it must be one of ${NUMERICS.join(', ')}`;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'numerics', value: numerics });
}

/**
 * Throws WebAssembly.CompileError where the runtime lacks what the build needs. wideSimd: as compileWide, where
 * supportsWideSimd.
 */
export function compileKernels(numerics: Numerics, wideSimd = false): CompiledModule {
  const bytes = bytesOf(numerics);
  return wideSimd ? compileWide(bytes) : new WebAssembly.Module(bytes);
}

/** Whether this thread has an instance of wide kernels. */
let hasWide = false;

/** Each thread has its own instance; all share `memory`. Who calls kernels in the thread of other code leaves them. */
export function instantiateKernels(module: CompiledModule, memory: SharedMemory): Kernels {
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as Kernels;
  const isWide = isCompiledWide(module);
  kernels.useWideSimd(isWide ? 1 : 0);
  hasWide ||= isWide;
  return kernels;
}

/** After kernels and before other code, which would be slower (see clearUpperHalves). */
export function leaveKernels(): void {
  if (hasWide) clearUpperHalves();
}

/** Each leaves by itself: for single calls. */
export function leavingKernels(kernels: Kernels): Kernels {
  if (!hasWide) return kernels;
  const leaving = Object.entries(kernels).map(([name, kernel]) => [
    name,
    typeof kernel === 'function' ? leavingKernel(kernel) : kernel,
  ]);
  return Object.fromEntries(leaving);
}

const leavingKernel =
  (kernel: (...args: unknown[]) => unknown) =>
  (...args: unknown[]): unknown => {
    const result = kernel(...args);
    clearUpperHalves();
    return result;
  };

// The one place that loads WASM: finds the builds, compiles them, gives typed exports.
import { readFileSync } from 'node:fs';
import type { Kernels } from './kernels.js';
import { type CompiledModule, type SharedMemory, WebAssembly } from './webassembly.js';

/**
 * portable: strict SIMD, the same bits on every CPU and Node version. fast: relaxed SIMD with fused multiply-add
 * (Node 22 and newer), bits may differ between CPUs. Both give the same bits for any number of threads.
 */
export type Numerics = 'portable' | 'fast';

export const NUMERICS: readonly Numerics[] = ['portable', 'fast'];

const bytesOf = (numerics: Numerics): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`./${numerics}.wasm`, import.meta.url)));

/** Whether this runtime can run that build of the kernels. */
export function supportsNumerics(numerics: Numerics): boolean {
  return WebAssembly.validate(bytesOf(numerics));
}

/** Throws WebAssembly.CompileError where the runtime lacks what the build needs. */
export function compileKernels(numerics: Numerics): CompiledModule {
  return new WebAssembly.Module(bytesOf(numerics));
}

/**
 * Whether V8 is told to join pairs of vectors. Node 22, whose flag of the same name drives an older compiler, gained
 * nothing; nor does a CPU without AVX2, which runs two panels at a time at half the speed of one.
 */
const joinsPairs = (): boolean =>
  process.execArgv.includes('--experimental-wasm-revectorize') &&
  Number.parseInt(process.versions.node, 10) >= 24;

/** Each thread has its own instance; all share `memory`. */
export function instantiateKernels(module: CompiledModule, memory: SharedMemory): Kernels {
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as Kernels;
  kernels.useWideBlocks(joinsPairs() ? 1 : 0);
  return kernels;
}

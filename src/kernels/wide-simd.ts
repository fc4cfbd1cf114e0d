// Wide SIMD: makes V8 join pairs of 128-bit operations into 256-bit ones (its "revectorizer") when it
// compiles a build.
import { isAscii } from 'node:buffer';
import { setFlagsFromString } from 'node:v8';
import { type CompiledModule, WebAssembly } from './webassembly.js';

const NODE = Number.parseInt(process.versions.node, 10);
/** Node 22's flag of the same name drives an older revectorizer, from which kernels gain nothing. */
const FIRST_NODE = 24;
/** The last one it was tested with: a V8 that mishandles its own flag may end the process. */
const LAST_NODE = 26;

/**
 * Whether this Node's V8 was built with the revectorizer: on x64, but for macOS. A V8 without it would print an error for
 * the flag. On a CPU without AVX2 it has the flag and does nothing.
 */
export function supportsWideSimd(): boolean {
  const { v8_enable_wasm_simd256_revec: built } = process.config.variables as Record<string, unknown>;
  return built === 1 && NODE >= FIRST_NODE && NODE <= LAST_NODE;
}

/**
 * Whether commands use it unasked. V8 of Node 26 may end a process that has plain kernels beside wide ones, as every start has for
 * the self-test.
 */
export const trustsWideSimd = (): boolean => supportsWideSimd() && NODE < LAST_NODE;

/** Flags of the process while the kernels are compiled, and how V8 has them by default. */
const FLAGS: readonly { readonly compiling: string; readonly normal: string }[] = [
  { compiling: '--experimental-wasm-revectorize', normal: '--no-experimental-wasm-revectorize' },
  // All functions at once, by the optimizing compiler, which alone revectorizes. By default V8 compiles a
  // function after some calls, in the background: the flag would have to stay on for all WebAssembly of the
  // process.
  { compiling: '--no-liftoff', normal: '--liftoff' },
  { compiling: '--no-wasm-lazy-compilation', normal: '--wasm-lazy-compilation' },
  // V8 inlines by the profile of earlier calls, which is empty here: Node 26 then ends the process.
  ...(NODE > 24 ? [{ compiling: '--no-wasm-inlining', normal: '--wasm-inlining' }] : []),
];

/** An empty custom section. */
const MARK_NAME = 'wide';
const MARK = [0, MARK_NAME.length + 1, MARK_NAME.length, ...Buffer.from(MARK_NAME)];

/** Whether compileWide made it. */
export const isCompiledWide = (module: CompiledModule): boolean =>
  WebAssembly.Module.customSections(module, MARK_NAME).length > 0;

/**
 * Compiles a build wide: about 50 ms of all cores. Its instances are as fast in any thread that the module is
 * posted to. V8 caches code by a module's bytes: the mark makes them differ from the plain build's.
 */
export function compileWide(bytes: Uint8Array): CompiledModule {
  const marked = new Uint8Array(bytes.length + MARK.length);
  marked.set(bytes);
  marked.set(MARK, bytes.length);
  const ours = FLAGS.filter(({ compiling }) => !process.execArgv.includes(compiling));
  for (const { compiling } of ours) setFlagsFromString(compiling);
  try {
    return new WebAssembly.Module(marked);
  } finally {
    for (const { normal } of ours) setFlagsFromString(normal);
  }
}

/** So much isAscii takes at once. */
const BLOCK = new Uint8Array(256);

/**
 * Wide code leaves the upper halves of vector registers in use, and until they are cleared (vzeroupper), which V8 never does,
 * compiled code of 128 bits waits at each instruction: Math.exp takes 13 times as long (bench/after-wide.ts). Node's isAscii
 * clears them on its way out, in 45 ns, whichever instructions it was built for: the C library's functions do not on each CPU.
 */
export function clearUpperHalves(): void {
  isAscii(BLOCK);
}

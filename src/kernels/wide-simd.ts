// Wide SIMD: has V8 join pairs of 128-bit operations into 256-bit ones (its "revectorizer") while it compiles a build.
import { setFlagsFromString } from 'node:v8';
import { type CompiledModule, WebAssembly } from './webassembly.js';

const NODE = Number.parseInt(process.versions.node, 10);
/** In Node 22, whose flag of the same name drives an older revectorizer, kernels gained nothing. */
const FIRST_NODE = 24;
/** The last one that it was tried with: what V8 cannot do with a flag of its own may end the process. */
const LAST_NODE = 26;

/**
 * Whether this Node's V8 was built with the revectorizer: on x64, but for macOS. A V8 without it would print an error for
 * the flag. On a CPU without AVX2 it has the flag and does nothing.
 */
export function supportsWideSimd(): boolean {
  const { v8_enable_wasm_simd256_revec: built } = process.config.variables as Record<string, unknown>;
  return built === 1 && NODE >= FIRST_NODE && NODE <= LAST_NODE;
}

/** Flags of the process while the kernels are compiled, and how V8 has them by default. */
const FLAGS: readonly { readonly compiling: string; readonly normal: string }[] = [
  { compiling: '--experimental-wasm-revectorize', normal: '--no-experimental-wasm-revectorize' },
  // All functions at once, by the optimizing compiler, which alone revectorizes. By default it compiles a function after
  // some calls, in the background: the flag would have to stay on for ever, for all WebAssembly of the process.
  { compiling: '--no-liftoff', normal: '--liftoff' },
  { compiling: '--no-wasm-lazy-compilation', normal: '--wasm-lazy-compilation' },
  // V8 inlines by what it saw of earlier calls, of which there are none. Node 26's ends the process then.
  ...(NODE > 24 ? [{ compiling: '--no-wasm-inlining', normal: '--wasm-inlining' }] : []),
];

/** A custom section that says nothing. */
const MARK_NAME = 'wide';
const MARK = [0, MARK_NAME.length + 1, MARK_NAME.length, ...Buffer.from(MARK_NAME)];

/** Whether compileWide made it. */
export const isCompiledWide = (module: CompiledModule): boolean =>
  WebAssembly.Module.customSections(module, MARK_NAME).length > 0;

/**
 * Compiles a build wide, some 50 ms of all cores; instances of it are as fast in any thread that it is posted to. V8 keeps
 * the code of a module for whoever compiles the same bytes again in this process: the mark makes these others than the
 * plain build's.
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

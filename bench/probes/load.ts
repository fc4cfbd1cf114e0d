// Compiles the kernels of bench/assembly as a build of ours is compiled.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Numerics } from '#softshard/kernels/load.js';
import type { Ptr } from '#softshard/kernels/ptr.js';
import { type CompiledModule, type SharedMemory, WebAssembly } from '#softshard/kernels/webassembly.js';
import { repositoryFile } from '../result-files.js';

/** See bench/assembly/probes.ts. */
export interface Probes {
  softmaxRowByRow(output: Ptr, logits: Ptr, rows: number, columns: number): void;
}

export function compileProbes(numerics: Numerics): CompiledModule {
  const wasm = `.bench/probes-${numerics}.wasm`;
  const asc = 'node_modules/assemblyscript/bin/asc.js';
  const options = ['--config', 'asconfig.json', '--target', numerics, '--outFile', wasm];
  execFileSync(process.execPath, [asc, 'bench/assembly/probes.ts', ...options], { cwd: repositoryFile('') });
  return new WebAssembly.Module(new Uint8Array(readFileSync(repositoryFile(wasm))));
}

export const instantiateProbes = (module: CompiledModule, memory: SharedMemory): Probes =>
  new WebAssembly.Instance(module, { env: { memory } }).exports as Probes;

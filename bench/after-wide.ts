// How many times as long code of the calling thread takes after wide kernels than before: node .bench/after-wide.js

import { HEAP_BASE } from '#softshard/kernels/layout.js';
import { compileKernels, instantiateKernels, leaveKernels } from '#softshard/kernels/load.js';
import { offsetBy, type Ptr } from '#softshard/kernels/ptr.js';
import { WebAssembly } from '#softshard/kernels/webassembly.js';
import { median } from './statistics.js';

const ROUNDS = 21;
const ROWS = 64;
const COLUMNS = 1000;

const memory = new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true });
const kernels = instantiateKernels(compileKernels('portable', true), memory);

function softmax(): void {
  const logits = HEAP_BASE as Ptr;
  kernels.softmaxRows(offsetBy(logits, 4 * ROWS * COLUMNS), logits, ROWS, COLUMNS, COLUMNS);
}

/** Math.exp is compiled C++ in V8. */
function exponentials(): number {
  const begin = performance.now();
  let sum = 0;
  for (let i = 0; i < 100_000; i++) sum += Math.exp(-(i % 100) / 10);
  if (!(sum > 0)) throw new Error('no exponentials');
  return performance.now() - begin;
}

const times = { before: [] as number[], after: [] as number[], left: [] as number[] };
for (let round = 0; round < ROUNDS; round++) {
  leaveKernels();
  times.before.push(exponentials());
  softmax();
  times.after.push(exponentials());
  softmax();
  leaveKernels();
  times.left.push(exponentials());
}
const ratio = (part: readonly number[]) => (median(part) / median(times.before)).toFixed(2);
console.log(
  `Math.exp, times as long: right after wide kernels ${ratio(times.after)}, after leaveKernels ${ratio(times.left)}`,
);

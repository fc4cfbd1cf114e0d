// A member of a gang that measures what the machine gives: all begin together, each on its own part of the memory.
import type { Kernels } from '../kernels/kernels.js';
import { PROBE_FLOPS_A_ROUND } from '../kernels/layout.js';
import { offsetBy, type Ptr } from '../kernels/ptr.js';
import { Barrier } from './gang/barrier.js';
import { isStopped, stopped } from './gang/claim.js';
import type { ProbeTask, WorkerResult } from './protocol.js';

/** Some 0.1 ms. */
const ROUNDS_A_PASS = 16_384;

/** Within this time V8 makes its best code, in threads of its own, if calls are many: each on so many bytes. */
const WARMUP_MS = 20;
const WARMUP_BYTES = 256 * 1024;

export function probe(kernels: Kernels, control: Int32Array, task: ProbeTask): WorkerResult {
  const { pattern, member, members, memory, memoryBytes, durationMs, spins, buffer, rates } = task;
  const ptr = offsetBy(memory, member * memoryBytes);
  const warmup = passOf(kernels, ptr, { pattern, memoryBytes: Math.min(memoryBytes, WARMUP_BYTES) });
  for (const end = performance.now() + WARMUP_MS; performance.now() < end; ) warmup.run();
  const { run, amount } = passOf(kernels, ptr, task);
  if (!new Barrier(control, members, spins).wait(() => {})) return stopped(control);
  const begin = performance.now();
  let passes = 0;
  let ms = 0;
  while (ms < durationMs) {
    if (isStopped(control)) return stopped(control);
    run();
    passes++;
    ms = performance.now() - begin;
  }
  new Float64Array(buffer, rates, members)[member] = (passes * amount) / ms;
  return { state: 'done' };
}

/** One pass, and the bytes that it asks for, or its operations. */
function passOf(
  kernels: Kernels,
  ptr: Ptr,
  { pattern, memoryBytes }: Pick<ProbeTask, 'pattern' | 'memoryBytes'>,
): { run(): void; amount: number } {
  const half = memoryBytes / 2;
  switch (pattern) {
    case 'write':
      return { run: () => kernels.writeMemory(ptr, memoryBytes), amount: memoryBytes };
    case 'read':
      return { run: () => kernels.readMemory(ptr, memoryBytes), amount: memoryBytes };
    case 'scale':
      return { run: () => kernels.copyMemory(ptr, ptr, memoryBytes), amount: 2 * memoryBytes };
    case 'copy':
      return { run: () => kernels.copyMemory(offsetBy(ptr, half), ptr, half), amount: memoryBytes };
    case 'multiplyAdd':
      return {
        run: () => kernels.multiplyAdd(ptr, ROUNDS_A_PASS),
        amount: ROUNDS_A_PASS * PROBE_FLOPS_A_ROUND,
      };
    default:
      throw new Error(`unknown pattern ${JSON.stringify(pattern satisfies never)}`);
  }
}

// What the kernels for few columns gain over taking rows one at a time: both on one thread, called directly, in turns.
import { HEAP_BASE } from '#softshard/kernels/layout.js';
import { compileKernels, instantiateKernels, type Numerics } from '#softshard/kernels/load.js';
import { offsetBy, type Ptr } from '#softshard/kernels/ptr.js';
import { WebAssembly } from '#softshard/kernels/webassembly.js';
import { checkClose, fillRandom } from '../cases/values.js';
import { median } from '../statistics.js';
import { compileProbes, instantiateProbes } from './load.js';

const ROWS = 65536;
const PAGE = 65536;

/** The time of rows one at a time over that of softmaxRows. Throws where their results differ. */
export function measureRowByRow(columns: number, numerics: Numerics, rounds: number): number {
  const length = ROWS * columns;
  const input = HEAP_BASE as Ptr;
  const output = offsetBy(input, length * 4);
  // Each in a memory of its own: both have their constants at the same place.
  const createMemory = () => {
    const pages = Math.ceil((HEAP_BASE + 2 * length * 4) / PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true });
    fillRandom(new Float32Array(memory.buffer, input, length));
    return memory;
  };
  const memories = [createMemory(), createMemory()] as const;
  const kernels = instantiateKernels(compileKernels(numerics), memories[0]);
  const probes = instantiateProbes(compileProbes(numerics), memories[1]);
  const runs = [
    () => kernels.softmaxRows(output, input, ROWS, columns, columns),
    () => probes.softmaxRowByRow(output, input, ROWS, columns),
  ];
  const results = runs.map((run, index) => {
    run();
    return new Float32Array(memories[index]!.buffer, output, length);
  });
  checkClose('softmax', results[0]!, results[1]!, { relative: 1e-6, absolute: 0 });
  const samples: [number[], number[]] = [[], []];
  // The first rounds run before V8 has made its best code.
  for (let round = -3; round < rounds; round++) {
    for (const [index, run] of runs.entries()) {
      const begin = performance.now();
      run();
      if (round >= 0) samples[index]!.push(performance.now() - begin);
    }
  }
  return median(samples[1]) / median(samples[0]);
}

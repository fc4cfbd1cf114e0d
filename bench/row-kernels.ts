// `npm run bench:rows`: the kernels on rows called directly, on one thread, in turns: plain, compiled for wide SIMD, and rows
// of many columns with nothing fetched ahead. Results are checked first, and have the same bits.
import type { Kernels } from '#softshard/kernels/kernels.js';
import { HEAP_BASE, MOST_GROUP_COLUMNS } from '#softshard/kernels/layout.js';
import {
  compileKernels,
  instantiateKernels,
  NUMERICS,
  type Numerics,
  supportsNumerics,
} from '#softshard/kernels/load.js';
import { alignUp, NULL_PTR, offsetBy, type Ptr } from '#softshard/kernels/ptr.js';
import { crossEntropyGradient, logSoftmax, logSumExp, softmax } from '#softshard/kernels/reference/index.js';
import { type CompiledModule, WebAssembly } from '#softshard/kernels/webassembly.js';
import { supportsWideSimd } from '#softshard/kernels/wide-simd.js';
import { checkClose, fillRandom, fillTargets } from './cases/values.js';
import { environmentLine, readEnvironment } from './environment.js';
import { type Column, markdownTable, threeDigits } from './markdown-table.js';
import { median } from './statistics.js';

/** Few columns, many in cache, and from memory. */
const SHAPES = [
  { rows: 65536, columns: 3 },
  { rows: 65536, columns: 10 },
  { rows: 16384, columns: 24 },
  { rows: 64, columns: 1024 },
  { rows: 16384, columns: 1000 },
  { rows: 4096, columns: 4096 },
  { rows: 512, columns: 32768 },
] as const;
const ROUNDS = 15;
/** Elements of a round at least: some 10 ms. */
const ROUND_ELEMENTS = 2 ** 23;
const PAGE = 65536;
const TOLERANCE = { relative: 1e-5, absolute: 1e-5 };

interface Place {
  readonly logits: Ptr;
  readonly targets: Ptr;
  readonly results: Ptr;
  readonly lossSum: Ptr;
}

interface Kernel {
  readonly name: string;
  /** In place, or one result a row. */
  readonly writes: 'rows' | 'results';
  run(kernels: Kernels, at: Place, rows: number, columns: number): void;
  /** What it makes of a row, or the one result. */
  expected(row: Float32Array, target: number, rows: number): ArrayLike<number>;
}

const KERNELS: readonly Kernel[] = [
  {
    name: 'softmax',
    writes: 'rows',
    run: (kernels, { logits }, rows, columns) => kernels.softmaxRows(logits, logits, rows, columns, columns),
    expected: (row) => softmax(row),
  },
  {
    name: 'log-softmax',
    writes: 'rows',
    run: (kernels, { logits }, rows, columns) =>
      kernels.logSoftmaxRows(logits, logits, rows, columns, columns),
    expected: (row) => logSoftmax(row),
  },
  {
    name: 'log-sum-exp',
    writes: 'results',
    run: (kernels, { results, logits }, rows, columns) =>
      kernels.logSumExpRows(results, logits, rows, columns),
    expected: (row) => [logSumExp(row)],
  },
  {
    name: 'cross-entropy',
    writes: 'results',
    run(kernels, { results, lossSum, logits, targets }, rows, columns) {
      kernels.crossEntropyRows(results, lossSum, logits, targets, rows, columns);
    },
    expected: (row, target) => [logSumExp(row) - row[target]!],
  },
  {
    name: 'cross-entropy + gradient',
    writes: 'rows',
    run(kernels, { lossSum, logits, targets }, rows, columns) {
      kernels.crossEntropyGradientRows(
        logits,
        NULL_PTR,
        lossSum,
        logits,
        targets,
        rows,
        columns,
        columns,
        1 / rows,
      );
    },
    expected: (row, target, rows) =>
      crossEntropyGradient(row, [target], 1, row.length).map((value) => value / rows),
  },
];

/** One way to compute, in a memory of its own. */
interface Variant {
  readonly name: string;
  readonly module: CompiledModule;
  readonly fetches: boolean;
}

interface Timing {
  readonly kernel: string;
  readonly shape: string;
  readonly numerics: Numerics;
  /** Elements in a second, of the plain way. */
  readonly rate: number;
  /** Times as fast as it. */
  readonly ratios: ReadonlyMap<string, number>;
}

function variantsOf(numerics: Numerics, columns: number): Variant[] {
  const plain = compileKernels(numerics);
  return [
    { name: 'plain', module: plain, fetches: true },
    ...(supportsWideSimd() ? [{ name: 'wide', module: compileKernels(numerics, true), fetches: true }] : []),
    ...(columns > MOST_GROUP_COLUMNS ? [{ name: 'nothing ahead', module: plain, fetches: false }] : []),
  ];
}

function timed(kernel: Kernel, rows: number, columns: number, numerics: Numerics): Timing {
  const runs = variantsOf(numerics, columns).map((variant) => ({
    ...variant,
    ...prepared(variant, kernel, rows, columns),
  }));
  const results = runs.map(({ run, written }) => {
    run();
    return Buffer.from(written.buffer, written.byteOffset, written.byteLength);
  });
  for (const [index, result] of results.entries()) {
    if (!result.equals(results[0]!)) throw new Error(`${kernel.name}: ${runs[index]!.name} has other bits`);
  }
  for (const { check } of runs) check();
  const repeats = Math.max(1, Math.round(ROUND_ELEMENTS / (rows * columns)));
  const samples = runs.map((): number[] => []);
  // The first rounds run before V8 has made its best code.
  for (let round = -3; round < ROUNDS; round++) {
    for (const [index, { run }] of runs.entries()) {
      const begin = performance.now();
      for (let repeat = 0; repeat < repeats; repeat++) run();
      if (round >= 0) samples[index]!.push((performance.now() - begin) / repeats);
    }
  }
  const [plainMs, ...others] = samples.map(median);
  return {
    kernel: kernel.name,
    shape: `${rows} × ${columns}`,
    numerics,
    rate: (rows * columns) / plainMs! / 1e6,
    ratios: new Map(others.map((ms, index) => [runs[index + 1]!.name, plainMs! / ms])),
  };
}

function prepared({ module, fetches }: Variant, kernel: Kernel, rows: number, columns: number) {
  const lossSum = HEAP_BASE as Ptr;
  const targets = offsetBy(lossSum, 8);
  const results = offsetBy(targets, rows * 4);
  const logits = alignUp(offsetBy(results, rows * 4), 128);
  const pages = Math.ceil((logits + rows * columns * 4) / PAGE);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const kernels = instantiateKernels(module, memory);
  kernels.usePrefetch(fetches ? 1 : 0);
  const values = new Float32Array(memory.buffer, logits, rows * columns);
  const classes = new Int32Array(memory.buffer, targets, rows);
  fillRandom(values);
  fillTargets(classes, columns);
  const last = rows - 1;
  const before = values.slice(last * columns);
  const written = kernel.writes === 'rows' ? values : new Float32Array(memory.buffer, results, rows);
  const at = { logits, targets, results, lossSum };
  return {
    written,
    run() {
      kernel.run(kernels, at, rows, columns);
    },
    check() {
      const got = kernel.writes === 'rows' ? values.subarray(last * columns) : written.subarray(last);
      checkClose(kernel.name, got, kernel.expected(before, classes[last]!, rows), TOLERANCE);
    },
  };
}

const ratio = (name: string): Column<Timing> => ({
  heading: name,
  align: 'right',
  cell: ({ ratios }) => (ratios.has(name) ? threeDigits(ratios.get(name)!) : ''),
});

const COLUMNS: readonly Column<Timing>[] = [
  { heading: 'kernel', align: 'left', cell: ({ kernel }) => kernel },
  { heading: 'shape', align: 'left', cell: ({ shape }) => shape },
  { heading: 'build', align: 'left', cell: ({ numerics }) => numerics },
  { heading: 'Ge/s', align: 'right', cell: ({ rate }) => threeDigits(rate) },
  ratio('wide'),
  ratio('nothing ahead'),
];

const timings = NUMERICS.filter(supportsNumerics).flatMap((numerics) =>
  SHAPES.flatMap(({ rows, columns }) => KERNELS.map((kernel) => timed(kernel, rows, columns, numerics))),
);
console.log(`${environmentLine(readEnvironment())}\n\n${markdownTable(COLUMNS, timings)}`);

// Fetching the next row touches nothing that is not a row, and changes no bit.
import { describe, expect, test } from 'vitest';
import type { Kernels } from '#softshard/kernels/kernels.js';
import { HEAP_BASE } from '#softshard/kernels/layout.js';
import { offsetBy, type Ptr } from '#softshard/kernels/ptr.js';
import { builds, randomValues, Workbench } from '../workbench.js';

const ROWS = 3;
const PAGES = 3;
const END = (PAGES * 65536) as Ptr;
const LOSS_SUM = HEAP_BASE as Ptr;

interface RowKernel {
  readonly name: string;
  run(kernels: Kernels, row: Ptr, results: Ptr, targets: Ptr, rows: number, columns: number): void;
}

/** Those that write rows do it in place; losses and log-sum-exp are one result a row. */
const KERNELS: readonly RowKernel[] = [
  { name: 'softmaxRows', run: (it, row, _, __, rows, n) => it.softmaxRows(row, row, rows, n, n) },
  {
    name: 'logSoftmaxRows',
    run: (it, row, _, __, rows, n) => it.logSoftmaxRows(row, row, rows, n, n),
  },
  {
    name: 'logSumExpRows',
    run: (it, row, results, _, rows, n) => it.logSumExpRows(results, row, rows, n),
  },
  {
    name: 'crossEntropyRows',
    run: (it, row, results, targets, rows, n) =>
      it.crossEntropyRows(results, LOSS_SUM, row, targets, rows, n),
  },
  {
    name: 'crossEntropyGradientRows',
    run: (it, row, results, targets, rows, n) =>
      it.crossEntropyGradientRows(row, results, LOSS_SUM, row, targets, rows, n, n, 0.1),
  },
];

describe.each(builds)('rows ahead (%s)', (numerics) => {
  const bench = new Workbench(numerics, PAGES);
  const { kernels } = bench;
  const targets = offsetBy(LOSS_SUM, 64);
  const results = offsetBy(LOSS_SUM, 128);
  bench.int32(targets, ROWS).set([1, 0, 2]);

  /** The bits of all that a kernel writes to rows that end where memory does. */
  function bitsAtTheEnd({ run }: RowKernel, columns: number, calls: readonly number[]): Uint32Array {
    const bytes = ROWS * columns * 4;
    const begins = offsetBy(END, -bytes);
    const values = randomValues(ROWS * columns, 8, columns);
    // A row that has nearly all at its target, which takes another way.
    values[columns] = 60;
    bench.float32(begins, ROWS * columns).set(values);
    bench.uint32(results, ROWS).fill(0);
    bench.float64(LOSS_SUM, 1)[0] = 0;
    let begin = 0;
    for (const rows of calls) {
      const isLast = begin + rows === ROWS;
      kernels.prefetchBeyond(isLast ? 0 : 1);
      const row = offsetBy(begins, begin * columns * 4);
      run(kernels, row, offsetBy(results, begin * 4), offsetBy(targets, begin * 4), rows, columns);
      begin += rows;
    }
    return new Uint32Array([
      ...bench.uint32(LOSS_SUM, 2),
      ...bench.uint32(results, ROWS),
      ...bench.uint32(begins, ROWS * columns),
    ]);
  }

  test.each([16, 17, 64, 67, 100, 118, 1003, 4096])(
    '%i columns at the end of memory: the same bits in one call, in several that expect one another, and with no fetching',
    (columns) => {
      for (const kernel of KERNELS) {
        const expected = bitsAtTheEnd(kernel, columns, [ROWS]);
        expect(bitsAtTheEnd(kernel, columns, [1, 1, 1]), kernel.name).toEqual(expected);
        expect(bitsAtTheEnd(kernel, columns, [2, 1]), kernel.name).toEqual(expected);
        kernels.usePrefetch(0);
        expect(bitsAtTheEnd(kernel, columns, [2, 1]), kernel.name).toEqual(expected);
        kernels.usePrefetch(1);
      }
    },
  );

  test('the row that is expected is touched, and is not where nothing is fetched', () => {
    for (const kernel of KERNELS) {
      const run = () => kernel.run(kernels, offsetBy(END, -4096), results, targets, 1, 1024);
      kernels.prefetchBeyond(1);
      expect(run, kernel.name).toThrow('memory access out of bounds');
      kernels.usePrefetch(0);
      expect(run, kernel.name).not.toThrow();
      kernels.usePrefetch(1);
      kernels.prefetchBeyond(0);
    }
  });
});

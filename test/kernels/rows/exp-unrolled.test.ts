// Eight vectors of exponentials at a time, also where V8 does not join their pairs: no bit depends on how many they are.
import { describe, test } from 'vitest';
import { offsetBy } from '#softshard/kernels/ptr.js';
import { builds, randomTargets, randomValues, Workbench } from '../workbench.js';
import { COLUMN_COUNTS, expectSameBits } from './grid.js';

const ROWS = 5;
/** Every rest after groups of eight vectors, of four and of one, beside those of other suites. */
const RESTS = [63, 64, 65, 68, 79, 80, 81, 95, 96, 112, 118, 127, 528, 529, 1040, 1087];

describe.each(builds)('sums of eight vectors at a time (%s)', (numerics) => {
  const bench = new Workbench(numerics, 512);
  const { kernels } = bench;

  /** The bits of all that the row kernels give. */
  function resultsOf(wide: number, values: Float32Array, targets: Int32Array, columns: number): Uint32Array {
    bench.reset();
    kernels.useWideSimd(wide);
    const softmax = bench.putFloat32(values);
    const logSoftmax = bench.putFloat32(values);
    const gradient = bench.putFloat32(values);
    const logits = bench.putFloat32(values);
    const target = bench.putInt32(targets);
    const logSums = bench.allocate(ROWS * 4);
    const losses = bench.allocate(2 * ROWS * 4);
    const sums = bench.allocate(16);
    bench.float64(sums, 2).fill(0);
    kernels.softmaxRows(softmax, softmax, ROWS, columns, columns);
    kernels.logSoftmaxRows(logSoftmax, logSoftmax, ROWS, columns, columns);
    kernels.logSumExpRows(logSums, logits, ROWS, columns);
    kernels.crossEntropyRows(losses, sums, logits, target, ROWS, columns);
    const [gradientLosses, gradientSum] = [offsetBy(losses, ROWS * 4), offsetBy(sums, 8)];
    kernels.crossEntropyGradientRows(
      gradient,
      gradientLosses,
      gradientSum,
      gradient,
      target,
      ROWS,
      columns,
      columns,
      0.1,
    );
    return new Uint32Array([
      ...[softmax, logSoftmax, gradient].flatMap((ptr) => [...bench.uint32(ptr, ROWS * columns)]),
      ...bench.uint32(logSums, ROWS),
      ...bench.uint32(losses, 2 * ROWS),
      ...bench.uint32(sums, 4),
    ]);
  }

  test.each([...COLUMN_COUNTS.filter((columns) => columns < 10_000), ...RESTS])(
    '%i columns: the bits of four at a time',
    (columns) => {
      for (const amplitude of [6, 200]) {
        const values = randomValues(ROWS * columns, amplitude, columns);
        const targets = randomTargets(ROWS, columns, 3);
        // A confident row, one with an impossible class, and one that is spoiled.
        values[columns + targets[1]!] = 2 * amplitude;
        values[2 * columns] = Number.NEGATIVE_INFINITY;
        values[values.length - 1] = NaN;
        const expected = resultsOf(0, values, targets, columns);
        expectSameBits(resultsOf(1, values, targets, columns), expected, `amplitude ${amplitude}`);
      }
    },
  );
});

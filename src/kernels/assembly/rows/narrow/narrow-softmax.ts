// Softmax, its logarithm and log-sum-exp of rows of few columns, by groups (narrow-groups.ts). Formulas, bounds and bits are
// those of softmax.ts.

import { demotePairs, highPair, lowPair, storeVector } from '../../vectors/float64-pairs';
import { hasNaN } from '../../vectors/not-a-number';
import { differencesAt, exponentialsAt, GROUP_ROWS, logsAt, maximaAt, sumsAt } from './group-scratch';
import { ALL, computeGroup, computeLogs, computeSums, SMALL_MAXIMA } from './narrow-groups';
import { rowAfter, SCALE, SHIFT, spoilRows, storeQuad } from './quads';

/** As softmaxRows. */
export function narrowSoftmaxRows<Width>(output: usize, logits: usize, rows: i32, columns: i32, stride: i32): void {
  const strideBytes = (<usize>stride) << 2;
  for (; rows > 0; rows -= GROUP_ROWS) {
    const count = min(rows, GROUP_ROWS);
    computeGroup<Width>(logits, strideBytes, count, columns);
    computeSums<Width>(count, columns);
    for (let i = 0; i < count; i += 4) {
      const out1 = rowAfter(output, strideBytes, i + 1 < count);
      const out2 = rowAfter(out1, strideBytes, i + 2 < count);
      const out3 = rowAfter(out2, strideBytes, i + 3 < count);
      // Dividing in float32 gives the bits of the rounded float64 quotient, which has more than twice the digits.
      const factors = f32x4.div(f32x4.splat(1), v128.load(sumsAt(i)));
      storeQuad<Width>(SCALE, output, out1, out2, out3, columns, exponentialsAt(i, columns), factors);
      spoilRows(output, out1, out2, out3, columns, factors);
      output = out3 + strideBytes;
    }
    logits += <usize>GROUP_ROWS * strideBytes;
  }
}

/** As logSoftmaxRows. */
export function narrowLogSoftmaxRows<Width>(output: usize, logits: usize, rows: i32, columns: i32, stride: i32): void {
  const strideBytes = (<usize>stride) << 2;
  for (; rows > 0; rows -= GROUP_ROWS) {
    const count = min(rows, GROUP_ROWS);
    computeGroup<Width>(logits, strideBytes, count, columns);
    computeSums<Width>(count, columns);
    computeLogs<Width>(ALL, count, columns);
    for (let i = 0; i < count; i += 4) {
      const out1 = rowAfter(output, strideBytes, i + 1 < count);
      const out2 = rowAfter(out1, strideBytes, i + 2 < count);
      const out3 = rowAfter(out2, strideBytes, i + 3 < count);
      const logs = demotePairs(v128.load(logsAt(i)), v128.load(logsAt(i), 16));
      storeQuad<Width>(SHIFT, output, out1, out2, out3, columns, differencesAt(i, columns), logs);
      spoilRows(output, out1, out2, out3, columns, logs);
      output = out3 + strideBytes;
    }
    logits += <usize>GROUP_ROWS * strideBytes;
  }
}

/** As logSumExpRows. */
export function narrowLogSumExpRows<Width>(output: usize, logits: usize, rows: i32, columns: i32): void {
  const rowBytes = (<usize>columns) << 2;
  for (; rows > 0; rows -= GROUP_ROWS) {
    const count = min(rows, GROUP_ROWS);
    computeGroup<Width>(logits, rowBytes, count, columns);
    computeSums<Width>(count, columns);
    computeLogs<Width>(SMALL_MAXIMA, count, columns);
    for (let i = 0; i < count; i += 4) {
      const maxima = v128.load(maximaAt(i));
      const low = f64x2.add(lowPair(maxima), v128.load(logsAt(i)));
      const high = f64x2.add(highPair(maxima), v128.load(logsAt(i), 16));
      const results = demotePairs(low, high);
      storeVector<f32>(output, count - i, results);
      if (v128.any_true(f32x4.ne(results, results))) restoreInfinities(output, i, logits, count, columns);
      output += 16;
    }
    logits += <usize>GROUP_ROWS * rowBytes;
  }
}

/** In a quad with NaN among its results: where no logit is NaN the result is the largest, which is infinite. */
function restoreInfinities(output: usize, i: i32, logits: usize, rows: i32, columns: i32): void {
  for (let end = min(i + 4, rows); i < end; i++) {
    const result = load<f32>(output);
    if (result != result && !hasNaN(logits + ((<usize>(i * columns)) << 2), columns)) {
      store<f32>(output, load<f32>(maximaAt(i)));
    }
    output += 4;
  }
}

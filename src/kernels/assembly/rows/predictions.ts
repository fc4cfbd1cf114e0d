// What metrics keep of each row: the predicted class, the target's rank, the loss, the confidence.
import { storeFloat, storeFloat64 } from '../vectors/not-a-number';
import { columnOf, rankOf } from './evaluate';
import { targetLoss } from './row-exps';
import { sumOfExps } from './row-sums';
import { sumOfOthers } from './rows64';
import { rowMaxOf } from './typed-exps';

/** See the contract in row-loss-kernels.ts. A row of target -1 is ignored: -1, -1, 0 and 0. */
export function predictRows(
  predictions: usize,
  ranks: usize,
  losses: usize,
  confidences: usize,
  logits: usize,
  targets: usize,
  rows: i32,
  columns: i32,
  stride: i32,
): void {
  predictionsOf<f32>(predictions, ranks, losses, confidences, logits, targets, rows, columns, stride);
}

/** As predictRows, of rows of float64 without gaps. */
export function predictRows64(
  predictions: usize,
  ranks: usize,
  losses: usize,
  confidences: usize,
  logits: usize,
  targets: usize,
  rows: i32,
  columns: i32,
): void {
  predictionsOf<f64>(predictions, ranks, losses, confidences, logits, targets, rows, columns, columns);
}

@inline
function predictionsOf<T>(
  predictions: usize,
  ranks: usize,
  losses: usize,
  confidences: usize,
  logits: usize,
  targets: usize,
  rows: i32,
  columns: i32,
  stride: i32,
): void {
  for (let i = 0; i < rows; i++) {
    const cell = (<usize>i) << 2;
    const target = load<i32>(targets + cell);
    let prediction = -1;
    let rank = -1;
    let loss: f64 = 0;
    let confidence: f64 = 0;
    if (<u32>target < <u32>columns) {
      const targetLogit = load<T>(logits + <usize>target * sizeof<T>());
      const max = rowMaxOf<T>(logits, columns);
      let sum: f64;
      let others: f64 = 0;
      if (sizeof<T>() == 4) {
        sum = sumOfExps(logits, columns, <f32>max);
      } else {
        // The difference is 0, or NaN for an infinity.
        others = sumOfOthers(logits, columns, <f64>max) + <f64>(max - max);
        sum = 1 + others;
      }
      prediction = columnOf<T>(logits, columns, max);
      rank = rankOf<T>(logits, columns, target, targetLogit);
      // After them: they need not wait for the sum, as its logarithm does.
      if (sizeof<T>() == 4) loss = targetLoss(logits, columns, target, <f32>max, sum);
      else loss = Math.log1p(others) + <f64>(max - targetLogit);
      // The largest probability: exp(max - max) over the sum.
      confidence = 1 / sum;
    }
    store<i32>(predictions + cell, prediction);
    store<i32>(ranks + cell, rank);
    storeFloat64(losses + (cell << 1), loss);
    storeFloat<T>(confidences + <usize>i * sizeof<T>(), confidence);
    logits += <usize>stride * sizeof<T>();
  }
}

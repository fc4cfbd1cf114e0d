// What metrics keep of each row: the predicted class, the target's rank, the loss, the confidence.
import { largestColumn, rankOf } from "./evaluate";
import { storeFloat32, storeFloat64 } from "./not-a-number";
import { targetLoss } from "./row-exps";
import { sumOfExps } from "./row-sums";
import { rowMax } from "./rows";

/** See the contract in row-loss-kernels.ts. A row of target -1 is ignored: -1, -1, 0 and 0. */
export function outcomeRows(
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
    const cell = <usize>i << 2;
    const target = load<i32>(targets + cell);
    let prediction = -1;
    let rank = -1;
    let loss: f64 = 0;
    let confidence: f64 = 0;
    if (<u32>target < <u32>columns) {
      const targetLogit = load<f32>(logits + (<usize>target << 2));
      const max = rowMax(logits, columns);
      const sum = sumOfExps(logits, columns, max);
      prediction = largestColumn(logits, columns);
      rank = targetLogit == targetLogit ? rankOf(logits, columns, target, targetLogit) : columns;
      loss = targetLoss(logits, columns, target, max, sum);
      // The largest probability: exp(max - max) over the sum.
      confidence = 1 / sum;
    }
    store<i32>(predictions + cell, prediction);
    store<i32>(ranks + cell, rank);
    storeFloat64(losses + (cell << 1), loss);
    storeFloat32(confidences + cell, confidence);
    logits += <usize>stride << 2;
  }
}

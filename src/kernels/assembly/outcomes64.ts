// As outcomes.ts, of rows of float64.
import { storeFloat64 } from "./not-a-number";
import { rowMax64, sumOfOthers } from "./rows64";

/** See the contract in row-loss-kernels.ts. Small losses keep their digits: log1p of the other exponentials' sum. */
export function outcomeRows64(
  predictions: usize,
  ranks: usize,
  losses: usize,
  confidences: usize,
  logits: usize,
  targets: usize,
  rows: i32,
  columns: i32,
): void {
  for (let i = 0; i < rows; i++) {
    const cell = <usize>i << 2;
    const target = load<i32>(targets + cell);
    let prediction = -1;
    let rank = -1;
    let loss: f64 = 0;
    let confidence: f64 = 0;
    if (<u32>target < <u32>columns) {
      const targetLogit = load<f64>(logits + (<usize>target << 3));
      const max = rowMax64(logits, columns);
      // The difference is 0, or NaN for an infinity.
      const others = sumOfOthers(logits, columns, max) + (max - max);
      prediction = columnOf(logits, columns, max);
      rank = targetLogit == targetLogit ? rankOf64(logits, columns, target, targetLogit) : columns;
      loss = Math.log1p(others) + (max - targetLogit);
      // The largest probability: exp(max - max) over the sum.
      confidence = 1 / (1 + others);
    }
    store<i32>(predictions + cell, prediction);
    store<i32>(ranks + cell, rank);
    storeFloat64(losses + (cell << 1), loss);
    storeFloat64(confidences + (cell << 1), confidence);
    logits += <usize>columns << 3;
  }
}

/** The first column that holds the value, or 0 where none does. */
function columnOf(row: usize, columns: i32, value: f64): i32 {
  const wanted = f64x2.splat(value);
  let column = 0;
  for (; column + 2 <= columns; column += 2) {
    const found = i64x2.bitmask(f64x2.eq(v128.load(row), wanted));
    if (found) return column + <i32>ctz(found);
    row += 16;
  }
  return column < columns && load<f64>(row) == value ? column : 0;
}

/** As rankOf of float32: larger logits come before the target, and equal ones of a lower index. */
function rankOf64(row: usize, columns: i32, target: i32, targetLogit: f64): i32 {
  const after = row + (<usize>target << 3);
  return countBefore64(true, row, target, targetLogit) + countBefore64(false, after, columns - target, targetLogit);
}

/** How many of `length` numbers from ptr on are larger than the limit, or with `orEqual` not smaller. NaN counts as neither. */
@inline
function countBefore64(orEqual: bool, ptr: usize, length: i32, limit: f64): i32 {
  const limits = f64x2.splat(limit);
  let counts = i64x2.splat(0);
  for (let vectors = length >> 1; vectors > 0; vectors--) {
    const z = v128.load(ptr);
    // A comparison gives -1 where it holds.
    counts = i64x2.sub(counts, orEqual ? f64x2.ge(z, limits) : f64x2.gt(z, limits));
    ptr += 16;
  }
  let count = <i32>(i64x2.extract_lane(counts, 0) + i64x2.extract_lane(counts, 1));
  if (length & 1) {
    const z = load<f64>(ptr);
    count += <i32>(orEqual ? z >= limit : z > limit);
  }
  return count;
}

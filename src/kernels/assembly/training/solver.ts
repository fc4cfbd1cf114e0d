// What full-batch solvers do with the rows of logits that they keep. Without fused multiply-add: both builds give the same
// bits.
import { highPair, lowPair } from '../vectors/float64-pairs';

/** output = x + alpha · y, rounded twice; output may be x or y. */
export function addScaled(output: usize, x: usize, y: usize, length: i32, alpha: f32): void {
  const factor = f32x4.splat(alpha);
  let left = length;
  for (; left >= 4; left -= 4) {
    v128.store(output, f32x4.add(v128.load(x), f32x4.mul(factor, v128.load(y))));
    output += 16;
    x += 16;
    y += 16;
  }
  for (; left > 0; left--) {
    store<f32>(output, load<f32>(x) + alpha * load<f32>(y));
    output += 4;
    x += 4;
    y += 4;
  }
}

/** values [rows × columns] += addend [columns] in each row. */
export function addToRows(values: usize, addend: usize, rows: i32, columns: i32): void {
  for (let row = 0; row < rows; row++) {
    let from = addend;
    let left = columns;
    for (; left >= 4; left -= 4) {
      v128.store(values, f32x4.add(v128.load(values), v128.load(from)));
      values += 16;
      from += 16;
    }
    for (; left > 0; left--) {
      store<f32>(values, load<f32>(values) + load<f32>(from));
      values += 4;
      from += 4;
    }
  }
}

/** Row i of values [rows × columns] *= factors[i]. */
export function scaleRows(values: usize, factors: usize, rows: i32, columns: i32): void {
  for (let row = 0; row < rows; row++) {
    const factor = load<f32>(factors + ((<usize>row) << 2));
    const factors4 = f32x4.splat(factor);
    let left = columns;
    for (; left >= 4; left -= 4) {
      v128.store(values, f32x4.mul(factors4, v128.load(values)));
      values += 16;
    }
    for (; left > 0; left--) {
      store<f32>(values, factor * load<f32>(values));
      values += 4;
    }
  }
}

/**
 * Each row u of values [rows × columns] becomes c (p ∘ u - p (p · u)) with its row p of probabilities and c of curvatures
 * [rows]: the Hessian of softmax cross-entropy by the logits times u (p sums to 1). p · u is summed in float64: columns
 * 0, 2, 4, … and 1, 3, 5, … of each four apart.
 */
export function curvatureRows(values: usize, probabilities: usize, curvatures: usize, rows: i32, columns: i32): void {
  for (let row = 0; row < rows; row++) {
    const curvature = load<f32>(curvatures + ((<usize>row) << 2));
    const mean = <f32>meanOf(values, probabilities, columns);
    const means = f32x4.splat(mean);
    const curvatures4 = f32x4.splat(curvature);
    let left = columns;
    for (; left >= 4; left -= 4) {
      const deviation = f32x4.sub(v128.load(values), means);
      v128.store(values, f32x4.mul(curvatures4, f32x4.mul(v128.load(probabilities), deviation)));
      values += 16;
      probabilities += 16;
    }
    for (; left > 0; left--) {
      const deviation = load<f32>(values) - mean;
      store<f32>(values, curvature * (load<f32>(probabilities) * deviation));
      values += 4;
      probabilities += 4;
    }
  }
}

function meanOf(values: usize, probabilities: usize, columns: i32): f64 {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  let left = columns;
  for (; left >= 4; left -= 4) {
    const u = v128.load(values);
    const p = v128.load(probabilities);
    low = f64x2.add(low, f64x2.mul(lowPair(u), lowPair(p)));
    high = f64x2.add(high, f64x2.mul(highPair(u), highPair(p)));
    values += 16;
    probabilities += 16;
  }
  const pairs = f64x2.add(low, high);
  let mean = f64x2.extract_lane(pairs, 0) + f64x2.extract_lane(pairs, 1);
  for (; left > 0; left--) {
    mean += <f64>load<f32>(values) * <f64>load<f32>(probabilities);
    values += 4;
    probabilities += 4;
  }
  return mean;
}

/**
 * matrix [columns × columns] += Σ c (diag(p) - p pᵀ) over rows of probabilities [rows × stride] with curvatures c [rows]: the
 * Hessian of softmax cross-entropy by what is added to all rows' logits. Rows in order.
 */
export function addCurvatures(
  matrix: usize,
  probabilities: usize,
  curvatures: usize,
  rows: i32,
  columns: i32,
  stride: i32,
): void {
  const rowBytes = (<usize>columns) << 2;
  for (let row = 0; row < rows; row++) {
    const curvature = load<f32>(curvatures + ((<usize>row) << 2));
    let line = matrix;
    for (let i = 0; i < columns; i++) {
      const share = curvature * load<f32>(probabilities + ((<usize>i) << 2));
      const diagonal = line + ((<usize>i) << 2);
      store<f32>(diagonal, load<f32>(diagonal) + share);
      const shares = f32x4.splat(share);
      let from = probabilities;
      let to = line;
      let left = columns;
      for (; left >= 4; left -= 4) {
        v128.store(to, f32x4.sub(v128.load(to), f32x4.mul(shares, v128.load(from))));
        to += 16;
        from += 16;
      }
      for (; left > 0; left--) {
        store<f32>(to, load<f32>(to) - share * load<f32>(from));
        to += 4;
        from += 4;
      }
      line += rowBytes;
    }
    probabilities += (<usize>stride) << 2;
  }
}

/**
 * sums [columns] += Σ c (p ∘ v - p (p · v)) over rows of probabilities [rows × stride] with curvatures c [rows]: the matrix of
 * addCurvatures times v [columns]. Rows in order; p · v as in curvatureRows.
 */
export function addCurvatureProducts(
  sums: usize,
  vector: usize,
  probabilities: usize,
  curvatures: usize,
  rows: i32,
  columns: i32,
  stride: i32,
): void {
  for (let row = 0; row < rows; row++) {
    const curvature = load<f32>(curvatures + ((<usize>row) << 2));
    const mean = <f32>meanOf(vector, probabilities, columns);
    const means = f32x4.splat(mean);
    const curvatures4 = f32x4.splat(curvature);
    let from = probabilities;
    let values = vector;
    let to = sums;
    let left = columns;
    for (; left >= 4; left -= 4) {
      const deviation = f32x4.sub(v128.load(values), means);
      const product = f32x4.mul(curvatures4, f32x4.mul(v128.load(from), deviation));
      v128.store(to, f32x4.add(v128.load(to), product));
      from += 16;
      values += 16;
      to += 16;
    }
    for (; left > 0; left--) {
      const deviation = load<f32>(values) - mean;
      store<f32>(to, load<f32>(to) + curvature * (load<f32>(from) * deviation));
      from += 4;
      values += 4;
      to += 4;
    }
    probabilities += (<usize>stride) << 2;
  }
}

/** sums [columns] += Σ c (p - p ∘ p) over rows as in addCurvatures: the diagonal of its matrix. Rows in order. */
export function addCurvatureDiagonals(
  sums: usize,
  probabilities: usize,
  curvatures: usize,
  rows: i32,
  columns: i32,
  stride: i32,
): void {
  const ones = f32x4.splat(1);
  for (let row = 0; row < rows; row++) {
    const curvature = load<f32>(curvatures + ((<usize>row) << 2));
    const curvatures4 = f32x4.splat(curvature);
    let from = probabilities;
    let to = sums;
    let left = columns;
    for (; left >= 4; left -= 4) {
      const share = v128.load(from);
      const product = f32x4.mul(curvatures4, f32x4.mul(share, f32x4.sub(ones, share)));
      v128.store(to, f32x4.add(v128.load(to), product));
      from += 16;
      to += 16;
    }
    for (; left > 0; left--) {
      const share = load<f32>(from);
      store<f32>(to, load<f32>(to) + curvature * (share * (1 - share)));
      from += 4;
      to += 4;
    }
    probabilities += (<usize>stride) << 2;
  }
}

/** sums [length], float64, += values [length], float32. */
export function addToFloat64(sums: usize, values: usize, length: i32): void {
  let left = length;
  for (; left >= 4; left -= 4) {
    const four = v128.load(values);
    v128.store(sums, f64x2.add(v128.load(sums), lowPair(four)));
    v128.store(sums, f64x2.add(v128.load(sums, 16), highPair(four)), 16);
    values += 16;
    sums += 32;
  }
  for (; left > 0; left--) {
    store<f64>(sums, load<f64>(sums) + <f64>load<f32>(values));
    values += 4;
    sums += 8;
  }
}

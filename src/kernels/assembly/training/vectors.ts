// What solvers do with whole vectors of float32. Without fused multiply-add: both builds give the same bits.
import { highPair, lowPair } from '../vectors/float64-pairs';

/**
 * The sum of x[i] · y[i] in float64, where the products are exact: eight sums, of every eighth element each, added in
 * pairs, then what is left in order.
 */
export function dot(x: usize, y: usize, length: i32): f64 {
  let s0 = f64x2.splat(0);
  let s1 = f64x2.splat(0);
  let s2 = f64x2.splat(0);
  let s3 = f64x2.splat(0);
  let left = length;
  for (; left >= 8; left -= 8) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = v128.load(y);
    const y1 = v128.load(y, 16);
    s0 = f64x2.add(s0, f64x2.mul(lowPair(x0), lowPair(y0)));
    s1 = f64x2.add(s1, f64x2.mul(highPair(x0), highPair(y0)));
    s2 = f64x2.add(s2, f64x2.mul(lowPair(x1), lowPair(y1)));
    s3 = f64x2.add(s3, f64x2.mul(highPair(x1), highPair(y1)));
    x += 32;
    y += 32;
  }
  const pairs = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
  let sum = f64x2.extract_lane(pairs, 0) + f64x2.extract_lane(pairs, 1);
  for (; left > 0; left--) {
    sum += <f64>load<f32>(x) * <f64>load<f32>(y);
    x += 4;
    y += 4;
  }
  return sum;
}

/** y += alpha · x, rounded twice. */
export function axpy(y: usize, x: usize, length: i32, alpha: f32): void {
  const factor = f32x4.splat(alpha);
  let left = length;
  for (; left >= 4; left -= 4) {
    v128.store(y, f32x4.add(v128.load(y), f32x4.mul(factor, v128.load(x))));
    x += 16;
    y += 16;
  }
  for (; left > 0; left--) {
    store<f32>(y, load<f32>(y) + alpha * load<f32>(x));
    x += 4;
    y += 4;
  }
}

/** x *= alpha. */
export function scale(x: usize, length: i32, alpha: f32): void {
  const factor = f32x4.splat(alpha);
  let left = length;
  for (; left >= 4; left -= 4) {
    v128.store(x, f32x4.mul(factor, v128.load(x)));
    x += 16;
  }
  for (; left > 0; left--) {
    store<f32>(x, alpha * load<f32>(x));
    x += 4;
  }
}

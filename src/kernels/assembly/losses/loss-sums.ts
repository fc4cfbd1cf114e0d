// Sums over the scratch rows of cross-entropy with options.
import { expOf } from '../exp/exp64';
import { STORED_EXPS } from '../rows/exp-unrolled';
import { sumOfExpsAs } from '../rows/row-sums';
import { lanesOf, lanesSummed } from '../vectors/typed-vectors';

/**
 * Lane sums, eight or sixteen at a time, are gathered in float64 after this many columns: for any number of columns the
 * additions cost less than 4e-7 of a float32 sum.
 */
const BLOCK_COLUMNS: i32 = 1024;

// What is summed.
const ELEMENTS: i32 = 0;
const EXPONENTIALS: i32 = 1;
const EXCESS: i32 = 2;
const ENTROPY: i32 = 3;

/** Σ row. */
export function sumOfRow<T>(row: usize, columns: i32): f64 {
  return laneSums<T>(ELEMENTS, row, 0, columns, 0);
}

/** Σ row without one column. */
export function sumWithout<T>(row: usize, columns: i32, column: i32): f64 {
  const at = row + <usize>column * sizeof<T>();
  const left = load<T>(at);
  store<T>(at, 0);
  const sum = sumOfRow<T>(row, columns);
  store<T>(at, left);
  return sum;
}

/**
 * Σ exp(u - max), each stored to exponentials, which may be the scores. max is the largest score, or -Infinity: the sum
 * is at least 1, or NaN when there is a NaN or +Infinity or no finite score.
 */
export function sumOfExponentials<T>(exponentials: usize, scores: usize, columns: i32, max: T): f64 {
  if (sizeof<T>() == 4) {
    const whole = (columns + 3) & ~3;
    return sumOfExpsAs(STORED_EXPS, exponentials, scores, whole, <f32>max, f32x4.splat(0), 0);
  }
  return laneSums<T>(EXPONENTIALS, exponentials, scores, columns, max);
}

/**
 * Σ c (max - u) over the columns whose coefficient c is not 0. In float32 a difference beyond 3.4e38 is Infinity, which only
 * logits near the end of the range reach.
 */
export function sumOfExcess<T>(coefficients: usize, scores: usize, columns: i32, max: T): f64 {
  return laneSums<T>(EXCESS, coefficients, scores, columns, max);
}

/** Σ exp(u - max) (max - u) over the columns where the exponential is not 0. */
export function entropySum<T>(scores: usize, columns: i32, max: T): f64 {
  return laneSums<T>(ENTROPY, 0, scores, columns, max);
}

@inline
function laneSums<T>(what: i32, row: usize, scores: usize, columns: i32, max: T): f64 {
  const shift = v128.splat<T>(max);
  const vectors = (columns + lanesOf<T>() - 1) / lanesOf<T>();
  let groups = vectors >> 2;
  let total: f64 = 0;
  do {
    let s0 = v128.splat<T>(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let n = min(groups, BLOCK_COLUMNS / lanesOf<T>() / 4);
    groups -= n;
    for (; n > 0; n--) {
      const t0 = summand<T>(what, row, scores, shift);
      const t1 = summand<T>(what, row + 16, scores + 16, shift);
      const t2 = summand<T>(what, row + 32, scores + 32, shift);
      const t3 = summand<T>(what, row + 48, scores + 48, shift);
      if (what == EXPONENTIALS) {
        v128.store(row, t0);
        v128.store(row, t1, 16);
        v128.store(row, t2, 32);
        v128.store(row, t3, 48);
      }
      s0 = v128.add<T>(s0, t0);
      s1 = v128.add<T>(s1, t1);
      s2 = v128.add<T>(s2, t2);
      s3 = v128.add<T>(s3, t3);
      row += 64;
      scores += 64;
    }
    if (groups == 0) {
      for (let single = vectors & 3; single > 0; single--) {
        const t = summand<T>(what, row, scores, shift);
        if (what == EXPONENTIALS) v128.store(row, t);
        s0 = v128.add<T>(s0, t);
        row += 16;
        scores += 16;
      }
    }
    total += lanesSummed<T>(v128.add<T>(v128.add<T>(s0, s2), v128.add<T>(s1, s3)));
  } while (groups > 0);
  return total;
}

@inline
function summand<T>(what: i32, row: usize, scores: usize, shift: v128): v128 {
  if (what == ELEMENTS) return v128.load(row);
  if (what == EXPONENTIALS) return expOf<T>(v128.sub<T>(v128.load(scores), shift));
  const zero = v128.splat<T>(0);
  const excess = v128.sub<T>(shift, v128.load(scores));
  const weight = what == EXCESS ? v128.load(row) : expOf<T>(v128.sub<T>(zero, excess));
  // 0 times an excess of Infinity is 0 here: a class with no share in the target may be impossible.
  return v128.and(v128.mul<T>(weight, excess), v128.ne<T>(weight, zero));
}

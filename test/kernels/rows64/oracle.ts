// Softmax, log-softmax and log-sum-exp of one row, with more digits than the float64 kernels: differences in two parts
// and compensated sums, so that what is left of an error is the kernel's own (and an ulp of Math.exp).

export interface RowResults {
  readonly max: number;
  readonly softmax: Float64Array;
  readonly logSoftmax: Float64Array;
  readonly logSumExp: number;
  /** log(sum of exp(z - max)). */
  readonly logSum: number;
  /** What roundings of z - max may change in logSum: 2^-53 of the mean |z - max| of the other logits, relative. */
  readonly logSumRounding: number;
}

export function rowResults(row: ArrayLike<number>): RowResults {
  let max = Number.NEGATIVE_INFINITY;
  for (let j = 0; j < row.length; j++) max = Math.max(max, row[j]!);
  if (!Number.isFinite(max)) {
    const spoiled = new Float64Array(row.length).fill(Number.NaN);
    return {
      max,
      softmax: spoiled,
      logSoftmax: spoiled,
      logSumExp: max,
      logSum: Number.NaN,
      logSumRounding: 0,
    };
  }
  const exponentials = Float64Array.from({ length: row.length }, (_, j) => expOfDifference(row[j]!, max));
  // Neumaier's sum, without one of the largest terms.
  let sum = 0;
  let errors = 0;
  let distances = 0;
  let largestSeen = false;
  for (let j = 0; j < row.length; j++) {
    if (!largestSeen && row[j] === max) {
      largestSeen = true;
      continue;
    }
    const e = exponentials[j]!;
    if (e > 0) distances += e * (max - row[j]!);
    const next = sum + e;
    errors += sum >= e ? sum - next + e : e - next + sum;
    sum = next;
  }
  const others = sum + errors;
  const logSum = Math.log1p(others);
  // Division in two parts: the rounding error of 1 + others counts too.
  const total = 1 + others;
  const totalError = others - (total - 1);
  return {
    max,
    softmax: exponentials.map((e) => (e / total) * (1 - totalError / total)),
    logSoftmax: Float64Array.from({ length: row.length }, (_, j) => {
      const difference = row[j]! - max;
      return difference === Number.NEGATIVE_INFINITY
        ? difference
        : difference - logSum + errorOfDifference(row[j]!, max, difference);
    }),
    logSumExp: max + logSum,
    logSum,
    logSumRounding: others > 0 ? (distances / others) * ULP : 0,
  };
}

function expOfDifference(a: number, b: number): number {
  const difference = a - b;
  const e = Math.exp(difference);
  return e === 0 ? 0 : e + e * errorOfDifference(a, b, difference);
}

/** The rounding error of difference = a - b (Knuth's two-sum). */
function errorOfDifference(a: number, b: number, difference: number): number {
  const bUsed = a - difference;
  return a - (difference + bUsed) + (bUsed - b);
}

const ULP = 2 ** -53;
const LEAST_NORMAL = 2 ** -1022;

/** 1e-15 and the rounding of z - max; results without a normal number may be 0. */
export const softmaxBound = (expected: number, distance: number): number =>
  expected * (1e-15 + Math.abs(distance) * ULP) + LEAST_NORMAL;

export const logSoftmaxBound = (expected: number, { logSum, logSumRounding }: RowResults): number =>
  Math.abs(expected) * 1e-15 + logSum * logSumRounding + LEAST_NORMAL;

/** The sum is rounded once in the kernel, and once here. */
export const logSumExpBound = ({ logSum, logSumExp, logSumRounding }: RowResults): number =>
  logSum * (1e-15 + logSumRounding) + 2 * Math.abs(logSumExp) * ULP + LEAST_NORMAL;

/** Throws at the first element further off than its bound. Equal infinities and two NaN agree. */
export function expectWithin64(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  bound: (expected: number, index: number) => number,
  what: string,
): void {
  if (got.length !== expected.length)
    throw new Error(`${what}: ${got.length} elements, not ${expected.length}`);
  for (let j = 0; j < got.length; j++) {
    const wanted = expected[j]!;
    if (Object.is(got[j], wanted) || got[j] === wanted) continue;
    const limit = bound(wanted, j);
    if (!(Math.abs(got[j]! - wanted) <= limit)) {
      throw new Error(`${what}[${j}]: expected ${wanted} ± ${limit}, got ${got[j]}`);
    }
  }
}

/** Float64 values, reproducible, with all their bits in use: float32 ones would be subtracted without rounding. */
export function randomValues64(high: Float32Array, low: Float32Array): Float64Array {
  return Float64Array.from(high, (value, i) => value + low[i]! * 2 ** -30);
}

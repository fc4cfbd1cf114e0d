// Decimal numbers from bytes to float32, with the rounding of Math.fround(Number(text)) to the last bit.

const ZERO = 0x30;
const SMALL_E = 0x65 - ZERO;
const LARGE_E = 0x45 - ZERO;
const PLUS = 0x2b;
const MINUS = 0x2d;

/** From here on, sums of digits may have been rounded. */
const EXACT_INTEGERS = 2 ** 53;

/** Powers of ten beyond this one are rounded. */
const EXACT_POWER = 22;

/** Numbers with larger ones are rare: few are float32 other than 0. */
const MOST_POWER = 64;

const POWERS = Float64Array.from({ length: MOST_POWER + 1 }, (_, power) => Number(`1e${power}`));

/** 21 digits are summed with at most 6 inexact steps, of two roundings each. */
const MOST_DIGITS = 1e21;

/**
 * Those 12 roundings, that of the power and that of the product err by less than 2⁻⁴⁹ of the value together: the float64
 * nearest to the number lies between these multiples of what is computed.
 */
const BELOW = 1 - 2 ** -48;
const ABOVE = 1 + 2 ** -48;

/**
 * Reads the number that begins at `begin` into `values[index]` and returns where it ends: at the first byte that cannot belong
 * to it. Returns -1 if there is none, or one whose rounding must be left to Number(): the value is then junk. `bytes` must hold
 * another byte than a digit after the number. `point` is the byte of decimal points, which may be commas.
 *
 * Two ways to be exact. A whole number below 2⁵³, times or divided by a power of ten up to 10²², is one rounding of exact
 * operands, as that of Number() (Clinger 1990). Else the value is known within bounds; rounding keeps order, so where both
 * bounds have the same float32, Number() has it too.
 */
export function readDecimal(
  bytes: Uint8Array,
  begin: number,
  values: Float32Array,
  index: number,
  point: number,
): number {
  const pointDigit = point - ZERO;
  let at = begin;
  const sign = bytes[at]!;
  if (sign === MINUS || sign === PLUS) at++;
  const wholeBegin = at;
  let digits = 0;
  let digit = bytes[at]! - ZERO;
  while (digit >= 0 && digit <= 9) {
    digits = digits * 10 + digit;
    digit = bytes[++at]! - ZERO;
  }
  let count = at - wholeBegin;
  let power = 0;
  const isWhole = digit !== pointDigit && digit !== SMALL_E && digit !== LARGE_E;
  if (isWhole && count > 0 && digits < EXACT_INTEGERS) {
    values[index] = sign === MINUS ? -digits : digits;
    return at;
  }
  if (digit === pointDigit) {
    const pointAt = at;
    digit = bytes[++at]! - ZERO;
    while (digit >= 0 && digit <= 9) {
      const next = bytes[++at]! - ZERO;
      if (next >= 0 && next <= 9) {
        // Two at once: each sum waits for the one before.
        digits = digits * 100 + (digit * 10 + next);
        digit = bytes[++at]! - ZERO;
      } else {
        digits = digits * 10 + digit;
        digit = next;
      }
    }
    power = pointAt + 1 - at;
    count -= power;
  }
  if (count === 0) return -1;
  if (digit === SMALL_E || digit === LARGE_E) {
    const exponentSign = bytes[++at]!;
    if (exponentSign === MINUS || exponentSign === PLUS) at++;
    const exponentBegin = at;
    let exponent = 0;
    digit = bytes[at]! - ZERO;
    while (digit >= 0 && digit <= 9) {
      if (exponent < 1e6) exponent = exponent * 10 + digit;
      digit = bytes[++at]! - ZERO;
    }
    if (at === exponentBegin) return -1;
    power += exponentSign === MINUS ? -exponent : exponent;
  }
  const size = power < 0 ? -power : power;
  if (size > MOST_POWER) return -1;
  const value = power < 0 ? digits / POWERS[size]! : digits * POWERS[size]!;
  if (digits >= EXACT_INTEGERS || size > EXACT_POWER) {
    const below = Math.fround(value * BELOW);
    if (digits >= MOST_DIGITS || below !== Math.fround(value * ABOVE) || below === Infinity) return -1;
  }
  values[index] = sign === MINUS ? -value : value;
  return at;
}

// Sums of float64 without rounding, so that parts of a data set add up to the same bits in any order and grouping.
//
// The number line of float64 as one fixed-point integer in units of 2^-1074, in digits of 32 bits: a float64 touches
// three of them. Digits are kept as float64 integers below 2^53, so carries need to be passed on only every 2^20
// additions. (R. M. Neal, "Fast exact summation using small and large superaccumulators", 2015, has the idea.)
import { SoftshardError } from '../../errors.js';
import { inspectValue } from '../../printable.js';

/** 2098 bits hold every float64, and 2^64 of the largest more. */
const DIGITS = 68;
const DIGIT = 2 ** 32;
const ADDITIONS_BEFORE_CARRY = 2 ** 20;
/** What all digits but the last, which has the sign, and a few bits of that can hold. */
const MAX_HEX_DIGITS = (DIGITS - 1) * 8 + 4;
/** How many units of 2^-1074 make 1, as a power of 2. */
export const UNIT_BITS = 1074n;

const float = new Float64Array(1);
/** The words of `float`, low one first: every platform that Node runs on is little-endian. */
const words = new Uint32Array(float.buffer);

/** The canonical digits of an ExactSum, and how many values were not finite. */
export interface SavedSum {
  /** Signed hexadecimal, with p and how many zeros follow: "-1fp3" is -0x1f000 units of 2^-1074. */
  readonly units: string;
  readonly notANumber?: number;
  readonly plusInfinity?: number;
  readonly minusInfinity?: number;
}

export class ExactSum {
  readonly #digits = new Float64Array(DIGITS);
  #pending = 0;
  #notANumber = 0;
  #plusInfinity = 0;
  #minusInfinity = 0;

  add(value: number): void {
    float[0] = value;
    const high = words[1]!;
    const low = words[0]!;
    const exponent = (high >>> 20) & 0x7ff;
    if (exponent === 0x7ff) {
      this.#addSpecial(value);
      return;
    }
    // The lowest bit of the mantissa stands at this place; denormals stand where the smallest normal numbers do.
    const place = exponent === 0 ? 0 : exponent - 1;
    const mantissa = exponent === 0 ? high & 0xfffff : (high & 0xfffff) | 0x100000;
    const sign = high >>> 31 === 0 ? 1 : -1;
    const shift = place & 31;
    const digit = place >>> 5;
    const digits = this.#digits;
    digits[digit]! += sign * ((low << shift) >>> 0);
    // Shifting by 32 shifts by 0, so what crosses into the next digit is shifted in two steps.
    digits[digit + 1]! += sign * ((((low >>> 1) >>> (31 - shift)) | (mantissa << shift)) >>> 0);
    digits[digit + 2]! += sign * ((mantissa >>> 1) >>> (31 - shift));
    if (++this.#pending >= ADDITIONS_BEFORE_CARRY) this.#carry();
  }

  /** Adds value², exactly unless the square's lowest bits fall below 2^-1074. */
  addSquare(value: number): void {
    const square = value * value;
    this.add(square);
    if (!Number.isFinite(square) || square === 0) return;
    // Dekker's product: both halves of the value have 26 bits, so their products are exact.
    const scaled = value * 134217729;
    const top = scaled - (scaled - value);
    if (!Number.isFinite(top)) return;
    const rest = value - top;
    this.add(rest * rest - (square - top * top - 2 * top * rest));
  }

  merge(other: ExactSum): void {
    this.#carry();
    other.#carry();
    for (let i = 0; i < DIGITS; i++) this.#digits[i]! += other.#digits[i]!;
    this.#carry();
    this.#notANumber += other.#notANumber;
    this.#plusInfinity += other.#plusInfinity;
    this.#minusInfinity += other.#minusInfinity;
  }

  /** NaN or an infinity where values make the sum one, else undefined. */
  get special(): number | undefined {
    if (this.#notANumber > 0 || (this.#plusInfinity > 0 && this.#minusInfinity > 0)) return Number.NaN;
    if (this.#plusInfinity > 0) return Number.POSITIVE_INFINITY;
    return this.#minusInfinity > 0 ? Number.NEGATIVE_INFINITY : undefined;
  }

  /** The sum of the finite values in units of 2^-1074. */
  get units(): bigint {
    this.#carry();
    let units = 0n;
    for (let i = DIGITS - 1; i >= 0; i--) units = (units << 32n) + BigInt(this.#digits[i]!);
    return units;
  }

  /** The sum, rounded once. */
  get value(): number {
    return this.special ?? quotient(this.units, 1n << UNIT_BITS);
  }

  toJSON(): SavedSum {
    const { units } = this;
    const hex = (units < 0n ? -units : units).toString(16);
    const digits = hex.replace(/0+$/, '');
    return {
      units: units === 0n ? '0' : `${units < 0n ? '-' : ''}${digits}p${hex.length - digits.length}`,
      ...(this.#notANumber === 0 ? {} : { notANumber: this.#notANumber }),
      ...(this.#plusInfinity === 0 ? {} : { plusInfinity: this.#plusInfinity }),
      ...(this.#minusInfinity === 0 ? {} : { minusInfinity: this.#minusInfinity }),
    };
  }

  /** Throws ERR_FORMAT. */
  static fromJSON(saved: unknown): ExactSum {
    const { units, notANumber, plusInfinity, minusInfinity } = (saved ?? {}) as Partial<SavedSum>;
    const match = /^(-?)([0-9a-f]{1,540})(?:p([0-9]{1,3}))?$/.exec(String(units));
    const hex = (match?.[2] ?? '') + '0'.repeat(Number(match?.[3] ?? 0));
    if (hex === '' || hex.length > MAX_HEX_DIGITS) {
      throw new SoftshardError('ERR_FORMAT', 'a saved sum has no hexadecimal units: it is damaged');
    }
    const sum = new ExactSum();
    let rest = BigInt(`0x${hex}`);
    const sign = match![1] === '-' ? -1 : 1;
    for (let i = 0; i < DIGITS; i++, rest >>= 32n) sum.#digits[i] = sign * Number(rest & 0xffffffffn);
    sum.#notANumber = savedCount(notANumber);
    sum.#plusInfinity = savedCount(plusInfinity);
    sum.#minusInfinity = savedCount(minusInfinity);
    sum.#carry();
    return sum;
  }

  #addSpecial(value: number): void {
    if (Number.isNaN(value)) this.#notANumber++;
    else if (value > 0) this.#plusInfinity++;
    else this.#minusInfinity++;
  }

  /** Brings every digit but the last, which has the sign, into [0, 2^32): then equal sums have equal digits. */
  #carry(): void {
    const digits = this.#digits;
    for (let i = 0; i < DIGITS - 1; i++) {
      const carry = Math.floor(digits[i]! / DIGIT);
      digits[i]! -= carry * DIGIT;
      digits[i + 1]! += carry;
    }
    this.#pending = 0;
  }
}

/** A count in saved metrics; absent: 0. Throws ERR_FORMAT. */
export function savedCount(value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  const message = `saved metrics hold ${inspectValue(value)} where a count should be: they are damaged`;
  throw new SoftshardError('ERR_FORMAT', message, { value });
}

/** numerator / denominator rounded once to float64 (to nearest, ties to even; not below 2^-1021). denominator > 0. */
export function quotient(numerator: bigint, denominator: bigint): number {
  if (numerator < 0n) return -quotient(-numerator, denominator);
  if (numerator === 0n) return 0;
  // A quotient of at least 64 bits; whatever is left over makes it odd, so that it is on the right side of a tie.
  const shift = Math.max(0, 64 - (bitLength(numerator) - bitLength(denominator)));
  const scaled = numerator << BigInt(shift);
  const whole = scaled / denominator;
  const sticky = whole * denominator === scaled ? whole : whole | 1n;
  return scaledNumber(sticky, -shift);
}

/** integer · 2^exponent, where the integer may have any number of bits. */
function scaledNumber(integer: bigint, exponent: number): number {
  const excess = Math.max(0, bitLength(integer) - 128);
  const dropped = integer & ((1n << BigInt(excess)) - 1n);
  const top = (integer >> BigInt(excess)) | (dropped === 0n ? 0n : 1n);
  const power = exponent + excess;
  // In two steps, for 2^power alone may be out of range.
  const half = Math.trunc(power / 2);
  return Number(top) * 2 ** half * 2 ** (power - half);
}

const bitLength = (positive: bigint): number => {
  const hex = positive.toString(16);
  return (hex.length - 1) * 4 + (32 - Math.clz32(Number.parseInt(hex[0]!, 16)));
};

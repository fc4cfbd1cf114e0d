// Sums without rounding: proved against rational arithmetic, and that no order or grouping changes a bit.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ExactSum, quotient } from '#softshard/main/metrics/exact-sum.js';

/** A finite float64 as a whole number of 2^-1074, taken from its bits. */
function unitsOf(value: number): bigint {
  const bits = new BigUint64Array(Float64Array.of(value).buffer)[0]!;
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const mantissa = bits & 0xfffffffffffffn;
  const units = exponent === 0 ? mantissa : (mantissa | (1n << 52n)) << BigInt(exponent - 1);
  return bits >> 63n === 0n ? units : -units;
}

const sumOf = (values: Iterable<number>): ExactSum => {
  const sum = new ExactSum();
  for (const value of values) sum.add(value);
  return sum;
};

const anyFloat = fc.double({ noNaN: true, noDefaultInfinity: true });
const edges = fc.constantFrom(
  0,
  -0,
  Number.MIN_VALUE,
  -Number.MIN_VALUE,
  2 ** -1022,
  2 ** -1022 - 2 ** -1074,
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
  1,
  1 + 2 ** -52,
  2 ** 53,
  1e300,
  -1e300,
  2 ** 32,
  2 ** -32,
);
const floats = fc.array(fc.oneof(anyFloat, edges), { maxLength: 60 });

describe('ExactSum', () => {
  test('holds the exact sum of any finite float64', () => {
    fc.assert(
      fc.property(floats, (values) => {
        expect(sumOf(values).units).toBe(values.reduce((total, value) => total + unitsOf(value), 0n));
      }),
      { numRuns: 500 },
    );
  });

  test('gives back a single value bit for bit, denormals and the largest too', () => {
    fc.assert(
      fc.property(fc.oneof(anyFloat, edges), (value) => {
        expect(sumOf([value]).value).toBe(value + 0);
      }),
      { numRuns: 2000 },
    );
  });

  test('rounds once: what a naive sum loses is there', () => {
    expect(sumOf([1e100, 1, -1e100]).value).toBe(1);
    expect(sumOf([2 ** 53, 1, 1]).value).toBe(2 ** 53 + 2);
    // A tie goes to the even neighbor, and the smallest number breaks it.
    expect(sumOf([2 ** 53, 1]).value).toBe(2 ** 53);
    expect(sumOf([2 ** 53, 1, Number.MIN_VALUE]).value).toBe(2 ** 53 + 2);
    expect(sumOf([Number.MAX_VALUE, Number.MAX_VALUE]).value).toBe(Number.POSITIVE_INFINITY);
  });

  test('squares are exact for values from 1e-120 to 1e120', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1e-120, max: 1e120, noNaN: true }), { maxLength: 20 }),
        (values) => {
          const sum = new ExactSum();
          for (const value of values) sum.addSquare(value);
          const exact = values.reduce((total, value) => total + unitsOf(value) ** 2n, 0n);
          expect(sum.units << 1074n).toBe(exact);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('merging in any order and grouping gives the same digits, special values included', () => {
    const special = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
    const parts = fc.array(
      fc.array(fc.oneof({ weight: 9, arbitrary: anyFloat }, { weight: 1, arbitrary: special })),
      {
        minLength: 1,
        maxLength: 8,
      },
    );
    fc.assert(
      fc.property(parts, fc.infiniteStream(fc.nat()), (lists, choices) => {
        const whole = sumOf(lists.flat());
        const sums = lists.map(sumOf);
        // Merges two of them, whichever, until one is left.
        while (sums.length > 1) {
          const [taken] = sums.splice(choices.next().value! % sums.length, 1);
          sums[choices.next().value! % sums.length]!.merge(taken!);
        }
        expect(sums[0]!.toJSON()).toEqual(whole.toJSON());
        expect(sums[0]!.value).toBe(whole.value);
      }),
      { numRuns: 500 },
    );
  });

  test('more than 2^20 additions to one digit carry without loss', () => {
    const sum = new ExactSum();
    const count = 2 ** 21 + 5;
    for (let i = 0; i < count; i++) sum.add(-1.9999999999999998);
    expect(sum.units).toBe(BigInt(count) * unitsOf(-1.9999999999999998));
  });

  test('survives JSON in both signs; damaged digits are an error', () => {
    fc.assert(
      fc.property(floats, (values) => {
        const sum = sumOf([...values, Number.NaN]);
        const copy = ExactSum.fromJSON(JSON.parse(JSON.stringify(sum)));
        expect(copy.units).toBe(sum.units);
        expect(copy.value).toBeNaN();
      }),
    );
    for (const units of ['', 'xyz', '1p', '0x12', '1p999', 'f'.repeat(541), '--1', undefined]) {
      expect(() => ExactSum.fromJSON({ units })).toThrow(/damaged/);
    }
    expect(() => ExactSum.fromJSON({ units: '1', notANumber: -1 })).toThrow(/damaged/);
    expect(() => ExactSum.fromJSON(null)).toThrow(/damaged/);
  });
});

describe('quotient', () => {
  test('of two float64 integers is their correctly rounded quotient', () => {
    const integer = fc.bigInt({ min: 1n, max: 1n << 53n });
    fc.assert(
      fc.property(integer, integer, fc.nat({ max: 900 }), (a, b, shift) => {
        expect(quotient(a, b)).toBe(Number(a) / Number(b));
        expect(quotient(-a << BigInt(shift), b << BigInt(shift))).toBe(-(Number(a) / Number(b)));
      }),
      { numRuns: 2000 },
    );
    expect(quotient(0n, 5n)).toBe(0);
  });
});

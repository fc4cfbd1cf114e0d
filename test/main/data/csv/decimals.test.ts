// Numbers from bytes: the float32 that Math.fround(Number(text)) gives, or none.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readDecimal } from '#softshard/main/data/csv/decimals.js';
import { isNumberText } from '#softshard/main/data/number-text.js';

const BEFORE = '-7';

/** What is read of the text, in the midst of others, and where it ends in it: -1 if nothing is read. */
function read(text: string, point = '.'): { value: number; end: number } {
  const values = Float32Array.of(77, 77, 77);
  const bytes = Buffer.from(`${BEFORE}${text};`);
  const end = readDecimal(bytes, BEFORE.length, values, 1, point.charCodeAt(0));
  expect([values[0], values[2]], 'neighbours').toEqual([77, 77]);
  return { value: values[1]!, end: end < 0 ? -1 : end - BEFORE.length };
}

const exact = (text: string): number => Math.fround(Number(text));

function expectExact(text: string): void {
  const { value, end } = read(text);
  const isSame = end === text.length && Object.is(value, exact(text));
  if (!isSame) expect.fail(`${text}: got ${value}, which ends at ${end}, expected ${exact(text)}`);
}

const float32 = fc.float({ noNaN: true, noDefaultInfinity: true });

describe('readDecimal', () => {
  it.each([
    ['as JavaScript writes it', (value: number) => String(value)],
    ['with 9 digits, which tell float32 apart', (value: number) => value.toPrecision(9)],
    ['with 17 digits, which tell float64 apart', (value: number) => value.toPrecision(17)],
    ['as numpy.savetxt writes it', (value: number) => value.toExponential(18)],
  ])('reads every float32 %s', (_, write) => {
    fc.assert(
      fc.property(float32, (value) => expectExact(write(value))),
      { numRuns: 5000 },
    );
  });

  it('reads what has up to 20 digits, but for what is next to the middle of two float32', () => {
    const digits = fc.stringMatching(/^[0-9]{1,20}$/);
    const place = fc.nat({ max: 19 });
    const exponent = fc.integer({ min: -40, max: 17 });
    fc.assert(
      fc.property(digits, place, exponent, fc.constantFrom('', '-', '+'), (all, at, power, sign) => {
        const mantissa = at < all.length ? `${all.slice(0, at)}.${all.slice(at)}` : all;
        expectExact(`${sign}${mantissa}`);
        expectExact(`${sign}${mantissa}e${power}`);
      }),
      { numRuns: 5000 },
    );
  });

  it('gives nothing, or the right one, where the middle of two float32 is near', () => {
    const bits = new Uint32Array(1);
    const float = new Float32Array(bits.buffer);
    const near = fc.constantFrom(0, 1e-16, -1e-16, 2 ** -52, -(2 ** -52), 1e-14, -1e-14);
    const digits = fc.integer({ min: 15, max: 40 });
    let readings = 0;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7f7ffffe }), near, digits, (pattern, shift, count) => {
        bits[0] = pattern;
        const below = float[0]!;
        bits[0] = pattern + 1;
        const middle = (below + float[0]!) / 2;
        const text = (middle * (1 + shift)).toPrecision(count);
        const { value, end } = read(text);
        if (end < 0) return;
        readings++;
        if (!Object.is(value, exact(text))) expect.fail(`${text}: got ${value}, expected ${exact(text)}`);
      }),
      { numRuns: 20_000 },
    );
    expect(readings).toBeGreaterThan(1000);
  });

  it.each([
    ...['0', '-0', '+0', '-0.0', '00', '007', '5.', '.5', '+.5e0', '1e5', '1E+05', '1e-5', '1e00000000005'],
    ...[
      '9007199254740992',
      '900719925474099.3',
      '9007199254740993e-1',
      '16777217',
      '8388608.5',
      '33554435e-1',
    ],
    ...['1e22', '1e23', '123456789e-22', '123456789e-23', '1e-45', '7e-46', '1e-60', '3.4028235e38'],
    ...['0.000000000000000000000000000000000001234', '0.1000000000000000056'],
  ])('reads %s', (text) => expectExact(text));

  it.each([
    ...['', '.', '+', '-', 'e5', '.e5', '1e', '1e+', '--1', '+-1', ' 1', 'nan', 'inf', 'x', '"1"'],
    // Left to Number()
    ...[
      '3.4028236e38',
      '1e39',
      '1e999',
      '-1e999',
      '0e99',
      '1e-99',
      '1234567890123456789012',
      '1.00000005960464477539',
    ],
  ])('leaves %j', (text) => expect(read(text).end).toBe(-1));

  it.each(['1.2.3', '1x', '0x10', '1 2', '1-2', '1e5.', '1_000', '1,5'])('ends within %j', (text) => {
    const { end } = read(text);
    expect(end).toBeGreaterThan(0);
    expect(end).toBeLessThan(text.length);
  });

  it('takes a comma for the decimal point, and a point for none, where that is asked for', () => {
    expect(read('-12,5e1', ',')).toEqual({ value: -125, end: 7 });
    expect(read(',25', ',')).toEqual({ value: 0.25, end: 3 });
    expect(read('1.5', ',').end).toBe(1);
  });

  it('takes as a whole only what is a number', () => {
    const text = fc.string({ unit: fc.constantFrom(...'0123456789.+-eE x"'), maxLength: 8 });
    fc.assert(
      fc.property(text, (text) => {
        const { value, end } = read(text);
        if (end !== text.length) return;
        expect(isNumberText(text), text).toBe(true);
        expect(value, text).toBe(exact(text));
      }),
      { numRuns: 20_000 },
    );
  });
});

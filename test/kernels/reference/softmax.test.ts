// Softmax, its logarithm and logSumExp: hand-computed rows, identities, overflow and PyTorch's edge rows.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SoftshardError } from '#softshard/errors.js';
import { logSoftmax, logSumExp, mapRows, softmax, softmaxNaive } from '#softshard/kernels/reference/index.js';
import { expectClose } from './expect-close.js';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

const rowOf = (limit: number) =>
  fc.array(fc.double({ min: -limit, max: limit, noNaN: true }), { minLength: 1, maxLength: 40 });

/** Multiples of 1/1024, so that adding an integer to them is exact. */
const gridRow = fc.array(
  fc.integer({ min: -20_000, max: 20_000 }).map((n) => n / 1024),
  { minLength: 1, maxLength: 40 },
);

const sum = (row: Float64Array) => row.reduce((total, element) => total + element, 0);

describe('softmax by hand', () => {
  it.each([
    ['equal logits', [5, 5, 5, 5], [1 / 4, 1 / 4, 1 / 4, 1 / 4]],
    ['logits that are logarithms of 1, 2, 5', [0, Math.log(2), Math.log(5)], [1 / 8, 2 / 8, 5 / 8]],
    ['one class', [-3], [1]],
    ['1, 2, 3', [1, 2, 3], [0.09003057317038046, 0.24472847105479767, 0.6652409557748219]],
  ])('of %s is known within 1e-15, in the naive form and the stable one', (_, logits, probabilities) => {
    expectClose(softmax(logits), probabilities, 1e-15);
    expectClose(softmaxNaive(logits), probabilities, 1e-15);
    expectClose(logSoftmax(logits), probabilities.map(Math.log), 1e-15);
  });

  it('logSumExp of 1, 2, 3 is 3.4076059644443806 within 1e-15', () => {
    expectClose([logSumExp([1, 2, 3])], [3.4076059644443806], 1e-15);
  });

  it('does not write to its argument', () => {
    const logits = Float64Array.of(1, 2, 3);
    for (const operation of [softmaxNaive, softmax, logSoftmax, logSumExp]) operation(logits);
    expect([...logits]).toEqual([1, 2, 3]);
  });
});

describe('identities, for any row', () => {
  it('softmax sums to 1 within 1e-14 for logits up to 1e300', () => {
    fc.assert(fc.property(rowOf(1e300), (row) => expectClose([sum(softmax(row))], [1], 1e-14)));
    fc.assert(fc.property(rowOf(10), (row) => expectClose([sum(softmax(row))], [1], 1e-14)));
  });

  it('softmax and logSoftmax keep their bits when all logits move by an exact amount', () => {
    fc.assert(
      fc.property(gridRow, fc.integer({ min: -1e6, max: 1e6 }), (row, shift) => {
        const shifted = row.map((logit) => logit + shift);
        expectClose(softmax(shifted), softmax(row), 0);
        expectClose(logSoftmax(shifted), logSoftmax(row), 0);
      }),
    );
  });

  it('logSumExp moves with its logits, within 1e-15 of the numbers added', () => {
    fc.assert(
      fc.property(gridRow, fc.integer({ min: -1e6, max: 1e6 }), (row, shift) => {
        const shifted = row.map((logit) => logit + shift);
        const size = 1 + Math.abs(logSumExp(row)) + Math.abs(shift);
        expectClose([logSumExp(shifted) / size], [(logSumExp(row) + shift) / size], 1e-15);
      }),
    );
  });

  it('the naive form agrees with the stable one within 1e-13 where it does not overflow', () => {
    fc.assert(fc.property(rowOf(300), (row) => expectClose(softmaxNaive(row), softmax(row), 1e-13)));
  });

  it('exp(logSoftmax) is softmax within 1e-14, logSoftmax is z - logSumExp(z) within 1e-12', () => {
    fc.assert(
      fc.property(rowOf(300), (row) => {
        const logProbabilities = logSoftmax(row);
        expectClose(logProbabilities.map(Math.exp), softmax(row), 1e-14);
        const logNormalizer = logSumExp(row);
        expectClose(
          logProbabilities,
          row.map((logit) => logit - logNormalizer),
          1e-12,
        );
      }),
    );
  });
});

describe('where the naive form fails', () => {
  it('overflows at a logit of 1000 to NaN, the stable form gives 1/2 and 1/2', () => {
    expectClose(softmaxNaive([1000, 1000]), [nan, nan], 0);
    expectClose(softmax([1000, 1000]), [1 / 2, 1 / 2], 0);
  });

  it('gives NaN for the largest class and 0 for the others when only one overflows', () => {
    expectClose(softmaxNaive([1000, 1, 2]), [nan, 0, 0], 0);
    expectClose(softmax([1000, 1, 2]), [1, 0, 0], 0);
  });

  it('overflows between logits of 709.78 and 709.79', () => {
    expectClose(softmaxNaive([709.78]), [1], 0);
    expectClose(softmaxNaive([709.79]), [nan], 0);
  });

  it('divides 0 by 0 when all logits are below -745.14', () => {
    expectClose(softmaxNaive([-745.13]), [1], 0);
    expectClose(softmaxNaive([-745.14]), [nan], 0);
    expectClose(softmax([-745.14]), [1], 0);
  });

  it('the logarithm of a probability that underflowed is -Infinity, logSoftmax gives -800', () => {
    expectClose(softmax([800, 0]).map(Math.log), [0, -inf], 0);
    expectClose(logSoftmax([800, 0]), [0, -800], 0);
  });

  it('the logarithm of a probability that rounded to 1 is 0, logSoftmax gives -4.2e-18 with 15 digits', () => {
    expect(Math.log(softmax([40, 0])[0]!)).toBe(0);
    const exact = -4.248354255291589e-18; // -exp(-40); the next term of log1p is 36 digits down
    expect(Math.abs(logSoftmax([40, 0])[0]! / exact - 1)).toBeLessThan(1e-15);
  });
});

// What PyTorch 1.13 gives for these rows in float64: [logits, softmax, logSoftmax, logSumExp].
const edgeRows: [number[], number[], number[], number][] = [
  [[1, nan, 2], [nan, nan, nan], [nan, nan, nan], nan],
  [[1, inf, 2], [nan, nan, nan], [nan, nan, nan], inf],
  [[inf, inf, 0], [nan, nan, nan], [nan, nan, nan], inf],
  [[inf, -inf, 0], [nan, nan, nan], [nan, nan, nan], inf],
  [[nan, inf, 0], [nan, nan, nan], [nan, nan, nan], nan],
  [[inf, nan, 0], [nan, nan, nan], [nan, nan, nan], nan],
  [[-inf, nan], [nan, nan], [nan, nan], nan],
  [[-inf, -inf, -inf], [nan, nan, nan], [nan, nan, nan], -inf],
  [[-inf], [nan], [nan], -inf],
  [[inf], [nan], [nan], inf],
  [[], [], [], -inf],
  [
    [1, -inf, 2],
    [0.26894142136999516, 0, 0.7310585786300049],
    [-1.3132616875182228, -inf, -0.31326168751822286],
    2.313261687518223,
  ],
  [[1e308, -1e308], [1, 0], [0, -inf], 1e308],
  [
    [-1000, -1000, -1001],
    [0.4223187982515182, 0.4223187982515182, 0.15536240349696362],
    [-0.8619948040582511, -0.8619948040582511, -1.8619948040582512],
    -999.1380051959418,
  ],
];

describe('edge rows are PyTorch’s', () => {
  it.each(edgeRows)('for %j within 1e-15', (logits, probabilities, logProbabilities, logNormalizer) => {
    expectClose(softmax(logits), probabilities, 1e-15);
    expectClose(logSoftmax(logits), logProbabilities, 1e-15);
    expectClose([logSumExp(logits)], [logNormalizer], 1e-15);
  });
});

describe('mapRows', () => {
  it('gives each row its own softmax, and copies the matrix', () => {
    const logits = Float64Array.of(1, 2, 3, 30, 20, 10);
    const probabilities = mapRows(logits, 2, 3, softmax);
    expectClose(probabilities, [...softmax([1, 2, 3]), ...softmax([30, 20, 10])], 0);
    expect([...logits]).toEqual([1, 2, 3, 30, 20, 10]);
  });

  it('refuses a matrix of another size, naming what it got and what it needs', () => {
    expect(() => mapRows([1, 2, 3], 2, 2, softmax)).toThrow(
      expect.objectContaining({
        code: 'ERR_SHAPE',
        argument: 'matrix',
        value: 3,
        message: 'matrix has 3 elements; it must have 4 (rows × columns).',
      }),
    );
    expect(() => mapRows([], -1, 2, softmax)).toThrow(
      expect.objectContaining({ argument: 'rows', value: -1 }),
    );
    expect(() => mapRows([1, 2], 1, 2, () => [1])).toThrow(SoftshardError);
  });
});

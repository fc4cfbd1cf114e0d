// The Hessian by the bias as products with it alone, against its Cholesky factor.
import { describe, expect, test } from 'vitest';
import { BiasConjugateGradients } from '#softshard/main/training/solver/bias-conjugate-gradients.js';
import { BiasMatrix } from '#softshard/main/training/solver/bias-hessian.js';
import { randomValues } from '../../../kernels/workbench.js';

const dot = (x: Float64Array, y: Float64Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);

/** Σ (diag(p) - p pᵀ) over rows of random probabilities; `spread`: how sure of their class they are. */
function hessianOf(rows: number, classes: number, spread: number): Float64Array {
  const matrix = new Float64Array(classes * classes);
  const logits = randomValues(rows * classes, spread, classes);
  for (let row = 0; row < rows; row++) {
    const powers = Float64Array.from(logits.subarray(row * classes, (row + 1) * classes), Math.exp);
    const sum = powers.reduce((all, power) => all + power, 0);
    for (let i = 0; i < classes; i++) {
      const share = powers[i]! / sum;
      matrix[i * classes + i]! += share;
      for (let j = 0; j < classes; j++) matrix[i * classes + j]! -= (share * powers[j]!) / sum;
    }
  }
  return matrix;
}

function gradientsOf(matrix: Float64Array, classes: number) {
  let products = 0;
  const multiply = async (vector: Float64Array): Promise<Float64Array> => {
    products++;
    return vector.map((_, i) => dot(matrix.subarray(i * classes, (i + 1) * classes), vector));
  };
  const diagonal = Float64Array.from({ length: classes }, (_, i) => matrix[i * classes + i]!);
  return { hessian: new BiasConjugateGradients(diagonal, multiply), multiply, products: () => products };
}

/** Whose sum is 0. */
function rightSideOf(classes: number): Float64Array {
  const values = Float64Array.from(randomValues(classes, 3, 77));
  const mean = values.reduce((sum, value) => sum + value, 0) / classes;
  return values.map((value) => value - mean);
}

describe('conjugate gradients for the bias', () => {
  test.each([
    [300, 70, 1],
    [1000, 257, 3],
    [200, 500, 6],
  ])(
    '%i rows of %i classes, logits within %i: the solution within 5 % of the exact one in the norm of the Hessian, in at most 20 products',
    async (rows, classes, spread) => {
      const matrix = hessianOf(rows, classes, spread);
      const values = rightSideOf(classes);
      const { hessian, multiply, products } = gradientsOf(matrix, classes);
      const exact = new BiasMatrix(matrix, classes);
      expect(hessian.trace / exact.trace).toBeCloseTo(1, 12);
      const solution = await hessian.solve(values);
      expect(products()).toBeLessThanOrEqual(20);
      const wanted = exact.solve(values);
      const difference = solution.map((value, i) => value - wanted[i]!);
      const size = dot(wanted, await multiply(wanted));
      expect(dot(difference, await multiply(difference)) / size).toBeLessThan(0.05 ** 2);
    },
  );

  test('what takes more products ends after 20, and what is found lowers the quadratic model', async () => {
    const classes = 200;
    // A chain of pairs of classes: no diagonal makes it well conditioned.
    const matrix = new Float64Array(classes * classes);
    for (let i = 0; i + 1 < classes; i++) {
      for (const [row, column, sign] of [
        [i, i, 1],
        [i + 1, i + 1, 1],
        [i, i + 1, -1],
        [i + 1, i, -1],
      ] as const) {
        matrix[row * classes + column]! += sign;
      }
    }
    const values = new Float64Array(classes);
    [values[0], values[classes - 1]] = [1, -1];
    const { hessian, multiply, products } = gradientsOf(matrix, classes);
    const solution = await hessian.solve(values);
    expect(products()).toBe(20);
    const model = dot(solution, await multiply(solution)) / 2 - dot(values, solution);
    expect(model).toBeLessThan(0);
  });

  test('without curvature, and without a gradient, nothing moves', async () => {
    const none = gradientsOf(new Float64Array(16), 4);
    expect([...(await none.hessian.solve(Float64Array.of(1, -1, 2, -2)))]).toEqual([0, 0, 0, 0]);
    const some = gradientsOf(hessianOf(9, 4, 1), 4);
    expect([...(await some.hessian.solve(new Float64Array(4)))]).toEqual([0, 0, 0, 0]);
    expect(none.products() + some.products()).toBe(0);
  });

  test('a class without curvature does not run away from what rounding leaves of the sum', async () => {
    const [classes, rows] = [70, 100];
    const small = hessianOf(rows, classes - 1, 1);
    const matrix = new Float64Array(classes * classes);
    for (let i = 0; i < classes - 1; i++) {
      matrix.set(small.subarray(i * (classes - 1), (i + 1) * (classes - 1)), i * classes);
    }
    const values = new Float64Array(classes);
    values.set(rightSideOf(classes - 1));
    values[0]! += 1e-6;
    const solution = await gradientsOf(matrix, classes).hessian.solve(values);
    expect(Math.abs(solution[classes - 1]!)).toBeLessThan(1);
  });
});

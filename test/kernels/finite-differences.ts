// Gradients without a formula: what every hand-derived gradient is held against.

/**
 * ∂f/∂x_k as (f(x + h e_k) - f(x - h e_k)) / 2h for each k. The error is about h² f‴/6 + 1.1e-16 |f| / h: with the
 * default step, below 1e-9 for functions whose values and third derivatives are near 1.
 */
export function centralDifferences(
  evaluate: (point: Float64Array) => number,
  at: ArrayLike<number>,
  step = 1e-5,
): Float64Array {
  const point = Float64Array.from(at);
  return point.map((center, k) => {
    point[k] = center + step;
    const above = evaluate(point);
    point[k] = center - step;
    const below = evaluate(point);
    point[k] = center;
    return (above - below) / (2 * step);
  });
}

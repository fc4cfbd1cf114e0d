// Vectors of the parameters of a full-batch training.

/** Float64: weights [features × classes], then bias [classes]. */
export type Parameters = Float64Array;

export function dot(x: Parameters, y: Parameters): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
}

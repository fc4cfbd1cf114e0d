// Float64 sums that the linear kernels are held against, with the sum of absolute terms that scales their error bounds.

export interface Sums {
  readonly values: Float64Array;
  /** Σ |term|, what a rounding error is relative to. */
  readonly magnitudes: Float64Array;
}

/** X W + b for rows `rows` of inputs; weights [features × classes]. */
export function forward(
  inputs: Float32Array,
  rows: Uint32Array,
  weights: Float32Array,
  bias: Float32Array,
): Sums {
  const classes = bias.length;
  const features = weights.length / classes;
  const values = new Float64Array(rows.length * classes);
  const magnitudes = new Float64Array(rows.length * classes);
  rows.forEach((row, i) => {
    for (let c = 0; c < classes; c++) {
      let value = bias[c]!;
      let magnitude = Math.abs(value);
      for (let k = 0; k < features; k++) {
        const term = inputs[row * features + k]! * weights[k * classes + c]!;
        value += term;
        magnitude += Math.abs(term);
      }
      values[i * classes + c] = value;
      magnitudes[i * classes + c] = magnitude;
    }
  });
  return { values, magnitudes };
}

/** sums [features × classes] += xᵀ z for one row of inputs and of gradLogits. */
export function addOuterProduct(sums: Sums, x: Float32Array, z: Float32Array): void {
  for (let f = 0; f < x.length; f++) {
    for (let c = 0; c < z.length; c++) {
      const term = x[f]! * z[c]!;
      sums.values[f * z.length + c]! += term;
      sums.magnitudes[f * z.length + c]! += Math.abs(term);
    }
  }
}

export const startingFrom = (values: Float32Array): Sums => ({
  values: Float64Array.from(values),
  magnitudes: Float64Array.from(values, Math.abs),
});

/** scale · Σ_i cross-entropy of row i of X W + b, in float64; all arguments may be float64. */
export function scaledLoss(
  inputs: ArrayLike<number>,
  targets: ArrayLike<number>,
  weights: ArrayLike<number>,
  bias: ArrayLike<number>,
  scale: number,
): number {
  const classes = bias.length;
  const features = weights.length / classes;
  let total = 0;
  for (let i = 0; i < targets.length; i++) {
    const logits = Float64Array.from(bias);
    for (let c = 0; c < classes; c++) {
      for (let k = 0; k < features; k++) logits[c]! += inputs[i * features + k]! * weights[k * classes + c]!;
    }
    const sum = logits.reduce((all, z) => all + Math.exp(z), 0);
    total += Math.log(sum) - logits[targets[i]!]!;
  }
  return scale * total;
}

// Solves for changes of the bias: the Hessian of the losses by it, which is singular, as adding one number to all logits changes
// nothing.

export interface BiasHessian {
  readonly trace: number;
  /** [classes]: its inverse times values that sum to 0, but for rounding. */
  solve(values: Float64Array): Float64Array | Promise<Float64Array>;
}

/** Keeps classes that no row has anything to do with from moving without bounds. */
export const RIDGE = 1e-9;

/** By its Cholesky factor. */
export class BiasMatrix implements BiasHessian {
  readonly trace: number;
  readonly #classes: number;
  readonly #diagonal: Float64Array;
  /** Row by row. */
  readonly #factor: Float64Array;

  /** [classes × classes]. */
  constructor(hessian: Float64Array, classes: number) {
    this.#classes = classes;
    const factor = hessian.slice();
    // float32 sums of rows do not make it quite symmetric, and what is nearly singular would come out indefinite.
    for (let i = 0; i < classes; i++) {
      for (let j = 0; j < i; j++) factor[j * classes + i] = factor[i * classes + j]!;
    }
    this.#diagonal = new Float64Array(classes);
    let trace = 0;
    for (let i = 0; i < classes; i++) {
      // Σ c (p - p²) loses all digits where rows are sure of their class; with p of sum 1 it is Σ c p_i p_j over j ≠ i.
      let sum = 0;
      for (let j = 0; j < classes; j++) if (j !== i) sum -= factor[i * classes + j]!;
      factor[i * classes + i] = sum;
      this.#diagonal[i] = sum;
      trace += sum;
    }
    this.trace = trace;
    const mean = trace / classes;
    for (let i = 0; i < classes; i++) {
      for (let j = 0; j < classes; j++) factor[i * classes + j]! += mean / classes;
      factor[i * classes + i]! += RIDGE * mean + Number.MIN_VALUE;
    }
    for (let i = 0; i < classes; i++) {
      for (let j = 0; j <= i; j++) {
        let sum = factor[i * classes + j]!;
        for (let k = 0; k < j; k++) sum -= factor[i * classes + k]! * factor[j * classes + k]!;
        if (i === j) factor[i * classes + i] = Math.sqrt(Math.max(sum, RIDGE * mean + Number.MIN_VALUE));
        else factor[i * classes + j] = sum / factor[j * classes + j]!;
      }
    }
    this.#factor = factor;
  }

  solve(values: Float64Array): Float64Array {
    const classes = this.#classes;
    const factor = this.#factor;
    // What rounding leaves would move classes without curvature by any amount.
    const excess = this.trace > 0 ? values.reduce((sum, value) => sum + value, 0) / this.trace : 0;
    const x = values.map((value, i) => value - excess * this.#diagonal[i]!);
    for (let i = 0; i < classes; i++) {
      for (let k = 0; k < i; k++) x[i]! -= factor[i * classes + k]! * x[k]!;
      x[i]! /= factor[i * classes + i]!;
    }
    for (let i = classes - 1; i >= 0; i--) {
      for (let k = i + 1; k < classes; k++) x[i]! -= factor[k * classes + i]! * x[k]!;
      x[i]! /= factor[i * classes + i]!;
    }
    return x;
  }
}

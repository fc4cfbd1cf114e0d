// Solves for changes of the bias: the Hessian of the losses by it, which is singular, as adding one number to all logits changes
// nothing.

/** Keeps classes that no row has anything to do with from moving without bounds. */
const RIDGE = 1e-9;

export class BiasHessian {
  readonly trace: number;
  readonly #classes: number;
  /** Its Cholesky factor, row by row. */
  readonly #factor: Float64Array;

  /** [classes × classes]. */
  constructor(hessian: Float64Array, classes: number) {
    this.#classes = classes;
    const factor = hessian.slice();
    let trace = 0;
    for (let i = 0; i < classes; i++) trace += factor[i * classes + i]!;
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
    const x = values.slice();
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

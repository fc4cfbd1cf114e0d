// The Hessian of the losses by the bias where there are too many classes to keep it: it is multiplied by vectors in sweeps over
// the probabilities of all rows, a small part of a pass each.
import { type BiasHessian, RIDGE } from './bias-hessian.js';
import { dot } from './parameters.js';

/** Of the residual in the units of the diagonal: what Newton steps leave is corrected by the next one. */
const RESIDUAL_SHARE = 1e-2;
const MOST_PRODUCTS = 20;

/** Conjugate gradients in the units of the diagonal. */
export class BiasConjugateGradients implements BiasHessian {
  readonly trace: number;
  readonly #diagonal: Float64Array;
  readonly #multiply: (vector: Float64Array) => Promise<Float64Array>;

  /** `diagonal` [classes] */
  constructor(diagonal: Float64Array, multiply: (vector: Float64Array) => Promise<Float64Array>) {
    this.trace = diagonal.reduce((sum, value) => sum + value, 0);
    const least = (RIDGE * this.trace) / diagonal.length + Number.MIN_VALUE;
    this.#diagonal = diagonal.map((value) => Math.max(value, least));
    this.#multiply = multiply;
  }

  async solve(values: Float64Array): Promise<Float64Array> {
    const diagonal = this.#diagonal;
    const x = new Float64Array(values.length);
    const residual = this.#balanced(values);
    let scaled = residual.map((value, i) => value / diagonal[i]!);
    let square = dot(residual, scaled);
    const enough = RESIDUAL_SHARE ** 2 * square;
    const vector = scaled.slice();
    for (let times = 0; times < MOST_PRODUCTS && square > enough; times++) {
      const product = await this.#multiply(vector);
      const curvature = dot(vector, product);
      if (!(curvature > 0)) break;
      const by = square / curvature;
      for (let i = 0; i < x.length; i++) {
        x[i]! += by * vector[i]!;
        residual[i]! -= by * product[i]!;
      }
      scaled = this.#balanced(residual).map((value, i) => value / diagonal[i]!);
      const next = dot(residual, scaled);
      for (let i = 0; i < x.length; i++) vector[i] = scaled[i]! + (next / square) * vector[i]!;
      square = next;
    }
    return x;
  }

  /** What rounding leaves of their sum would move classes without curvature by any amount. */
  #balanced(values: Float64Array): Float64Array {
    if (this.trace === 0) return values.slice();
    const excess = values.reduce((sum, value) => sum + value, 0) / this.trace;
    return values.map((value, i) => value - excess * this.#diagonal[i]!);
  }
}

// The memory of L-BFGS: pairs of steps and changes of the gradient, in the arena, where the calling thread's kernels multiply
// them. Float32: directions need no more.
import { offsetBy, type Ptr } from '../../../kernels/ptr.js';
import type { Resources } from '../../dispatch/resources.js';
import type { ArenaScope } from '../../memory/arena.js';

/**
 * The most pairs. Line searches are exact here, so with a full memory directions are those of conjugate gradients on the
 * present Hessian, which never start anew: to a certified 1e-4, Fashion-MNIST (60,000 × 784 × 10, C = 1) takes some 140 passes
 * with 200 pairs, more than 300 with 10, and 400 of truncated Newton-CG.
 */
const MOST_PAIRS = 200;
const LEAST_PAIRS = 10;
const HISTORY_BYTES = 128 * 1024 * 1024;

/** Of steps that are too short to show a curvature. */
const LEAST_CURVATURE = 1e-12;

export interface HistoryTerms {
  readonly features: number;
  readonly classes: number;
  /** Of vectors: features · classes, and classes more where the bias is one of the unknowns. */
  readonly length: number;
}

/** How the objective curves at a point. */
export interface Curvature {
  /** Of ‖weights‖² / 2. */
  readonly penalty: number;
  /** The trace of their Hessian by the logits, all rows together: pairs of other points are scaled to it. */
  readonly mass: number;
  /** [features]: the diagonal of the Hessian, roughly, where features differ so much that it matters. */
  readonly diagonal: Float64Array | undefined;
}

export type HistoryState = ReturnType<LbfgsHistory['snapshot']>;

export class LbfgsHistory {
  readonly #resources: Resources;
  readonly #terms: HistoryTerms;
  readonly #pairs: number;
  readonly #steps: Ptr;
  /** Changes of the gradient without the penalty's part. */
  readonly #changes: Ptr;
  /** The vector that becomes the direction. */
  readonly #vector: Ptr;
  /** Of each pair: change · step and ‖step‖², and the curvature mass between its ends. */
  readonly #products: Float64Array;
  readonly #squares: Float64Array;
  readonly #masses: Float64Array;
  readonly #factors: Float64Array;
  #count = 0;

  constructor(resources: Resources, scope: ArenaScope, terms: HistoryTerms) {
    this.#resources = resources;
    this.#terms = terms;
    this.#pairs = pairsOf(terms.length);
    const vectors = (count: number) => scope.allocate(count * terms.length * 4, 'the memory of L-BFGS');
    this.#steps = vectors(this.#pairs);
    this.#changes = vectors(this.#pairs);
    this.#vector = vectors(1);
    this.#products = new Float64Array(this.#pairs);
    this.#squares = new Float64Array(this.#pairs);
    this.#masses = new Float64Array(this.#pairs);
    this.#factors = new Float64Array(this.#pairs);
  }

  /** The pieces of memory of a history, in bytes. */
  static bytesOf(length: number): readonly number[] {
    const bytes = pairsOf(length) * length * 4;
    return [bytes, bytes, length * 4];
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  clear(): void {
    this.#count = 0;
  }

  snapshot() {
    const used = Math.min(this.#count, this.#pairs);
    const length = used * this.#terms.length;
    const { arena } = this.#resources;
    return {
      count: this.#count,
      steps: arena.view('float32', this.#steps, length).slice(),
      changes: arena.view('float32', this.#changes, length).slice(),
      products: this.#products.slice(0, used),
      squares: this.#squares.slice(0, used),
      masses: this.#masses.slice(0, used),
    };
  }

  restore({ count, steps, changes, products, squares, masses }: HistoryState): void {
    const { arena } = this.#resources;
    arena.view('float32', this.#steps, steps.length).set(steps);
    arena.view('float32', this.#changes, changes.length).set(changes);
    this.#products.set(products);
    this.#squares.set(squares);
    this.#masses.set(masses);
    this.#count = count;
  }

  /** Takes a step and the change of the gradient along it, penalty included, unless they show no curvature. */
  add(
    step: Float64Array,
    change: Float64Array,
    { penalty, mass }: Pick<Curvature, 'penalty' | 'mass'>,
  ): void {
    const { kernels } = this.#resources;
    const { length } = this.#terms;
    const index = this.#count % this.#pairs;
    const s = this.#view(this.#at(this.#steps, index));
    const u = this.#view(this.#at(this.#changes, index));
    const penalized = this.#penalized;
    for (let i = 0; i < length; i++) {
      s[i] = step[i]!;
      u[i] = change[i]! - (i < penalized ? penalty * step[i]! : 0);
    }
    const [sPtr, uPtr] = [this.#at(this.#steps, index), this.#at(this.#changes, index)];
    const product = kernels.dot(sPtr, uPtr, length);
    const square = kernels.dot(sPtr, sPtr, penalized);
    if (!(product + penalty * square > LEAST_CURVATURE * square)) return;
    this.#products[index] = product;
    this.#squares[index] = square;
    this.#masses[index] = mass;
    this.#count++;
  }

  /**
   * -H · gradient, by the two loops of Nocedal, "Updating quasi-Newton matrices with limited storage", 1980. The Hessian is a
   * sum over rows of c (diag(p) - p pᵀ) ⊗ x xᵀ plus the penalty: what a pair says of the first part is scaled by how much the
   * trace of all c (diag(p) - p pᵀ) has changed since. As rows become sure of their class old pairs would say far too much.
   */
  direction(gradient: Float64Array, into: Float64Array, { penalty, mass, diagonal }: Curvature): void {
    const { kernels } = this.#resources;
    const { length } = this.#terms;
    const penalized = this.#penalized;
    const vector = this.#vector;
    this.#view(vector).set(gradient.subarray(0, length));
    const oldest = Math.max(0, this.#count - this.#pairs);
    for (let pair = this.#count - 1; pair >= oldest; pair--) {
      const index = pair % this.#pairs;
      const [s, u] = [this.#at(this.#steps, index), this.#at(this.#changes, index)];
      const ratio = this.#ratio(index, mass);
      const factor = kernels.dot(s, vector, length) / this.#curvature(index, ratio, penalty);
      this.#factors[index] = factor;
      kernels.axpy(vector, u, length, -factor * ratio);
      if (penalty !== 0) kernels.axpy(vector, s, penalized, -factor * penalty);
    }
    this.#scale({ penalty, mass, diagonal });
    for (let pair = oldest; pair < this.#count; pair++) {
      const index = pair % this.#pairs;
      const [s, u] = [this.#at(this.#steps, index), this.#at(this.#changes, index)];
      const ratio = this.#ratio(index, mass);
      let product = ratio * kernels.dot(u, vector, length);
      if (penalty !== 0) product += penalty * kernels.dot(s, vector, penalized);
      kernels.axpy(
        vector,
        s,
        length,
        this.#factors[index]! - product / this.#curvature(index, ratio, penalty),
      );
    }
    const view = this.#view(vector);
    for (let i = 0; i < length; i++) into[i] = -view[i]!;
  }

  /** What stands for the inverse Hessian where nothing is known. */
  #scale({ penalty, mass, diagonal }: Curvature): void {
    const { classes } = this.#terms;
    const newest = (this.#count - 1) % this.#pairs;
    const vector = this.#view(this.#vector);
    const penalized = this.#penalized;
    if (diagonal !== undefined) {
      for (let i = 0; i < penalized; i++) vector[i]! /= diagonal[Math.floor(i / classes)]!;
    }
    if (this.#count === 0) return;
    const step = this.#view(this.#at(this.#steps, newest));
    let square = 0;
    for (let i = 0; i < step.length; i++) {
      const weight = diagonal === undefined || i >= penalized ? 1 : diagonal[Math.floor(i / classes)]!;
      square += weight * step[i]! * step[i]!;
    }
    const scale = square / this.#curvature(newest, this.#ratio(newest, mass), penalty);
    this.#resources.kernels.scale(this.#vector, vector.length, scale);
  }

  /** The bias is not. */
  get #penalized(): number {
    return this.#terms.features * this.#terms.classes;
  }

  #ratio(index: number, mass: number): number {
    return this.#masses[index]! > 0 && mass > 0 ? mass / this.#masses[index]! : 1;
  }

  /** step · change of a pair whose losses' part is scaled. */
  #curvature(index: number, ratio: number, penalty: number): number {
    return ratio * this.#products[index]! + penalty * this.#squares[index]!;
  }

  #at(vectors: Ptr, index: number): Ptr {
    return offsetBy(vectors, index * this.#terms.length * 4);
  }

  #view(vector: Ptr): Float32Array {
    return this.#resources.arena.view('float32', vector, this.#terms.length);
  }
}

const pairsOf = (length: number): number =>
  Math.max(LEAST_PAIRS, Math.min(MOST_PAIRS, Math.floor(HISTORY_BYTES / (8 * length))));

// With an L1 penalty the certificate hangs on the largest element of a gradient, which swings from point to point. A mean of
// probabilities of several points is as good a witness: its gradient is the mean of theirs, and its entropy at least the mean.
import { dualPointOf, sparseBound } from './certificate.js';
import type { Objective } from './objective.js';

/** How much of the mean the present point may become: what gives the best bound. */
const SHARES = [1, 0.3, 0.1, 0.03];

export class MeanDualPoint {
  readonly #objective: Objective;
  readonly #gradient: Float64Array;
  readonly #trial: Float64Array;
  #entropy = 0;
  #isEmpty = true;

  constructor(objective: Objective) {
    const length = objective.l1 > 0 ? objective.weightsLength : 0;
    this.#objective = objective;
    this.#gradient = new Float64Array(length);
    this.#trial = new Float64Array(length);
  }

  snapshot() {
    return { gradient: this.#gradient.slice(), entropy: this.#entropy, isEmpty: this.#isEmpty };
  }

  restore({ gradient, entropy, isEmpty }: ReturnType<MeanDualPoint['snapshot']>): void {
    this.#gradient.set(gradient);
    this.#entropy = entropy;
    this.#isEmpty = isEmpty;
  }

  /** Takes the objective's point into the mean, and raises its lower bound if it can. */
  add(): void {
    const objective = this.#objective;
    const { l1, penalty } = objective;
    const present = dualPointOf(objective);
    if (present === undefined) return;
    let [best, bestShare] = [Number.NEGATIVE_INFINITY, 0];
    for (const share of this.#isEmpty ? [1] : SHARES) {
      const bound = sparseBound(
        this.#mixed(present.gradient, share),
        this.#entropyOf(present.entropy, share),
        l1,
        penalty,
      );
      if (bound > best) [best, bestShare] = [bound, share];
    }
    // Where nothing is gained the mean goes on all the same, or it would hang on one point.
    this.#gradient.set(this.#mixed(present.gradient, bestShare));
    this.#entropy = this.#entropyOf(present.entropy, bestShare);
    this.#isEmpty = false;
    objective.lowerBound = Math.max(objective.lowerBound, best);
  }

  #mixed(present: Float64Array, share: number): Float64Array {
    for (let i = 0; i < present.length; i++) {
      this.#trial[i] = this.#gradient[i]! + share * (present[i]! - this.#gradient[i]!);
    }
    return this.#trial;
  }

  #entropyOf(present: number, share: number): number {
    return this.#entropy + share * (present - this.#entropy);
  }
}

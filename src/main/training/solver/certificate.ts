// How far the objective is from the best there is, at most: the duality gap of multinomial logistic regression with an L2
// penalty, an L1 penalty or both.
import type { Objective } from './objective.js';

/** Of sums of losses that float32 logits give. */
const ROUNDING = 2 ** -22;
/**
 * Of logits, as a share of what they are summed up from: where columns have means far from 0, that is much more than what is left
 * of them. Four deviations of one rounding each way, or more.
 */
const LOGIT_ROUNDING = 2 ** -23;

/**
 * An upper bound of the objective's distance from its minimum, or undefined where it cannot be told.
 *
 * With P(W, b) = Σ s (logSumExp(z) - y · z) + λ/2 ‖W‖² over rows of weight s and targets y that sum to 1, and any
 * probabilities q for each row whose weighted sums over the rows are those of the targets, weak duality (Fenchel) says
 *
 *   P* ≥ D(q) = Σ s H(q) - ‖Xᵀ s (q - y)‖² / (2 λ)        H the entropy
 *
 * Where the gradient by the bias is 0, q = p is such, and P - D(p) = ‖∂P/∂W‖² / (2 λ). It is nearly 0, so
 * q = (1 - τ) p + τ a, with the same probabilities a for all rows, and the smallest τ for which there are such. The entropy of
 * a mixture is at least the mixture of the entropies, so all of it follows from loss, gradient, W and b.
 *
 * With a further penalty μ ‖W‖₁ the last term of D is Σ max(0, |g| - μ)² / (2 λ) over the elements g of Xᵀ s (q - y), and with
 * λ = 0 no |g| may exceed μ. κ q + (1 - κ) y has κ g, and an entropy of at least κ H(q): the best κ from 0 to 1 is taken.
 */
export function dualityGap(objective: Objective): number | undefined {
  const { terms, point, loss, weightsLength, penalty, l1 } = objective;
  if (!terms.isConvex || (penalty === 0 && l1 === 0)) return undefined;
  const dual = dualPointOf(objective);
  if (dual === undefined) return Number.POSITIVE_INFINITY;
  const { gradient, entropy, rounding } = dual;
  if (l1 > 0) {
    const bound = Math.max(objective.lowerBound, sparseBound(gradient, entropy, l1, penalty));
    return Math.max(0, objective.value - bound) + rounding;
  }
  let distance = 0;
  for (let i = 0; i < weightsLength; i++) {
    distance += (penalty * point[i]! * point[i]! + (gradient[i]! * gradient[i]!) / penalty) / 2;
  }
  return Math.max(0, loss - entropy + distance) + rounding;
}

export interface DualPoint {
  /** Xᵀ s (q - y), by weight. */
  readonly gradient: Float64Array;
  /** Σ s H(q), or less. */
  readonly entropy: number;
  /** What float32 leaves uncertain of the losses themselves. */
  readonly rounding: number;
}

/** Of probabilities q that are nearly those of the point. */
export function dualPointOf(objective: Objective): DualPoint | undefined {
  const { terms, point, gradient: present, loss, weightsLength, evenPoint } = objective;
  const { classes, weightSum, temperature } = terms;
  const mixture = mixtureOf(objective);
  if (mixture === undefined || evenPoint === undefined) return undefined;
  const { share, probabilities } = mixture;
  const shifts = probabilities.map((a, column) => (a - evenPoint.probabilities[column]!) / temperature);
  const gradient = new Float64Array(weightsLength);
  /** Σ s z · (p - y): how fast the loss changes along the point. */
  let along = 0;
  for (let i = 0; i < weightsLength; i++) {
    along += point[i]! * present[i]!;
    gradient[i] = present[i]!;
    if (share === 0) continue;
    // Xᵀ s (a - y), by what it is for the probabilities of another such point.
    const even = evenPoint.gradient[i]! + evenPoint.rowSums[Math.floor(i / classes)]! * shifts[i % classes]!;
    gradient[i]! += share * (even - gradient[i]!);
  }
  for (let i = weightsLength; i < point.length; i++) along += point[i]! * present[i]!;
  const entropy = (1 - share) * (loss - along) + share * weightSum * mixture.entropy;
  return {
    gradient,
    entropy,
    rounding: Math.max(ROUNDING * (loss + Math.abs(along)), lossRounding(objective)),
  };
}

/**
 * What float32 logits leave uncertain of the sum of losses. A row of weight s adds s δ · (p - y) for errors δ of its logits; these
 * are as good as random from row to row, ‖p - y‖² ≤ 2 (1 - p_y)² ≤ 2 · its loss, and so the sum goes with √(Σ s² ‖p - y‖²).
 */
function lossRounding({ terms, point, loss, weightsLength }: Objective): number {
  const { classes, means, scales, variances, temperature, mostWeight } = terms;
  const sizes = new Float64Array(classes);
  for (let i = 0; i < weightsLength; i++) {
    const feature = Math.floor(i / classes);
    const size = Math.abs(means[feature]! * (scales?.[feature] ?? 1)) + Math.sqrt(variances[feature]!);
    sizes[i % classes]! += size * Math.abs(point[i]!);
  }
  const size = sizes.reduce((most, value) => Math.max(most, value), 0) / temperature;
  return LOGIT_ROUNDING * size * Math.sqrt(2 * mostWeight * Math.max(0, loss));
}

/** Often enough for all digits that count. */
const HALVINGS = 40;

/** The greatest κ · entropy - Σ max(0, κ |g| - l1)² / (2 penalty) for κ from 0 to 1. */
export function sparseBound(gradient: Float64Array, entropy: number, l1: number, penalty: number): number {
  const most = gradient.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const feasible = Math.min(1, l1 / most);
  if (penalty === 0 || feasible === 1) return feasible * entropy;
  const counting = gradient.map(Math.abs).filter((size) => size > l1);
  const sum = (of: (excess: number, size: number) => number, part: number) =>
    counting.reduce((all, size) => all + of(Math.max(0, part * size - l1), size), 0);
  const slope = (part: number) => entropy - sum((excess, size) => excess * size, part) / penalty;
  let [low, high] = [feasible, 1];
  for (let times = 0; times < HALVINGS && slope(high) < 0; times++) {
    const middle = (low + high) / 2;
    if (slope(middle) < 0) high = middle;
    else low = middle;
    if (high - low < 1e-12) break;
  }
  const best = slope(high) < 0 ? low : high;
  return best * entropy - sum((excess) => excess * excess, best) / (2 * penalty);
}

/** How much more probable a class without targets may be than not at all, as a share of the rows' weight. */
const MOST_OF_EMPTY = 1e-12;

/** τ, a and H(a); undefined where there is no such a. */
export function mixtureOf({ terms, gradient, weightsLength }: Objective) {
  const { classes, weightSum, temperature, targetSums } = terms;
  // Sums over the rows of s p, by class; those of s y are the targets'.
  const found = new Float64Array(classes);
  let share = 0;
  for (let column = 0; column < classes; column++) {
    const wanted = targetSums[column]!;
    found[column] = wanted + temperature * gradient[weightsLength + column]!;
    if (wanted === 0 && found[column]! <= MOST_OF_EMPTY * weightSum) continue;
    if (found[column]! > 0) share = Math.max(share, 1 - wanted / found[column]!);
  }
  if (!(share < 1)) return undefined;
  const probabilities = new Float64Array(classes);
  let entropy = 0;
  for (let column = 0; share > 0 && column < classes; column++) {
    const a = (targetSums[column]! - (1 - share) * found[column]!) / (share * weightSum);
    probabilities[column] = Math.max(0, a);
    if (a > 0) entropy -= a * Math.log(a);
  }
  return { share, probabilities, entropy };
}

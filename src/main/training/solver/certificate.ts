// How far the objective is from the best there is, at most: the duality gap of multinomial logistic regression with an L2
// penalty.
import type { Objective } from './objective.js';

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
 */
export function dualityGap(objective: Objective): number | undefined {
  const { terms, point, gradient, loss, weightsLength, penalty } = objective;
  const { weightSum, gradientAtZero, isConvex } = terms;
  if (!isConvex || penalty === 0) return undefined;
  const mixture = mixtureOf(objective);
  if (mixture === undefined) return Number.POSITIVE_INFINITY;
  const { share } = mixture;
  /** Σ s z · (p - y): how fast the loss changes along the point. */
  let along = 0;
  let distance = 0;
  for (let i = 0; i < weightsLength; i++) {
    along += point[i]! * gradient[i]!;
    // Xᵀ s (a - y) is the gradient at zero, as Xᵀ s is 0 for centered inputs.
    const difference = (1 - share) * gradient[i]! + share * gradientAtZero[i]!;
    distance += (penalty * point[i]! * point[i]! + (difference * difference) / penalty) / 2;
  }
  for (let i = weightsLength; i < point.length; i++) along += point[i]! * gradient[i]!;
  const entropy = (1 - share) * (loss - along) + share * weightSum * mixture.entropy;
  return Math.max(0, loss - entropy + distance);
}

/** τ and H(a); undefined where there is no such a. */
export function mixtureOf({ terms, gradient, weightsLength }: Objective) {
  const { classes, weightSum, temperature, gradientAtZero } = terms;
  // Sums over the rows of s y and of s p, by class.
  const wanted = new Float64Array(classes);
  const found = new Float64Array(classes);
  let share = 0;
  for (let column = 0; column < classes; column++) {
    wanted[column] = Math.max(0, weightSum / classes - temperature * gradientAtZero[weightsLength + column]!);
    found[column] = wanted[column]! + temperature * gradient[weightsLength + column]!;
    if (found[column]! > 0) share = Math.max(share, 1 - wanted[column]! / found[column]!);
  }
  if (!(share < 1)) return undefined;
  let entropy = 0;
  for (let column = 0; share > 0 && column < classes; column++) {
    const a = (wanted[column]! - (1 - share) * found[column]!) / (share * weightSum);
    if (a > 0) entropy -= a * Math.log(a);
  }
  return { share, entropy };
}

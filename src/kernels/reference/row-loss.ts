// The formulas that one row's loss is composed of, each with its derivative; general-loss.ts puts them together.
import { logSumExp } from './softmax.js';

/** cap · tanh(z / cap): near 0 the logit itself, never beyond ±cap, so ±Infinity becomes ±cap. A cap of 0 is none. */
export function softcapped(logit: number, cap: number): number {
  return cap === 0 ? logit : cap * Math.tanh(logit / cap);
}

/** ∂ softcapped / ∂z = 1 - tanh²(z / cap) = 1 / cosh²(z / cap); 1 without a cap. */
export function softcapSlope(logit: number, cap: number): number {
  return cap === 0 ? 1 : 1 / Math.cosh(logit / cap) ** 2;
}

/**
 * u_j = softcap(z_j) / temperature, and -Infinity where mask_j is 0: what the softmax sees. A masked logit is not
 * looked at, so it may be NaN. One row [classes].
 */
export function scores(
  logits: ArrayLike<number>,
  mask: ArrayLike<number> | undefined,
  { softcap, temperature }: { readonly softcap: number; readonly temperature: number },
): Float64Array {
  return Float64Array.from(logits, (logit, j) =>
    mask?.[j] === 0 ? Number.NEGATIVE_INFINITY : softcapped(logit, softcap) / temperature,
  );
}

/**
 * q_j = (1 - smoothing) · target_j + smoothing / K, the last term for the K classes that are kept (all of them without a
 * mask), and 0 for a masked one. C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision" (2016);
 * PyTorch's label_smoothing.
 */
export function smoothed(
  target: ArrayLike<number>,
  mask: ArrayLike<number> | undefined,
  smoothing: number,
): Float64Array {
  let kept = 0;
  for (let j = 0; j < target.length; j++) if (mask?.[j] !== 0) kept += 1;
  return Float64Array.from(
    target,
    (share, j) => (1 - smoothing) * share + (mask?.[j] === 0 ? 0 : smoothing / kept),
  );
}

/** q'_j = weight_j · q_j. */
export function classWeighted(target: Float64Array, weight: ArrayLike<number> | undefined): Float64Array {
  return weight === undefined ? target : target.map((share, j) => weight[j]! * share);
}

/**
 * (1 - p)^gamma · (-log p) from log p, for gamma = 0 plainly -log p. 1 - p is taken as -expm1(log p), which keeps the
 * digits of a confident p. T.-Y. Lin et al., "Focal Loss for Dense Object Detection" (2017).
 */
export function focalTerm(logProbability: number, gamma: number): number {
  if (gamma === 0) return 0 - logProbability;
  return probabilityOfOthers(logProbability) ** gamma * (0 - logProbability);
}

/**
 * p · ∂/∂p of focalTerm: γ (1 - p)^(γ - 1) p log p - (1 - p)^γ, so -1 for gamma = 0. Its limits: -1 at p = 0, and 0 at
 * p = 1 with gamma > 0, where for gamma < 1 the formula itself says Infinity · 0.
 */
export function focalSlope(logProbability: number, gamma: number): number {
  if (gamma === 0) return -1;
  const others = probabilityOfOthers(logProbability);
  if (others === 0) return 0;
  const probability = Math.exp(logProbability);
  const entropyTerm = probability === 0 ? 0 : probability * logProbability;
  return gamma * others ** (gamma - 1) * entropyTerm - others ** gamma;
}

const probabilityOfOthers = (logProbability: number) => 0 - Math.expm1(logProbability);

/** Σ_j q'_j · focalTerm_j over one row. A term with q'_j = 0 is 0 also where p_j = 0, the limit of q log p. */
export function crossEntropyOfRow(
  target: ArrayLike<number>,
  logProbabilities: ArrayLike<number>,
  gamma: number,
): number {
  let loss = 0;
  for (let j = 0; j < target.length; j++) {
    // NaN is not passed over: a row without a softmax has no loss, whatever its target.
    if (target[j] === 0 && !Number.isNaN(logProbabilities[j])) continue;
    loss += target[j]! * focalTerm(logProbabilities[j]!, gamma);
  }
  return loss;
}

/** Whether a term of these classes is a share of 0 times an infinite -log p, which PyTorch counts as NaN. */
export const zeroMeetsInfinity = (
  target: ArrayLike<number>,
  logProbabilities: ArrayLike<number>,
  classes: readonly number[],
): boolean => classes.some((j) => target[j] === 0 && logProbabilities[j] === Number.NEGATIVE_INFINITY);

/** zLoss · logSumExp(u)², which keeps the logits near 0. A. Chowdhery et al., "PaLM" (2022). */
export function zLossOfRow(rowScores: ArrayLike<number>, zLoss: number): number {
  return zLoss === 0 ? 0 : zLoss * logSumExp(rowScores) ** 2;
}

/**
 * ∂/∂u_k of crossEntropyOfRow: with h_j = q'_j · focalSlope_j it is h_k - p_k Σ_j h_j, from ∂ log p_j / ∂u_k =
 * δ_jk - p_k. For gamma = 0 this is p_k Σ_j q'_j - q'_k, and p - q where q sums to 1.
 */
export function crossEntropySlopes(
  target: ArrayLike<number>,
  logProbabilities: Float64Array,
  gamma: number,
): Float64Array {
  const slopes = logProbabilities.map((logProbability, j) => target[j]! * focalSlope(logProbability, gamma));
  const sum = slopes.reduce((total, slope) => total + slope, 0);
  return slopes.map((slope, k) => slope - Math.exp(logProbabilities[k]!) * sum);
}

/** ∂/∂u_k of zLossOfRow: 2 · zLoss · logSumExp(u) · p_k. */
export function zLossSlopes(
  rowScores: ArrayLike<number>,
  logProbabilities: Float64Array,
  zLoss: number,
): Float64Array {
  if (zLoss === 0) return new Float64Array(logProbabilities.length);
  const factor = 2 * zLoss * logSumExp(rowScores);
  return logProbabilities.map((logProbability) => factor * Math.exp(logProbability));
}

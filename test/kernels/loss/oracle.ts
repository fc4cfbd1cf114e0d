// One row of the general loss in float64, by the formulas of the contract (loss-kernels.ts), with bounds for a kernel's error.

export interface RowOptions {
  readonly temperature: number;
  readonly softcap: number;
  readonly zLoss: number;
  readonly focalGamma: number;
  readonly labelSmoothing: number;
}

export interface Row extends RowOptions {
  readonly logits: ArrayLike<number>;
  /** A class index, or a distribution. */
  readonly target: number | ArrayLike<number>;
  readonly mask?: ArrayLike<number> | undefined;
  readonly weight?: ArrayLike<number> | undefined;
}

export interface RowLoss {
  /** Before the weight of the row. */
  readonly crossEntropy: number;
  readonly zLoss: number;
  readonly logSumExp: number;
  readonly entropy: number;
  /** The scores u. */
  readonly scores: Float64Array;
  readonly probabilities: Float64Array;
  /** d (crossEntropy + zLoss) / d logits. */
  readonly gradient: Float64Array;
  /**
   * What each element of the gradient is made of, without signs: an error of the scores or a rounding is a fraction of
   * this.
   */
  readonly magnitude: Float64Array;
  /** The same for the loss. */
  readonly lossMagnitude: number;
}

export function scoresOf({ logits, mask, softcap, temperature }: Row): Float64Array {
  return Float64Array.from(logits, (z, j) => {
    if (mask?.[j] === 0) return -Infinity;
    return (softcap === 0 ? z : softcap * Math.tanh(z / softcap)) / temperature;
  });
}

/** q' of the contract. */
export function coefficientsOf({ logits, target, mask, labelSmoothing, weight }: Row): Float64Array {
  const isKept = (j: number) => mask?.[j] !== 0;
  const kept = Array.from(logits, (_, j) => isKept(j)).filter(Boolean).length;
  return Float64Array.from(logits, (_, j) => {
    const wanted = typeof target === 'number' ? Number(j === target) : isKept(j) ? target[j]! : 0;
    const q = (1 - labelSmoothing) * wanted + (isKept(j) ? labelSmoothing / kept : 0);
    return q * (weight?.[j] ?? 1);
  });
}

/** The sum with the rounding errors of its additions made good (Neumaier). */
function sumOf(values: ArrayLike<number>): number {
  let [sum, lost] = [0, 0];
  for (let k = 0; k < values.length; k++) {
    const value = values[k]!;
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return Number.isFinite(sum) ? sum + lost : sum;
}

/** log Σ exp(u - max) with the largest term left out of a log1p. */
function logSumOf(u: Float64Array, max: number): number {
  const dominant = u.indexOf(max);
  return Math.log1p(sumOf(u.map((score, j) => (j === dominant ? 0 : Math.exp(score - max)))));
}

/** -log p (1 - p)^gamma and its derivative times p, from log p. */
function focal(logP: number, gamma: number): readonly [number, number] {
  if (gamma === 0) return [-logP, -1];
  const others = -Math.expm1(logP);
  if (others === 0) return [0, 0];
  const p = Math.exp(logP);
  const entropy = p === 0 ? 0 : p * logP;
  return [others ** gamma * -logP, gamma * others ** (gamma - 1) * entropy - others ** gamma];
}

export function rowLoss(row: Row): RowLoss {
  const { softcap, temperature, zLoss, focalGamma, logits } = row;
  const scores = scoresOf(row);
  const coefficients = coefficientsOf(row);
  const hasNaN = scores.some(Number.isNaN);
  const max = scores.reduce((most, u) => Math.max(most, u), -Infinity);
  const logSum = Number.isFinite(max) ? logSumOf(scores, max) : NaN;
  const lse = max + logSum;
  const logP = scores.map((u) => u - max - logSum);
  const probabilities = logP.map((l) => Math.exp(l));
  const entropies = logP.map((l, j) => (probabilities[j] === 0 ? 0 : -probabilities[j]! * l));
  const terms = new Float64Array(logits.length);
  const slopes = logP.map((l, j) => {
    if (coefficients[j] === 0 && !Number.isNaN(l)) return 0;
    const [term, slope] = focal(l, focalGamma);
    terms[j] = coefficients[j]! * term;
    return coefficients[j]! * slope;
  });
  const crossEntropy = Number.isNaN(logSum) ? NaN : sumOf(terms);
  const slopeSum = sumOf(slopes);
  const zSlope = zLoss === 0 ? 0 : 2 * zLoss * lse;
  const chain = (k: number) =>
    row.mask?.[k] === 0 ? 0 : (softcap === 0 ? 1 : 1 / Math.cosh(logits[k]! / softcap) ** 2) / temperature;
  return {
    crossEntropy,
    zLoss: zLoss === 0 ? 0 : zLoss * lse * lse,
    logSumExp: hasNaN || Number.isFinite(max) ? lse : max,
    entropy: sumOf(entropies),
    scores,
    probabilities,
    gradient: slopes.map((h, k) =>
      Number.isNaN(logSum) ? NaN : (h - probabilities[k]! * (slopeSum - zSlope)) * chain(k),
    ),
    magnitude: slopes.map(
      (h, k) => (Math.abs(h) + probabilities[k]! * (Math.abs(slopeSum) + Math.abs(zSlope))) * chain(k),
    ),
    lossMagnitude:
      Math.abs(crossEntropy) + coefficients.reduce((sum, c) => sum + Math.abs(c), 0) + zLoss * Math.abs(lse),
  };
}

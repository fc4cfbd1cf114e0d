// In what units weights are measured before anything is known of the Hessian: those of the inputs, or such that badly scaled
// columns do no harm.

/** An objective at weights of 0 and their best bias. */
export interface StartingPoint {
  readonly classes: number;
  /** [features]: mean squares of the centered inputs. */
  readonly variances: Float64Array;
  readonly penalty: number;
  /** The trace of the losses' Hessian by the logits. */
  readonly mass: number;
  /** [features × classes], of the losses. */
  readonly gradient: Float64Array;
}

/** From here on the slope is that of columns that are merely badly scaled. */
const NEARLY_ONE = 0.8;
/** How much less than the median, in logarithms, the gradient of a column counts. */
const LEAST_LOGARITHM = 12;

/**
 * [features]: h^θ, with the Hessian's diagonal h of each feature at weights of 0. g / h is the step of a feature by itself: where
 * that does not depend on the scale of the column, θ is 0 (pixels, embeddings, standardised columns); where it goes as 1 / √h,
 * columns differ in nothing but their scale, and θ is 1. Undefined: θ is 0.
 */
export function geometryOf({
  classes,
  variances,
  penalty,
  mass,
  gradient,
}: StartingPoint): Float64Array | undefined {
  const diagonal = variances.map((variance) => (mass / (classes - 1)) * variance + penalty);
  const squares = Float64Array.from(diagonal, (_, feature) =>
    gradient
      .subarray(feature * classes, (feature + 1) * classes)
      .reduce((sum, value) => sum + value * value, 0),
  );
  const counting = diagonal.map((h) => (h > 2 * penalty ? 1 : 0));
  const isAny = counting.reduce((sum, one) => sum + one, 0) >= 2;
  const chosen = [...diagonal.keys()].filter(
    (i) => (isAny ? counting[i] === 1 : diagonal[i]! > 0) && squares[i]! > 0,
  );
  if (chosen.length < 2) return undefined;
  const x = chosen.map((i) => Math.log(diagonal[i]!));
  const raw = chosen.map((i, at) => Math.log(squares[i]!) - 2 * x[at]!);
  const least = median(raw) - LEAST_LOGARITHM;
  const v = raw.map((value) => Math.max(value, least));
  const [meanX, meanV] = [meanOf(x), meanOf(v)];
  const variance = x.reduce((sum, value) => sum + (value - meanX) ** 2, 0);
  if (!(variance > 0)) return undefined;
  const covariance = x.reduce((sum, value, i) => sum + (value - meanX) * (v[i]! - meanV), 0);
  const slope = Math.min(1, Math.max(0, -covariance / variance));
  if (slope === 0) return undefined;
  const power = slope >= NEARLY_ONE ? 1 : slope;
  // A constant feature has none without a penalty.
  return diagonal.map((h) => (h > 0 ? h ** power : 1));
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

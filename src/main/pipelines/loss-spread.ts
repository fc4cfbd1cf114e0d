// How much the losses of rows differ, for the standard error of their weighted mean.

/**
 * Of losses a_r = w_r · l_r and weights w_r. Sums are of differences from the first row's loss, which keeps their digits where all
 * losses are alike.
 */
export interface LossSpread {
  /** Those that count. */
  readonly rows: number;
  /** The loss of the first of them; NaN without any. */
  readonly pivot: number;
  readonly weights: number;
  /** Σ d_r of the differences d_r = a_r - w_r · pivot, Σ d_r², Σ d_r w_r and Σ w_r². */
  readonly differences: number;
  readonly squares: number;
  readonly products: number;
  readonly weightSquares: number;
}

/**
 * Rows are added `unitRows` at a time, and the units along the tree of a batch's sum, so that the bits do not depend on how rows are
 * cut into parts of whole branches. `weightOf`: 0 for a row that does not count.
 */
export function spreadOf(
  losses: ArrayLike<number>,
  weightOf: (row: number) => number,
  unitRows: number,
): LossSpread {
  const units = Array.from({ length: Math.ceil(losses.length / unitRows) }, (_, unit) =>
    spreadOfUnit(losses, weightOf, unit * unitRows, Math.min(losses.length, (unit + 1) * unitRows)),
  );
  return mergeSpreads(units);
}

function spreadOfUnit(
  losses: ArrayLike<number>,
  weightOf: (row: number) => number,
  begin: number,
  end: number,
): LossSpread {
  let [rows, pivot, weights, differences, squares, products, weightSquares] = [0, Number.NaN, 0, 0, 0, 0, 0];
  for (let row = begin; row < end; row++) {
    const weight = weightOf(row);
    if (weight === 0) continue;
    const loss = losses[row]!;
    if (rows === 0) pivot = loss / weight;
    const difference = loss - weight * pivot;
    rows++;
    weights += weight;
    differences += difference;
    squares += difference * difference;
    products += difference * weight;
    weightSquares += weight * weight;
  }
  return { rows, pivot, weights, differences, squares, products, weightSquares };
}

const NOTHING: LossSpread = spreadOfUnit([], () => 0, 0, 0);

/** Of parts in their order, each a whole branch of the tree. */
export function mergeSpreads(parts: readonly LossSpread[]): LossSpread {
  const merged = [...parts];
  for (let distance = 1; distance < merged.length; distance *= 2) {
    for (let i = 0; i + distance < merged.length; i += 2 * distance) {
      merged[i] = mergePair(merged[i]!, merged[i + distance]!);
    }
  }
  return merged[0] ?? NOTHING;
}

function mergePair(one: LossSpread, other: LossSpread): LossSpread {
  if (one.rows === 0) return other;
  if (other.rows === 0) return one;
  // What the other's differences are from this one's pivot: d + w · shift.
  const shift = other.pivot - one.pivot;
  return {
    rows: one.rows + other.rows,
    pivot: one.pivot,
    weights: one.weights + other.weights,
    differences: one.differences + (other.differences + shift * other.weights),
    squares: one.squares + (other.squares + shift * (2 * other.products + shift * other.weightSquares)),
    products: one.products + (other.products + shift * other.weightSquares),
    weightSquares: one.weightSquares + other.weightSquares,
  };
}

/**
 * sqrt(n / (n - 1) · Σ (a_r - mean · w_r)²) / Σ w_r, the linearised error of a ratio; without weights s / √n, s the sample
 * standard deviation. NaN for fewer than two rows.
 */
export function standardErrorOf({ rows, weights, ...sums }: LossSpread): number {
  if (rows < 2) return Number.NaN;
  const offset = sums.differences / weights;
  const squares = sums.squares - 2 * offset * sums.products + offset * offset * sums.weightSquares;
  return Math.sqrt((rows / (rows - 1)) * Math.max(0, squares)) / weights;
}

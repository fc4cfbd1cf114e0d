// How much the losses of rows differ, for the standard error of their weighted mean.

/**
 * Of losses a_r = w_r · l_r and weights w_r, added in the order of the rows, so that the bits do not depend on how they are cut
 * into parts. Sums are of differences from the first row's loss, which keeps their digits where all losses are alike.
 */
export class LossSpread {
  #rows = 0;
  #pivot: number | undefined;
  #weights = 0;
  #differences = 0;
  #squares = 0;
  #products = 0;
  #weightSquares = 0;

  /** `weightOf`: 0 for a row that does not count. */
  add(losses: ArrayLike<number>, weightOf: (row: number) => number): void {
    for (let row = 0; row < losses.length; row++) {
      const weight = weightOf(row);
      if (weight === 0) continue;
      const loss = losses[row]!;
      this.#pivot ??= loss / weight;
      const difference = loss - weight * this.#pivot;
      this.#rows++;
      this.#weights += weight;
      this.#differences += difference;
      this.#squares += difference * difference;
      this.#products += difference * weight;
      this.#weightSquares += weight * weight;
    }
  }

  /**
   * sqrt(n / (n - 1) · Σ (a_r - mean · w_r)²) / Σ w_r, the linearised error of a ratio; without weights s / √n, s the sample
   * standard deviation. NaN for fewer than two rows.
   */
  get standardError(): number {
    const rows = this.#rows;
    if (rows < 2) return Number.NaN;
    const offset = this.#differences / this.#weights;
    const squares = this.#squares - 2 * offset * this.#products + offset * offset * this.#weightSquares;
    return Math.sqrt((rows / (rows - 1)) * Math.max(0, squares)) / this.#weights;
  }
}

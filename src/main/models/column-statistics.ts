// Mean and deviation of each feature, in one pass over the rows.
import type { FeatureScaling } from './scaling.js';

export interface ColumnStatistics {
  readonly rows: number;
  /** [features], of the unscaled rows. */
  readonly means: Float64Array;
  /** [features]: divided by the number of rows; 0 of a constant feature. */
  readonly variances: Float64Array;
}

/** Of rows that are added in order. */
export class ColumnMoments {
  /** The first row: differences from it keep large means from eating the digits of small deviations. */
  readonly #origin: Float64Array;
  readonly #sums: Float64Array;
  readonly #squares: Float64Array;
  #rows = 0;

  constructor(columns: number) {
    this.#origin = new Float64Array(columns);
    this.#sums = new Float64Array(columns);
    this.#squares = new Float64Array(columns);
  }

  /** [any × columns]. */
  add(values: Float32Array | Uint8Array): void {
    const [origin, sums, squares] = [this.#origin, this.#sums, this.#squares];
    const columns = origin.length;
    if (this.#rows === 0 && values.length > 0) origin.set(values.subarray(0, columns));
    this.#rows += values.length / columns;
    for (let begin = 0; begin < values.length; begin += columns) {
      for (let column = 0; column < columns; column++) {
        const difference = values[begin + column]! - origin[column]!;
        sums[column]! += difference;
        squares[column]! += difference * difference;
      }
    }
  }

  /** Whether all features so far are. */
  get areFinite(): boolean {
    return this.#sums.every(Number.isFinite);
  }

  get statistics(): ColumnStatistics {
    const rows = Math.max(1, this.#rows);
    const differences = this.#sums.map((sum) => sum / rows);
    return {
      rows: this.#rows,
      means: this.#origin.map((value, column) => value + differences[column]!),
      variances: this.#squares.map((square, column) => {
        const variance = square / rows - differences[column]! * differences[column]!;
        // What rounding alone gives a constant feature would blow it up.
        return variance > 1e-14 * (square / rows) ? variance : 0;
      }),
    };
  }
}

/** Of all rows, from those of some after the other (Chan, Golub & LeVeque, 1979). */
export function mergedStatistics(parts: readonly ColumnStatistics[], columns: number): ColumnStatistics {
  let all: ColumnStatistics | undefined;
  for (const part of parts) all = all === undefined ? part : merged(all, part);
  return all ?? new ColumnMoments(columns).statistics;
}

function merged(a: ColumnStatistics, b: ColumnStatistics): ColumnStatistics {
  const rows = a.rows + b.rows;
  const share = b.rows / rows;
  const differences = b.means.map((mean, column) => mean - a.means[column]!);
  return {
    rows,
    means: a.means.map((mean, column) => mean + share * differences[column]!),
    variances: a.variances.map((variance, column) => {
      const between = share * (1 - share) * differences[column]! ** 2;
      return (1 - share) * variance + share * b.variances[column]! + between;
    }),
  };
}

/** (x - mean) / deviation, as scikit-learn's StandardScaler: constant features become 0. */
export function scalingOf({ means, variances }: ColumnStatistics): FeatureScaling {
  return {
    shift: Float32Array.from(means),
    // The inverse of a denormal deviation overflows float32: such features count as constant.
    scale: Float32Array.from(variances, (variance) => {
      const scale = Math.fround(1 / Math.sqrt(variance));
      return Number.isFinite(scale) ? scale : 1;
    }),
  };
}

// Mean and deviation of each feature, for centering, scaling and finding what is not finite.
import type { Inputs } from '../../models/inputs.js';
import { notFiniteError, TO_FIT } from '../../models/not-finite.js';
import type { FeatureScaling } from '../../models/scaling.js';

export interface ColumnStatistics {
  /** [features], of the unscaled rows. */
  readonly means: Float64Array;
  /** [features]: divided by the number of rows; 0 of a constant feature. */
  readonly variances: Float64Array;
}

/** Of the chosen rows. Throws ERR_NOT_FINITE with row and feature. */
export async function columnStatistics(inputs: Inputs, rows: Uint32Array): Promise<ColumnStatistics> {
  const { columns } = inputs;
  // Of the differences from the first row, which keeps large means from eating the digits of small deviations.
  const origin = new Float64Array(columns);
  const sums = new Float64Array(columns);
  const squares = new Float64Array(columns);
  let isFirst = true;
  await inputs.visit(rows, (values) => {
    if (isFirst) for (let column = 0; column < columns; column++) origin[column] = values[column]!;
    isFirst = false;
    for (let begin = 0; begin < values.length; begin += columns) {
      for (let column = 0; column < columns; column++) {
        const difference = values[begin + column]! - origin[column]!;
        sums[column]! += difference;
        squares[column]! += difference * difference;
      }
    }
  });
  if (!sums.every(Number.isFinite)) {
    const found = await inputs.findNotFinite(rows);
    if (found !== undefined) throw notFiniteError(found, TO_FIT);
  }
  const means = new Float64Array(columns);
  const variances = new Float64Array(columns);
  for (let column = 0; column < columns; column++) {
    const difference = sums[column]! / rows.length;
    means[column] = origin[column]! + difference;
    const variance = squares[column]! / rows.length - difference * difference;
    // What rounding alone gives a constant feature would blow it up.
    const rounding = 1e-14 * (squares[column]! / rows.length);
    variances[column] = variance > rounding ? variance : 0;
  }
  return { means, variances };
}

/** (x - mean) / deviation, as scikit-learn's StandardScaler: constant features become 0. */
export function standardScaling({ means, variances }: ColumnStatistics): FeatureScaling {
  return {
    shift: Float32Array.from(means),
    // The inverse of a denormal deviation overflows float32: such features count as constant.
    scale: Float32Array.from(variances, (variance) => {
      const scale = Math.fround(1 / Math.sqrt(variance));
      return Number.isFinite(scale) ? scale : 1;
    }),
  };
}

const partOf = (part: FeatureScaling['shift'], feature: number): number =>
  typeof part === 'number' ? part : part[feature]!;

/** The means of rows that are scaled like this. */
export function scaledMeans({ means }: ColumnStatistics, scaling: FeatureScaling | undefined): Float64Array {
  if (scaling === undefined) return means;
  const { shift, scale } = scaling;
  return means.map((mean, feature) => (mean - partOf(shift, feature)) * partOf(scale, feature));
}

/** Their variances. */
export function scaledVariances(
  { variances }: ColumnStatistics,
  scaling: FeatureScaling | undefined,
): Float64Array {
  if (scaling === undefined) return variances;
  return variances.map((variance, feature) => variance * partOf(scaling.scale, feature) ** 2);
}

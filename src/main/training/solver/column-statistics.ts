// Mean and deviation of each feature of the rows that are trained on, for centering, scaling and finding what is not finite.

import type { Resources } from '../../dispatch/resources.js';
import { allGatherValues, withOthers } from '../../distributed/together.js';
import { ColumnMoments, type ColumnStatistics, mergedStatistics } from '../../models/column-statistics.js';
import type { Inputs } from '../../models/inputs.js';
import { notFiniteError, TO_FIT } from '../../models/not-finite.js';
import type { FeatureScaling } from '../../models/scaling.js';

/** Elements of a block of rows, whose moments are merged with those of others: what ranks share. */
const BLOCK_ELEMENTS = 2 ** 23;

/** Of the chosen rows. Throws ERR_NOT_FINITE with row and feature. */
export async function columnStatistics(
  resources: Pick<Resources, 'transport'>,
  inputs: Inputs,
  rows: Uint32Array,
): Promise<ColumnStatistics> {
  const transport = withOthers(resources.transport);
  const { rank, ranks } = transport ?? { rank: 0, ranks: 1 };
  const blockRows = Math.max(1, Math.floor(BLOCK_ELEMENTS / inputs.columns));
  const blocks = Math.ceil(rows.length / blockRows);
  const beginOf = (of: number) => Math.floor((blocks * of) / ranks) * blockRows;
  const own = rows.subarray(beginOf(rank), beginOf(rank + 1));
  const found: ColumnStatistics[] = [];
  for (let begin = 0; begin < own.length; begin += blockRows) {
    const moments = new ColumnMoments(inputs.columns);
    await inputs.visit(own.subarray(begin, begin + blockRows), (values) => moments.add(values));
    found.push(moments.statistics);
  }
  if (!found.every(({ means }) => means.every(Number.isFinite))) {
    const place = await inputs.findNotFinite(own);
    if (place !== undefined) throw notFiniteError(place, TO_FIT);
  }
  const all = transport === undefined ? found : (await allGatherValues(transport, found)).flat();
  return mergedStatistics(all, inputs.columns);
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

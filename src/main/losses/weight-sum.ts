// The divisor of a weighted mean. The gradient needs it in advance, and it depends only on targets and weights: main sums it
// along the plan, shard by shard and then along the tree.
import { treeSum } from '../../kernels/tree-sum.js';
import type { AxisRows } from '../arguments/axis-rows.js';
import type { CheckedTargets } from '../arguments/targets.js';
import type { StridedPlan } from '../plans/rows.js';
import type { CheckedLossOptions } from './loss-options.js';

/** Σ of sampleWeight · weight[target] over the rows that are kept; of sampleWeight with soft targets. */
export function sumWeights(
  { outer, inner, rows }: Pick<AxisRows, 'outer' | 'inner' | 'rows'>,
  plan: StridedPlan,
  targets: CheckedTargets | undefined,
  { weight, sampleWeight }: Pick<CheckedLossOptions, 'weight' | 'sampleWeight'>,
): number {
  const byClass = targets === undefined ? undefined : weight;
  if (byClass === undefined && sampleWeight === undefined) return rows - (targets?.ignored ?? 0);
  const weightOf = (row: number): number => {
    const target = targets?.classOf(row) ?? 0;
    return target < 0 ? 0 : (byClass?.[target] ?? 1) * (sampleWeight?.[row] ?? 1);
  };
  const sums = new Float64Array(plan.shards);
  const innerShards = Math.ceil(inner / plan.shardInner);
  for (let shard = 0; shard < plan.shards; shard++) {
    const outerBegin = Math.floor(shard / innerShards) * plan.shardOuters;
    const innerBegin = (shard % innerShards) * plan.shardInner;
    const begin = outerBegin * inner + innerBegin;
    const outers = Math.min(plan.shardOuters, outer - outerBegin);
    const end = begin + outers * Math.min(plan.shardInner, inner - innerBegin);
    let sum = 0;
    for (let row = begin; row < end; row++) sum += weightOf(row);
    sums[shard] = sum;
  }
  return treeSum(sums);
}

// Sums over the branches of a pass: of each in order, then along the tree of kernels/tree-sum.ts, as far as this process goes.
import { coveringNodes } from '../../../kernels/tree-sum.js';
import type { FullBatchPlan } from '../../plans/training.js';
import type { RowShare } from './row-share.js';

/** Of vectors [own slots × length], some slots a step: the sums of the share's nodes. */
export function branchSums(
  vectors: Float32Array,
  length: number,
  { branches, stepsABranch, fullStep }: FullBatchPlan,
  { branches: own }: RowShare,
): readonly Float64Array[] {
  const perBranch = stepsABranch * fullStep.shards * length;
  const nodes: Float64Array[] = [];
  for (let branch = own.begin; branch < own.end; branch++) {
    const begin = (branch - own.begin) * perBranch;
    nodes.push(addUp(vectors.subarray(begin, begin + perBranch), length));
    const left = coveringNodes(own.begin, branch + 1, branches).length;
    while (nodes.length > left) {
      const right = nodes.pop()!;
      const sum = nodes.at(-1)!;
      for (let i = 0; i < length; i++) sum[i]! += right[i]!;
    }
  }
  return nodes;
}

/** The sum of vectors of this length that lie one after the other. */
function addUp(vectors: Float32Array, length: number): Float64Array {
  const sum = new Float64Array(length);
  for (let begin = 0; begin < vectors.length; begin += length) {
    for (let i = 0; i < length; i++) sum[i]! += vectors[begin + i]!;
  }
  return sum;
}

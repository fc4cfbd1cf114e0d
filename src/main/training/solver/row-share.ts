// Which rows of a full-batch problem are those of this process. Several that work together (docs/machines.md) share the branches
// of a pass; one alone has all.
import { coveringNodes } from '../../../kernels/tree-sum.js';
import type { Transport } from '../../distributed/transport.js';
import type { FullBatchPlan } from '../../plans/training.js';

/** [begin, end). */
export interface Range {
  readonly begin: number;
  readonly end: number;
}

export const countOf = ({ begin, end }: Range): number => end - begin;

export interface RowShare {
  readonly branches: Range;
  readonly steps: Range;
  readonly rows: Range;
  /** First branches of the sums that this process has after a pass. */
  readonly nodes: readonly number[];
  /** The most sums that it has on the way. */
  readonly depth: number;
}

export function rowShare(
  { branches, stepsABranch, stepsAnEpoch, fullStep }: FullBatchPlan,
  rows: number,
  { rank, ranks }: Pick<Transport, 'rank' | 'ranks'> = { rank: 0, ranks: 1 },
): RowShare {
  const branchOf = (of: number) => Math.floor((branches * of) / ranks);
  const stepOf = (branch: number) => Math.min(stepsAnEpoch, branch * stepsABranch);
  const rowOf = (step: number) => Math.min(rows, step * fullStep.rows);
  const range = (of: (index: number) => number, { begin, end }: Range) => ({
    begin: of(begin),
    end: of(end),
  });
  const own = range(branchOf, { begin: rank, end: rank + 1 });
  const steps = range(stepOf, own);
  let depth = 0;
  for (let branch = own.begin; branch < own.end; branch++) {
    depth = Math.max(depth, coveringNodes(own.begin, branch, branches).length + 1);
  }
  return {
    branches: own,
    steps,
    rows: range(rowOf, steps),
    nodes: coveringNodes(own.begin, own.end, branches),
    depth,
  };
}

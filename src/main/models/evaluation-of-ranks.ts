// The evaluation of the rows of all ranks from what each found in its own: with the bits of one rank that has all rows.
import { coveringNodes, treeSum } from '../../kernels/tree-sum.js';
import { additions } from '../../transport/tree.js';
import { allGatherValues } from '../distributed/together.js';
import type { Transport } from '../distributed/transport.js';
import { reduceLoss } from '../losses/loss-options.js';
import { loadTally, type SavedMetrics, saveTally } from '../metrics/saved-metrics.js';
import {
  checkNotEmpty,
  type Evaluation,
  evaluationFrom,
  lossesOf,
  type ReductionRules,
  tallyOf,
} from './evaluation.js';
import type { RowResults } from './linear-model.js';
import {
  type ConfusedPair,
  confusedPairs,
  firstOfWorst,
  topOfPairs,
  type WorstRow,
  worstRows,
} from './mistakes.js';

/** Of the rows of one rank. */
export interface OwnResults {
  readonly results: RowResults;
  /** Classes or IGNORED. */
  readonly targets: Int32Array;
  readonly invalid: number;
  /** What each row weighs in the mean; without weights their number. */
  readonly weights: Float64Array | number;
  readonly classes: number;
  readonly topK: number;
}

interface Part {
  readonly rows: number;
  readonly invalid: number;
  readonly tally: SavedMetrics;
  readonly pairs: readonly ConfusedPair[];
  /** By their numbers among the rows of the rank. */
  readonly worst: readonly WorstRow[];
}

export async function evaluationOfRanks(
  transport: Transport,
  own: OwnResults,
  rules: Omit<ReductionRules, 'weightSum'>,
): Promise<Evaluation> {
  const { results, targets, invalid, classes, topK } = own;
  const mine = tallyOf(results, targets, { classes, topK });
  const part: Part = {
    rows: targets.length,
    invalid,
    tally: saveTally(mine),
    pairs: confusedPairs(results, targets, classes),
    worst: worstRows(results, targets),
  };
  const parts = await allGatherValues(transport, part);
  const tallies = parts.map(({ tally }) => loadTally(tally, mine.shape));
  const [tally, ...others] = tallies;
  for (const other of others) tally!.merge(other);
  const rows = parts.map((one) => one.rows);
  const lossSum = await lossSumOfRanks(transport, lossesOf(results), rows);
  const weightSum = await weightSumOfRanks(transport, own.weights);
  const all = { ...rules, weightSum };
  checkNotEmpty(all, sumOf(rows));
  return evaluationFrom({
    tally: tally!,
    invalid: sumOf(parts.map((one) => one.invalid)),
    loss: reduceLoss(all, lossSum, weightSum),
    lossSum,
    weightSum,
    topConfusions: topOfPairs(
      parts.flatMap(({ pairs }) => pairs),
      classes,
    ),
    worstRows: firstOfWorst(
      parts.flatMap(({ worst }, rank) =>
        worst.map((one) => ({ ...one, row: one.row + sumOf(rows.slice(0, rank)) })),
      ),
    ),
  });
}

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

/** Rows are the branches of a tree: each rank adds those that lie with it alone. */
async function lossSumOfRanks(
  transport: Transport,
  losses: Float64Array,
  rows: readonly number[],
): Promise<number> {
  const count = sumOf(rows);
  const nodesOf = (rank: number) => {
    const begin = sumOf(rows.slice(0, rank));
    return { begin, end: begin + rows[rank]!, nodes: coveringNodes(begin, begin + rows[rank]!, count) };
  };
  const { begin, end, nodes } = nodesOf(transport.rank);
  const sums = nodes.map((node, i) => treeSum(losses.slice(node - begin, (nodes[i + 1] ?? end) - begin)));
  const all = (await allGatherValues(transport, sums)).flat();
  const places = rows.flatMap((_, rank) => nodesOf(rank).nodes);
  for (const { into, from } of additions(places, count, count)) all[into] = all[into]! + all[from]!;
  return all[0] ?? 0;
}

/** Weights are added in the order of rows, which no tree has. */
async function weightSumOfRanks(transport: Transport, own: Float64Array | number): Promise<number> {
  const all = await allGatherValues(transport, typeof own === 'number' ? Float64Array.of(own) : own);
  let sum = 0;
  for (const weights of all) for (const weight of weights) sum += weight;
  return sum;
}

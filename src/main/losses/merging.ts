// Losses of a batch that is computed in parts: part by part, over files, processes or machines.
import { SoftshardError } from '../../errors.js';
import { treeSum } from '../../kernels/tree-sum.js';
import { checkInteger, checkOneOf, checkOptionNames, inspectValue } from '../checks.js';
import { checkedDims } from '../memory/arrays.js';
import { planStridedRows } from '../plans/rows.js';
import type { CrossEntropyResult } from './cross-entropy.js';
import { emptyError, type OnEmpty, reduceLoss } from './loss-options.js';

export interface PartOptions {
  /** Which dimension holds the classes; default -1. */
  axis?: number | undefined;
}

/**
 * The number of entries of the first dimension that each part of a tensor should have, so that the parts' losses, merged by
 * mergeLosses, have the bits of the whole batch's. At most `atMost` where the plan allows it. A part is a power of two of
 * shards: its sum is a whole branch of the tree along which a batch is summed. Undefined if there is no such number: when
 * the first dimension holds the classes, and for some tensors with several dimensions before the classes.
 */
export function partSize(
  tensorDims: readonly number[],
  atMost: number,
  options: PartOptions = {},
): number | undefined {
  checkInteger('atMost', atMost, 1, Number.MAX_SAFE_INTEGER);
  checkOptionNames('options', options, ['axis']);
  const dims = checkedDims(tensorDims);
  if (dims === undefined) {
    const message = `dims is ${inspectValue(tensorDims)}: it must list whole numbers`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: 'dims', value: tensorDims });
  }
  const rank = dims.length;
  const given = checkInteger('options.axis', options.axis ?? -1, -rank, rank - 1);
  const axis = given < 0 ? given + rank : given;
  if (axis === 0) return undefined;
  const product = (part: readonly number[]) => part.reduce((all, dim) => all * dim, 1);
  const outersAnEntry = Math.max(1, product(dims.slice(1, axis)));
  const { shardOuters } = planStridedRows(
    product(dims.slice(0, axis)),
    dims[axis]!,
    product(dims.slice(axis + 1)),
  );
  // The least number of entries that make whole shards; the number of shards has to be a power of two.
  let entries = shardOuters / greatestCommonDivisor(shardOuters, outersAnEntry);
  if (!isPowerOfTwo((entries * outersAnEntry) / shardOuters)) return undefined;
  while (entries * 2 <= atMost) entries *= 2;
  return Math.min(entries, Math.max(1, dims[0]!));
}

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? a : greatestCommonDivisor(b, a % b);

const isPowerOfTwo = (value: number): boolean =>
  Number.isInteger(value) && Number.isInteger(Math.log2(value));

export interface MergeOptions {
  /** Default 'mean'. */
  reduction?: 'mean' | 'sum' | undefined;
  /** As in crossEntropy. */
  onEmpty?: OnEmpty | undefined;
}

/** The fields that parts and the whole have in common. */
export type MergedLoss = Pick<CrossEntropyResult, 'loss' | 'lossSum' | 'weightSum' | 'zLoss'>;

/**
 * The loss of all rows from the results of parts, in order. With a z-loss, compute the parts with reduction 'sum'. The mean
 * is exact for parts of any size; for parts of partSize the sums have the bits of the whole batch's.
 */
export function mergeLosses(parts: readonly MergedLoss[], options: MergeOptions = {}): MergedLoss {
  if (!Array.isArray(parts)) {
    const message = `parts is ${inspectValue(parts)}: it must be an array of results`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'parts', value: parts });
  }
  for (const [i, part] of parts.entries()) {
    for (const name of ['lossSum', 'weightSum'] as const) {
      const value: unknown = part?.[name];
      if (typeof value === 'number') continue;
      const message = `parts[${i}].${name} is ${inspectValue(value)}: each part must be a result of crossEntropy`;
      throw new SoftshardError('ERR_TYPE', message, { argument: `parts[${i}].${name}`, value });
    }
  }
  checkOptionNames('options', options, ['reduction', 'onEmpty']);
  const reduction = checkOneOf('options.reduction', options.reduction ?? 'mean', ['mean', 'sum']);
  const onEmpty = checkOneOf('options.onEmpty', options.onEmpty ?? 'nan', ['nan', 'zero', 'throw']);
  parts.forEach(checkZLoss);
  const sumOf = (values: (part: MergedLoss) => number) => treeSum(Float64Array.from(parts, values));
  const lossSum = sumOf((part) => part.lossSum);
  const weightSum = sumOf((part) => part.weightSum);
  if (reduction === 'mean' && weightSum === 0 && onEmpty === 'throw') throw emptyError(parts.length, 'parts');
  const reduce = (sum: number) => reduceLoss({ reduction, onEmpty }, sum, weightSum);
  const hasZLoss = parts.some((part) => part.zLoss !== undefined);
  return {
    loss: reduce(lossSum),
    lossSum,
    weightSum,
    ...(hasZLoss && { zLoss: reduce(sumOf((part) => part.zLoss ?? 0)) }),
  };
}

/** Mean z-losses do not add up. A part of weight 1 has a mean that is its sum. */
function checkZLoss({ zLoss, loss, lossSum }: MergedLoss, index: number): void {
  if (zLoss === undefined || Object.is(loss, lossSum)) return;
  const message = `parts[${index}].zLoss is ${zLoss}, a mean, which does not add up: compute parts that have a z-loss with reduction 'sum'`;
  throw new SoftshardError('ERR_OPTION', message, { argument: `parts[${index}].zLoss`, value: zLoss });
}

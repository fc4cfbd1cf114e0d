// How main and workers combine the partial losses of shards.

/**
 * The sum of the first `length` values along a fixed binary tree, neighbours first (distance 1, then 2, 4, …): the order in which
 * treeAdd adds gradients. Overwrites values. The sum of none is 0.
 */
export function treeSum(values: Float64Array, length = values.length): number {
  for (let distance = 1; distance < length; distance *= 2) {
    for (let i = 0; i + distance < length; i += 2 * distance) {
      values[i] = values[i]! + values[i + distance]!;
    }
  }
  return length === 0 ? 0 : values[0]!;
}

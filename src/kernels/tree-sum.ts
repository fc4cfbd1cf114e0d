// How partial losses of shards are combined, by main and by workers alike.

/**
 * The sum of values along a fixed binary tree, neighbours first (distance 1, then 2, 4, …): the order in which
 * treeAdd adds gradients. Overwrites values. The sum of none is 0.
 */
export function treeSum(values: Float64Array): number {
  for (let distance = 1; distance < values.length; distance *= 2) {
    for (let i = 0; i + distance < values.length; i += 2 * distance) {
      values[i] = values[i]! + values[i + distance]!;
    }
  }
  return values[0] ?? 0;
}

// How sums are made: along a binary tree whose shape depends on the number of values alone.

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

/** The first branches of the fewest nodes of that tree, over `count` values, that cover branches [begin, end). */
export function coveringNodes(begin: number, end: number, count: number): number[] {
  const nodes: number[] = [];
  for (let at = begin; at < end; ) {
    nodes.push(at);
    let size = 1;
    while (size < count && at % (2 * size) === 0 && Math.min(at + 2 * size, count) <= end) size *= 2;
    at += size;
  }
  return nodes;
}

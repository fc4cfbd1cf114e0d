// The canonical tree of a sum (kernels/tree-sum.ts), for parts of it that lie with several ranks.

/** Adds the buffer `from` to the buffer `into`; numbers are positions in the list of nodes. */
export interface Addition {
  readonly into: number;
  readonly from: number;
}

/**
 * What to add, and in which order, where `begins` are the first branches of nodes, in order, that together cover the branches up
 * to `end` of the `count` of the whole tree. Nodes that have their sibling elsewhere stay.
 */
export function additions(begins: readonly number[], end: number, count: number): Addition[] {
  const found: Addition[] = [];
  let left = begins.map((begin, node) => ({ begin, node }));
  for (let distance = 1; distance < count && left.length > 1; distance *= 2) {
    const kept: typeof left = [];
    for (const one of left) {
      const before = kept.at(-1);
      const isRight =
        before !== undefined &&
        before.begin % (2 * distance) === 0 &&
        one.begin === before.begin + distance &&
        Math.min(before.begin + 2 * distance, count) <= end;
      if (isRight) found.push({ into: before.node, from: one.node });
      else kept.push(one);
    }
    left = kept;
  }
  return found;
}

import { expect, test } from 'vitest';
import { coveringNodes, treeSum } from '#softshard/kernels/tree-sum.js';
import { additions } from '#softshard/transport/tree.js';

test('nodes of ranks, added in the order that additions gives, have the bits of treeSum', () => {
  for (let count = 1; count <= 40; count++) {
    const values = Float64Array.from({ length: count }, (_, i) => Math.sin(i) * 10 ** (i % 9));
    for (const cuts of [[count], [0, 1], [5, 6, 7], [2, 2, 30], [13, 29]]) {
      const ends = [...cuts.map((cut) => Math.min(cut, count)), count];
      const ranges = ends.map((end, i) => [i === 0 ? 0 : ends[i - 1]!, end] as const);
      const nodes = ranges.flatMap(([begin, end]) => coveringNodes(begin, end, count));
      const sums = ranges.flatMap(([begin, end]) => {
        const own = coveringNodes(begin, end, count);
        return own.map((node, i) => treeSum(values.slice(node, own[i + 1] ?? end)));
      });
      for (const { into, from } of additions(nodes, count, count)) sums[into]! += sums[from]!;
      expect(sums[0], `${count} branches cut at ${cuts}`).toBe(treeSum(values.slice()));
    }
  }
});

test('a range that is a branch is one node, and others need at most two of each size', () => {
  expect(coveringNodes(0, 64, 64)).toEqual([0]);
  expect(coveringNodes(32, 48, 64)).toEqual([32]);
  // The last branch of a tree may be cut off.
  expect(coveringNodes(32, 41, 41)).toEqual([32]);
  expect(coveringNodes(1, 63, 64)).toEqual([1, 2, 4, 8, 16, 32, 48, 56, 60, 62]);
  expect(coveringNodes(5, 5, 64)).toEqual([]);
});

test('a node whose sibling lies elsewhere is not added to its neighbor', () => {
  expect(additions([0, 1, 2], 3, 4)).toEqual([{ into: 0, from: 1 }]);
  expect(additions([1, 2, 3], 4, 4)).toEqual([{ into: 1, from: 2 }]);
});

// Sums over the branches of all ranks along one tree, whose shape knows nothing of ranks: so the bits are those of one rank.
import { coveringNodes } from '../kernels/tree-sum.js';
import { additions } from './tree.js';
import type { Floats, Transfer, Wire } from './wire.js';

interface Range {
  readonly begin: number;
  readonly end: number;
}

interface Sum {
  /** Those of this rank, overwritten. */
  readonly branches: readonly Floats[];
  /** They are the nodes that cover its branches. */
  readonly areNodes: boolean;
  readonly sum: Floats;
  /** Of all ranks. */
  readonly count: number;
  /** The branches of each rank. */
  readonly ranges: readonly Range[];
}

/** A rank's scratch is about as large: longer vectors are summed a block at a time. */
const BLOCK_BYTES = 16 * 1024 * 1024;

export async function treeSumOver(wire: Wire, terms: Sum): Promise<void> {
  const { sum, count, ranges } = terms;
  const nodes = ranges.map(({ begin, end }) => coveringNodes(begin, end, count));
  const own = ownNodes(wire, terms, nodes[wire.rank]!);
  const block = BLOCK_BYTES / sum.BYTES_PER_ELEMENT;
  const areHalves = isBinary(nodes);
  for (let first = 0; first < sum.length; first += block) {
    const last = Math.min(sum.length, first + block);
    const target = sum.subarray(first, last);
    const parts = own.map((values) => values.subarray(first, last));
    if (areHalves) await sumByHalves(wire, parts[0]!, target);
    else await sumBySegments(wire, parts, target, { nodes, count });
  }
}

/** The sums of the nodes that cover the branches of this rank. */
function ownNodes(
  wire: Wire,
  { branches, areNodes, count, ranges }: Sum,
  nodes: readonly number[],
): readonly Floats[] {
  if (areNodes) return branches;
  const { begin, end } = ranges[wire.rank]!;
  const all = branches.map((_, i) => begin + i);
  for (const { into, from } of additions(all, end, count)) wire.add(branches[into]!, branches[from]!);
  return nodes.map((node) => branches[node - begin]!);
}

/** Whether the ranks are the branches of a tree of their own: a power of two of them, with one node of equal height each. */
function isBinary(nodes: readonly (readonly number[])[]): boolean {
  const height = nodes[1]?.[0] ?? 1;
  const isPowerOfTwo = (value: number) => Number.isInteger(Math.log2(value));
  return (
    isPowerOfTwo(nodes.length) &&
    isPowerOfTwo(height) &&
    nodes.every((own, rank) => own.length === 1 && own[0] === rank * height)
  );
}

/** Recursive halving, then doubling: at each distance a pair adds one half each, in the end they tell each other. */
async function sumByHalves(wire: Wire, values: Floats, sum: Floats): Promise<void> {
  const { rank, ranks } = wire;
  const scratch = likeOf(values, wire.scratch(Math.ceil(values.length / 2) * values.BYTES_PER_ELEMENT));
  const turns: { peer: number; mine: Floats; theirs: Floats }[] = [];
  let own = values;
  for (let distance = 1; distance < ranks; distance *= 2) {
    const middle = Math.ceil(own.length / 2);
    const isLeft = (rank & distance) === 0;
    const [mine, theirs] = isLeft
      ? [own.subarray(0, middle), own.subarray(middle)]
      : [own.subarray(middle), own.subarray(0, middle)];
    const peer = rank ^ distance;
    const received = scratch.subarray(0, mine.length);
    await exchangePair(wire, peer, theirs, received);
    wire.add(mine, received);
    turns.push({ peer, mine, theirs });
    own = mine;
  }
  for (const { peer, mine, theirs } of turns.reverse()) await exchangePair(wire, peer, mine, theirs);
  if (values.byteOffset !== sum.byteOffset || values.buffer !== sum.buffer) sum.set(values);
}

function exchangePair(wire: Wire, peer: number, send: Floats, receive: Floats): Promise<void> | void {
  // Of odd lengths one half may be empty.
  const transfers = [
    ...(send.length > 0 ? [{ peer, send }] : []),
    ...(receive.length > 0 ? [{ peer, receive }] : []),
  ];
  return wire.exchange(transfers);
}

/** Each rank adds one segment of all nodes, then all tell each other. */
async function sumBySegments(
  wire: Wire,
  own: readonly Floats[],
  sum: Floats,
  { nodes, count }: { readonly nodes: readonly (readonly number[])[]; readonly count: number },
): Promise<void> {
  const { rank, ranks } = wire;
  const segment = (values: Floats, of: number) =>
    values.subarray(Math.floor((values.length * of) / ranks), Math.floor((values.length * (of + 1)) / ranks));
  const mine = segment(sum, rank);
  const others = nodes.flat().length - own.length;
  const scratch = likeOf(sum, wire.scratch(others * mine.byteLength));
  let used = 0;
  const transfers: Transfer[] = [];
  const buffers = nodes.flatMap((of, peer) => {
    if (peer === rank) return own.map((values) => segment(values, rank));
    for (const values of own) {
      const send = segment(values, peer);
      if (send.length > 0) transfers.push({ peer, send });
    }
    return of.map(() => {
      const receive = scratch.subarray(used, used + mine.length);
      used += mine.length;
      if (receive.length > 0) transfers.push({ peer, receive });
      return receive;
    });
  });
  await wire.exchange(transfers);
  for (const { into, from } of additions(nodes.flat(), count, count))
    wire.add(buffers[into]!, buffers[from]!);
  mine.set(buffers[0]!);
  const results: Transfer[] = [];
  for (let peer = 0; peer < ranks; peer++) {
    if (peer === rank) continue;
    const receive = segment(sum, peer);
    if (mine.length > 0) results.push({ peer, send: mine });
    if (receive.length > 0) results.push({ peer, receive });
  }
  await wire.exchange(results);
}

const likeOf = (values: Floats, buffer: ArrayBufferLike): Floats =>
  values.BYTES_PER_ELEMENT === 4 ? new Float32Array(buffer) : new Float64Array(buffer);

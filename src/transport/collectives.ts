// The calls of all ranks together, on top of sending and receiving. Each begins with a header that all exchange: so all know who
// brings what, that they make the same call, and whether one of them has failed.
import { treeSumOver } from './tree-sum.js';
import type { Floats, Wire } from './wire.js';

/** By its number in the header. */
const CALLS = ['failure', 'allGather', 'gather', 'treeSum', 'broadcast', 'barrier'] as const;
type CallName = (typeof CALLS)[number];

/** Words of a header, float64: the call's place in the program, its number in CALLS, and up to five facts. */
const HEADER_WORDS = 7;
const FACTS = 2;

/** A call that cannot end because a rank has failed; the lowest of them, with what it said. */
export class FailedRank extends Error {
  readonly rank: number;
  readonly bytes: Uint8Array;
  constructor(rank: number, bytes: Uint8Array) {
    super(`rank ${rank} has failed`);
    this.rank = rank;
    this.bytes = bytes;
  }
}

/** Ranks that do not make the same call, or bring what does not fit together: an error of the program. */
export class RanksDiffer extends Error {}

export interface Branches {
  readonly begin: number;
  /** Where `branches` are nodes that cover several. */
  readonly end?: number | undefined;
  readonly branches: readonly Floats[];
  readonly into?: Floats | undefined;
}

export class Collectives {
  readonly #wire: Wire;
  #calls = 0;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  async allGather(bytes: Uint8Array): Promise<Uint8Array[]> {
    const lengths = (await this.#meet('allGather', [bytes.length])).map(([length]) => length!);
    return this.#spread(bytes, lengths);
  }

  /** On other ranks than `root`: undefined. */
  async gather(bytes: Uint8Array, root: number): Promise<Uint8Array[] | undefined> {
    const lengths = await this.#meetAt('gather', root, bytes.length);
    const { rank } = this.#wire;
    if (rank === root) return this.#spread(new Uint8Array(), lengths, bytes);
    if (bytes.length > 0) await this.#wire.exchange([{ peer: root, send: bytes }]);
    return undefined;
  }

  async broadcast(bytes: Uint8Array | undefined, root: number): Promise<Uint8Array> {
    const { rank } = this.#wire;
    const lengths = await this.#meetAt('broadcast', root, bytes?.length ?? 0);
    const received = lengths.map((length, other) => (other === root ? length : 0));
    const all = await this.#spread(rank === root ? bytes! : new Uint8Array(), received);
    return all[root]!;
  }

  async barrier(): Promise<void> {
    await this.#meet('barrier', []);
  }

  /** Every other rank's call under way, or the next one, rejects with FailedRank. Gives the lowest rank that failed. */
  async fail(bytes: Uint8Array): Promise<number> {
    try {
      await this.#meet('failure', [bytes.length], bytes);
    } catch (error) {
      if (error instanceof FailedRank) return error.rank;
      throw error;
    }
    return this.#wire.rank;
  }

  async treeSum({ begin, end, branches, into = branches[0] }: Branches, count: number): Promise<void> {
    const sum = into!;
    const facts = await this.#meet('treeSum', [
      begin,
      (end ?? begin + branches.length) - begin,
      count,
      sum.length,
      sum.BYTES_PER_ELEMENT,
    ]);
    this.#checkBranches(facts);
    const ranges = facts.map(([first, length]) => ({ begin: first!, end: first! + length! }));
    await treeSumOver(this.#wire, { branches, areNodes: end !== undefined, sum, count, ranges });
  }

  #checkBranches(facts: readonly (readonly number[])[]): void {
    const own = facts[this.#wire.rank]!;
    const [, , count, length, bytes] = own;
    let covered = 0;
    for (const [rank, [begin, branches, ...rest]] of facts.entries()) {
      if (rest.some((value, i) => value !== [count, length, bytes][i])) {
        const shown = ([all, elements, size]: readonly number[]) =>
          `${all} branches of ${elements} float${8 * size!}`;
        throw new RanksDiffer(
          `treeSum: rank ${rank} has ${shown(rest)}, rank ${this.#wire.rank} ${shown([count!, length!, bytes!])}`,
        );
      }
      if (begin !== covered) {
        throw new RanksDiffer(`treeSum: rank ${rank} begins at branch ${begin}, where ${covered} comes next`);
      }
      covered += branches!;
    }
    if (covered === count) return;
    throw new RanksDiffer(`treeSum: the ranks bring ${covered} branches together, of ${count}`);
  }

  /** The lengths of all ranks, which must mean the same root. */
  async #meetAt(name: CallName, root: number, length: number): Promise<number[]> {
    const facts = await this.#meet(name, [root, length]);
    const other = facts.findIndex(([of]) => of !== root);
    if (other < 0) return facts.map(([, bytes]) => bytes!);
    throw new RanksDiffer(
      `${name}: for rank ${other} the root is rank ${facts[other]![0]}, for rank ${this.#wire.rank} rank ${root}`,
    );
  }

  /** The facts of all ranks. */
  async #meet(
    name: CallName,
    own: readonly number[],
    failure: Uint8Array = new Uint8Array(),
  ): Promise<number[][]> {
    const { rank, ranks } = this.#wire;
    const headers = Array.from({ length: ranks }, () => unmoved(8 * HEADER_WORDS, Float64Array));
    headers[rank]!.set([this.#calls, CALLS.indexOf(name), ...own]);
    this.#calls++;
    await this.#wire.exchange(
      this.#peers().map((peer) => ({ peer, send: headers[rank]!, receive: headers[peer]! })),
      true,
    );
    const failed = headers.findIndex((header) => CALLS[header[1]!] === 'failure');
    if (failed >= 0) {
      const lengths = headers.map((header) => (CALLS[header[1]!] === 'failure' ? header[FACTS]! : 0));
      throw new FailedRank(failed, (await this.#spread(failure, lengths))[failed]!);
    }
    for (const [other, [call, number]] of headers.entries()) {
      if (call === headers[rank]![0] && number === headers[rank]![1]) continue;
      const shown = (at: number | undefined, what: string | undefined) => `${what} as its call ${at! + 1}`;
      throw new RanksDiffer(
        `rank ${other} makes ${shown(call, CALLS[number!])}, rank ${rank} ${shown(headers[rank]![0], name)}: all ranks must make the same calls in the same order`,
      );
    }
    return headers.map((header) => [...header.subarray(FACTS)]);
  }

  /** Sends bytes to all; gives those that all send, whose lengths are known, and `own` of this rank. */
  async #spread(sent: Uint8Array, lengths: readonly number[], own = sent): Promise<Uint8Array[]> {
    const { rank } = this.#wire;
    const all = lengths.map(
      (length, peer): Uint8Array => (peer === rank ? own.slice() : unmoved(length, Uint8Array)),
    );
    const transfers = this.#peers().flatMap((peer) => [
      ...(sent.length > 0 ? [{ peer, send: sent }] : []),
      ...(lengths[peer]! > 0 ? [{ peer, receive: all[peer]! }] : []),
    ]);
    if (transfers.length > 0) await this.#wire.exchange(transfers);
    return all;
  }

  /** In an order that spreads the load: nobody begins with the same one. */
  #peers(): number[] {
    const { rank, ranks } = this.#wire;
    return Array.from({ length: ranks - 1 }, (_, i) => (rank + 1 + i) % ranks);
  }
}

/** On a buffer of its own: V8 keeps small arrays without one where it may move them, and MPI writes to where they were. */
const unmoved = <View>(bytes: number, Class: new (buffer: ArrayBuffer) => View): View =>
  new Class(new ArrayBuffer(bytes));

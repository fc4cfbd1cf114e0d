// Ranks that are parts of one process: for tests, and to try a program out. What they do is what ranks under MPI do, but for how a
// message gets there.
import { SoftshardError } from '../../errors.js';
import { Collectives } from '../../transport/collectives.js';
import type { Floats, Transfer, Wire } from '../../transport/wire.js';
import { checkInteger } from '../checks.js';
import { QueuedTransport, type RankCalls } from './queued-transport.js';
import type { Transport } from './transport.js';

const MAX_RANKS = 1024;

/** Transports of ranks 0, 1, … that find each other. */
export function inProcessTransports(ranks: number): Transport[] {
  checkInteger('ranks', ranks, 1, MAX_RANKS);
  const post = new Post();
  return Array.from(
    { length: ranks },
    (_, rank) => new QueuedTransport({ rank, ranks }, callsOf(post, rank, ranks)),
  );
}

function callsOf(post: Post, rank: number, ranks: number): RankCalls {
  const collectives = new Collectives(new InProcessWire(post, rank, ranks));
  return {
    allGather: (bytes) => collectives.allGather(bytes),
    gather: (bytes, root) => collectives.gather(bytes, root),
    broadcast: (bytes, root) => collectives.broadcast(bytes, root),
    treeSum: (own, count) => collectives.treeSum(own, count),
    barrier: () => collectives.barrier(),
    fail: (bytes) => collectives.fail(bytes),
    close: () => collectives.barrier(),
    abort: (cause) => {
      const error = new SoftshardError('ERR_DISTRIBUTED', `rank ${rank}: ${cause}`);
      post.end(error);
      throw error;
    },
    group: (first) => callsOf(post, rank, first),
  };
}

interface Box {
  readonly messages: Uint8Array[];
  readonly waiting: { resolve(message: Uint8Array): void; reject(error: Error): void }[];
}

/** What is on its way, for each pair of ranks. */
class Post {
  readonly #boxes = new Map<string, Box>();
  #ended: Error | undefined;

  put(from: number, to: number, message: Uint8Array): void {
    const { messages, waiting } = this.#box(from, to);
    const next = waiting.shift();
    if (next === undefined) messages.push(message);
    else next.resolve(message);
  }

  async take(from: number, to: number): Promise<Uint8Array> {
    if (this.#ended !== undefined) throw this.#ended;
    const { messages, waiting } = this.#box(from, to);
    return messages.shift() ?? new Promise((resolve, reject) => waiting.push({ resolve, reject }));
  }

  end(error: Error): void {
    this.#ended = error;
    for (const { waiting } of this.#boxes.values()) for (const { reject } of waiting.splice(0)) reject(error);
  }

  #box(from: number, to: number): Box {
    const key = `${from} ${to}`;
    const box = this.#boxes.get(key) ?? { messages: [], waiting: [] };
    this.#boxes.set(key, box);
    return box;
  }
}

class InProcessWire implements Wire {
  readonly rank: number;
  readonly ranks: number;
  readonly #post: Post;

  constructor(post: Post, rank: number, ranks: number) {
    this.rank = rank;
    this.ranks = ranks;
    this.#post = post;
  }

  async exchange(transfers: readonly Transfer[]): Promise<void> {
    const arrivals: Promise<void>[] = [];
    for (const { peer, send, receive } of transfers) {
      if (send !== undefined) this.#post.put(this.rank, peer, bytesOf(send).slice());
      if (receive !== undefined) {
        arrivals.push(this.#post.take(peer, this.rank).then((message) => bytesOf(receive).set(message)));
      }
    }
    await Promise.all(arrivals);
  }

  add(sum: Floats, values: Floats): void {
    for (let i = 0; i < values.length; i++) sum[i] = sum[i]! + values[i]!;
  }

  scratch(bytes: number): ArrayBuffer {
    return new ArrayBuffer(bytes);
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

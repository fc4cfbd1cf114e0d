// Sends and receives through MPI. It never waits inside the library, which would keep a core busy for as long as other ranks
// take: it looks whether a transfer is done, for a moment over and over, then with pauses.
import type { MpiLibrary, Requests } from '../../transport/mpi-library.js';
import type { Floats, Transfer, Wire } from '../../transport/wire.js';

/** Looks in a row, some 20 µs; later ones let other threads run first, among them maybe the peer. */
const BUSY_LOOKS = 200;
/** Looks before the first pause: for peers that may be long in coming, and for those that are known to be there. */
const MEETING_LOOKS = 1000;
const MOVING_LOOKS = 4000;
/** Pauses get longer as the wait does: 1/16 of it, between these. */
const SHORTEST_PAUSE_MS = 0.05;
const LONGEST_PAUSE_MS = 2;
/**
 * Of what is known to be moving: libraries without a thread of their own send the next part of a message (128 KiB over TCP) when they
 * are asked. With pauses of 2 ms, 4 MB took 72 ms over 1 Gbit/s in the place of 38 ms (bench/notes/2026-11-ranks.md).
 */
const MOVING_PAUSE_MS = 0.1;
/** MPI counts in int: longer transfers go in pieces. */
const PIECE_BYTES = 1 << 30;

/** Called now and then while waiting, with how long it has been; missing: the peers that have not sent. It may end the program. */
export type Waiting = (waitedMs: number, missing: () => number[]) => void;

export class MpiWire implements Wire {
  readonly rank: number;
  readonly ranks: number;
  readonly #mpi: MpiLibrary;
  readonly #waiting: Waiting;
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4));
  #requests: Requests;
  #scratch: ArrayBufferLike = new ArrayBuffer(0);

  constructor(mpi: MpiLibrary, { rank, ranks }: { rank: number; ranks: number }, waiting: Waiting) {
    this.rank = rank;
    this.ranks = ranks;
    this.#mpi = mpi;
    this.#waiting = waiting;
    this.#requests = mpi.newRequests(64);
  }

  /** The wire of ranks [0, ranks) among themselves. */
  ofFirst(ranks: number): MpiWire {
    return new MpiWire(this.#mpi, { rank: this.rank, ranks }, this.#waiting);
  }

  exchange(transfers: readonly Transfer[], meeting = false): void {
    const pieces = transfers.flatMap(piecesOf);
    const requests = this.#requestsFor(pieces.length);
    // What comes is expected before anything is sent: then it need not be kept elsewhere first.
    const ordered = [...pieces.filter(({ receive }) => receive), ...pieces.filter(({ send }) => send)];
    for (const [i, { peer, send, receive }] of ordered.entries()) {
      const at = requests.subarray(i, i + 1);
      if (receive !== undefined) this.#mpi.ireceive(receive, receive.byteLength, peer, at);
      else this.#mpi.isend(send!, send!.byteLength, peer, at);
    }
    this.#wait(ordered, requests, meeting);
  }

  #wait(transfers: readonly Transfer[], requests: Requests, meeting: boolean): void {
    const count = transfers.length;
    const looks = meeting ? MEETING_LOOKS : MOVING_LOOKS;
    const longest = meeting ? LONGEST_PAUSE_MS : MOVING_PAUSE_MS;
    for (let look = 0; look < looks; look++) {
      if (this.#mpi.testAll(requests, count)) return;
      if (look > BUSY_LOOKS) this.#mpi.yieldCore();
    }
    const begin = performance.now();
    const missing = () => {
      const peers = transfers.flatMap(({ peer, receive }, i) =>
        receive !== undefined && !this.#mpi.testAll(requests.subarray(i, i + 1), 1) ? [peer] : [],
      );
      return [...new Set(peers)].sort((a, b) => a - b);
    };
    while (!this.#mpi.testAll(requests, count)) {
      const waited = performance.now() - begin;
      const pause = Math.min(longest, Math.max(SHORTEST_PAUSE_MS, waited / 16));
      Atomics.wait(this.#sleeper, 0, 0, pause);
      this.#waiting(waited, missing);
    }
  }

  add(sum: Floats, values: Floats): void {
    if (values.length > 0)
      this.#mpi.add(sum, values, values.length, values.BYTES_PER_ELEMENT === 4 ? 'FLOAT' : 'DOUBLE');
  }

  scratch(bytes: number): ArrayBufferLike {
    if (this.#scratch.byteLength < bytes) this.#scratch = new ArrayBuffer(Math.ceil(bytes / 4096) * 4096);
    return this.#scratch;
  }

  #requestsFor(count: number): Requests {
    if (this.#requests.length < count) this.#requests = this.#mpi.newRequests(2 * count);
    return this.#requests;
  }
}

/** One direction each. */
function piecesOf({ peer, send, receive }: Transfer): Transfer[] {
  const cut = (view: ArrayBufferView | undefined) => {
    const pieces: Uint8Array[] = [];
    for (let at = 0; view !== undefined && at < view.byteLength; at += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES, view.byteLength - at);
      pieces.push(new Uint8Array(view.buffer, view.byteOffset + at, length));
    }
    return pieces;
  };
  return [
    ...cut(receive).map((piece) => ({ peer, receive: piece })),
    ...cut(send).map((piece) => ({ peer, send: piece })),
  ];
}

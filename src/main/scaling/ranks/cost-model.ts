// How long a full-batch pass takes on more ranks, or other networks, than there are: from constants that were measured.

/** Of what ranks say to each other. */
export interface TransportConstants {
  /** A call that no other rank has a part in: to the thread that talks to MPI and back. */
  readonly callMs: number;
  /** Until a message without content has arrived. */
  readonly latencyMs: number;
  /** One way; both at once. */
  readonly bytesPerMs: number;
  /** Of sums: what is added to what. */
  readonly addBytesPerMs: number;
}

/** Calls of the transport in a pass; bytes are of a vector that is summed, or what a rank sends to all. */
export interface PassCalls {
  readonly kind: 'sum' | 'gather';
  readonly bytes: number;
  /** In a pass, on average. */
  readonly count: number;
}

export interface PassConstants {
  /** The kernels, for a row, on all threads of a rank. */
  readonly rowMs: number;
  /** What does not depend on rows: vectors of the solver, starts of tasks. */
  readonly fixedMs: number;
  readonly calls: readonly PassCalls[];
  /** What a call takes longer in a pass than by itself: ranks wait for the last of them. Left out: 0. */
  readonly waitMs?: number;
}

export interface PassPrediction {
  readonly ranks: number;
  readonly rows: number;
  readonly ms: number;
  /** Of ms, the calls between ranks. */
  readonly networkMs: number;
  /** Ranks that have rows: no more than the pass has branches. */
  readonly busyRanks: number;
}

/**
 * One more of many small messages each way: processor time of system calls. Over TCP 8 to 16 µs with Open MPI 4.1, through shared
 * memory 0.7 µs (bench/messages.ts).
 */
const MESSAGE_MS = 0.01;

/** All ranks tell each other that they are here, and what they bring. */
export const meetingMs = ({ callMs, latencyMs }: TransportConstants, ranks: number): number =>
  callMs + (ranks > 1 ? latencyMs + (ranks - 2) * MESSAGE_MS : 0);

/** Bytes that a rank sends, one after the other (and receives, at the same time), times it waits for a message, and so on. */
export interface SumWork {
  readonly messagesInTurn: number;
  readonly messagesAtOnce: number;
  readonly bytesEachWay: number;
  readonly bytesAdded: number;
}

/** Of a vector that `bringing` of the ranks have a part of: halving and doubling, or segments (transport/tree-sum.ts). */
export function sumWork(bytes: number, ranks: number, bringing: number = ranks): SumWork {
  const others = (ranks - 1) / ranks;
  const isBinary = bringing === ranks && Number.isInteger(Math.log2(ranks));
  return {
    messagesInTurn: isBinary ? 2 * Math.log2(ranks) : 2,
    messagesAtOnce: isBinary ? 0 : 2 * (ranks - 2),
    bytesEachWay: 2 * others * bytes,
    bytesAdded: isBinary ? others * bytes : ((bringing - 1) / ranks) * bytes,
  };
}

export function sumMs(
  transport: TransportConstants,
  bytes: number,
  ranks: number,
  bringing: number = ranks,
): number {
  if (ranks === 1) return transport.callMs;
  const work = sumWork(bytes, ranks, bringing);
  return (
    meetingMs(transport, ranks) +
    work.messagesInTurn * transport.latencyMs +
    work.messagesAtOnce * MESSAGE_MS +
    work.bytesEachWay / transport.bytesPerMs +
    work.bytesAdded / transport.addBytesPerMs
  );
}

/** Each rank sends its bytes to all others. */
export const gatherMs = (transport: TransportConstants, bytes: number, ranks: number): number =>
  meetingMs(transport, ranks) +
  (ranks === 1 || bytes === 0
    ? 0
    : transport.latencyMs + (ranks - 2) * MESSAGE_MS + ((ranks - 1) * bytes) / transport.bytesPerMs);

export interface PassShape {
  readonly rows: number;
  /** Parts of the rows, of which a rank takes whole ones. */
  readonly branches: number;
  /** How many times as long kernels take while the other ranks of the machine work, too; left out: 1. */
  readonly load?: number;
}

export function predictPass(
  transport: TransportConstants,
  { rowMs, fixedMs, calls, waitMs = 0 }: PassConstants,
  { rows, branches, load = 1 }: PassShape,
  ranks: number,
): PassPrediction {
  const busyRanks = Math.min(ranks, branches);
  const ownRows = (rows * Math.ceil(branches / busyRanks)) / branches;
  const callMs = ({ kind, bytes, count }: PassCalls) =>
    count *
    (waitMs +
      (kind === 'sum' ? sumMs(transport, bytes, ranks, busyRanks) : gatherMs(transport, bytes, ranks)));
  const networkMs = ranks === 1 ? 0 : calls.reduce((sum, call) => sum + callMs(call), 0);
  return { ranks, rows, ms: fixedMs + load * rowMs * ownRows + networkMs, networkMs, busyRanks };
}

/** A measured time of a barrier (bytes 0) or a sum. */
export interface TimedSum {
  readonly bytes: number;
  readonly ms: number;
}

/**
 * Latency and bandwidth, by least squares of relative errors, from the barrier and the sums of so many ranks, two and more; each
 * at least a little above 0.
 */
export function fitTransport(
  { callMs, addBytesPerMs }: Pick<TransportConstants, 'callMs' | 'addBytesPerMs'>,
  ranks: number,
  barrierMs: number,
  sums: readonly TimedSum[],
): TransportConstants {
  const meeting = { messages: 1, bytes: 0, ms: barrierMs - callMs - (ranks - 2) * MESSAGE_MS, of: barrierMs };
  const points = sums.map(({ bytes, ms }) => {
    const { messagesInTurn, messagesAtOnce, bytesEachWay, bytesAdded } = sumWork(bytes, ranks);
    const known = callMs + (ranks - 2 + messagesAtOnce) * MESSAGE_MS + bytesAdded / addBytesPerMs;
    return { messages: 1 + messagesInTurn, bytes: bytesEachWay, ms: ms - known, of: ms };
  });
  let [mm, mb, bb, mt, bt] = [0, 0, 0, 0, 0];
  for (const { messages, bytes, ms, of } of [meeting, ...points]) {
    const [m, b, t] = [messages / of, bytes / of, ms / of];
    mm += m * m;
    mb += m * b;
    bb += b * b;
    mt += m * t;
    bt += b * t;
  }
  const determinant = mm * bb - mb * mb;
  const latencyMs = Math.max(LEAST_LATENCY_MS, (mt * bb - bt * mb) / determinant);
  const msPerByte = Math.max(1 / MOST_BYTES_PER_MS, (bt * mm - mt * mb) / determinant);
  return { callMs, latencyMs, bytesPerMs: 1 / msPerByte, addBytesPerMs };
}

const LEAST_LATENCY_MS = 1e-4;
/** 1 TB/s. */
const MOST_BYTES_PER_MS = 1e9;

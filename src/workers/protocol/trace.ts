// A timeline of what each thread does: spans in rings of shared memory, one ring a thread, each written by that thread alone
// and read by main when it is asked for them.

/** What spans are, by number. docs/scaling.md says what each of them covers. */
export const SPAN_NAMES = [
  'softmax',
  'cross-entropy',
  'row loss',
  'metrics',
  'predict',
  'linear cross-entropy',
  'training',
  'probe',
  'gather',
  'gradient',
  'reduce',
  'update',
  'barrier',
  'widen',
  'forward',
  'losses',
  'backward',
  'copy in',
  'copy out',
  'read rows',
  'write rows',
] as const;
export type SpanName = (typeof SPAN_NAMES)[number];

/** The number of each. */
export const SPANS = Object.fromEntries(SPAN_NAMES.map((name, index) => [name, index])) as Readonly<
  Record<SpanName, number>
>;

/** What a thread needs to write its spans. */
export interface TraceSetup {
  /** A word that counts the rings that are taken, then the rings. */
  readonly buffer: SharedArrayBuffer;
  readonly rings: number;
  /** Spans that a ring holds; later ones take the places of the oldest. */
  readonly capacity: number;
  /** Where times begin, in ms of process.hrtime, the one clock of all threads. */
  readonly originMs: number;
}

const HEAD_BYTES = 64;
/** Float64 cells of a ring before its spans: how many were written, and which thread writes them. */
const RING_HEAD = 8;
/** Begin and end in ms, the span's number, and a count of rows, steps or parts. */
const SPAN_CELLS = 4;

export const traceBytes = (rings: number, capacity: number): number =>
  HEAD_BYTES + rings * ringBytes(capacity);

const ringBytes = (capacity: number): number => 8 * (RING_HEAD + capacity * SPAN_CELLS);

const ringCells = ({ buffer, capacity }: TraceSetup, ring: number): Float64Array =>
  new Float64Array(buffer, HEAD_BYTES + ring * ringBytes(capacity), RING_HEAD + capacity * SPAN_CELLS);

export function clockMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** Writes one thread's spans: no allocation, no message. */
export class Tracer {
  readonly #cells: Float64Array;
  readonly #capacity: number;
  /** From performance.now(), each thread's own, to times of the trace. */
  readonly #offsetMs: number;
  #written = 0;

  private constructor(cells: Float64Array, { capacity, originMs }: TraceSetup) {
    this.#cells = cells;
    this.#capacity = capacity;
    this.#offsetMs = clockMs() - performance.now() - originMs;
  }

  /** Takes a ring; undefined where none is left, which happens only after many threads were lost. */
  static create(setup: TraceSetup, threadId: number): Tracer | undefined {
    const ring = Atomics.add(new Int32Array(setup.buffer, 0, 1), 0, 1);
    if (ring >= setup.rings) return undefined;
    const cells = ringCells(setup, ring);
    cells[1] = threadId;
    return new Tracer(cells, setup);
  }

  now(): number {
    return performance.now() + this.#offsetMs;
  }

  /** Notes a span from `begin` until now, which it gives. */
  span(span: number, begin: number, count: number): number {
    const end = this.now();
    const cells = this.#cells;
    const at = RING_HEAD + (this.#written % this.#capacity) * SPAN_CELLS;
    cells[at] = begin;
    cells[at + 1] = end;
    cells[at + 2] = span;
    cells[at + 3] = count;
    cells[0] = ++this.#written;
    return end;
  }
}

export interface TracedSpan {
  readonly name: SpanName;
  readonly beginMs: number;
  readonly endMs: number;
  readonly count: number;
}

/** What a ring holds. */
export interface TracedThread {
  readonly threadId: number;
  /** In the order of their ends. */
  readonly spans: readonly TracedSpan[];
  /** Older ones that later ones have replaced. */
  readonly dropped: number;
}

/** The rings that are taken, in that order. Spans that are written meanwhile may be missing. */
export function readTrace(setup: TraceSetup): TracedThread[] {
  const taken = Math.min(setup.rings, Atomics.load(new Int32Array(setup.buffer, 0, 1), 0));
  return Array.from({ length: taken }, (_, ring) => {
    const cells = ringCells(setup, ring);
    const before = cells[0]!;
    const kept = cells.slice(RING_HEAD);
    // Places that were written again while they were copied hold others.
    const [written, threadId] = [before, cells[1]!];
    const first = Math.max(0, cells[0]! - setup.capacity);
    const spans: TracedSpan[] = [];
    for (let index = first; index < written; index++) {
      const at = (index % setup.capacity) * SPAN_CELLS;
      const name = SPAN_NAMES[kept[at + 2]!]!;
      spans.push({ name, beginMs: kept[at]!, endMs: kept[at + 1]!, count: kept[at + 3]! });
    }
    return { threadId, spans, dropped: Math.min(first, written) };
  });
}

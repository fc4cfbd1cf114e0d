// An engine's trace: its memory, main's own spans, and all of them as what Perfetto and chrome://tracing open.
import { threadId } from 'node:worker_threads';
import {
  clockMs,
  readTrace,
  SPANS,
  type SpanName,
  type TracedThread,
  Tracer,
  type TraceSetup,
  traceBytes,
} from '../../workers/protocol.js';
import { version } from '../version.js';

/** Threads that take the places of lost ones have rings of their own. */
const SPARE_RINGS = 4;

/** An event of the Trace Event Format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU */
export interface TraceEvent {
  readonly name: string;
  /** A span of a thread (X), the begin or end of one that overlaps others (b, e), or a name (M). */
  readonly ph: 'X' | 'b' | 'e' | 'M';
  readonly pid: number;
  readonly tid: number;
  readonly cat?: string;
  /** Of spans that overlap. */
  readonly id?: number;
  /** In µs from the start of the engine. */
  readonly ts?: number;
  readonly dur?: number;
  readonly args: Readonly<Record<string, string | number>>;
}

/** As JSON, what Perfetto (https://ui.perfetto.dev) and chrome://tracing open. */
export interface Trace {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: 'ms';
  readonly otherData: {
    readonly softshard: string;
    /** Spans that later ones have replaced, of all threads. */
    readonly dropped: number;
  };
}

/** Of main: they go on while others do. */
const OVERLAPPING: ReadonlySet<SpanName> = new Set(['read rows', 'write rows']);

export class EngineTrace {
  /** For the workers. */
  readonly setup: TraceSetup;
  /** Main's. */
  readonly tracer: Tracer;

  /** `capacity`: spans that each thread keeps. */
  constructor(threads: number, capacity: number) {
    const rings = 1 + threads + SPARE_RINGS;
    const buffer = new SharedArrayBuffer(traceBytes(rings, capacity));
    this.setup = { buffer, rings, capacity, originMs: clockMs() };
    this.tracer = Tracer.create(this.setup, threadId)!;
  }

  /** All spans so far that are kept. */
  read(): Trace {
    // Main took the first ring.
    const threads = readTrace(this.setup);
    return {
      traceEvents: [
        nameEvent('process_name', 0, 'softshard'),
        ...threads.flatMap(({ threadId: tid }, index) => [
          nameEvent('thread_name', tid, index === 0 ? 'main' : `worker ${index}`),
        ]),
        ...threads.flatMap(threadEvents),
      ],
      displayTimeUnit: 'ms',
      otherData: { softshard: version, dropped: threads.reduce((sum, { dropped }) => sum + dropped, 0) },
    };
  }
}

const nameEvent = (name: string, tid: number, of: string): TraceEvent => ({
  name,
  ph: 'M',
  pid: process.pid,
  tid,
  args: { name: of },
});

function threadEvents({ threadId: tid, spans }: TracedThread): TraceEvent[] {
  return spans.flatMap((span, id): TraceEvent[] => {
    const { name, beginMs, endMs, count } = span;
    const about = { name, pid: process.pid, tid, cat: 'softshard', args: { count } };
    if (!OVERLAPPING.has(name)) {
      const [ts, end] = [nanoseconds(beginMs), nanoseconds(endMs)];
      // Rounded first: a span ends no later than the one around it.
      return [{ ...about, ph: 'X', ts: ts / 1e3, dur: (end - ts) / 1e3 }];
    }
    return [
      { ...about, ph: 'b', id, ts: nanoseconds(beginMs) / 1e3 },
      { ...about, ph: 'e', id, ts: nanoseconds(endMs) / 1e3 },
    ];
  });
}

const nanoseconds = (ms: number): number => Math.round(ms * 1e6);

/** Runs work of main, and notes it as a span: of what it does at once, or until its promise settles. */
export function traced<Result>(
  tracer: Tracer | undefined,
  [atOnce, later]: readonly [atOnce: SpanName, later: SpanName],
  count: number,
  work: () => Result,
): Result {
  if (tracer === undefined) return work();
  const begin = tracer.now();
  const result = work();
  if (isPromise(result)) {
    const note = () => tracer.span(SPANS[later], begin, count);
    result.then(note, note);
  } else {
    tracer.span(SPANS[atOnce], begin, count);
  }
  return result;
}

const isPromise = (value: unknown): value is Promise<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value;

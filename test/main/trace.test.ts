import { describe, expect, test } from 'vitest';
import { Engine, type EngineOptions, SoftmaxClassifier } from '#softshard/main/index.js';
import { clockMs, readTrace, SPANS, Tracer, traceBytes } from '#softshard/workers/protocol.js';

type Events = ReturnType<Engine['trace']>['traceEvents'];

/** With 2,048 rows a step is large enough for spans of its tiles. */
const FEATURES = 512;
const CLASSES = 5;

function problem(rows: number) {
  const inputs = Float32Array.from({ length: rows * FEATURES }, (_, i) => Math.sin(i * i));
  return { inputs, targets: Int32Array.from({ length: rows }, (_, row) => row % CLASSES) };
}

async function trainWith(options: EngineOptions, epochs = 3) {
  const engine = await Engine.create({ threads: 2, ...options });
  const { inputs, targets } = problem(4096);
  const classifier = new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES });
  await classifier.fit(inputs, targets, { columns: FEATURES, epochs, batchSize: 2048, learningRate: 0.1 });
  return { engine, weights: classifier.weights.slice() };
}

/** Spans of each thread, by their begin, a parent before its children. */
function spansByThread(events: Events) {
  const byThread = new Map<number, { name: string; begin: number; end: number }[]>();
  for (const { ph, tid, name, ts = 0, dur = 0 } of events) {
    if (ph !== 'X') continue;
    const spans = byThread.get(tid) ?? [];
    // In ns: sums of fractions of µs round.
    spans.push({ name, begin: Math.round(ts * 1e3), end: Math.round((ts + dur) * 1e3) });
    byThread.set(tid, spans);
  }
  for (const spans of byThread.values()) spans.sort((a, b) => a.begin - b.begin || b.end - a.end);
  return byThread;
}

function expectNested(events: Events): void {
  for (const spans of spansByThread(events).values()) {
    const open: { name: string; end: number }[] = [];
    for (const span of spans) {
      while (open.length > 0 && open.at(-1)!.end <= span.begin) open.pop();
      const parent = open.at(-1);
      if (parent !== undefined) {
        expect(span.end, `${span.name} in ${parent.name}`).toBeLessThanOrEqual(parent.end);
      }
      open.push(span);
    }
  }
}

const countOf = (events: Events, name: string): number =>
  events.filter((event) => event.name === name).length;

describe('the trace of an engine', () => {
  test('has the phases of each training step on each thread, nested, and changes no bit', async () => {
    const { engine, weights } = await trainWith({ trace: true });
    const plain = await trainWith({});
    expect(weights).toEqual(plain.weights);
    const trace = engine.trace();
    const events: Events = JSON.parse(JSON.stringify(trace)).traceEvents;
    await Promise.all([engine.close(), plain.engine.close()]);
    expect(trace.otherData.dropped).toBe(0);
    const names = events.filter(({ name }) => name === 'thread_name').map(({ args }) => args.name);
    expect(names).toEqual(['main', 'worker 1', 'worker 2']);
    // Six steps, two members.
    expect(countOf(events, 'gradient')).toBe(12);
    expect(countOf(events, 'reduce')).toBe(12);
    expect(countOf(events, 'barrier')).toBe(24);
    expect(countOf(events, 'update')).toBeGreaterThanOrEqual(6);
    expect(countOf(events, 'gather')).toBeGreaterThan(0);
    expectNested(events);
    for (const spans of spansByThread(events).values()) {
      const [task] = spans.filter(({ name }) => name === 'training');
      if (task === undefined) continue;
      const phases = spans.filter(({ name }) => ['gradient', 'reduce', 'barrier'].includes(name));
      const total = phases.reduce((sum, { begin, end }) => sum + end - begin, 0);
      const tasks = spans.filter(({ name }) => name === 'training');
      const whole = tasks.reduce((sum, { begin, end }) => sum + end - begin, 0);
      expect(total).toBeLessThanOrEqual(whole);
      expect(total).toBeGreaterThan(whole / 4);
    }
  });

  test('leaves the tiles of small steps out', async () => {
    const engine = await Engine.create({ threads: 2, trace: true });
    const { inputs, targets } = problem(512);
    const classifier = new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES });
    await classifier.fit(inputs, targets, { columns: FEATURES, epochs: 1, batchSize: 256 });
    const events = engine.trace().traceEvents;
    await engine.close();
    expect(countOf(events, 'gather') + countOf(events, 'update')).toBe(0);
    expect(countOf(events, 'gradient')).toBe(countOf(events, 'reduce'));
    expect(countOf(events, 'gradient')).toBeGreaterThan(0);
  });

  test('has the windows of arrays from outside and the operation on them', async () => {
    await using engine = await Engine.create({ threads: 2, trace: true });
    await engine.softmax({ type: 'float32', dims: [20_000, 50], data: new Float32Array(1e6) });
    await engine.linearCrossEntropy(
      engine.matrix(64, 16),
      engine.matrix(16, 2000),
      undefined,
      new Int32Array(64),
      {},
    );
    const events = engine.trace().traceEvents;
    for (const name of ['softmax', 'copy in', 'copy out', 'linear cross-entropy', 'forward', 'losses']) {
      expect(countOf(events, name), name).toBeGreaterThan(0);
    }
    expectNested(events);
  });

  test('keeps the newest spans where a ring is full, and says how many were dropped', async () => {
    const { engine } = await trainWith({ trace: { spansPerThread: 16 } }, 20);
    const { traceEvents, otherData } = engine.trace();
    await engine.close();
    expect(otherData.dropped).toBeGreaterThan(100);
    for (const [, spans] of spansByThread(traceEvents)) expect(spans.length).toBeLessThanOrEqual(16);
    // The task ends last.
    expect(countOf(traceEvents, 'training')).toBeGreaterThan(0);
    expectNested(traceEvents);
  });

  test('is refused where none is noted', async () => {
    await using engine = await Engine.create({ threads: 1 });
    expect(() => engine.trace()).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', argument: 'options.trace' }),
    );
  });

  test.each<[string, unknown, string]>([
    ['a text', 'trace.json', 'options.trace'],
    ['too few spans', { spansPerThread: 3 }, 'options.trace.spansPerThread'],
    ['an unknown option', { spans: 3 }, 'options.trace.spans'],
  ])('is not created by %s', async (_, trace, argument) => {
    await expect(Engine.create({ threads: 1, trace: trace as true })).rejects.toMatchObject({
      code: 'ERR_OPTION',
      argument,
    });
  });
});

test('threads beyond the rings write no trace', () => {
  const setup = {
    buffer: new SharedArrayBuffer(traceBytes(1, 16)),
    rings: 1,
    capacity: 16,
    originMs: clockMs(),
  };
  const tracer = Tracer.create(setup, 7)!;
  expect(Tracer.create(setup, 8)).toBeUndefined();
  const end = tracer.span(SPANS.gather, tracer.now(), 5);
  expect(end).toBeGreaterThanOrEqual(0);
  expect(end).toBeLessThan(60_000);
  const [thread, ...others] = readTrace(setup);
  expect(others).toEqual([]);
  expect(thread).toMatchObject({ threadId: 7, dropped: 0 });
  expect(thread!.spans).toMatchObject([{ name: 'gather', endMs: end, count: 5 }]);
});

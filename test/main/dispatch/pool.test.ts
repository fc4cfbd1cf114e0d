import { Piscina } from 'piscina';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { withoutBlas } from '#softshard/kernels/blas/library.js';
import { compileKernels, instantiateKernels } from '#softshard/kernels/load.js';
import { NULL_PTR } from '#softshard/kernels/ptr.js';
import { WorkerPool } from '#softshard/main/dispatch/pool.js';
import { Engine, type Matrix, SoftshardError } from '#softshard/main/index.js';
import { Arena } from '#softshard/main/memory/arena.js';
import { RandomStream } from '#softshard/main/training/random.js';
import { SEAT_BYTES } from '#softshard/workers/protocol.js';

// A call of some hundred milliseconds, so that something can happen while it runs.
const ROWS = 60_000;
const COLUMNS = 1000;

let engine: Engine;
let piscina: Piscina;

/** Catches the engine's own Piscina: it is nobody's business but the pool's. */
async function createEngine(threads: number): Promise<void> {
  const run = vi.spyOn(Piscina.prototype, 'run');
  engine = await Engine.create({ threads });
  await small();
  piscina = run.mock.contexts[0] as Piscina;
  run.mockRestore();
}

/** Small, but no job for the calling thread. */
const small = async (): Promise<number> =>
  (await engine.softmax(new Float32Array(160_000), { columns: 2 })).data[0]!;

const settled = async (call: Promise<unknown>): Promise<unknown> => {
  try {
    await call;
    return 'resolved';
  } catch (error) {
    return error;
  }
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What a call in place replaces, in its first row and in its last. */
const UNTOUCHED = 1;

/** A call in the middle of its work: the first row is done, most of the others are still to come. */
async function runningCall(logits: Matrix, signal?: AbortSignal): Promise<{ end: Promise<unknown> }> {
  logits.data[0] = UNTOUCHED;
  logits.data[ROWS * COLUMNS - 1] = UNTOUCHED;
  const end = settled(engine.softmax(logits, { into: logits, ...(signal && { signal }) }));
  while (logits.data[0] === UNTOUCHED) await pause(0);
  return { end };
}

describe('a worker that dies', () => {
  beforeEach(() => createEngine(2));
  afterEach(() => engine.close());

  test('in the middle of a call: that call and all that wait reject with the cause, the next call works', async () => {
    const logits = engine.matrix(ROWS, COLUMNS);
    const { end } = await runningCall(logits);
    const calls = [end, settled(engine.logSumExp(logits)), settled(small())];
    const begin = performance.now();
    await piscina.threads[0]!.terminate();
    for (const error of await Promise.all(calls)) {
      expect(error).toBeInstanceOf(SoftshardError);
      expect((error as SoftshardError).code).toBe('ERR_WORKER');
      expect((error as SoftshardError).cause).toBeInstanceOf(Error);
      expect((error as Error).message).toContain('worker exited');
    }
    expect(performance.now() - begin).toBeLessThan(10_000);
    expect(await small()).toBe(0.5);
    expect(await small()).toBe(0.5);
    logits.free();
  });

  test('or one that throws: its call and all that wait reject with the cause, the next call works', async () => {
    const logits = engine.matrix(ROWS, COLUMNS);
    const original = Piscina.prototype.run;
    // The second member of the gang gets an address where there is no memory.
    const run = vi.spyOn(Piscina.prototype, 'run').mockImplementation(function (
      this: Piscina,
      task,
      options,
    ) {
      const spoiled = task.member === 1 ? { ...task, input: 3 * 2 ** 30 } : task;
      return original.call(this, spoiled, options);
    });
    const calls = [engine.softmax(logits, { into: logits }), engine.logSumExp(logits), small()].map(settled);
    for (const error of await Promise.all(calls)) {
      expect(error).toMatchObject({
        code: 'ERR_WORKER',
        cause: { message: expect.stringContaining('out of bounds') },
      });
      expect((error as Error).message).toContain('out of bounds');
    }
    run.mockRestore();
    expect(await small()).toBe(0.5);
    logits.free();
  });

  test('while idle is replaced: the next call works', async () => {
    await Promise.all(piscina.threads.map((thread) => thread.terminate()));
    expect(await small()).toBe(0.5);
  });

  test('while it starts in place of another: no call waits for it for ever, the next one works', async () => {
    for (let round = 0; round < 3; round++) {
      const run = vi.spyOn(Piscina.prototype, 'run');
      const before = engine.memoryUsage().usedBytes;
      const logits = engine.matrix(ROWS, COLUMNS);
      const call = settled(engine.softmax(logits, { into: logits }));
      const waiting = settled(small());
      const started = [...piscina.threads];
      await started[0]!.terminate();
      const replacement = piscina.threads.find((thread) => !started.includes(thread));
      await replacement!.terminate();
      expect(await call).toMatchObject({ code: 'ERR_WORKER' });
      expect(await waiting).toMatchObject({ code: 'ERR_WORKER' });
      run.mockClear();
      logits.free();
      expect(await small()).toBe(0.5);
      expect(engine.memoryUsage().usedBytes).toBe(before);
      const many = engine.matrix(1000, COLUMNS);
      expect((await engine.softmax(many, { into: many })).data[0]).toBeCloseTo(1 / COLUMNS, 6);
      many.free();
      piscina = run.mock.contexts[0] as Piscina;
      run.mockRestore();
    }
  });

  test('over and over: memory of lost calls is given back', async () => {
    const before = engine.memoryUsage().usedBytes;
    for (let round = 0; round < 3; round++) {
      const call = settled(engine.softmax(new Float32Array(4_000_000), { columns: 1000 }));
      await pause(3);
      await piscina.threads[1]!.terminate();
      await call;
    }
    expect(engine.memoryUsage().usedBytes).toBe(before);
    expect(await small()).toBe(0.5);
  });
});

describe('an AbortSignal', () => {
  beforeEach(() => createEngine(2));
  afterEach(() => engine.close());

  test('may be given to many calls at once: no warning of a leak', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    const { signal } = new AbortController();
    const logits = Float32Array.of(0, 0);
    await Promise.all(Array.from({ length: 30 }, () => engine.softmax(logits, { columns: 2, signal })));
    await pause(1);
    process.off('warning', listen);
    expect(warnings).toEqual([]);
  });

  test('that is aborted before the call rejects with its reason and starts nothing', async () => {
    const reason = new Error('never mind');
    const logits = Float32Array.of(1, 2, 3, 4);
    const call = engine.softmax(logits, { columns: 2, into: logits, signal: AbortSignal.abort(reason) });
    expect(await settled(call)).toBe(reason);
    expect([...logits]).toEqual([1, 2, 3, 4]);
  });

  test('rejects a running call with its reason long before it would end, and the engine goes on', async () => {
    const logits = engine.matrix(ROWS, COLUMNS);
    const controller = new AbortController();
    const reason = new Error('enough');
    const { end } = await runningCall(logits, controller.signal);
    controller.abort(reason);
    expect(await end).toBe(reason);
    expect(logits.data[ROWS * COLUMNS - 1]).toBe(UNTOUCHED);
    expect(await small()).toBe(0.5);
    logits.free();
  });

  test('rejects a call that waits for its turn without touching the one that runs', async () => {
    const logits = engine.matrix(ROWS, COLUMNS);
    const running = engine.softmax(logits, { into: logits });
    const controller = new AbortController();
    const reason = new Error('no longer needed');
    const waiting = settled(engine.logSumExp(logits, { signal: controller.signal }));
    await pause(1);
    controller.abort(reason);
    expect(await waiting).toBe(reason);
    await running;
    expect(logits.data[0]).toBeCloseTo(1 / COLUMNS, 6);
    expect(await small()).toBe(0.5);
    logits.free();
  });
});

describe('a tiny job', () => {
  beforeEach(() => createEngine(2));
  afterEach(() => engine.close());

  test('is done beside a gang that has all workers, and ahead of one that waits', async () => {
    const order: string[] = [];
    const logits = engine.matrix(ROWS, COLUMNS);
    const long = engine.softmax(logits, { into: logits }).then(() => order.push('long'));
    const next = engine.softmax(logits, { into: logits }).then(() => order.push('next'));
    const tiny = engine.softmax(Float32Array.of(0, 0), { columns: 2 }).then(() => order.push('tiny'));
    await Promise.all([long, next, tiny]);
    expect(order).toEqual(['tiny', 'long', 'next']);
    logits.free();
  });
});

describe('close', () => {
  beforeEach(() => createEngine(2));

  test('rejects calls that run or wait with ERR_CLOSED, and later ones', async () => {
    const logits = engine.matrix(ROWS, COLUMNS);
    const { end } = await runningCall(logits);
    const calls = [end, settled(engine.softmax(logits))];
    await engine.close();
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: 'ERR_CLOSED' });
    expect(await settled(small())).toMatchObject({ code: 'ERR_CLOSED' });
    expect(() => engine.matrix(1, 1)).toThrow(/closed/);
    await engine.close();
  });
});

describe('threads that fail', () => {
  beforeEach(() => createEngine(2));
  afterEach(() => engine.close());

  test('all at once, at any moment: the call after the one that is lost works, always (R9)', async () => {
    const random = new RandomStream(9, 0);
    const logits = engine.matrix(4000, COLUMNS);
    for (let round = 0; round < 12; round++) {
      const run = vi.spyOn(Piscina.prototype, 'run');
      const call = settled(engine.logSumExp(logits));
      await pause(random.below(4));
      const { threads } = run.mock.contexts.at(-1) as Piscina;
      run.mockRestore();
      const dying = threads.filter((_, thread) => thread === round % 2 || random.below(3) > 0);
      const exits = dying.map((thread) => thread.terminate());
      const lost = await call;
      if (lost !== 'resolved') expect(lost).toMatchObject({ code: 'ERR_WORKER' });
      // A call that had ended before is no lost one.
      else await Promise.all(exits);
      expect(await small()).toBe(0.5);
    }
    logits.free();
  });

  test('who calls again as soon as a call is lost is not lost with it (R9)', async () => {
    const logits = engine.matrix(ROWS, COLUMNS);
    const { end } = await runningCall(logits);
    const again = engine.logSumExp(logits).catch(() => small());
    for (const thread of piscina.threads) void thread.terminate();
    expect(await again).toBe(0.5);
    expect(await end).toMatchObject({ code: 'ERR_WORKER' });
    logits.free();
  });

  test('while idle, with an error of any kind: the next call works (R14)', async () => {
    for (const error of [new Error('out of the blue'), undefined, null, 'text']) {
      const run = vi.spyOn(Piscina.prototype, 'run');
      await small();
      const { threads } = run.mock.contexts.at(-1) as Piscina;
      run.mockRestore();
      threads[0]!.emit('error', error);
      expect(await small()).toBe(0.5);
    }
  });

  test('with an error while they load, for once: the next call works (R14)', async () => {
    await piscina.threads[0]!.terminate();
    const call = settled(small());
    await pause(1);
    for (const thread of piscina.threads) thread.emit('error', new Error('out of the blue'));
    await call;
    expect(await small()).toBe(0.5);
  });

  test('beside a call of other threads: it goes on, and the next one works (R14)', async () => {
    // One shard: one member.
    const alone = engine.vector('float32', 2_000_000);
    const call = engine.softmax({ type: 'float32', dims: [1, 2_000_000], data: alone.data });
    await pause(1);
    const idle = piscina.threads.at(-1)!;
    idle.emit('error', new Error('out of the blue'));
    expect((await call).data[0]).toBeCloseTo(1 / 2_000_000, 12);
    expect(await small()).toBe(0.5);
    alone.free();
  });

  test.each([null, undefined])(
    'without a result (%s), as after a task that throws null, count as failed (R14)',
    async (none) => {
      const run = vi.spyOn(Piscina.prototype, 'run').mockResolvedValueOnce(none);
      expect(await settled(small())).toMatchObject({ code: 'ERR_WORKER' });
      run.mockRestore();
      expect(await small()).toBe(0.5);
    },
  );
});

describe('workers that cannot start', () => {
  test('a replacement that fails: calls reject with ERR_WORKER and do not wait for ever', async () => {
    await createEngine(1);
    // Piscina passes its workers' setup on; without it the entry throws while it loads.
    (piscina as unknown as { options: { workerData: unknown } }).options.workerData = {};
    const logits = engine.matrix(ROWS, COLUMNS);
    const { end } = await runningCall(logits);
    await piscina.threads[0]!.terminate();
    expect(await end).toMatchObject({ code: 'ERR_WORKER' });
    expect(await settled(small())).toMatchObject({ code: 'ERR_WORKER' });
    expect(await settled(small())).toMatchObject({ code: 'ERR_WORKER' });
    await engine.close();
  });
});

describe('threads that can never start', () => {
  test('let every call reject with ERR_WORKER and the cause, and the engine close (R14)', async () => {
    const arena = new Arena(1024 * 1024);
    const { memory } = arena;
    const module = compileKernels('portable');
    // What threads make kernels of is none.
    const setup = {
      memory,
      module: {} as typeof module,
      numerics: 'portable',
      blas: undefined,
    } as const;
    const seats = arena.allocate(3 * SEAT_BYTES, 'seats');
    const pool = new WorkerPool(2, seats, setup, instantiateKernels(module, memory), withoutBlas);
    const rows = {
      outer: 200_000,
      columns: 1,
      inner: 1,
      shardOuters: 1,
      shardInner: 1,
      tileRows: 1,
      type: 0,
    };
    const places = { input: NULL_PTR, output: NULL_PTR, sums: NULL_PTR, scratch: NULL_PTR, scratchBytes: 0 };
    const job = { kind: 'rowOperation', operation: { kind: 'softmax' }, ...rows, ...places } as const;
    for (let call = 0; call < 3; call++) {
      const calls = [0, 1].map(() => settled(pool.run(job, { members: 2 })));
      for (const error of await Promise.all(calls)) {
        expect(error).toMatchObject({ code: 'ERR_WORKER', cause: expect.any(Error) });
        expect((error as Error).message).toContain('cannot start');
      }
    }
    await pool.close(new SoftshardError('ERR_CLOSED', 'closed'));
    expect(await settled(pool.run(job, { members: 2 }))).toMatchObject({ code: 'ERR_CLOSED' });
  });
});

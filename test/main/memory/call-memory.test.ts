// Calls that need more memory of a small arena than there is at the moment wait for those that hold it.
import { Piscina } from 'piscina';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Cancellation } from '#softshard/main/cancellation.js';
import { Engine, SoftmaxClassifier, SoftshardError } from '#softshard/main/index.js';
import { Arena, type ArenaScope } from '#softshard/main/memory/arena.js';
import { CallMemory, type RunTerms } from '#softshard/main/memory/call-memory.js';
import { bitsOf, expectSameBits } from '../../bits.js';
import { failure } from '../../failure.js';
import { randomTargets, randomValues } from '../../kernels/workbench.js';

const ROWS = 500;
const COLUMNS = 300;
const logits = randomValues(ROWS * COLUMNS, 3, 1);
const targets = randomTargets(ROWS, COLUMNS, 2);
const weights = { type: 'float32', dims: [COLUMNS, 40], data: randomValues(COLUMNS * 40, 1, 3) } as const;
const classes = targets.map((target) => target % 40);

/** The bits of calls of each kind on arrays from outside. */
function calls(engine: Engine, signal?: AbortSignal): Promise<string>[] {
  const options = { columns: COLUMNS, ...(signal && { signal }) };
  const classifier = new SoftmaxClassifier(engine, { features: COLUMNS, classes: 40 });
  classifier.weights.set(weights.data);
  const inputs = { type: 'float32', dims: [ROWS, COLUMNS], data: logits } as const;
  const metrics = engine.metrics({ classes: COLUMNS });
  const given = signal === undefined ? {} : { signal };
  return [
    engine.softmax(logits, options).then(({ data }) => bitsOf(data)),
    engine.logSumExp(Float64Array.from(logits), options).then(({ data }) => bitsOf(data)),
    engine.crossEntropyGradient(logits, targets, options).then(({ gradLogits }) => bitsOf(gradLogits.data)),
    engine
      .crossEntropy(logits, targets, { ...options, labelSmoothing: 0.1 })
      .then(({ loss }) => bitsOf(loss)),
    engine.nllLoss(logits, targets, options).then(({ loss }) => bitsOf(loss)),
    metrics.add(inputs, targets, given).then(() => JSON.stringify(metrics.report())),
    engine.linearCrossEntropy(inputs, weights, undefined, classes, given).then(({ loss }) => bitsOf(loss)),
    classifier.predict(logits, options).then((predictions) => bitsOf(predictions)),
    classifier.evaluate(logits, classes, { ...options, temperature: 2 }).then(({ loss }) => bitsOf(loss)),
  ];
}

describe('many calls at a time on arrays from outside', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, arenaBytes: 4 * 1024 * 1024 });
  });
  afterAll(() => engine.close());

  test('all give in a small arena what they give alone in a large one', async () => {
    await using large = await Engine.create({ threads: 1 });
    const wanted: string[] = [];
    for (const call of calls(large)) wanted.push(await call);
    const { usedBytes } = engine.memoryUsage();
    const all = Array.from({ length: 12 }, () => calls(engine)).flat();
    const got = await Promise.all(all);
    expect(got).toEqual(Array.from({ length: 12 }, () => wanted).flat());
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('those that wait reject with signal.reason when aborted, at once; the others go on', async () => {
    const { usedBytes } = engine.memoryUsage();
    const others = calls(engine);
    const controller = new AbortController();
    const aborted = Array.from({ length: 5 }, () => calls(engine, controller.signal)).flat();
    const settled = Promise.allSettled(aborted);
    controller.abort();
    const reasons = (await settled).map((result) => result.status === 'rejected' && result.reason);
    expect(new Set(reasons)).toEqual(new Set([controller.signal.reason]));
    await Promise.all(others);
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('a matrix that is freed while its call waits is kept for it', async () => {
    await using large = await Engine.create({ threads: 1 });
    const wanted = (await large.logSumExp(logits, { columns: COLUMNS })).data;
    const matrix = engine.matrix(ROWS, COLUMNS);
    matrix.data.set(logits);
    const others = Array.from({ length: 6 }, () => calls(engine)).flat();
    const running = engine.logSumExp(matrix);
    matrix.free();
    const taken = engine.matrix(1, 1);
    expect(bitsOf((await running).data)).toBe(bitsOf(wanted));
    await Promise.all(others);
    taken.free();
  });

  test('what fits at no time is refused when nobody holds memory any more', async () => {
    const rows = 3_000_000;
    const wide = { type: 'float32', dims: [rows, 1], data: new Float32Array(rows) } as const;
    const layer = { type: 'float32', dims: [1, 2], data: new Float32Array(2) } as const;
    const others = calls(engine);
    const error = await failure(() =>
      engine.linearCrossEntropy(wide, layer, undefined, new Uint8Array(rows)),
    );
    expect(error).toMatchObject({ code: 'ERR_ARENA_FULL' });
    await Promise.all(others);
  });

  test('closing the engine rejects those that wait', async () => {
    const other = await Engine.create({ threads: 2, arenaBytes: 4 * 1024 * 1024 });
    const results = Promise.allSettled(Array.from({ length: 6 }, () => calls(other)).flat());
    await other.close();
    for (const result of await results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ERR_CLOSED' });
    }
  });
});

describe('a call that finds no room while another is just ending', () => {
  test.each([0, 1, 2, 3, 4, 5, 6])(
    'tries again, %i turns after that other came to its end',
    async (turns) => {
      const arena = new Arena(4 * 1024 * 1024);
      const memory = new CallMemory(arena);
      const most = Math.floor(0.6 * arena.freeBytes);
      let end = () => {};
      const first = memory.use([], undefined, async (scope) => {
        scope.allocate(most, 'the first');
        await new Promise<void>((resolve) => {
          end = resolve;
        });
      });
      end();
      for (let turn = 0; turn < turns; turn++) await undefined;
      const second = memory.use([], undefined, async (scope) => {
        try {
          return scope.allocate(most, 'the second');
        } finally {
          // As inWindows does: its failure takes some turns.
          await Promise.allSettled([]);
        }
      });
      await first;
      expect(await second).toBeGreaterThan(0);
    },
  );

  test('tries again where both are too small for the workers', async () => {
    await using engine = await Engine.create({ threads: 1, arenaBytes: 4 * 1024 * 1024 });
    // Leaves room for one call at a time.
    engine.vector('uint8', engine.memoryUsage().freeBytes - 400_000);
    const rows = new Float32Array(60_000);
    const turnsLater = async (turns: number): Promise<void> => {
      for (let turn = 0; turn < turns; turn++) await undefined;
    };
    for (let round = 0; round < 40; round++) {
      const calls = Array.from({ length: 1 + (round % 7) }, async (_, turns) => {
        await turnsLater(turns);
        await engine.softmax(rows, { columns: 100 });
        await turnsLater(round % 9);
        await engine.softmax(rows.subarray(0, 30_000), { columns: 100 });
      });
      await Promise.all(calls);
    }
  });
});

describe('fit beside calls that fill a small arena', () => {
  const features = 784;
  const inputs = randomValues(600 * features, 1, 4);
  const labels = randomTargets(600, 10, 5);
  const options = { columns: features, epochs: 4, validationSplit: 0.2 };
  const passing = new Float32Array(3_000_000);
  let engine: Engine;
  let usedBytes: number;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, arenaBytes: 8 * 1024 * 1024 });
    usedBytes = engine.memoryUsage().usedBytes;
  });
  afterAll(() => engine.close());
  const newClassifier = () => new SoftmaxClassifier(engine, { features, classes: 10 });

  test('begins when they have ended, and gives the weights it gives alone', async () => {
    const [alone, beside] = [newClassifier(), newClassifier()];
    await alone.fit(inputs, labels, options);
    const call = engine.softmax(passing, { columns: 100 });
    await beside.fit(inputs, labels, options);
    await call;
    expect(bitsOf(beside.weights)).toBe(bitsOf(alone.weights));
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('waits for them with its validation', async () => {
    let isTraining = true;
    const pass = async () => {
      while (isTraining) await engine.softmax(passing, { columns: 100, into: passing });
    };
    let passes: Promise<void> | undefined;
    const onStep = () => {
      passes ??= pass();
    };
    const { epochs } = await newClassifier().fit(inputs, labels, { ...options, onStep });
    isTraining = false;
    await passes;
    expect(epochs.map(({ validationLoss }) => Number.isFinite(validationLoss))).toEqual(Array(4).fill(true));
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });
});

describe('many at a time', () => {
  const arenaBytes = 4 * 1024 * 1024;
  const most = (arena: Arena) => Math.floor(0.6 * arena.freeBytes);
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

  test('calls that wait are tried again in their order, a few times each (R8)', async () => {
    const arena = new Arena(arenaBytes);
    const memory = new CallMemory(arena);
    const bytes = most(arena);
    const order: number[] = [];
    let tries = 0;
    const calls = Array.from({ length: 200 }, (_, call) =>
      memory.use([], undefined, async (scope) => {
        tries++;
        scope.allocate(bytes, 'a call');
        order.push(call);
        await turn();
      }),
    );
    await Promise.all(calls);
    expect(order).toEqual(calls.map((_, call) => call));
    expect(tries).toBeLessThanOrEqual(3 * calls.length);
    expect(arena.usedBytes).toBe(new Arena(arenaBytes).usedBytes);
  });

  test('calls that fit together run together, whoever waits behind them (R8)', async () => {
    const arena = new Arena(arenaBytes);
    const memory = new CallMemory(arena);
    const third = Math.floor(0.3 * arena.freeBytes);
    let running = 0;
    let mostRunning = 0;
    const calls = Array.from({ length: 30 }, () =>
      memory.use([], undefined, async (scope) => {
        scope.allocate(third, 'a call');
        running++;
        mostRunning = Math.max(mostRunning, running);
        await turn();
        running--;
      }),
    );
    await Promise.all(calls);
    expect(mostRunning).toBe(3);
  });

  test('one that is aborted, or fails, in the line keeps nobody behind it (F1)', async () => {
    const arena = new Arena(arenaBytes);
    const memory = new CallMemory(arena);
    const bytes = most(arena);
    const signals = Array.from({ length: 12 }, () => new Cancellation());
    const calls = signals.map((signal, call) =>
      memory.use([], signal, async (scope) => {
        scope.allocate(bytes, 'a call');
        await turn();
        if (call % 3 === 1) throw new Error('failed');
        return call;
      }),
    );
    const settled = Promise.allSettled(calls);
    for (const call of [2, 1, 8, 5]) signals[call]!.abort(`aborted ${call}`);
    const results = (await settled).map((result) =>
      result.status === 'fulfilled' ? result.value : String(result.reason),
    );
    const failed = 'Error: failed';
    expect(results).toEqual([
      0,
      'aborted 1',
      'aborted 2',
      3,
      failed,
      'aborted 5',
      6,
      failed,
      'aborted 8',
      9,
      failed,
      11,
    ]);
    expect(arena.usedBytes).toBe(new Arena(arenaBytes).usedBytes);
  });

  test('calls that wait when the engine closes reject at once', async () => {
    const arena = new Arena(arenaBytes);
    const memory = new CallMemory(arena);
    const bytes = most(arena);
    let end = () => {};
    const work = async (scope: ArenaScope) => {
      scope.allocate(bytes, 'a call');
      await new Promise<void>((resolve) => {
        end = resolve;
      });
    };
    const running = memory.use([], undefined, work);
    const waiting = [memory.use([], undefined, work), memory.use([], undefined, work)];
    await turn();
    const closed = new SoftshardError('ERR_CLOSED', 'closed');
    memory.close(closed);
    for (const call of waiting) expect(await failure(() => call)).toBe(closed);
    end();
    await running;
  });
});

describe('training that waits for memory', () => {
  const arenaBytes = 4 * 1024 * 1024;

  /** A run that takes a part of the arena until it is told to end. */
  function run(memory: CallMemory, arena: Arena, share: number, signal?: Cancellation) {
    const state = { tries: 0, begun: false, end: () => {} };
    const bytes = Math.floor(share * arena.limitBytes);
    const ended = new Promise<void>((resolve) => {
      state.end = resolve;
    });
    const done = memory.train(
      [],
      signal,
      ({ reserve }: RunTerms) => {
        state.tries++;
        const scope = arena.scope();
        if (scope.allocateIfRoom({ run: bytes }, reserve([])) === undefined) {
          throw new SoftshardError('ERR_ARENA_FULL', 'full');
        }
        return { scope, reserve: [] };
      },
      async ({ scope }) => {
        state.begun = true;
        await ended;
        scope.release();
      },
    );
    return Object.assign(state, { done });
  }

  const turns = async () => {
    for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
  };

  test('has it in the order in which it came, and is tried again once for each that ends (R8)', async () => {
    const arena = new Arena(arenaBytes);
    const memory = new CallMemory(arena);
    const runs = Array.from({ length: 40 }, () => run(memory, arena, 0.3));
    for (const [index, { end, done }] of runs.entries()) {
      await turns();
      expect(runs.filter(({ begun }) => begun).length).toBe(Math.min(runs.length, index + 2));
      end();
      await done;
    }
    expect(runs.reduce((sum, { tries }) => sum + tries, 0)).toBeLessThanOrEqual(3 * runs.length);
    expect(arena.usedBytes).toBe(new Arena(arenaBytes).usedBytes);
  });

  test('lets calls pass while it waits for other training', async () => {
    const arena = new Arena(arenaBytes);
    const memory = new CallMemory(arena);
    const first = run(memory, arena, 0.8);
    const second = run(memory, arena, 0.8);
    await turns();
    expect([first.begun, second.begun]).toEqual([true, false]);
    const call = memory.use([], undefined, async (scope) => scope.allocate(arena.limitBytes / 10, 'a call'));
    expect(await call).toBeGreaterThan(0);
    first.end();
    await first.done;
    await turns();
    expect(second.begun).toBe(true);
    second.end();
    await second.done;
  });

  test('comes to its memory though calls come one after the other without a gap (R8)', async () => {
    const arena = new Arena(arenaBytes);
    const memory = new CallMemory(arena);
    let calls = 0;
    let isOver = false;
    const callAfterCall = async () => {
      while (!isOver && calls < 1000) {
        calls++;
        await memory.use([], undefined, async (scope) => {
          scope.allocate(arena.limitBytes / 20, 'a call');
          await turns();
        });
      }
    };
    const streams = [callAfterCall(), turns().then(callAfterCall)];
    await turns();
    // Has room beside none of them.
    const training = run(memory, arena, 0.93);
    while (!training.begun && calls < 1000) await turns();
    expect(calls).toBeLessThan(20);
    training.end();
    await training.done;
    isOver = true;
    await Promise.all(streams);
  });

  test('is refused where nothing has run for long: whoever holds the memory may wait for it', async () => {
    const arena = new Arena(arenaBytes);
    const memory = new CallMemory(arena, () => 0, 20);
    const first = run(memory, arena, 0.8);
    const waiting = [run(memory, arena, 0.8), run(memory, arena, 0.8)];
    for (const { done } of waiting)
      expect(await failure(() => done)).toMatchObject({ code: 'ERR_ARENA_FULL' });
    first.end();
    await first.done;
  });

  test('rejects when it is aborted, or the engine closed, and the next has its turn (F1)', async () => {
    const arena = new Arena(arenaBytes);
    const memory = new CallMemory(arena);
    const signal = new Cancellation();
    const first = run(memory, arena, 0.8);
    const second = run(memory, arena, 0.8, signal);
    const third = run(memory, arena, 0.8);
    const fourth = run(memory, arena, 0.8);
    await turns();
    signal.abort('enough');
    expect(await failure(() => second.done)).toBe('enough');
    first.end();
    await first.done;
    await turns();
    expect([third.begun, fourth.begun]).toEqual([true, false]);
    const closed = new SoftshardError('ERR_CLOSED', 'closed');
    memory.close(closed);
    expect(await failure(() => fourth.done)).toBe(closed);
    third.end();
    await third.done;
  });
});

test('many calls at once in a small arena take no more gangs than one after the other (R8)', async () => {
  await using engine = await Engine.create({ threads: 1, arenaBytes: 4 * 1024 * 1024 });
  const rows = randomValues(20_000 * 10, 3, 9);
  const run = vi.spyOn(Piscina.prototype, 'run');
  await Promise.all(Array.from({ length: 30 }, () => engine.softmax(rows, { columns: 10 })));
  expect(run).toHaveBeenCalledTimes(30);
  run.mockRestore();
});

describe('many small fits at once', () => {
  const [rows, features] = [200, 20];
  const inputs = randomValues(rows * features, 1, 7);
  const labels = randomTargets(rows, 10, 8);
  const options = { columns: features, epochs: 3, batchSize: 20 };

  test.each([{}, { validationSplit: 0.2 }, { onEpochEnd: () => {} }])(
    'wait in an arena in which few of them fit, and give the weights that one gives alone (%o) (R8)',
    async (more) => {
      await using engine = await Engine.create({ threads: 1, arenaBytes: 1024 * 1024 });
      const { usedBytes } = engine.memoryUsage();
      const train = async () => {
        const classifier = new SoftmaxClassifier(engine, { features, classes: 10 });
        await classifier.fit(inputs, labels, { ...options, ...more });
        return bitsOf(classifier.weights);
      };
      const alone = await train();
      const all = await Promise.all(Array.from({ length: 30 }, train));
      expectSameBits([alone, ...all]);
      expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
    },
  );

  test('do not give way to each other at each step, but to a call at once (R8)', async () => {
    await using engine = await Engine.create({ threads: 1 });
    const run = vi.spyOn(Piscina.prototype, 'run');
    const train = () =>
      new SoftmaxClassifier(engine, { features, classes: 10 }).fit(inputs, labels, {
        ...options,
        epochs: 20,
      });
    let trained = 0;
    const fits = Array.from({ length: 20 }, () => train().then(() => trained++));
    await new Promise((resolve) => setImmediate(resolve));
    await engine.softmax(Float32Array.of(0, 0), { columns: 2 });
    expect(trained).toBeLessThan(10);
    await Promise.all(fits);
    const gangs = run.mock.calls.filter(([task]) => task.member === 0).length;
    run.mockRestore();
    // Of 20 fits of 200 steps each; by time, so that a slow machine takes more.
    expect(gangs).toBeLessThan(1000);
  });
});

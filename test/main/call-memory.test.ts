// Calls that need more memory of a small arena than there is at the moment wait for those that hold it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Arena } from '#softshard/main/arena.js';
import { CallMemory } from '#softshard/main/call-memory.js';
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import { bitsOf } from '../bits.js';
import { failure } from '../failure.js';
import { randomTargets, randomValues } from '../kernels/workbench.js';

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
    engine.vector(engine.memoryUsage().freeBytes - 400_000, 'uint8');
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

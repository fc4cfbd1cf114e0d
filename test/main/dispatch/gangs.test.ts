// Gangs side by side, with lost threads and cancels among them: each call has its own result or its own failure.
import { Piscina } from 'piscina';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { WorkerPool } from '#softshard/main/dispatch/pool.js';
import { Engine, SoftmaxClassifier, type SoftshardError } from '#softshard/main/index.js';
import { RandomStream } from '#softshard/main/training/random.js';
import { bitsOf } from '../../bits.js';
import { randomTargets, randomValues } from '../../kernels/workbench.js';

afterEach(() => vi.restoreAllMocks());

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Some calls of workers, each by its bits; `seed` gives its numbers. */
type Call = (engine: Engine, seed: number, signal?: AbortSignal) => Promise<string>;

const training =
  (rows: number, batchSize: number): Call =>
  async (engine, seed, signal) => {
    const classifier = new SoftmaxClassifier(engine, { features: 12, classes: 5 });
    const inputs = { type: 'float32', dims: [rows, 12], data: randomValues(rows * 12, 1, seed) } as const;
    const options = { epochs: 6, batchSize, learningRate: 0.1, seed, ...(signal && { signal }) };
    await classifier.fit(inputs, randomTargets(rows, 5, seed), options);
    return bitsOf(classifier.weights, classifier.bias);
  };

const CALLS: readonly Call[] = [
  async (engine, seed, signal) => {
    const options = { columns: 64, ...(signal && { signal }) };
    return bitsOf((await engine.softmax(randomValues(2100 * 64, 9, seed), options)).data);
  },
  async (engine, seed, signal) => {
    const logits = { type: 'float32', dims: [300, 64], data: randomValues(300 * 64, 9, seed) } as const;
    const options = { labelSmoothing: 0.1, ...(signal && { signal }) };
    const result = await engine.crossEntropyGradient(logits, randomTargets(300, 64, seed), options);
    return bitsOf(result.loss, result.gradLogits.data);
  },
  async (engine, seed, signal) => {
    const matrix = (rows: number, columns: number, its: number) =>
      ({ type: 'float32', dims: [rows, columns], data: randomValues(rows * columns, 1, its) }) as const;
    const operands = [matrix(400, 24, seed), matrix(24, 130, seed + 1)] as const;
    const options = signal && { signal };
    const result = await engine.linearCrossEntropy(
      ...operands,
      undefined,
      randomTargets(400, 130, seed),
      options,
    );
    return bitsOf(result.loss, result.gradInputs!.data, result.gradWeights!.data);
  },
  training(60, 16),
  training(200, 64),
];

const SEEDS = 3;

/** What each call gives for each seed, alone. */
async function bitsAlone(threads: number): Promise<readonly (readonly string[])[]> {
  await using engine = await Engine.create({ threads, numerics: 'portable' });
  const bits: string[][] = [];
  for (const call of CALLS) {
    const its: string[] = [];
    for (let seed = 0; seed < SEEDS; seed++) its.push(await call(engine, seed));
    bits.push(its);
  }
  return bits;
}

/** Has gangs take any number of members that they may take, so that small jobs come in gangs of 1, 2 and 3. */
function takeAnyMembers(random: RandomStream): void {
  const original = WorkerPool.prototype.run;
  vi.spyOn(WorkerPool.prototype, 'run').mockImplementation(function (this: WorkerPool, job, options) {
    return original.call(this, job, { ...options, members: 1 + random.below(options.members) });
  });
}

describe('many small gangs at once', () => {
  test.each([1, 2, 3, 8])('on %i threads have the bits they have alone on one', async (threads) => {
    const wanted = await bitsAlone(1);
    takeAnyMembers(new RandomStream(threads, 1));
    await using engine = await Engine.create({ threads, numerics: 'portable' });
    const calls = CALLS.flatMap((call) => Array.from({ length: SEEDS }, (_, seed) => call(engine, seed)));
    expect(await Promise.all(calls)).toEqual(wanted.flat());
  });

  test('with lost threads and cancels among them: right bits or the right failure, and all memory and seats back', async () => {
    const wanted = await bitsAlone(3);
    const random = new RandomStream(12, 0);
    takeAnyMembers(random);
    const run = vi.spyOn(Piscina.prototype, 'run');
    await using engine = await Engine.create({ threads: 3, numerics: 'portable' });
    await CALLS[0]!(engine, 0);
    const { usedBytes } = engine.memoryUsage();
    const outcomes = { right: 0, lost: 0, cancelled: 0 };
    for (let wave = 0; wave < 24; wave++) {
      const controllers = Array.from({ length: 8 }, () => new AbortController());
      const kills = wave % 3 === 1;
      const calls = controllers.map(async ({ signal }) => {
        const [call, seed] = [random.below(CALLS.length), random.below(SEEDS)];
        const own = random.below(3) === 0 ? undefined : signal;
        try {
          expect(await CALLS[call]!(engine, seed, own)).toBe(wanted[call]![seed]);
          outcomes.right++;
        } catch (error) {
          if (error === 'enough') outcomes.cancelled++;
          else {
            expect(error).toMatchObject({ code: 'ERR_WORKER' });
            expect(kills).toBe(true);
            outcomes.lost++;
          }
        }
      });
      await pause(random.below(6));
      const { threads } = run.mock.contexts.at(-1) as Piscina;
      const thread = threads[random.below(threads.length)];
      const exit = kills && new Promise((resolve) => thread!.once('exit', resolve));
      if (kills && random.below(2) === 0) void thread!.terminate();
      else if (kills) thread!.emit('error', new Error('out of the blue'));
      for (const controller of controllers) if (random.below(4) === 0) controller.abort('enough');
      await Promise.all(calls);
      // A thread that was killed while idle loses a call as long as its exit is not told.
      await exit;
    }
    expect(Math.min(...Object.values(outcomes))).toBeGreaterThan(0);
    vi.restoreAllMocks();
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
    for (const [index, call] of CALLS.entries()) expect(await call(engine, 0)).toBe(wanted[index]![0]);
  }, 120_000);
});

describe('a lost thread', () => {
  test('fails its own gang; the one beside it goes on', async () => {
    const run = vi.spyOn(Piscina.prototype, 'run');
    await using engine = await Engine.create({ threads: 2 });
    // One shard, of one member, for some tens of milliseconds.
    const rows = [0, 1].map(() => engine.tensor('float32', [1, 8_000_000]));
    const outcomes = () =>
      rows.map(async (logits) => {
        try {
          return (await engine.softmax(logits, { into: logits })).data[0]! > 0 ? 'right' : 'wrong';
        } catch (error) {
          return (error as SoftshardError).code;
        }
      });
    await Promise.all(outcomes());
    let ended: string[] = [];
    for (let round = 0; round < 50 && !ended.includes('ERR_WORKER'); round++) {
      const calls = outcomes();
      await pause(1);
      await (run.mock.contexts.at(-1) as Piscina).threads[0]!.terminate();
      // Calls that had ended before are no lost ones.
      ended = await Promise.all(calls);
    }
    expect(ended.toSorted()).toEqual(['ERR_WORKER', 'right']);
    expect(await Promise.all(outcomes())).toEqual(['right', 'right']);
  });

  test('that Piscina drops while it runs has let go of the memory when its call is told', async () => {
    const run = vi.spyOn(Piscina.prototype, 'run');
    await using engine = await Engine.create({ threads: 2 });
    const logits = engine.matrix(40_000, 1000);
    await engine.softmax(logits, { into: logits });
    let lost = 0;
    for (let round = 0; round < 50 && lost < 5; round++) {
      const call = engine.softmax(logits, { into: logits }).catch(({ code }) => code);
      await pause(1);
      const thread = (run.mock.contexts.at(-1) as Piscina).threads[round % 2]!;
      let hasExited = false;
      thread.once('exit', () => {
        hasExited = true;
      });
      thread.emit('error', new Error('out of the blue'));
      // A call that had ended before is no lost one.
      if ((await call) !== 'ERR_WORKER') continue;
      expect(hasExited).toBe(true);
      lost++;
    }
    expect(lost).toBe(5);
    logits.free();
  });
});

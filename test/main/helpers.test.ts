// Workers that help the calling thread with tiny jobs.
import { Piscina } from 'piscina';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { HEAP_BASE } from '#softshard/kernels/layout.js';
import { availableThreads } from '#softshard/main/available-threads.js';
import { Helpers } from '#softshard/main/helpers.js';
import { Engine, SoftshardError } from '#softshard/main/index.js';
import { WorkerPool } from '#softshard/main/pool.js';
import {
  type GangJob,
  HelpWord,
  helpWords,
  type SharedJob,
  Stop,
  type WatchTask,
  type WorkerResult,
} from '#softshard/workers/protocol.js';
import { watch } from '#softshard/workers/watch.js';
import { bitsOf } from '../bits.js';
import { failure } from '../failure.js';
import { builds, randomTargets, randomValues } from '../kernels/workbench.js';

const ROWS = 128;
const COLUMNS = 1000;
const MEMBERS = 2;
/** More calls than any of these tests needs on a busy machine. */
const MOST_CALLS = 20_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

// With fewer processors than threads nobody stays awake: who spins takes time from whom he would help.
describe.skipIf(availableThreads() < MEMBERS).each(builds)('an engine of two threads (%s)', (numerics) => {
  const values = randomValues(ROWS * COLUMNS, 10, 1);
  const targets = randomTargets(ROWS, COLUMNS, 2);
  let engine: Engine;
  let alone: Engine;
  beforeEach(async () => {
    engine = await Engine.create({ threads: MEMBERS, numerics });
    alone = await Engine.create({ threads: 1, numerics });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await engine.close();
    await alone.close();
  });

  /** How many took part in each job since. */
  function watchJobs(): number[] {
    const parts: number[] = [];
    const run = WorkerPool.prototype.run;
    vi.spyOn(WorkerPool.prototype, 'run').mockImplementation(async function (this: WorkerPool, job, options) {
      const results = await run.call(this, job, options);
      parts.push(results.length);
      return results;
    });
    return parts;
  }

  function placed(on: Engine) {
    const logits = on.matrix(ROWS, COLUMNS);
    logits.data.set(values);
    const classes = on.vector(ROWS, 'int32');
    classes.data.set(targets);
    const into = on.matrix(ROWS, COLUMNS);
    return {
      softmax: async () => [(await on.softmax(logits, { into })).data],
      logSoftmax: async () => [(await on.logSoftmax(logits, { into })).data],
      logSumExp: async () => [(await on.logSumExp(logits)).data],
      crossEntropy: async () => [(await on.crossEntropy(logits, classes)).lossSum],
      crossEntropyGradient: async () => {
        const result = await on.crossEntropyGradient(logits, classes, { into });
        return [result.lossSum, result.gradLogits.data];
      },
    };
  }

  /** Calls until a helper has taken part in one; gives the result of that. */
  async function callUntilHelped<Result>(call: () => Promise<Result>, parts: number[]): Promise<Result> {
    for (let count = 1; count < MOST_CALLS; count++) {
      parts.length = 0;
      const result = await call();
      if (parts.includes(MEMBERS)) return result;
      // A worker that is being started needs the event loop.
      if (count % 200 === 0) await pause(1);
    }
    return expect.fail('nobody has helped');
  }

  test.each(['softmax', 'logSoftmax', 'logSumExp', 'crossEntropy', 'crossEntropyGradient'] as const)(
    '%s: a worker helps with calls that follow each other closely, with the bits of one thread',
    async (name) => {
      const wanted = bitsOf(...(await placed(alone)[name]()));
      const call: () => Promise<(ArrayBufferView | number)[]> = placed(engine)[name];
      const parts = watchJobs();
      for (let round = 0; round < 5; round++) {
        expect(bitsOf(...(await callUntilHelped(call, parts)))).toBe(wanted);
      }
    },
  );

  test('is called by a message, sleeps, and is woken without one', async () => {
    const parts = watchJobs();
    const run = vi.spyOn(Piscina.prototype, 'run');
    const logits = engine.matrix(ROWS, COLUMNS);
    const call = () => engine.softmax(logits, { into: logits });
    await callUntilHelped(call, parts);
    expect(run.mock.calls[0]).toEqual([{ kind: 'watch', member: 1, members: 2 }]);
    // On a busy machine it may have slept for too long meanwhile, and be called again.
    const messages: number[] = [];
    for (let round = 0; round < 50 && !messages.includes(0); round++) {
      const before = run.mock.calls.length;
      await pause(5);
      await callUntilHelped(call, parts);
      messages.push(run.mock.calls.length - before);
    }
    expect(messages).toContain(0);
  });

  test('goes back to gangs when one comes, and is called again after it', async () => {
    const parts = watchJobs();
    const large = engine.matrix(ROWS * 4, COLUMNS);
    const small = engine.matrix(ROWS, COLUMNS);
    const times: number[] = [];
    for (let round = 0; round < 5; round++) {
      await callUntilHelped(() => engine.softmax(small, { into: small }), parts);
      large.data.fill(round);
      const begin = performance.now();
      await engine.softmax(large, { into: large });
      times.push(performance.now() - begin);
      expect(parts.at(-1)).toBe(MEMBERS);
      expect(large.data.every((value) => Math.abs(value * COLUMNS - 1) < 1e-6)).toBe(true);
    }
    // It would have slept for 100 ms.
    expect(Math.min(...times)).toBeLessThan(50);
  });

  test('is replaced when it dies, and ends with the engine', async () => {
    const parts = watchJobs();
    const run = vi.spyOn(Piscina.prototype, 'run');
    const logits = engine.matrix(ROWS, COLUMNS);
    const call = () => engine.softmax(logits, { into: logits });
    await callUntilHelped(call, parts);
    const piscina = run.mock.contexts[0] as Piscina;
    await Promise.all(piscina.threads.map((thread) => thread.terminate()));
    await callUntilHelped(call, parts);
    await engine.close();
    expect(piscina.threads).toEqual([]);
    expect(await failure(call)).toMatchObject({ code: 'ERR_CLOSED' });
  });
});

describe('Helpers', () => {
  const job: SharedJob = {
    kind: 'softmax',
    output: 3 * 2 ** 30,
    logits: 2 ** 31 + 128,
    rows: 64,
    columns: 1000,
    shardRows: 16,
  };
  const done: WorkerResult = { state: 'done' };
  let words: Int32Array;
  let sent: WatchTask[];
  /** Rejects the tasks that workers were sent. */
  let lose: (reason: Error) => void;
  let helpers: Helpers;
  beforeEach(() => {
    words = helpWords(new SharedArrayBuffer(HEAP_BASE));
    sent = [];
    const lost = new Promise<void>((_, reject) => {
      lose = reject;
    });
    helpers = new Helpers(words, 3, (task) => {
      sent.push(task);
      return lost;
    });
  });

  afterEach(() => {
    vi.restoreAllMocks();
  });

  const tiny = (of: GangJob = job as GangJob) => helpers.run(of, () => done);
  /** With jobs that follow each other at once, by a clock that stands still. */
  const callThem = () => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(1000);
    for (let i = 0; i < 9; i++) tiny();
    clock.mockRestore();
    expect(sent.length).toBe(3);
  };
  /** A worker that helps once, within the calling thread's own turn. */
  const helpOnce = (work: (job: SharedJob) => WorkerResult) =>
    watch(words, (offered) => {
      Atomics.store(words, HelpWord.dismissed, 1);
      return work(offered);
    });

  test('are called when eight jobs have followed each other closely, one for each further shard', () => {
    vi.spyOn(performance, 'now').mockReturnValue(1000);
    for (let i = 0; i <= 7; i++) tiny();
    expect(sent).toEqual([]);
    tiny();
    expect(sent.map(({ member }) => member)).toEqual([1, 2, 3]);
    tiny();
    expect(sent.length).toBe(3);
  });

  test('are not called for jobs with pauses between them, of a single shard, or that words cannot describe', async () => {
    for (let i = 0; i < 10; i++) {
      tiny();
      await pause(1);
    }
    for (let i = 0; i < 20; i++) tiny({ ...job, rows: 16 } as GangJob);
    const ignoring = { ...job, kind: 'crossEntropy', ignore: { index: 3, invalid: false } };
    for (let i = 0; i < 20; i++) tiny(ignoring as unknown as GangJob);
    for (let i = 0; i < 20; i++) tiny({ ...job, kind: 'tileMap' } as unknown as GangJob);
    expect(sent).toEqual([]);
  });

  test.each<SharedJob>([
    job,
    { ...job, kind: 'logSoftmax' },
    { ...job, kind: 'logSumExp', output: 2 ** 32 - 128 },
    {
      kind: 'crossEntropy',
      rows: 100,
      columns: 1,
      shardRows: 16,
      logits: 2 ** 31,
      gradLogits: 0,
      losses: 2 ** 32 - 4096,
      lossSums: 65536,
      targets: 70_000,
      scale: 0.1 / 3,
      ignore: undefined,
      buffer: new SharedArrayBuffer(0),
    },
  ])('are offered the whole job: $kind', (offered) => {
    callThem();
    let seen: SharedJob | undefined;
    const results = helpers.run(offered as GangJob, () => {
      helpOnce((given) => {
        seen = given;
        return done;
      });
      return done;
    });
    expect(results).toEqual([done, done]);
    expect({ ...seen, buffer: undefined }).toEqual({
      buffer: undefined,
      ...offered,
      ...('buffer' in offered && { buffer: undefined }),
    });
  });

  test('tell of an invalid target that they met', () => {
    callThem();
    const results = helpers.run(job as GangJob, () => {
      helpOnce(() => ({ state: 'invalidTarget', row: 0 }));
      return done;
    });
    expect(results).toContainEqual({ state: 'invalidTarget', row: 0 });
  });

  test('are alone with what the calling thread throws: it comes through once they have left', async () => {
    callThem();
    let left = false;
    Atomics.store(words, HelpWord.inside, 1);
    setTimeout(() => {
      left = true;
      Atomics.store(words, HelpWord.inside, 0);
    }, 20);
    const error = await failure(async () =>
      helpers.run(job as GangJob, () => {
        throw new SoftshardError('ERR_WORKER', 'trap');
      }),
    );
    expect(error.message).toBe('trap');
    expect(left).toBe(true);
  });

  test('that throw make the job reject with the reason', async () => {
    callThem();
    const results = helpers.run(job as GangJob, () => {
      expect(() =>
        helpOnce(() => {
          throw new Error('out of bounds');
        }),
      ).toThrow('out of bounds');
      setTimeout(() => lose(new Error('the reason')), 5);
      return done;
    });
    expect((await failure(async () => results)).message).toBe('the reason');
  });

  test('that die in the middle of a job make it reject instead of wait; then they are called again', async () => {
    callThem();
    const results = helpers.run(job as GangJob, () => {
      Atomics.add(words, HelpWord.inside, 1);
      setTimeout(() => lose(new Error('the worker is gone')), 5);
      return done;
    });
    expect((await failure(async () => results)).message).toBe('the worker is gone');
    sent = [];
    callThem();
    expect(sent.length).toBe(3);
  });

  test('that leave a part undone, as threads that are told to end, make the job reject', async () => {
    callThem();
    const results = helpers.run(job as GangJob, () => {
      helpOnce(() => ({ state: 'stopped', stop: Stop.failed, nextStep: 0 }));
      setTimeout(() => lose(new Error('the engine is closed')), 5);
      return done;
    });
    expect((await failure(async () => results)).message).toBe('the engine is closed');
  });

  test('that are lost outside of a job do no harm to the next one', async () => {
    callThem();
    lose(new Error('the worker is gone'));
    await pause(1);
    expect(tiny()).toEqual([done]);
    sent = [];
    callThem();
  });

  test.each([2 ** 31 - 2, -2])(
    'are offered jobs in the same way when their number goes on from %i',
    (number) => {
      callThem();
      words[HelpWord.offer] = number;
      for (let i = 0; i < 2; i++) {
        Atomics.store(words, HelpWord.dismissed, 0);
        const results = helpers.run(job as GangJob, () => {
          helpOnce(() => done);
          return done;
        });
        expect(results).toEqual([done, done]);
      }
    },
  );

  test('that are dismissed end their watch without falling asleep', () => {
    callThem();
    helpers.dismiss();
    const begin = performance.now();
    for (let i = 0; i < 3; i++) watch(words, () => done);
    expect(performance.now() - begin).toBeLessThan(50);
    expect(words[HelpWord.ended]).toBe(3);
  });

  test('that are dismissed as they fall asleep end their watch at once', () => {
    callThem();
    const wait = vi.spyOn(Atomics, 'wait');
    const load = Atomics.load;
    vi.spyOn(Atomics, 'load').mockImplementation(((array: Int32Array, index: number) => {
      const value = load(array, index);
      // It has counted itself, and looks at the offer it will wait on.
      if (index === HelpWord.offer && words[HelpWord.asleep] === 1 && words[HelpWord.dismissed] === 0)
        helpers.dismiss();
      return value;
    }) as typeof Atomics.load);
    watch(words, () => done);
    expect(wait).not.toHaveBeenCalled();
    expect(words[HelpWord.ended]).toBe(1);
  });

  test('get no more jobs in vain than 32 before the event loop has a turn', async () => {
    callThem();
    let pending: unknown;
    for (let i = 0; i < 40 && !(pending instanceof Promise); i++) pending = tiny();
    expect(pending).toBeInstanceOf(Promise);
    expect(await pending).toEqual([done]);
    expect(tiny()).toEqual([done]);
  });

  test('end their watch by themselves when nothing is offered for long', () => {
    callThem();
    watch(words, () => done);
    expect(words[HelpWord.ended]).toBe(1);
    expect(words[HelpWord.asleep]).toBe(0);
  });
});

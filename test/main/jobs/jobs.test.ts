// engine.jobs: the line, the handles, and what becomes of jobs that are cancelled, fail, or whose engine closes.
import { setImmediate, setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, type Jobs, SoftmaxClassifier, SoftshardError } from '#softshard/main/index.js';
import { failure } from '../../failure.js';
import { randomValues } from '../../kernels/workbench.js';

const [rows, features, classes] = [400, 8, 3];
const inputs = randomValues(rows * features, 1, 41);
const targets = Int32Array.from({ length: rows }, (_, row) =>
  inputs[row * features]! > 0 ? 1 : row % classes,
);

/** A task that ends when it is told to. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, task: { kind: 'task', run: () => opened } as const };
}

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.create({ threads: 2 });
});
afterAll(() => engine.close());

const fresh = () => new SoftmaxClassifier(engine, { features, classes });

async function progressOf(job: Jobs.Job<unknown>): Promise<Jobs.JobProgress[]> {
  const all: Jobs.JobProgress[] = [];
  for await (const progress of job) all.push(progress);
  return all;
}

describe('what jobs call', () => {
  test('fit, evaluate, calibrate and predict give what the classifier gives', async () => {
    const classifier = fresh();
    const plain = fresh();
    const own = { classifier, inputs, targets };
    const wanted = await plain.fit(inputs, targets, { C: 1 });
    const job = engine.jobs.submit({ kind: 'fit', ...own, options: { C: 1 } });
    const evaluation = engine.jobs.submit({ kind: 'evaluate', ...own });
    const predictions = engine.jobs.submit({ kind: 'predict', classifier, inputs });
    expect([job.state, evaluation.state]).toEqual(['running', 'waiting']);
    expect(engine.jobs.list.map(({ kind }) => kind)).toEqual(['fit', 'evaluate', 'predict']);
    const result = await job.result();
    expect(result.objective).toBe(wanted.objective);
    expect(classifier.weights).toEqual(plain.weights);
    expect(await evaluation.result()).toEqual(await plain.evaluate(inputs, targets));
    expect(await predictions.result()).toEqual(await plain.predict(inputs));
    const calibration = await engine.jobs.submit({ kind: 'calibrate', ...own }).result();
    expect(calibration).toEqual(await plain.calibrate(inputs, targets));
    expect(engine.jobs.list).toEqual([]);
    expect(job.state).toBe('done');
  });

  test('progress is epochs, iterations and settings, and heads; callbacks of options are called as well', async () => {
    const epochs: number[] = [];
    const steps = engine.jobs.submit({
      kind: 'fit',
      classifier: fresh(),
      inputs,
      targets,
      options: { epochs: 4, onEpochEnd: ({ epoch }) => void epochs.push(epoch) },
    });
    const seen = await progressOf(steps);
    expect(seen.map((each) => each.kind === 'epoch' && each.report.epoch)).toEqual([1, 2, 3, 4]);
    expect(epochs).toEqual([1, 2, 3, 4]);
    expect(steps.progress).toBe(seen.at(-1));
    const chosen = engine.jobs.submit({ kind: 'fit', classifier: fresh(), inputs, targets });
    const kinds = new Set((await progressOf(chosen)).map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual(['iteration', 'tried']);
    const heads = [{ C: 0.1 }, { C: 1 }];
    const many = engine.jobs.submit({
      kind: 'fitMany',
      inputs,
      targets,
      heads,
      options: { cv: 2, features },
    });
    const ended = (await progressOf(many)).map((each) => each.kind === 'head' && each.report.head);
    expect(ended.sort()).toEqual([0, 1]);
    expect((await many.result()).heads.length).toBe(2);
  });
});

describe('the line', () => {
  test('jobs begin by priority, and first come first served within one', async () => {
    const first = gate();
    const order: string[] = [];
    const task = (name: string, priority?: number) =>
      engine.jobs.submit({
        kind: 'task',
        priority,
        run: async () => {
          order.push(name);
        },
      });
    const running = engine.jobs.submit(first.task);
    const jobs = [task('a'), task('low', -1), task('b'), task('high', 2), task('also high', 2)];
    expect(engine.jobs.list.slice(1).map(({ priority }) => priority)).toEqual([2, 2, 0, 0, -1]);
    first.open();
    await Promise.all([running, ...jobs].map((job) => job.result()));
    expect(order).toEqual(['high', 'also high', 'a', 'b', 'low']);
  });

  test('as many run at once as concurrency says, from when it says so', async () => {
    const gates = [gate(), gate(), gate()];
    const jobs = gates.map(({ task }) => engine.jobs.submit(task));
    const states = () => jobs.map(({ state }) => state).join(' ');
    try {
      expect(states()).toBe('running waiting waiting');
      engine.jobs.concurrency = 2;
      expect(states()).toBe('running running waiting');
      engine.jobs.concurrency = 1;
      gates[0]!.open();
      await jobs[0]!.result();
      expect(states()).toBe('done running waiting');
      for (const { open } of gates) open();
      await Promise.all(jobs.map((job) => job.result()));
      expect(() => {
        engine.jobs.concurrency = 0;
      }).toThrow('concurrency is 0');
    } finally {
      engine.jobs.concurrency = 1;
      for (const { open } of gates) open();
    }
  });

  test('a job that fails leaves the line to the next, and its failure to those who ask', async () => {
    const lost = engine.jobs.submit({
      kind: 'fit',
      classifier: fresh(),
      inputs,
      targets: targets.subarray(1),
    });
    const next = engine.jobs.submit({ kind: 'predict', classifier: fresh(), inputs });
    expect((await next.result()).length).toBe(rows);
    expect(lost.state).toBe('failed');
    expect(await progressOf(lost)).toEqual([]);
    expect(await failure(() => lost.result())).toMatchObject({ code: 'ERR_SHAPE' });
    const thrown = engine.jobs.submit({
      kind: 'task',
      run: () => {
        throw new Error('at once');
      },
    });
    expect(await failure(() => thrown.result())).toMatchObject({ message: 'at once' });
  });
});

describe('cancelling', () => {
  test('a waiting job ends at once, by its handle or its signal, and never begins', async () => {
    const first = gate();
    engine.jobs.submit(first.task);
    const controller = new AbortController();
    let begun = 0;
    const run = async () => ++begun;
    const jobs = [
      engine.jobs.submit({ kind: 'task', run }),
      engine.jobs.submit({ kind: 'task', run, signal: controller.signal }),
      engine.jobs.submit({ kind: 'task', run, signal: AbortSignal.abort('before') }),
    ] as const;
    jobs[0].cancel();
    jobs[0].cancel('too late');
    controller.abort('by its signal');
    expect(jobs.map(({ state }) => state)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    expect(await failure(() => jobs[0].result())).toMatchObject({ name: 'AbortError' });
    await expect(jobs[1].result()).rejects.toBe('by its signal');
    await expect(jobs[2].result()).rejects.toBe('before');
    first.open();
    await engine.jobs.submit({ kind: 'task', run }).result();
    expect(begun).toBe(1);
  });

  test('a running fit ends at its next step, and its progress with it', async () => {
    const job = engine.jobs.submit({
      kind: 'fit',
      classifier: fresh(),
      inputs,
      targets,
      options: { epochs: 1_000_000 },
    });
    let seen = 0;
    for await (const _ of job) if (++seen === 3) job.cancel('enough');
    expect(job.state).toBe('cancelled');
    await expect(job.result()).rejects.toBe('enough');
  });

  test('a call that comes to its end though it was cancelled is done', async () => {
    const first = gate();
    const job = engine.jobs.submit(first.task);
    job.cancel();
    first.open();
    await job.result();
    expect(job.state).toBe('done');
  });

  test('closing the engine cancels what runs and what waits; then nothing can be submitted', async () => {
    const own = await Engine.create({ threads: 1 });
    const { jobs } = own;
    const classifier = new SoftmaxClassifier(own, { features, classes });
    const endless = { kind: 'fit', classifier, inputs, targets, options: { epochs: 1_000_000 } } as const;
    const running = jobs.submit(endless);
    const waiting = jobs.submit({ kind: 'predict', classifier, inputs });
    await setTimeout(20);
    await own.close();
    for (const job of [running, waiting]) {
      expect(await failure(() => job.result())).toMatchObject({ code: 'ERR_CLOSED' });
      expect(job.state).toBe('cancelled');
    }
    expect(jobs.list).toEqual([]);
    expect(() => jobs.submit(endless)).toThrow(SoftshardError);
  });
});

describe('progress', () => {
  const report = (count: number) =>
    engine.jobs.submit({
      kind: 'task',
      run: async ({ report: tell }) => {
        for (let i = 1; i <= count; i++) {
          tell(i);
          await setImmediate();
        }
      },
    });
  const numberOf = (progress: Jobs.JobProgress) => progress.report as number;

  test('who reads slowly, or comes late, gets the newest reports, in order', async () => {
    const job = report(1000);
    const slow: number[] = [];
    for await (const progress of job) {
      slow.push(numberOf(progress));
      await setTimeout(1);
    }
    expect(slow).toEqual([...new Set(slow)].sort((a, b) => a - b));
    expect(slow.at(-1)).toBe(1000);
    const late = (await progressOf(job)).map(numberOf);
    expect(late).toEqual(Array.from({ length: 16 }, (_, i) => 985 + i));
  });

  test('who stops reading does not stop the job', async () => {
    const job = report(50);
    for await (const _ of job) break;
    await job.result();
    expect(job.progress).toMatchObject({ report: 50 });
  });
});

test.each([
  [undefined, 'job.kind is undefined'],
  [{ kind: 'train' }, "job.kind is 'train': it must be one of 'fit'"],
  [{ kind: 'fit', inputs, targets }, 'job.classifier is undefined: it must be a SoftmaxClassifier'],
  [{ kind: 'task' }, 'job.run is undefined'],
  [{ kind: 'task', run: () => {}, priorty: 1 }, 'did you mean priority?'],
  [{ kind: 'task', run: () => {}, priority: Number.NaN }, 'job.priority is NaN'],
  [{ kind: 'task', run: () => {}, signal: 'stop' }, "job.signal is 'stop'"],
])('%j is no job', (spec, message) => {
  expect(() => engine.jobs.submit(spec as never)).toThrow(message);
});

test('a signal among the options of the call is refused: a job has its own', () => {
  const classifier = fresh();
  const options = { signal: AbortSignal.timeout(1e6) } as object;
  expect(() => engine.jobs.submit({ kind: 'fit', classifier, inputs, targets, options })).toThrow(
    'give job.signal',
  );
});

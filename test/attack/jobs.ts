// Jobs of an engine while its threads are terminated and jobs are cancelled at any moment: every job comes to its end, what is done
// is right, the line goes on, and no memory is lost.
import { Engine, type Jobs, SoftmaxClassifier, SoftshardError } from '#softshard/main/index.js';
import { type Attack, expectThat, type Outcome, pause, type Session, within } from './attack.js';
import { valuesAt } from './call-data.js';
import { ThreadWatch } from './faults.js';
import { Random } from './random.js';

const [ROWS, FEATURES, CLASSES] = [3000, 20, 4];
const INPUTS = valuesAt(1, ROWS * FEATURES);
const TARGETS = Int32Array.from({ length: ROWS }, (_, row) =>
  INPUTS[row * FEATURES]! > 0 ? 0 : row % CLASSES,
);

const KINDS = ['steps', 'solver', 'choice', 'fitMany', 'evaluate', 'predict', 'endless'] as const;
type Kind = (typeof KINDS)[number];

interface Planned {
  readonly kind: Kind;
  readonly priority: number;
  /** Undefined: it is left alone. */
  readonly cancelMs: number | undefined;
}

interface Case {
  readonly concurrency: number;
  readonly jobs: readonly Planned[];
  /** When threads are terminated, and how many. */
  readonly blows: readonly { readonly atMs: number; readonly victims: number }[];
}

function caseOf(seed: number): Case {
  const random = new Random(seed);
  const jobs = Array.from({ length: random.size(6) }, (): Planned => {
    const kind = random.of(KINDS);
    const isCancelled = kind === 'endless' || random.chance(0.3);
    return { kind, priority: random.below(3), cancelMs: isCancelled ? random.below(60) : undefined };
  });
  const blows = Array.from({ length: random.below(4) }, () => ({
    atMs: random.below(60),
    victims: random.between(1, THREADS),
  }));
  return { concurrency: random.between(1, 3), jobs, blows };
}

const THREADS = 2;
/** A case whose jobs, or the next one, take longer than this is told apart; one that takes HANGS_MS fails. */
const SLOW_MS = 2000;
const HANGS_MS = 20_000;

const fresh = (engine: Engine) => new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES });

function submit(engine: Engine, { kind, priority }: Planned): Jobs.Job<unknown> {
  const rows = { inputs: INPUTS, targets: TARGETS, priority };
  const own = { ...rows, classifier: fresh(engine) };
  switch (kind) {
    case 'steps':
      return engine.jobs.submit({ kind: 'fit', ...own, options: { epochs: 3, batchSize: 64 } });
    case 'solver':
      return engine.jobs.submit({ kind: 'fit', ...own, options: { C: 1, maxPasses: 20 } });
    case 'choice':
      return engine.jobs.submit({ kind: 'fit', ...own, options: { maxPasses: 20 } });
    case 'fitMany': {
      const options = { columns: FEATURES, classes: CLASSES, cv: 2 };
      return engine.jobs.submit({ kind: 'fitMany', ...rows, heads: [{ C: 0.1 }, { C: 1 }], options });
    }
    case 'evaluate':
      return engine.jobs.submit({ kind: 'evaluate', ...own });
    case 'predict':
      return engine.jobs.submit({ kind: 'predict', classifier: own.classifier, inputs: INPUTS, priority });
    case 'endless':
      return engine.jobs.submit({ kind: 'fit', ...own, options: { epochs: 1e9 } });
    default:
      return kind satisfies never;
  }
}

/** Of what is the same in each run. */
function figureOf(result: unknown): string {
  const { objective, loss, best, heads, epochs } = Object(result) as Record<string, unknown>;
  if (result instanceof Int32Array) return result.join('');
  if (Array.isArray(heads)) return `${best} ${heads.map(({ score }) => score?.loss).join(' ')}`;
  return `${objective} ${loss} ${Array.isArray(epochs) ? epochs.map((epoch) => epoch.loss) : ''}`;
}

class JobSession implements Session {
  readonly #engine: Engine;
  readonly #watch: ThreadWatch;
  readonly #wanted: ReadonlyMap<Kind, string>;

  constructor(engine: Engine, watch: ThreadWatch, wanted: ReadonlyMap<Kind, string>) {
    this.#engine = engine;
    this.#watch = watch;
    this.#wanted = wanted;
  }

  async attempt(seed: number): Promise<Outcome> {
    const { concurrency, jobs: planned, blows } = caseOf(seed);
    const { jobs } = this.#engine;
    const { usedBytes } = this.#engine.memoryUsage();
    jobs.concurrency = concurrency;
    const handles = planned.map((each) => submit(this.#engine, each));
    // Some are read from, some not.
    const reading = handles.filter(({ id }) => id % 2 === 0).map(readAll);
    const cancels = planned.map(async ({ cancelMs }, index) => {
      if (cancelMs === undefined) return;
      await pause(cancelMs);
      handles[index]!.cancel(CANCELLED);
    });
    const strikes = blows.map(async ({ atMs, victims }) => {
      await pause(atMs);
      await Promise.all([...this.#watch.threads].slice(0, victims).map((worker) => worker.terminate()));
    });
    await Promise.all([...cancels, ...strikes]);
    const begin = performance.now();
    const ends = await within(
      HANGS_MS,
      'a job',
      Promise.all(handles.map((job) => job.result().then(figureOf, (error: unknown) => ({ error })))),
    );
    await within(HANGS_MS, 'reading of progress', Promise.all(reading));
    const ended = performance.now();
    for (const [index, end] of ends.entries()) this.#expectEnd(planned[index]!, handles[index]!, end);
    expectThat(jobs.list.length === 0, `${jobs.list.length} jobs are left in the line`);
    // A thread that was told to end may still take the next call with it.
    for (let times = 0; ; times++) {
      const next = submit(this.#engine, { kind: 'steps', priority: 0, cancelMs: undefined });
      const got = await within(HANGS_MS, 'the next job', next.result().then(figureOf, codeOf));
      if (got === this.#wanted.get('steps')) break;
      expectThat(got === 'ERR_WORKER' && times < 2, `the next job gives ${got}`);
    }
    const after = this.#engine.memoryUsage().usedBytes;
    expectThat(after === usedBytes, `${after - usedBytes} bytes of the arena are not given back`);
    if (ended - begin > SLOW_MS) return 'right, after 2 s';
    return performance.now() - ended > SLOW_MS ? 'right, the next after 2 s' : 'right';
  }

  #expectEnd({ kind, cancelMs }: Planned, job: Jobs.Job<unknown>, end: string | { error: unknown }): void {
    const what = `${kind} is ${job.state}`;
    if (typeof end === 'string') {
      expectThat(job.state === 'done', what);
      expectThat(end === this.#wanted.get(kind), `${kind} gives ${end}, not ${this.#wanted.get(kind)}`);
      return;
    }
    const { error } = end;
    if (error === CANCELLED) expectThat(job.state === 'cancelled' && cancelMs !== undefined, what);
    else expectThat(job.state === 'failed' && codeOf(error) === 'ERR_WORKER', `${what}: ${String(error)}`);
  }

  async close(): Promise<void> {
    await this.#engine.close();
    await this.#watch.expectCount(0);
    this.#watch.end();
  }
}

const CANCELLED = new Error('cancelled by the attack');

const codeOf = (error: unknown): string => (error instanceof SoftshardError ? error.code : String(error));

async function readAll(job: Jobs.Job<unknown>): Promise<void> {
  for await (const _ of job) await pause(1);
}

export const jobs: Attack = {
  name: 'jobs',
  cases: 'sets of jobs, cancelled and without threads',
  longRun: 1000,
  atOnce: 1,
  brief: false,
  deadlineMs: 90_000,
  open: async () => {
    const watch = new ThreadWatch();
    const engine = await Engine.create({ threads: THREADS, arenaBytes: 256 * 1024 * 1024 });
    const wanted = new Map<Kind, string>();
    for (const kind of KINDS) {
      if (kind === 'endless') continue;
      const job = submit(engine, { kind, priority: 0, cancelMs: undefined });
      wanted.set(kind, figureOf(await job.result()));
    }
    return new JobSession(engine, watch, wanted);
  },
  inputOf: (seed) => ({ 'case.json': JSON.stringify(caseOf(seed), null, 2) }),
};

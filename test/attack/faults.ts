// Worker threads that end, throw and go wrong in other ways, at any moment: no call waits for ever, none gives what is
// not right, and the next one works.
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { Engine, SoftshardError } from '#softshard/main/index.js';
import { type Attack, expectThat, type Outcome, pause, type Session, within } from './attack.js';
import { type Call, randomCall, resultOf } from './calls.js';
import { ROOT } from './project.js';
import { Random } from './random.js';

const FAULT_WORKER = new URL('test/attack/fault-worker.mjs', ROOT).href;

/** From outside, to threads. */
const BLOWS = {
  terminated: (worker: Worker): unknown => worker.terminate(),
  'told of an error': (worker: Worker): unknown => worker.emit('error', new Error('a passing fault')),
  'told of null': (worker: Worker): unknown => worker.emit('error', null),
} as const;
const BLOW_NAMES = ['terminated', 'terminated', 'told of an error', 'told of null'] as const;
const MOMENTS_OF_BLOWS = ['starting', 'idle', 'running', 'twice'] as const;

/** From within, by fault-worker.mjs. */
const STRIKES = [
  'exits with 0',
  'exits with 3',
  'throws an error',
  'throws null',
  'throws undefined',
  'throws text',
  'throws a number',
  'throws a symbol',
  'throws what cannot be sent',
  'throws later',
  'exits later',
  'gives null',
  'gives nothing',
] as const;
const CANNOT_BE_SENT: readonly string[] = ['throws a symbol', 'throws what cannot be sent'];
const MOMENTS_OF_STRIKES = ['before', 'after', 'add', 'add', 'wait'] as const;

type Fault =
  | {
      readonly by: 'blow';
      readonly kind: keyof typeof BLOWS;
      readonly moment: (typeof MOMENTS_OF_BLOWS)[number];
      readonly delayMs: number;
      /** Whether nobody calls before the threads have ended. */
      readonly awaited: boolean;
    }
  | {
      readonly by: 'strike';
      readonly kind: (typeof STRIKES)[number];
      readonly moment: (typeof MOMENTS_OF_STRIKES)[number];
      readonly after: number;
    };

interface Case {
  readonly threads: number;
  readonly fault: Fault;
  /** How many threads it meets. */
  readonly victims: number;
  /** The first runs, the others wait. */
  readonly calls: readonly Call[];
  readonly next: Call;
}

function caseOf(seed: number): Case {
  const random = new Random(seed);
  const threads = random.of([1, 2, 2, 3, 4]);
  const [blow, strike] = [random.of(BLOW_NAMES), random.of(STRIKES)];
  const fault: Fault = random.chance(0.5)
    ? {
        by: 'blow',
        kind: blow,
        // A thread that runs a task tells of an error only when it is at its end.
        moment: blow === 'terminated' ? random.of(MOMENTS_OF_BLOWS) : 'idle',
        delayMs: random.below(30),
        awaited: blow !== 'terminated' || random.chance(0.5),
      }
    : {
        by: 'strike',
        kind: strike,
        // Beyond src/workers/entry.ts nothing makes an error of what cannot be sent.
        moment: CANNOT_BE_SENT.includes(strike) ? 'add' : random.of(MOMENTS_OF_STRIKES),
        after: random.size(60) - 1,
      };
  const isIdle = fault.moment === 'idle';
  const waiting = Array.from({ length: random.below(4) }, () =>
    randomCall(random, random.of(['tiny', 'small'])),
  );
  return {
    threads,
    fault,
    victims: random.chance(0.5) ? 1 : random.between(1, threads),
    calls: isIdle ? [] : [randomCall(random, random.of(['small', 'large'])), ...waiting],
    next: randomCall(random, 'small'),
  };
}

const describeCase = ({ threads, fault, victims, calls, next }: Case): string =>
  [
    `${victims} of ${threads} threads ${fault.by === 'blow' ? `${fault.kind}, ${fault.moment}${fault.awaited ? ', awaited' : ''}` : `${fault.kind} at ${fault.moment} ${fault.after}`}`,
    ...calls.map(({ what }, i) => `${i === 0 ? 'runs' : 'waits'}: ${what}`),
    `next: ${next.what}`,
  ].join('\n');

/** Those of the engine under attack, and of no other: threads that live, starting ones included. */
export class ThreadWatch {
  readonly threads = new Set<Worker>();
  readonly #add = (worker: Worker): void => {
    this.threads.add(worker);
    worker.once('exit', () => this.threads.delete(worker));
  };

  constructor() {
    process.on('worker', this.#add);
  }

  end(): void {
    process.off('worker', this.#add);
  }

  async expectCount(count: number): Promise<void> {
    const end = performance.now() + 5000;
    while (this.threads.size !== count && performance.now() < end) await pause(5);
    expectThat(this.threads.size === count, `${this.threads.size} threads live, not ${count}`);
  }
}

/** Sends the first `victims` tasks of a gang on to fault-worker.mjs; gives how to stop that. */
function sendAstray(fault: Fault, victims: number): () => void {
  const original = Piscina.prototype.run;
  Piscina.prototype.run = function (this: Piscina, task, options) {
    if (task.member >= victims) return original.call(this, task, options);
    return original.call(this, { ...task, fault }, { ...options, filename: FAULT_WORKER });
  };
  return () => {
    Piscina.prototype.run = original;
  };
}

interface Attacked {
  readonly engine: Engine;
  readonly watch: ThreadWatch;
}

const HANGS_MS = 15_000;
/** An engine outlives so many faults. */
const FAULTS_AN_ENGINE = 12;

class FaultSession implements Session {
  readonly #oracle: Engine;
  #attacked: Attacked | undefined;
  #faults = 0;

  constructor(oracle: Engine) {
    this.#oracle = oracle;
  }

  async attempt(seed: number): Promise<Outcome> {
    const { threads, fault, victims, calls, next } = caseOf(seed);
    const wanted: string[] = [];
    for (const call of [...calls, next]) wanted.push(await resultOf(call, this.#oracle));
    const { engine, watch } = await this.#engineFor(threads, fault);
    const { usedBytes } = engine.memoryUsage();
    const recall = fault.by === 'strike' ? sendAstray(fault, victims) : undefined;
    const running = Promise.all(calls.map((call) => resultOf(call, engine).catch(failureOf)));
    try {
      const blows = fault.by === 'blow' ? await deal(watch, fault, victims) : undefined;
      const got = await within(HANGS_MS, 'a call', running);
      for (const [i, result] of got.entries()) expectResult(calls[i]!, result, wanted[i]!, true);
      recall?.();
      // A fault has been met by the call that it took; until then, or until it is over, it may still come.
      const isMet = got.some(isLost) && fault.moment !== 'twice';
      const mayCome = fault.kind.endsWith('later') || (fault.by === 'blow' && !fault.awaited && !isMet);
      if (mayCome) await this.#expectNext(engine, next, wanted.at(-1)!, true);
      if (!isMet && blows !== undefined) await within(HANGS_MS, 'the end of a thread', blows.over);
      await this.#expectNext(engine, next, wanted.at(-1)!, false);
      // The next call may have been one for the calling thread; threads start when they are needed.
      await within(HANGS_MS, 'a call of all threads', callOfAllThreads(engine));
      await watch.expectCount(threads);
      const after = engine.memoryUsage().usedBytes;
      expectThat(after === usedBytes, `${after - usedBytes} bytes of the arena are not given back`);
      return got.some(isLost) ? 'ERR_WORKER' : 'right';
    } catch (error) {
      await this.#drop();
      throw error;
    } finally {
      recall?.();
    }
  }

  async #expectNext(engine: Engine, next: Call, wanted: string, mayBeLost: boolean): Promise<void> {
    const result = await within(HANGS_MS, 'the next call', resultOf(next, engine).catch(failureOf));
    expectResult(next, result, wanted, mayBeLost);
  }

  /** The one at hand where it has the right number of threads, and threads need not be starting. */
  async #engineFor(threads: number, { moment }: Fault): Promise<Attacked> {
    const isNew = moment === 'starting' || ++this.#faults > FAULTS_AN_ENGINE;
    if (this.#attacked?.engine.threads === threads && !isNew) return this.#attacked;
    await this.#drop();
    this.#faults = 0;
    const watch = new ThreadWatch();
    const engine = await Engine.create({ threads, arenaBytes: 256 * 1024 * 1024 });
    this.#attacked = { engine, watch };
    if (moment !== 'starting') await callOfAllThreads(engine);
    return this.#attacked;
  }

  async #drop(): Promise<void> {
    const attacked = this.#attacked;
    this.#attacked = undefined;
    if (attacked === undefined) return;
    await within(HANGS_MS, 'close', attacked.engine.close());
    await attacked.watch.expectCount(0);
    attacked.watch.end();
  }

  async close(): Promise<void> {
    await this.#drop();
    await this.#oracle.close();
  }
}

const callOfAllThreads = (engine: Engine): Promise<unknown> =>
  engine.softmax(new Float32Array(200_000), { columns: 1000 });

/** Gives what ends when the threads have, where they are to. */
async function deal(
  watch: ThreadWatch,
  { kind, moment, delayMs, awaited }: Extract<Fault, { by: 'blow' }>,
  victims: number,
): Promise<{ readonly over: Promise<unknown> }> {
  if (moment !== 'idle') await pause(delayMs);
  const before = [...watch.threads];
  const ends = before.slice(0, victims).map((worker) => BLOWS[kind](worker));
  if (moment === 'twice') {
    await pause(delayMs);
    for (const worker of watch.threads) if (!before.includes(worker)) ends.push(BLOWS[kind](worker));
  }
  const over = Promise.all(ends);
  if (awaited) await over;
  return { over };
}

function failureOf(error: unknown): string {
  if (!(error instanceof SoftshardError)) return error instanceof Error ? error.stack! : String(error);
  return `${error.code}: ${error.message}`;
}

const isLost = (result: string): boolean => result.startsWith('ERR_WORKER: ');

function expectResult({ what }: Call, got: string, wanted: string, mayBeLost: boolean): void {
  if (got === wanted || (mayBeLost && isLost(got))) return;
  expectThat(false, `${what} gives ${got}, not ${wanted}${mayBeLost ? ' or ERR_WORKER' : ''}`);
}

export const faults: Attack = {
  name: 'faults',
  cases: 'worker faults',
  longRun: 2000,
  atOnce: 1,
  brief: false,
  deadlineMs: 90_000,
  open: async () => {
    const oracle = await Engine.create({ threads: 1 });
    // Its thread has told of itself by then, and is not counted among those under attack.
    await callOfAllThreads(oracle);
    return new FaultSession(oracle);
  },
  inputOf: (seed) => ({ 'case.txt': describeCase(caseOf(seed)) }),
};

// Calls that are aborted at any moment by signals of any make, and engines that are closed under way: what is aborted
// rejects with the reason or gives what is right, and everything else goes on.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine, SoftshardError } from '#softshard/main/index.js';
import {
  type Attack,
  AttackFailure,
  expectThat,
  type Outcome,
  pause,
  type Session,
  within,
} from './attack.js';
import { type Call, randomCall, resultOf } from './calls.js';
import { Random } from './random.js';
import {
  isForeign,
  replaceGlobals,
  SIGNAL_NAMES,
  SIGNALS,
  type SignalName,
  type Stopping,
} from './signals.js';
import { countedTwice, readerCall, steppedFit, writeFiles } from './special-calls.js';

const HANGS_MS = 15_000;
const MOMENTS = ['before', 'at once', 'turns', 'running', 'running', 'running', 'after', 'never'] as const;

interface Case {
  readonly threads: number;
  /** Those that are given the signal. */
  readonly calls: readonly Call[];
  readonly others: readonly Call[];
  readonly next: Call;
  readonly signalName: SignalName;
  readonly moment: (typeof MOMENTS)[number];
  readonly turns: number;
  readonly delayMs: number;
  /** Whether the globals are of another make too, and the controller with them. */
  readonly globals: 'own' | 'signal' | 'both';
  /** The engine is closed instead. */
  readonly closes: boolean;
}

function caseOf(seed: number, folder: string): Case {
  const random = new Random(seed);
  const anyCall = (): Call => {
    const kind = random.below(10);
    if (kind === 0) return readerCall(random, folder);
    if (kind === 1) return steppedFit(random);
    if (kind === 2) return countedTwice(random);
    return randomCall(random, random.of(['tiny', 'small', 'small', 'large']));
  };
  const several = (most: number): Call[] => Array.from({ length: random.below(most + 1) }, anyCall);
  const signalName = random.chance(0.5) ? 'own' : random.of(SIGNAL_NAMES);
  return {
    threads: random.of([1, 2, 2, 3]),
    globals: isForeign(signalName) ? random.of(['own', 'signal', 'both'] as const) : 'own',
    calls: [anyCall(), ...several(2)],
    others: several(2),
    next: randomCall(random, 'small'),
    signalName,
    moment: random.of(MOMENTS),
    turns: random.below(40),
    delayMs: random.below(40),
    closes: random.chance(0.1),
  };
}

const describeCase = (given: Case): string =>
  [
    `${given.threads} threads, ${given.closes ? 'closed' : `${given.signalName} signal`} ${given.moment}, ${given.turns} turns, ${given.delayMs} ms, globals: ${given.globals}`,
    ...given.calls.map(({ what }) => `with the signal: ${what}`),
    ...given.others.map(({ what }) => `beside: ${what}`),
    `next: ${given.next.what}`,
  ].join('\n');

class CancelSession implements Session {
  readonly #oracle: Engine;
  readonly #folder: string;
  #engine: Engine | undefined;

  constructor(oracle: Engine, folder: string) {
    this.#oracle = oracle;
    this.#folder = folder;
  }

  async attempt(seed: number): Promise<Outcome> {
    const given = caseOf(seed, this.#folder);
    const stopping = SIGNALS[given.signalName](new Random(seed));
    const restore = given.globals === 'own' ? () => {} : replaceGlobals(given.globals === 'both');
    try {
      return await this.#attempt(given, stopping);
    } finally {
      restore();
    }
  }

  async #attempt(given: Case, stopping: Stopping): Promise<Outcome> {
    const { calls, others, next, closes } = given;
    const wanted = new Map<Call, string>();
    for (const call of [...calls, ...others, next]) wanted.set(call, await resultOf(call, this.#oracle));
    const engine = await this.#engineOf(given.threads);
    const { usedBytes } = engine.memoryUsage();
    const stop = closes ? () => void engine.close() : () => stopping.abort();
    if (given.moment === 'before') stop();
    const signaled = calls.map((call) => settle(resultOf(call, engine, stopping.signal)));
    const unsignaled = others.map((call) => settle(resultOf(call, engine)));
    if (given.moment !== 'after') await at(given, stop);
    const ends = await within(HANGS_MS, 'a call', Promise.all(signaled));
    if (given.moment === 'after') stop();
    const rule = ruleOf(given, stopping);
    for (const [i, end] of ends.entries()) expectEnd(calls[i]!, end, wanted.get(calls[i]!)!, rule);
    const otherEnds = await within(HANGS_MS, 'a call beside', Promise.all(unsignaled));
    const otherRule = closes ? mayBeClosed : () => false;
    for (const [i, end] of otherEnds.entries())
      expectEnd(others[i]!, end, wanted.get(others[i]!)!, otherRule);
    if (closes && given.moment !== 'never') await this.#expectClosed(engine, next);
    else {
      const end = await within(HANGS_MS, 'the next call', settle(resultOf(next, engine)));
      expectEnd(next, end, wanted.get(next)!, () => false);
      const after = engine.memoryUsage().usedBytes;
      expectThat(after === usedBytes, `${after - usedBytes} bytes of the arena are not given back`);
    }
    return ends.every((end) => 'result' in end) ? 'right' : closes ? 'ERR_CLOSED' : 'cancelled';
  }

  async #expectClosed(engine: Engine, next: Call): Promise<void> {
    await within(HANGS_MS, 'close', engine.close());
    this.#engine = undefined;
    const end = await within(HANGS_MS, 'a call after close', settle(resultOf(next, engine)));
    expectThat(
      'error' in end && mayBeClosed(end.error),
      'a call after close does not reject with ERR_CLOSED',
    );
  }

  async #engineOf(threads: number): Promise<Engine> {
    if (this.#engine?.threads === threads) return this.#engine;
    await this.#engine?.close();
    this.#engine = await Engine.create({ threads, arenaBytes: 256 * 1024 * 1024 });
    return this.#engine;
  }

  async close(): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
    await this.#engine?.close();
    await this.#oracle.close();
  }
}

async function at({ moment, turns, delayMs }: Case, stop: () => void): Promise<void> {
  if (moment === 'turns') for (let turn = 0; turn < turns; turn++) await undefined;
  if (moment === 'running') await pause(delayMs);
  if (moment !== 'never' && moment !== 'before') stop();
}

type End = { readonly result: string } | { readonly error: unknown };

const settle = (call: Promise<string>): Promise<End> =>
  call.then(
    (result) => ({ result }),
    (error: unknown) => ({ error }),
  );

const mayBeClosed = (error: unknown): boolean =>
  error instanceof SoftshardError && error.code === 'ERR_CLOSED';

/** What calls with the signal may reject with: where it is of another make, they may refuse it. */
const ruleOf =
  ({ signalName, closes }: Case, stopping: Stopping) =>
  (error: unknown): boolean =>
    stopping.isReason(error) ||
    (closes && mayBeClosed(error)) ||
    (isForeign(signalName) && error instanceof SoftshardError && error.code === 'ERR_OPTION');

function expectEnd({ what }: Call, end: End, wanted: string, rule: (error: unknown) => boolean): void {
  if ('result' in end) {
    expectThat(end.result === wanted, `${what} gives ${end.result}, not ${wanted}`);
    return;
  }
  if (end.error instanceof AttackFailure) throw end.error;
  const shown = end.error instanceof Error ? end.error.stack : String(end.error);
  expectThat(rule(end.error), `${what} rejects with ${shown}`);
}

export const cancels: Attack = {
  name: 'cancels',
  cases: 'cancelled calls',
  longRun: 3000,
  atOnce: 1,
  brief: false,
  deadlineMs: 90_000,
  open: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'softshard-attack-'));
    await writeFiles(folder);
    return new CancelSession(await Engine.create({ threads: 1 }), folder);
  },
  inputOf: (seed) => ({ 'case.txt': describeCase(caseOf(seed, '')) }),
};

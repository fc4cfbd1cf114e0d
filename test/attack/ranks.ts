// Runs on several ranks lose one of them or their launcher at any moment, or are told to stop: all ranks end, and another number of
// them, or one process, goes on. What comes out are the bits and the lines of metrics of one process that was never cut off.
import type { ChildProcess } from 'node:child_process';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { planFullBatch } from '#softshard/main/plans/training.js';
import { type MpiLauncher, mpiLaunchers } from '../mpi.js';
import { type Attack, expectThat, type Outcome, pause, type Session, within } from './attack.js';
import {
  COMMANDS,
  checkpointsOf,
  describeMoment,
  type Ended,
  expectSameRun,
  hasEnded,
  isBegun,
  KILLS,
  type Moment,
  momentOf,
  RunsFolder,
  startRun,
  waitFor,
  writeRows,
} from './killed-runs.js';
import { Random } from './random.js';
import { ranksIn } from './rank-processes.js';

const MAX_RANKS = 4;
const MAX_THREADS = 2;
const [LEAST_STRIKES, MOST_STRIKES] = [1, 3];
const WORK_MS = KILLS > MOST_STRIKES ? 800 : 2000;
const HANGS_MS = 120_000;
/** So soon after a rank is lost all have ended. */
const END_MS = 10_000;

/** `many` rows have branches for all ranks, `few` are for steps, which each rank computes. Each takes a few seconds. */
const KINDS = {
  sgd: {
    command: [
      'train',
      '--epochs',
      '200',
      '--batch-size',
      '32',
      '--momentum',
      '0.9',
      '--validation-split',
      '0.2',
    ],
    rows: 'few',
  },
  lbfgs: { command: COMMANDS.lbfgs, rows: 'many' },
  newton: { command: COMMANDS.newton, rows: 'many' },
  choice: { command: COMMANDS.choice, rows: 'many' },
  sweep: {
    command: ['sweep', '--C', '1e-4..1e3', '--count', '16', '--validation-split', '0.2', '--tol', '1e-3'],
    rows: 'many',
  },
  halving: { command: COMMANDS.halving, rows: 'few' },
} as const;
type Kind = keyof typeof KINDS;

const FEW = { rows: 4000, features: 30, classes: 5 };
const MANY = { rows: 68_000, features: 500, classes: 3 };

/** How a process of a chain is started: without a launcher, as one. */
interface Start {
  readonly launcher: MpiLauncher | undefined;
  readonly ranks: number;
  readonly threads: number;
}

interface Strike {
  readonly start: Start;
  readonly signal: 'SIGKILL' | 'SIGTERM' | 'SIGUSR1';
  readonly victim: number | 'launcher';
  readonly moment: Moment;
  readonly afterMs: number;
}

interface Case {
  readonly kind: Kind;
  readonly strikes: readonly Strike[];
  readonly last: Start;
}

function caseOf(seed: number): Case {
  const random = new Random(seed);
  const kinds = Object.keys(KINDS) as Kind[];
  const count = KILLS || random.between(LEAST_STRIKES, MOST_STRIKES);
  return {
    kind: kinds[(seed - 1) % kinds.length]!,
    strikes: Array.from({ length: count }, (_, i) => strikeOf(random, i === 0, i === count - 1)),
    last: startOf(random),
  };
}

function strikeOf(random: Random, isFirst: boolean, isLast: boolean): Strike {
  const start = isFirst ? ranksOf(random) : startOf(random);
  return {
    start,
    ...momentOf(random, WORK_MS, isLast),
    victim: start.launcher !== undefined && random.chance(0.2) ? 'launcher' : random.below(start.ranks),
    signal: random.chance(0.7) ? 'SIGKILL' : random.of(['SIGTERM', 'SIGUSR1'] as const),
  };
}

const startOf = (random: Random): Start =>
  random.chance(0.2) ? { launcher: undefined, ranks: 1, threads: threadsOf(random) } : ranksOf(random);

const ranksOf = (random: Random): Start => ({
  launcher: random.of(mpiLaunchers),
  ranks: random.between(2, MAX_RANKS),
  threads: threadsOf(random),
});

const threadsOf = (random: Random): number => random.between(1, MAX_THREADS);

const nameOf = ({ launcher }: Start): string => launcher?.name ?? 'one process';

const describeStart = (start: Start): string => {
  const threads = start.threads === 1 ? '1 thread' : `${start.threads} threads`;
  if (start.launcher === undefined) return `one process of ${threads}`;
  return `${start.ranks} ranks of ${threads} under ${start.launcher.name}`;
};

const describeStrike = ({ start, signal, victim, moment, afterMs }: Strike): string =>
  `${describeStart(start)}, ${signal} to ${victim === 'launcher' ? 'the launcher' : `rank ${victim}`} ${describeMoment(moment, afterMs)}`;

const describeCase = ({ kind, strikes, last }: Case): string =>
  `${KINDS[kind].command.join(' ')}: ${[...strikes.map(describeStrike), describeStart(last)].join('; then ')}`;

class RankSession implements Session {
  readonly #folder: RunsFolder;
  #last: ChildProcess | undefined;

  constructor(folder: RunsFolder) {
    this.#folder = folder;
  }

  async attempt(seed: number): Promise<Outcome> {
    const { kind, strikes, last } = caseOf(seed);
    const unbroken = await this.#folder.unbroken(kind, this.#training(kind));
    const run = join(this.#folder.path, `run-${seed}`);
    const struck: string[] = [];
    let wentOn = 0;
    for (const strike of strikes) {
      const hasCheckpoint = checkpointsOf(run).length > 0;
      const isFinished = await this.#strike(kind, run, strike);
      if (isFinished) break;
      struck.push(nameOf(strike.start));
      wentOn += Number(hasCheckpoint);
    }
    const { ended } = this.#start(kind, run, last);
    const { code, stderr } = await within(HANGS_MS, `the last process of ${kind}`, endOfAll(ended, run));
    expectThat(code === 0, `the run does not end after ${struck.length} signals: ${stderr}`);
    await expectSameRun(unbroken, run, `${kind} after ${struck.length} signals`);
    rmSync(run, { recursive: true });
    return `${kind}, ${wentOn > 0 ? 'gone on with' : 'begun again'}${KILLS > 0 ? `: ${counted(struck)}` : ''}`;
  }

  #training(kind: Kind) {
    const { command, rows } = KINDS[kind];
    return { command, rows: join(this.#folder.path, rows) };
  }

  #start(kind: Kind, run: string, { launcher, ranks, threads }: Start) {
    const before = launcher && [launcher.command, ...launcher.options, '-np', String(ranks)];
    const started = startRun(this.#training(kind), run, ['--threads', String(threads)], before);
    this.#last = started.child;
    return started;
  }

  /** Gives whether the run was finished before. */
  async #strike(kind: Kind, run: string, strike: Strike): Promise<boolean> {
    const { signal, moment, afterMs } = strike;
    const what = `${kind}, ${describeStrike(strike)}`;
    const { child, ended } = this.#start(kind, run, strike.start);
    await waitFor(moment, afterMs, child, run);
    const pid = await victimOf(child, run, strike);
    const isStruck = pid !== undefined && wasSent(pid, signal);
    const end = await within(signal === 'SIGKILL' ? END_MS : HANGS_MS, what, endOfAll(ended, run));
    const isFinished = statusOf(run) === 'finished';
    expectThat(isStruck || end.code === 0, `${what}: they fail before: ${end.stderr}`);
    expectExit(what, strike, end, isFinished);
    const hasTrained = statusOf(run) === 'interrupted' && statSync(join(run, 'metrics.jsonl')).size > 0;
    expectThat(!hasTrained || checkpointsOf(run).length > 0, `${what}: there is no checkpoint`);
    return isFinished;
  }

  /** Ends what hangs. */
  async close(): Promise<void> {
    this.#last?.kill('SIGKILL');
    for (const pid of ranksIn(this.#folder.path).values()) wasSent(pid, 'SIGKILL');
    this.#folder.remove();
  }
}

/** False of a process that has ended. */
function wasSent(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Undefined where all end before there is one. */
async function victimOf(child: ChildProcess, run: string, { victim }: Strike): Promise<number | undefined> {
  if (victim === 'launcher') return hasEnded(child) ? undefined : child.pid;
  for (; !hasEnded(child); await pause(5)) {
    const pid = ranksIn(run).get(victim);
    if (pid !== undefined) return pid;
  }
  return undefined;
}

/** Of the launcher, when no rank is left either. */
async function endOfAll(ended: Promise<Ended>, run: string): Promise<Ended> {
  const end = await ended;
  while (ranksIn(run).size > 0) await pause(20);
  return end;
}

function expectExit(what: string, strike: Strike, end: Ended, isFinished: boolean): void {
  const message = `${what}: it ends with ${end.signal ?? end.code}: ${end.stderr}`;
  expectThat(isAllowed(strike, end, isFinished), message);
  expectThat(!/unexpected|ERR_(?!DISTRIBUTED)/.test(end.stderr), message);
}

/** Of a run that is told to stop: docs/runs.md. */
const STOPPED = 75;
const NUMBERS = { SIGTERM: 15, SIGUSR1: 10 };

function isAllowed(
  { signal, victim, start, moment }: Strike,
  { code, signal: by }: Ended,
  isFinished: boolean,
): boolean {
  if (by !== null) return by === signal && (victim === 'launcher' || start.launcher === undefined);
  if (code === 0) return isFinished;
  if (signal === 'SIGKILL' || code === STOPPED) return true;
  // Launchers that are told to stop while they begin have codes of their own, and Open MPI's at any time.
  if (victim === 'launcher') return moment === 'start' || signal === 'SIGTERM';
  // Node has not come to the program yet. Open MPI adds 128.
  return moment === 'start' && code! % 128 === NUMBERS[signal];
}

/** Undefined where there is none yet. */
function statusOf(run: string): string | undefined {
  if (!isBegun(run)) return undefined;
  const { state } = JSON.parse(readFileSync(join(run, 'status.json'), 'utf8')) as { readonly state: string };
  return state;
}

/** ['a', 'b', 'a'] -> '2 × a, 1 × b' */
const counted = (names: readonly string[]): string =>
  [...new Set(names)].map((name) => `${names.filter((other) => other === name).length} × ${name}`).join(', ');

async function openSession(): Promise<Session> {
  const { branches } = planFullBatch(MANY);
  expectThat(branches >= MAX_RANKS, `${branches} branches are too few for ${MAX_RANKS} ranks`);
  const folder = new RunsFolder();
  await writeRows(join(folder.path, 'few'), FEW);
  await writeRows(join(folder.path, 'many'), MANY);
  return new RankSession(folder);
}

export const ranks: Attack = {
  name: 'ranks',
  cases: 'runs that lose ranks',
  longRun: 60,
  atOnce: 1,
  brief: false,
  deadlineMs: 400_000 + 20_000 * KILLS,
  ...(mpiLaunchers.length === 0 && { missing: 'MPI with koffi' }),
  open: openSession,
  inputOf: (seed) => ({ 'case.txt': describeCase(caseOf(seed)) }),
};

// Runs on disk are killed at any moment, again and again, and go on with another number of threads: what comes out are the bits and
// the lines of metrics of a run that was never cut off.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Attack, expectThat, type Outcome, type Session, within } from './attack.js';
import {
  COMMANDS,
  describeMoment,
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

const MAX_THREADS = 4;
const [LEAST_KILLS, MOST_KILLS] = [2, 7];
const WORK_MS = KILLS > MOST_KILLS ? Math.ceil(3000 / KILLS) : 400;
const HANGS_MS = 60_000;

/** Each takes a second or two. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  ...COMMANDS,
  adamw: ['train', '--solver', 'adamw', '--epochs', '300', '--early-stopping', 'loss', '--patience', '300'],
  'step sweep': [
    'sweep',
    '--learning-rate',
    '0.01,0.1,0.5,1',
    '--seed',
    '1,2,3,4',
    '--epochs',
    '30',
    '--cv',
    '2',
  ],
};

interface Case {
  readonly kind: string;
  /** Before it may end. The thread count is of the process that is killed. */
  readonly kills: readonly { readonly threads: number; readonly moment: Moment; readonly afterMs: number }[];
  readonly lastThreads: number;
}

function caseOf(seed: number): Case {
  const random = new Random(seed);
  const threads = () => 1 + random.below(MAX_THREADS);
  const kinds = Object.keys(KINDS);
  const count = KILLS || LEAST_KILLS + random.below(1 + MOST_KILLS - LEAST_KILLS);
  return {
    kind: kinds[seed % kinds.length]!,
    kills: Array.from({ length: count }, (_, i) => ({
      threads: threads(),
      ...momentOf(random, WORK_MS, i === count - 1),
    })),
    lastThreads: threads(),
  };
}

const describeCase = ({ kind, kills, lastThreads }: Case): string =>
  `${KINDS[kind]!.join(' ')}: ${kills
    .map(({ threads, moment, afterMs }) => `${threads} threads until ${describeMoment(moment, afterMs)}`)
    .join(', ')}, then ${lastThreads}`;

const threadsOption = (threads: number): readonly string[] => ['--threads', String(threads)];

class RunSession implements Session {
  readonly #folder: RunsFolder;

  constructor(folder: RunsFolder) {
    this.#folder = folder;
  }

  async attempt(seed: number): Promise<Outcome> {
    const { kind, kills, lastThreads } = caseOf(seed);
    const training = { command: KINDS[kind]!, rows: rowsIn(this.#folder) };
    const unbroken = await this.#folder.unbroken(kind, training);
    const run = join(this.#folder.path, `run-${seed}`);
    let killed = 0;
    let wentOn = 0;
    for (const { threads, moment, afterMs } of kills) {
      const isThere = isBegun(run);
      const { child, ended } = startRun(training, run, threadsOption(threads));
      await waitFor(moment, afterMs, child, run);
      if (!hasEnded(child) && child.kill('SIGKILL')) killed++;
      const { code, stderr } = await within(HANGS_MS, `SIGKILL to ${kind}`, ended);
      expectThat(code === null || code === 0, `a process that is killed fails before: ${stderr}`);
      if (code === 0) break;
      wentOn += Number(isThere);
    }
    const { code, stderr } = await within(
      HANGS_MS,
      `the last process of ${kind}`,
      startRun(training, run, threadsOption(lastThreads)).ended,
    );
    expectThat(code === 0, `the run does not end after ${killed} kills: ${stderr}`);
    await expectSameRun(unbroken, run, `${kind} after ${killed} kills`);
    rmSync(run, { recursive: true });
    const times = KILLS > 0 ? `, killed ${killed} times` : '';
    return `${kind}, ${wentOn > 0 ? 'gone on with' : 'begun again'}${times}`;
  }

  async close(): Promise<void> {
    this.#folder.remove();
  }
}

const rowsIn = ({ path }: RunsFolder): string => join(path, 'rows');

async function openSession(): Promise<Session> {
  const folder = new RunsFolder();
  await writeRows(rowsIn(folder), { rows: 4000, features: 30, classes: 5 });
  return new RunSession(folder);
}

export const runs: Attack = {
  name: 'runs',
  cases: 'runs that are killed',
  longRun: 120,
  atOnce: 1,
  brief: false,
  deadlineMs: 180_000 + 5000 * KILLS,
  open: openSession,
  inputOf: (seed) => ({ 'case.txt': describeCase(caseOf(seed)) }),
};

// What attacks on runs on disk have in common: trainings that are begun and gone on with, and what must be there at their end.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareRuns, writeNpy } from '#softshard/main/index.js';
import { expectThat, pause } from './attack.js';
import { valuesAt } from './call-data.js';
import { ROOT } from './project.js';
import type { Random } from './random.js';

const SOFTSHARD = fileURLToPath(new URL('dist/main/cli/softshard.js', ROOT));

/** How often each run is killed, if that is set: then it is left to work for a short time only. */
export const KILLS = Number(process.env.SOFTSHARD_KILLS ?? 0);

/** Arguments but for data, run and threads. */
export const COMMANDS = {
  halving: ['sweep', '--learning-rate', '0.01,0.1,0.5,1', '--seed', '1,2,3,4', '--epochs', '27', '--halving'],
  sgd: ['train', '--epochs', '600', '--batch-size', '32', '--momentum', '0.9', '--validation-split', '0.2'],
  lbfgs: ['train', '--C', '1000', '--tol', '1e-9'],
  sweep: ['sweep', '--C', '1e-4..1e3', '--count', '16', '--validation-split', '0.2', '--tol', '1e-8'],
  newton: ['train', '--solver', 'newton-cg', '--C', '1000', '--tol', '1e-9', '--validation-split', '0.2'],
  choice: ['train'],
} as const;

export interface RowsShape {
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
}

/** Rows and labels on disk; classes that depend on the features, though not by a line. */
export async function writeRows(name: string, { rows, features, classes }: RowsShape): Promise<void> {
  const x = valuesAt(1, rows * features);
  const y = Int32Array.from({ length: rows }, (_, row) => {
    const [a = 0, b = 0, c = 0] = x.subarray(row * features, row * features + 3);
    return Math.abs(Math.floor(2 * a + b * c)) % classes;
  });
  await writeNpy(`${name}-x.npy`, { dims: [rows, features], data: x });
  await writeNpy(`${name}-y.npy`, { dims: [rows], data: y });
}

export interface Training {
  readonly command: readonly string[];
  /** Of writeRows. */
  readonly rows: string;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** Whether there is a run in the folder, to be gone on with. */
export const isBegun = (run: string): boolean => existsSync(join(run, 'config.json'));

/** Begins a run, or goes on with the one that is there. `launcher`: the words before the program's own. */
export function startRun(
  { command: [command = '', ...options], rows }: Training,
  run: string,
  more: readonly string[],
  launcher: readonly string[] = [],
): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const data = ['--data', `${rows}-x.npy`, '--labels', `${rows}-y.npy`];
  const own = isBegun(run) ? ['--resume', run] : [...data, ...options, '--run', run];
  const words = [...launcher, process.execPath, SOFTSHARD, command, ...own];
  const [program = '', ...args] = [...words, '--checkpoint-every', '0', '--quiet', ...more];
  const folder = dirname(run);
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    // What a launcher that is killed leaves goes away with the folder.
    env: { ...process.env, TMPDIR: folder, OMPI_MCA_btl_vader_backing_directory: folder },
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stderr }));
  });
  return { child, ended };
}

export const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;

/** What a process does, in this order, that time is counted from until it is struck: it takes the lock of its run, and so on. */
export type Moment = 'start' | 'lock' | 'log' | 'checkpoint' | 'model';
/** Starting takes about so long, opening a run, getting from one checkpoint to the next, and ending. */
const MOST_MS = { start: 1000, lock: 30, checkpoint: 100, model: 100 } as const;

/** The last process of a run that is struck may come to its model: then the run ends, or nearly. */
export function momentOf(
  random: Random,
  workMs: number,
  isLast: boolean,
): { moment: Moment; afterMs: number } {
  const moments: Moment[] = ['start', 'lock', 'log', 'log', 'log', 'checkpoint', 'checkpoint'];
  const moment = isLast && random.chance(0.5) ? 'model' : random.of(moments);
  return { moment, afterMs: random.below({ ...MOST_MS, log: workMs }[moment]) };
}

export const describeMoment = (moment: Moment, afterMs: number): string =>
  `${afterMs} ms after its ${moment}`;

/** Waits for it, or until the process has ended. */
export async function waitFor(
  moment: Moment,
  afterMs: number,
  child: ChildProcess,
  run: string,
): Promise<void> {
  if (moment !== 'start') {
    const before = SIGNS[moment](run);
    while (!hasEnded(child) && SIGNS[moment](run) === before) await pause(1);
  }
  await pause(afterMs);
}

/** What is another when the moment has come. */
const SIGNS = {
  lock: (run: string) => stateOf(join(run, 'lock.json')),
  log: (run: string) => stateOf(join(run, 'log.txt')),
  checkpoint: (run: string) => checkpointsOf(run).at(-1),
  model: (run: string) => stateOf(join(run, 'model.safetensors')),
} as const;

function stateOf(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found && `${found.ino} ${found.size} ${found.mtimeMs}`;
}

/** A folder of runs, among them those of each kind that were never cut off. */
export class RunsFolder {
  readonly path: string = mkdtempSync(join(tmpdir(), 'softshard-attack-'));
  readonly #unbroken = new Map<string, string>();

  async unbroken(kind: string, training: Training): Promise<string> {
    const known = this.#unbroken.get(kind);
    if (known !== undefined) return known;
    const run = join(this.path, kind);
    const { code, stderr } = await startRun(training, run, ['--threads', '2']).ended;
    expectThat(code === 0, `an undisturbed run fails: ${stderr}`);
    this.#unbroken.set(kind, run);
    return run;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Throws where a run has not come to what the unbroken one has, or has left something behind. `what`: it, and what was done to it. */
export async function expectSameRun(unbroken: string, run: string, what: string): Promise<void> {
  const { equal, differences, lines } = await compareRuns(unbroken, run);
  expectThat(equal, `${what} differs: ${differences.join('; ')}`);
  expectThat(lines[0] > 0, `${what} has no metrics`);
  const model = (folder: string) => readFileSync(join(folder, 'model.safetensors'));
  expectThat(model(unbroken).equals(model(run)), `${what}: the model files differ`);
  expectNothingLeft(run);
}

const FILES = [
  'config.json',
  'environment.json',
  'log.txt',
  'metrics.jsonl',
  'model.safetensors',
  'result.json',
  'status.json',
];

function expectNothingLeft(run: string): void {
  // One that is killed at its very end leaves its lock, which binds nobody, and no report.
  const optional = ['checkpoints', 'report.html', 'lock.json'];
  const names = readdirSync(run).filter((name) => !optional.includes(name));
  expectThat(names.sort().join() === FILES.join(), `${names.join(', ')} are left in the folder`);
  const inFolder = existsSync(join(run, 'checkpoints')) ? readdirSync(join(run, 'checkpoints')) : [];
  const isRight = inFolder.length === checkpointsOf(run).length && inFolder.length <= 3;
  expectThat(isRight, `${inFolder.join(', ')} are left of checkpoints`);
}

/** Their names, in order; not of those that are being written. */
export function checkpointsOf(run: string): readonly string[] {
  const folder = join(run, 'checkpoints');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^checkpoint-\d{6}\.safetensors$/.test(name))
    .sort();
}

// The command line is ended by signals at any moment: an output is the former file or a complete new one, the exit code
// says which signal it was, and nothing is left behind, by SIGKILL not longer than to the next run.
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readModelFile, writeNpy } from '#softshard/main/index.js';
import { type Attack, expectThat, type Outcome, pause, type Session, within } from './attack.js';
import { valuesAt } from './call-data.js';
import { ROOT } from './project.js';
import { Random } from './random.js';

const SOFTSHARD = fileURLToPath(new URL('dist/main/cli/softshard.js', ROOT));
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGKILL'] as const;
const HANGS_MS = 20_000;

/** The arguments of a command but its output, given the folder of its inputs. */
type Command = (inputs: string) => readonly string[];

interface Target {
  readonly output: string;
  readonly command: Command;
}

const TARGETS: readonly Target[] = [
  {
    output: 'm.safetensors',
    command: (at) => [
      'train',
      '--data',
      `${at}/x.npy`,
      '--labels',
      `${at}/y.npy`,
      '--epochs',
      '10',
      '--output',
    ],
  },
  {
    output: 'p.csv',
    command: (at) => ['predict', '--model', `${at}/m.safetensors`, '--data', `${at}/x.npy`, '--output'],
  },
  {
    output: 'p.npy',
    command: (at) => [
      ...['predict', '--model', `${at}/m.safetensors`, '--data', `${at}/x.npy`],
      ...['--probabilities', '--output'],
    ],
  },
  { output: 's.npy', command: (at) => ['softmax', '--input', `${at}/z.npy`, '--output'] },
  {
    output: 'g.npy',
    command: (at) => ['loss', '--logits', `${at}/z.npy`, '--targets', `${at}/t.npy`, '--gradient'],
  },
];

interface Case {
  readonly target: Target;
  readonly signal: (typeof SIGNALS)[number];
  /** Sent after this part of the time that the command takes, or so long after its temporary file is there. */
  readonly after: { readonly part: number } | { readonly temporaryMs: number };
  readonly hadOutput: boolean;
}

function caseOf(seed: number): Case {
  const random = new Random(seed);
  return {
    target: random.of(TARGETS),
    signal: random.of(SIGNALS),
    after: random.chance(0.5) ? { part: 1.1 * random.next() } : { temporaryMs: random.below(25) },
    hadOutput: random.chance(0.5),
  };
}

function describeCase({ target, signal, after, hadOutput }: Case): string {
  const when =
    'part' in after ? `at ${after.part.toFixed(2)} of its time` : `${after.temporaryMs} ms after its file`;
  return `${target.command('').join(' ')} ${target.output} (${hadOutput ? 'there' : 'new'}): ${signal} ${when}`;
}

const FORMER = Buffer.from('what was there before');

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

interface Running {
  kill(signal: NodeJS.Signals): void;
  readonly hasEnded: boolean;
  readonly ended: Promise<Ended>;
}

function start(args: readonly string[], cwd: string): Running {
  const child = spawn(process.execPath, [SOFTSHARD, ...args, '--threads', '2', '--quiet'], {
    cwd,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return {
    kill: (signal) => void child.kill(signal),
    get hasEnded() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    ended: new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal, stderr }));
    }),
  };
}

interface Known {
  readonly content: Buffer;
  readonly durationMs: number;
}

class KillSession implements Session {
  readonly #folder: string;
  /** What an undisturbed run writes, and how long it takes. */
  readonly #known = new Map<Target, Known>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async attempt(seed: number): Promise<Outcome> {
    const given = caseOf(seed);
    const { target, signal, hadOutput } = given;
    const known = await this.#knownOf(target);
    const folder = join(this.#folder, String(seed));
    mkdirSync(folder);
    const output = join(folder, target.output);
    if (hadOutput) writeFileSync(output, FORMER);
    const running = start([...target.command(this.#folder), target.output], folder);
    await moment(running, given, folder, known.durationMs);
    running.kill(signal);
    const ended = await within(HANGS_MS, `${signal} to ${target.output}`, running.ended);
    expectExit(ended, signal);
    const isNew = await expectOutput(given, output, known.content, ended);
    if (signal === 'SIGKILL') await this.#expectNextRun(given, folder, known.content);
    else expectNothingLeft(folder, target.output);
    rmSync(folder, { recursive: true });
    return `${ended.signal ?? ended.code}, ${isNew ? 'new' : 'former'} file`;
  }

  async #knownOf(target: Target): Promise<Known> {
    const found = this.#known.get(target);
    if (found !== undefined) return found;
    const begin = performance.now();
    const output = join(this.#folder, target.output);
    const { code, stderr } = await start([...target.command(this.#folder), output], this.#folder).ended;
    expectThat(code === 0, `an undisturbed run fails: ${stderr}`);
    const known = { content: readFileSync(output), durationMs: performance.now() - begin };
    this.#known.set(target, known);
    return known;
  }

  async #expectNextRun({ target }: Case, folder: string, content: Buffer): Promise<void> {
    const running = start([...target.command(this.#folder), target.output], folder);
    const { code, stderr } = await within(HANGS_MS, 'the next run', running.ended);
    expectThat(code === 0, `the next run fails: ${stderr}`);
    expectThat(readFileSync(join(folder, target.output)).equals(content), 'the next run writes another file');
    expectNothingLeft(folder, target.output);
  }

  async close(): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function moment(
  running: Running,
  { after, target }: Case,
  folder: string,
  durationMs: number,
): Promise<void> {
  if ('part' in after) return pause(after.part * durationMs);
  const isTemporary = (name: string) => name !== target.output;
  while (!running.hasEnded && !readdirSync(folder).some(isTemporary)) await pause(1);
  await pause(after.temporaryMs);
}

/** Before it listens to signals, and from SIGKILL, a process ends by the signal itself; a late one finds it done. */
function expectExit(ended: Ended, signal: (typeof SIGNALS)[number]): void {
  const codes = { SIGINT: 130, SIGTERM: 143, SIGKILL: 137 };
  const isRight = ended.signal === signal || ended.code === codes[signal] || ended.code === 0;
  expectThat(isRight, `${signal} ends it with ${ended.signal ?? ended.code}: ${ended.stderr}`);
  expectThat(!ended.stderr.includes('unexpected'), `${signal} is met by: ${ended.stderr}`);
}

/** Gives whether it is a new one. */
async function expectOutput(
  { target, hadOutput }: Case,
  output: string,
  content: Buffer,
  ended: Ended,
): Promise<boolean> {
  const found = existsSync(output) ? readFileSync(output) : undefined;
  const isFormer = hadOutput ? found?.equals(FORMER) === true : found === undefined;
  const isComplete = found?.equals(content) === true;
  if (ended.code === 0) expectThat(isComplete, 'it exits with 0 without its output');
  if (isFormer || isComplete) return isComplete;
  // Training that is asked to end saves what it has.
  expectThat(
    target.output === 'm.safetensors' && ended.code !== null,
    `${target.output} is neither old nor new`,
  );
  const { weights } = await readModelFile(output);
  expectThat(
    weights.every((weight) => Number.isFinite(weight)),
    'an interrupted model has weights that are not finite',
  );
  return true;
}

function expectNothingLeft(folder: string, output: string): void {
  const names = readdirSync(folder).filter((name) => name !== output);
  expectThat(names.length === 0, `${names.map((name) => basename(name)).join(', ')} left behind`);
}

const [ROWS, FEATURES, CLASSES] = [6000, 40, 10];

async function openSession(): Promise<Session> {
  const folder = mkdtempSync(join(tmpdir(), 'softshard-attack-'));
  const classes = (length: number) => Int32Array.from({ length }, (_, row) => row % CLASSES);
  await writeNpy(join(folder, 'x.npy'), { dims: [ROWS, FEATURES], data: valuesAt(1, ROWS * FEATURES) });
  await writeNpy(join(folder, 'y.npy'), { dims: [ROWS], data: classes(ROWS) });
  const logits = 100_000;
  await writeNpy(join(folder, 'z.npy'), { dims: [logits, CLASSES], data: valuesAt(2, logits * CLASSES) });
  await writeNpy(join(folder, 't.npy'), { dims: [logits], data: classes(logits) });
  const session = new KillSession(folder);
  const train = TARGETS[0]!;
  const { code, stderr } = await start([...train.command(folder), 'm.safetensors'], folder).ended;
  expectThat(code === 0, `a model cannot be made: ${stderr}`);
  return session;
}

export const kills: Attack = {
  name: 'kills',
  cases: 'ended processes',
  longRun: 300,
  atOnce: 1,
  brief: false,
  deadlineMs: 90_000,
  open: openSession,
  inputOf: (seed) => ({ 'case.txt': describeCase(caseOf(seed)) }),
};

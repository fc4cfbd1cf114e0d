// A command's work in a run directory: opened before, told how it ended, whatever way that was.

import { resolve } from 'node:path';
import { messageOf } from '../../errors.js';
import { openRun, type RunDirectory, type Training } from '../index.js';
import type { ChosenOutput } from './files.js';
import { Interrupted, interruptionOf } from './interruption.js';
import { LoggedProgress } from './logged-progress.js';
import { counted } from './output.js';
import type { Progress } from './progress.js';
import { FREE_OPTIONS, type RunFlags, runFolder } from './run-options.js';
import type { Session } from './session.js';

export type RunCommand = 'train' | 'sweep';

/** config.json: with it, a run is begun again. */
export interface RunConfig {
  readonly command: RunCommand;
  /** In which file names of the options are. */
  readonly folder: string;
  readonly options: { readonly [name: string]: Training.Json };
}

/** Also of no influence, or kept by environment.json as what they came to. */
const LEFT_OUT: readonly string[] = [...FREE_OPTIONS, 'isReplay', 'numerics'];

function configOf(command: RunCommand, flags: object): RunConfig {
  const options = Object.entries(flags).filter(
    ([name, value]) => value !== undefined && !LEFT_OUT.includes(name),
  );
  return { command, folder: process.cwd(), options: JSON.parse(JSON.stringify(Object.fromEntries(options))) };
}

/** Runs `work` in the run that the flags name, if they name one. `files`: those that it reads, by what they are. */
export async function inRun(
  session: Session,
  command: RunCommand,
  flags: RunFlags,
  files: Readonly<Record<string, string>>,
  work: (run: RunDirectory | undefined, session: Session) => Promise<void>,
): Promise<void> {
  const folder = runFolder(flags);
  if (folder === undefined) return work(undefined, session);
  const { engine, signal } = session;
  const isResumed = flags.resume !== undefined;
  let { progress } = session;
  const run = await openRun(folder, {
    engine,
    config: { ...configOf(command, flags) },
    data: files,
    start: isResumed ? 'resume' : 'new',
    keepCheckpoints: flags.keepCheckpoints,
    checkpointEvery: flags.checkpointEvery,
    onWarning: (message) => progress.warn(`warning: ${message}`),
    signal,
  });
  // By another process, just now.
  if (run.state === 'finished') return;
  progress = new LoggedProgress(session.progress, (text) => run.note(text));
  if (isResumed) {
    const from =
      run.latestName === undefined ? 'from the start, as it has no checkpoint' : `from ${run.latestName}`;
    progress.note(`the run goes on ${from}`);
  }
  try {
    await work(run, { ...session, progress });
  } catch (error) {
    throw flags.isReplay ? error : await ended(run, command, folder, error);
  } finally {
    await run.close();
    warnOfFailures(run, progress);
  }
}

function warnOfFailures(run: RunDirectory, progress: Progress): void {
  const { count, cause } = run.failedCheckpoints;
  if (count > 0) {
    progress.warn(
      `warning: ${counted(count, 'checkpoint')} could not be written${cause === undefined ? '' : `: ${messageOf(cause)}`}`,
    );
  }
}

/** Keeps how it ended; gives what the command then ends with. */
async function ended(
  run: RunDirectory,
  command: RunCommand,
  folder: string,
  error: unknown,
): Promise<unknown> {
  const interrupted = interruptionOf(error);
  if (interrupted === undefined) {
    run.note(`failed: ${messageOf(error)}`);
    await run.fail(error);
    return error;
  }
  const { signalName } = interrupted;
  const message = `interrupted by ${signalName}: softshard ${command} --resume ${folder} goes on`;
  run.note(message);
  await run.interrupt(`${signalName}`);
  return new Interrupted(signalName, message, error);
}

/** Where the model of a run goes; undefined without a run. */
export function modelOfRun(flags: RunFlags): ChosenOutput | undefined {
  const folder = runFolder(flags);
  if (folder === undefined) return undefined;
  const path = resolve(folder, 'model.safetensors');
  return { path, target: { kind: 'file', path, exists: false } };
}

// A run that goes on, or is done again: the arguments that its config.json stands for.

import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command, Option } from 'commander';
import { messageOf } from '../../errors.js';
import { type Runs, SoftshardError } from '../index.js';
import { flagOf, UsageError } from './failures.js';
import { isGridOption } from './grid.js';
import { print } from './output.js';
import { FREE_OPTIONS } from './run-options.js';
import { addMissingReport } from './run-results.js';
import type { RunCommand, RunConfig } from './runs.js';

export interface StoredRun {
  /** Absolute. */
  readonly folder: string;
  readonly config: RunConfig;
  readonly environment: Runs.RunEnvironment;
  readonly status: Runs.RunStatus;
}

/** Throws ERR_FILE where there is none, and where it is not of the command line. */
export async function readStoredRun(folder: string): Promise<StoredRun> {
  const read = async <Content>(name: string): Promise<Content> => {
    const path = join(folder, name);
    try {
      return JSON.parse(await readFile(path, 'utf8')) as Content;
    } catch (cause) {
      const message = `${folder}: is no folder of a run: ${name} cannot be read: ${messageOf(cause)}`;
      throw new SoftshardError('ERR_FILE', message, { value: path, cause });
    }
  };
  const config = await read<RunConfig>('config.json');
  if (!COMMANDS.includes(config.command) || typeof config.options !== 'object') {
    const message = `${folder}: is a run of another program than softshard ${COMMANDS.join(' or ')}: resume it with that`;
    throw new SoftshardError('ERR_FILE', message, { value: folder });
  }
  return {
    folder: resolve(folder),
    config,
    environment: await read<Runs.RunEnvironment>('environment.json'),
    status: await read<Runs.RunStatus>('status.json'),
  };
}

const COMMANDS: readonly RunCommand[] = ['train', 'sweep'];

/**
 * The arguments that a run was begun with, those of `argv` beside --resume, and --resume itself. Undefined of a finished run, which
 * this says. Changes to the folder that file names are in.
 */
export async function argumentsOfRun(
  argv: readonly string[],
  program: Command,
): Promise<readonly string[] | undefined> {
  const [name, ...words] = argv;
  const command = program.commands.find((each) => each.name() === name);
  const isHelp = words.includes('-h') || words.includes('--help');
  if (command === undefined || !COMMANDS.some((each) => each === name) || isHelp) return argv;
  const { folder, others } = splitResume(words, command);
  const run = await readStoredRun(folder);
  if (run.config.command !== name) {
    throw new UsageError(
      `${folder} is a run of softshard ${run.config.command}: resume it with that command`,
    );
  }
  if (run.status.state === 'finished') {
    await addMissingReport(run.folder);
    await print(`${folder}: the run is finished, its model is in ${join(run.folder, 'model.safetensors')}\n`);
    return undefined;
  }
  enterFolder(run);
  return [name, ...argumentsOf(run, command), `--resume=${run.folder}`, ...others];
}

/** The folder, and the words beside it. Throws for options that the run has already. */
function splitResume(words: readonly string[], command: Command) {
  let folder: string | undefined;
  const others: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const [flag = '', value] = word.split(/=(.*)/s);
    if (flag === '--resume') {
      folder = value ?? words[++i];
      continue;
    }
    const option = command.options.find((each) => each.long === flag || each.short === flag);
    if (option !== undefined && !FREE_OPTIONS.some((free) => free === option.attributeName())) {
      throw new UsageError(
        `${flag} is given beside --resume, and a run goes on with the options that it was begun with (config.json): leave it out. ` +
          `What may be given: ${FREE_OPTIONS.filter((free) => free !== 'run' && free !== 'resume')
            .map(flagOf)
            .join(', ')}`,
      );
    }
    if (flag === '--run')
      throw new UsageError('--run begins a run, and --resume goes on with one: leave one out');
    others.push(word);
  }
  if (folder === undefined || folder === '' || folder.startsWith('--')) {
    throw new UsageError('--resume needs the folder of a run');
  }
  return { folder, others };
}

/** File names of the run's options are in the folder where it was begun. */
export function enterFolder({ folder, config }: StoredRun): void {
  try {
    process.chdir(config.folder);
  } catch (cause) {
    const message = `${folder}: the run was begun in ${config.folder}, which its file names start from: ${messageOf(cause)}`;
    throw new SoftshardError('ERR_FILE', message, { value: config.folder, cause });
  }
}

/** As a shell would give them. */
export function argumentsOf({ config, environment }: StoredRun, command: Command): string[] {
  const args = Object.entries(config.options).flatMap(([name, value]) => {
    const options = command.options.filter((option) => option.attributeName() === name);
    if (options.length === 0) {
      throw new UsageError(
        `config.json has the option ${name}, which softshard ${command.name()} does not know`,
      );
    }
    return argumentsFor(options, value);
  });
  return [...args, `--numerics=${environment.numerics}`];
}

function argumentsFor(options: readonly Option[], value: unknown): string[] {
  if (typeof value === 'boolean') {
    const option = options.find(({ negate }) => negate !== value);
    // The default of an option that can only be negated.
    return option?.long ? [option.long] : [];
  }
  const option = options.find(({ negate }) => !negate);
  if (!option?.long) return [];
  const { long } = option;
  if (Array.isArray(value) && isGridOption(option)) return value.map((text) => `${long}=${text}`);
  return [`${long}=${Array.isArray(value) ? value.join(',') : value}`];
}

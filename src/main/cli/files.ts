// Checks of input and output files before any work is done.

import { stat } from 'node:fs/promises';
import { checkInput, checkOutput, type Files, listDataFiles, SoftshardError } from '../index.js';
import { flagOf, UsageError } from './failures.js';
import { isSilent } from './ranks.js';

/** Throws ERR_FILE for the first that cannot be read, with the name of its flag. Devices are refused: they may never end. */
export async function checkInputs(paths: readonly (string | undefined)[], flags: object): Promise<void> {
  for (const path of paths) {
    if (path === undefined) continue;
    try {
      await checkInput(path);
    } catch (error) {
      const [name] = Object.entries(flags).find(([, value]) => value === path) ?? [];
      if (!(error instanceof SoftshardError) || name === undefined) throw error;
      const { code, argument, value } = error;
      throw new SoftshardError(code, `${flagOf(name)} ${error.message}`, { argument, value, cause: error });
    }
  }
}

/**
 * Resolves each output, given by option name. Throws if one cannot be written or would replace an input, if two are the same,
 * or if results and --json would share standard output.
 */
export async function checkOutputs(
  outputs: Readonly<Record<string, string | undefined>>,
  inputs: readonly (string | undefined)[],
  json?: true,
): Promise<Files.OutputTarget[]> {
  // Another rank writes them, maybe on another machine.
  if (isSilent()) return [];
  const targets: Files.OutputTarget[] = [];
  const files = await filesOf(inputs);
  const optionOf = new Map<string, string>();
  for (const [option, path] of Object.entries(outputs)) {
    if (path === undefined) continue;
    const target = await checkOutput(path);
    const identity = (await identityOf(path)) ?? target.path;
    for (const input of files) {
      if ((await identityOf(input)) !== identity) continue;
      const message = `${path}: would replace ${input}, which is read: choose another name`;
      throw new SoftshardError('ERR_FILE', message, { value: path });
    }
    const other = optionOf.get(identity);
    if (other !== undefined && target.kind !== 'device') {
      throw new UsageError(`${other} and ${option} both name ${path}: they must be two files`);
    }
    if (json && isStandardOutput(target)) {
      throw new UsageError(
        `--json and ${option} ${path} both take standard output: name a file, or leave --json out`,
      );
    }
    optionOf.set(identity, option);
    targets.push(target);
  }
  return targets;
}

/** With those of folders and patterns. */
const filesOf = async (inputs: readonly (string | undefined)[]): Promise<string[]> =>
  (await Promise.all(inputs.map((input) => (input === undefined ? [] : listDataFiles(input))))).flat();

/** Equal for all names of one file. */
async function identityOf(path: string): Promise<string | undefined> {
  const stats = await stat(path, { bigint: true }).catch(() => undefined);
  return stats && `${stats.dev} ${stats.ino}`;
}

export interface OutFlags {
  output?: string;
  force?: true;
}

export interface ChosenOutput {
  readonly path: string;
  readonly target: Files.OutputTarget;
}

/** A file named by --output is replaced; the default one only with --force or if it `mayBeReplaced`. */
export async function chooseOutput(
  { output, force, json, trace }: OutFlags & { json?: true; trace?: string },
  defaultName: string,
  inputs: readonly (string | undefined)[],
  mayBeReplaced = async (_path: string): Promise<boolean> => false,
): Promise<ChosenOutput> {
  const path = output ?? defaultName;
  if (isSilent()) return outputOfRank0(path);
  const target = (await checkOutputs({ '--output': path, '--trace': trace }, inputs, json))[0]!;
  const isThere = target.kind === 'file' && target.exists;
  if (output === undefined && !force && isThere && !(await mayBeReplaced(path))) {
    throw new UsageError(
      `${path} is there already: name another file with --output, or let it be replaced with --force`,
    );
  }
  return { path, target };
}

/** What another rank checks and writes. */
export const outputOfRank0 = (path: string): ChosenOutput => ({
  path,
  target: { kind: 'file', path, exists: false },
});

export const isStandardOutput = (target: Files.OutputTarget): boolean =>
  target.kind === 'descriptor' && target.descriptor === 1;

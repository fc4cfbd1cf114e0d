// The options of commands whose work is kept in a run directory.

import type { Command } from 'commander';
import { UsageError } from './failures.js';
import { integer, numberBelow, path } from './option-values.js';

export interface RunFlags {
  /** The folder of a new run. */
  run?: string;
  /** The folder of a run that goes on: then all other options are those that it was begun with. */
  resume?: string;
  checkpointEvery?: number;
  keepCheckpoints?: number;
  /** The run is the second of a verification: nothing is printed. */
  isReplay?: true;
}

export interface StepLineFlags {
  logEvery?: number;
}

export function addRunOptions(command: Command): Command {
  return command
    .optionsGroup('Run:')
    .option(
      '--run <folder>',
      'keep all of the run in a new folder: options, checkpoints, metrics, the model, its results; a run that was cut off goes on ' +
        'with --resume',
      path,
    )
    .option('--resume <folder>', 'go on with a run that was cut off, with the options that it has', path)
    .option(
      '--checkpoint-every <seconds>',
      'time between two checkpoints (default: 60, or more where writing one takes long)',
      numberBelow(Number.POSITIVE_INFINITY),
    )
    .option(
      '--keep-checkpoints <count>',
      'how many of the last checkpoints are kept, beside the best (default: 2)',
      integer(1),
    );
}

export const addLogOption = (command: Command): Command =>
  command.option(
    '--log-every <steps>',
    'training step by step: one in so many steps has a line of metrics, and scalars for TensorBoard (default: 20 to 50 in a ' +
      'long epoch)',
    integer(1),
  );

/** Options beside which a run has the same bits: they are no part of it, and may be given anew with --resume. */
export const FREE_OPTIONS = [
  'run',
  'resume',
  'checkpointEvery',
  'keepCheckpoints',
  'tensorboard',
  'trace',
  'threads',
  'memory',
  'wideSimd',
  'mpi',
  'mpiLibrary',
  'watchdog',
  'json',
  'quiet',
  'verbose',
] as const;

export const runFolder = ({ run, resume }: RunFlags): string | undefined => run ?? resume;

/** Finds contradicting options. `out`: a file is named for the model. */
export function checkRunFlags(flags: RunFlags & { readonly output?: string; readonly force?: true }): void {
  if (runFolder(flags) === undefined) {
    const option =
      flags.checkpointEvery !== undefined
        ? '--checkpoint-every'
        : flags.keepCheckpoints !== undefined
          ? '--keep-checkpoints'
          : undefined;
    if (option !== undefined) throw new UsageError(`${option} is of runs: add --run FOLDER, or leave it out`);
    return;
  }
  if (flags.output !== undefined || flags.force) {
    throw new UsageError(
      `${flags.force ? '--force' : '--output'} is given, but the model of a run is model.safetensors in its folder: leave it out`,
    );
  }
}

export function checkLogEvery(
  flags: RunFlags & StepLineFlags & { readonly tensorboard?: string },
  isFullBatch: boolean,
): void {
  if (flags.logEvery === undefined) return;
  if (isFullBatch) {
    throw new UsageError(
      '--log-every counts steps, and a solver that goes over all rows at once has a line for each iteration: leave it out, ' +
        'or train step by step with --solver sgd',
    );
  }
  if (runFolder(flags) === undefined && flags.tensorboard === undefined) {
    throw new UsageError(
      '--log-every is of runs and of --tensorboard: add --run FOLDER or --tensorboard FOLDER, or leave it out',
    );
  }
}

/** A run reads its files again when it goes on, which a pipe cannot. */
export function refusePipe(flags: RunFlags, option: string): void {
  if (runFolder(flags) === undefined) return;
  throw new UsageError(
    `${option} is a pipe, which can be read only once, and a run that goes on reads it again: name a file`,
  );
}

// The options that say which rows are held out: files of their own, or fractions of --data.

import { type Command, Option } from 'commander';
import { UsageError } from './failures.js';
import { integer, numberBelow, path } from './option-values.js';

export interface ValidationFlags {
  validationSplit?: number;
  validationData?: string;
  validationLabels?: string;
}

/** Rows in files of their own. */
export interface HeldOutFiles {
  validationData?: string;
  validationLabels?: string;
  testData?: string;
  testLabels?: string;
}

export interface HeldOutFlags extends HeldOutFiles {
  validationSplit?: number;
  testSplit?: number;
  splitSeed?: number;
  stratify: boolean;
}

export function addHeldOutOptions(command: Command): Command {
  const split = (name: string, description: string, file: string) =>
    new Option(`--${name}-split <fraction>`, description).argParser(numberBelow(1)).conflicts(file);
  return command
    .optionsGroup('Held-out rows:')
    .addOption(
      split(
        'validation',
        'evaluate on this fraction of the rows, after each epoch or at the end, and do not train on it',
        'validationData',
      ),
    )
    .addOption(
      split('test', 'evaluate the model at the end on this fraction of the rows, kept apart', 'testData'),
    )
    .option('--test-data <file>', 'rows to evaluate the model on at the end', path)
    .option('--test-labels <file>', 'the classes of the test rows', path)
    .option('--split-seed <number>', 'decides which rows are held out (default: 0)', integer(0))
    .option('--no-stratify', 'hold rows out by chance alone, not the same share of each class');
}

export function checkHeldOutFiles(flags: HeldOutFiles): void {
  for (const part of ['validation', 'test'] as const) {
    if (flags[`${part}Labels`] === undefined || flags[`${part}Data`] !== undefined) continue;
    throw new UsageError(`--${part}-labels needs --${part}-data`);
  }
}

/** Finds contradicting options before any file is read. */
export function checkHeldOutFlags(flags: HeldOutFlags): void {
  checkHeldOutFiles(flags);
  if (flags.validationSplit || flags.testSplit) return;
  const useless =
    flags.splitSeed !== undefined ? '--split-seed' : flags.stratify ? undefined : '--no-stratify';
  if (useless !== undefined) {
    throw new UsageError(`${useless} needs --validation-split or --test-split: without, no row is held out`);
  }
}

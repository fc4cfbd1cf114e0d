// The options that say which rows are held out: files of their own, or fractions of --data.

import { type Command, Option } from 'commander';
import { UsageError } from './failures.js';
import { integer, numberBelow, path } from './option-values.js';

export interface ValidationFlags {
  validationSplit?: number;
  validationData?: string;
  validationLabels?: string;
}

export interface HeldOutFlags extends ValidationFlags {
  testSplit?: number;
  testData?: string;
  testLabels?: string;
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

/** Finds contradicting options before any file is read. */
export function checkHeldOutFlags(flags: HeldOutFlags): void {
  const { validationSplit, validationData, validationLabels, testSplit, testData, testLabels } = flags;
  if (validationLabels !== undefined && validationData === undefined) {
    throw new UsageError('--validation-labels needs --validation-data');
  }
  if (testLabels !== undefined && testData === undefined) {
    throw new UsageError('--test-labels needs --test-data');
  }
  if (validationSplit || testSplit) return;
  const useless =
    flags.splitSeed !== undefined ? '--split-seed' : flags.stratify ? undefined : '--no-stratify';
  if (useless !== undefined) {
    throw new UsageError(`${useless} needs --validation-split or --test-split: without, no row is held out`);
  }
}

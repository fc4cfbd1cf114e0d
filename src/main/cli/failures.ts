// How commands fail: exit codes, and messages in the words of the command line.

import { inspect, types } from 'node:util';
import { SoftshardError } from '../../errors.js';
import { printableLines } from '../../printable.js';
import { Interrupted, interruptionOf } from './interruption.js';
import { inShownPaths } from './shown-paths.js';

export const ExitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  resumable: 75,
  interrupted: 130,
  terminated: 143,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Of a command that a signal has ended. */
export const isInterruptedCode = (code: ExitCode): boolean =>
  code === ExitCode.resumable || code === ExitCode.interrupted || code === ExitCode.terminated;

/** Options that contradict each other, or a value found wrong after parsing. `message` names the option. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Of verify, which has printed what differs: no more is said than that. */
export class ComparisonFailed extends Error {
  override readonly name = 'ComparisonFailed';
}

/** What is printed of an error, with stack and causes when `verbose`; `who` met it. */
export function failureReport(error: unknown, verbose: boolean, who: string): string {
  const report = `softshard: ${who}${printableLines(inShownPaths(messageOf(error)))}\n`;
  return verbose ? `${report}${printableLines(inspect(error))}\n` : report;
}

export function exitCodeOf(error: unknown): ExitCode {
  const interrupted = interruptionOf(error);
  if (interrupted !== undefined) return interrupted.exitCode;
  if (error instanceof UsageError) return ExitCode.usage;
  return error instanceof SoftshardError && error.code === 'ERR_OPTION' ? ExitCode.usage : ExitCode.failure;
}

function messageOf(error: unknown): string {
  if (error instanceof SoftshardError) return `${error.code}: ${inOptionNames(error.message)}`;
  if (error instanceof UsageError || error instanceof Interrupted || error instanceof ComparisonFailed) {
    return error.message;
  }
  const what = types.isNativeError(error) ? `${error.name}: ${error.message}` : inspect(error);
  return `unexpected ${what} (--verbose shows where)`;
}

/** Rewrites the API's option names in softshard's warnings before Node prints them. */
export function watchWarnings(): void {
  process.prependListener('warning', (warning) => {
    if (warning.name === 'SoftshardWarning') warning.message = inOptionNames(warning.message);
  });
}

/** API options that messages mention without "options.". */
const BARE_NAMES = /\b(labelColumn|idColumn|featureColumns|excludeColumns|classNames)\b/g;

/** Which flag does so, if any, depends on the command. */
export const MISSING_CELLS_REMEDY = " missingCells: 'nan' reads it as NaN.";

/** options.batchSize -> --batch-size */
export function inOptionNames(message: string): string {
  return message
    .replace(MISSING_CELLS_REMEDY, '')
    .replace("options.start 'resume'", '--resume')
    .replace(/\b(?:options\.)?header: true\b/g, '--header')
    .replace(/\b(?:options\.)?header: false\b/g, '--no-header')
    .replace(/\boptions\.(?:shape\.)?([a-zA-Z]+)/g, (_, name: string) => flagOf(name))
    .replace(BARE_NAMES, flagOf)
    .replace(/create the engine with a larger arenaBytes \(at most \d+\)/, 'give a larger --memory');
}

/** Flags with a shorter name than the option. */
const SHORT_FLAGS: Readonly<Record<string, string>> = {
  labelColumn: '--label',
  featureColumns: '--features',
  excludeColumns: '--exclude',
};

/** batchSize -> --batch-size, C -> --C */
export const flagOf = (name: string): string =>
  SHORT_FLAGS[name] ?? `--${name.replace(/\B[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

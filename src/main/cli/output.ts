// Results on standard output: JSON, aligned tables, numbers for people.

import { fstatSync, writeSync } from 'node:fs';
import { printable, printableJson, printableLines, shortened } from '../../printable.js';
import { isSilent } from './ranks.js';

/** Standard output may fail at any time. */
export function watchStreams(): void {
  process.stdout.on('error', endWithoutOutput);
  // There is no place left to report it.
  process.stderr.on('error', () => {});
}

/** Ends quietly if the reader went away (head, a closed pager), with an error if, say, the disk is full. */
function endWithoutOutput(error: NodeJS.ErrnoException): never {
  if (error.code === 'EPIPE') process.exit();
  process.stderr.write(`softshard: standard output cannot be written: ${printable(error.message)}\n`);
  process.exit(1);
}

/** Text for people. */
export const print = (text: string): Promise<void> => write(printableLines(text));

/** Waits until the system has taken the text, so that a slow reader does not let memory fill up. */
async function write(text: string): Promise<void> {
  if (isSilent()) return;
  if (fstatSync(STDOUT).isFile()) return writeToFile(Buffer.from(text));
  // endWithoutOutput handles failures.
  await new Promise<void>((resolve) => process.stdout.write(text, () => resolve()));
}

const STDOUT = 1;

/** Node's stream reports success if only a part fitted on the disk. */
function writeToFile(bytes: Uint8Array): void {
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(STDOUT, bytes, done);
  } catch (error) {
    endWithoutOutput(error as NodeJS.ErrnoException);
  }
}

/** Prints a sentence about results: on standard error, unless `quiet`, if the results themselves take standard output. */
export async function printBeside(text: string, onStandardError: boolean, quiet?: true): Promise<void> {
  if (!onStandardError) return print(text);
  if (!quiet && !isSilent()) process.stderr.write(printableLines(text));
}

/** Arrays of numbers that JSON.stringify spread over lines; JSON strings contain no line feeds. */
const NUMBER_ARRAYS = /\[\n([^[\]{}"]*)\n *\]/g;

/** NaN and infinities become null, as JSON has neither. Arrays of numbers take one line. */
export function printJson(result: object): Promise<void> {
  const json = JSON.stringify(result, undefined, 2);
  const compact = json.replace(
    NUMBER_ARRAYS,
    (_, entries: string) => `[${entries.trim().replace(/\s+/g, ' ')}]`,
  );
  return write(`${printableJson(compact)}\n`);
}

/** Longer cells are shortened. */
const CELL_CHARACTERS = 60;

/** Columns two spaces apart: the first flush left, the others flush right. */
export function table(cells: readonly (readonly string[])[]): string {
  const rows = cells.map((row) => row.map((cell) => printable(shortened(cell, CELL_CHARACTERS))));
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

/** 1234567 -> 1,234,567, whatever the locale. */
export const count = (value: number): string => Math.round(value).toLocaleString('en-US');

export const counted = (value: number, noun: string, plural = `${noun}s`): string =>
  `${count(value)} ${value === 1 ? noun : plural}`;

/** a, b or c */
export const either = (names: readonly string[]): string =>
  [names.slice(0, -1).join(', '), names.at(-1)].filter(Boolean).join(' or ');

export const loss = (value: number): string => value.toFixed(4);

/** Seven digits, as float32 has: 0.0000012345678 -> 0.000001234568. */
export const figure = (value: number): string => String(Number(value.toPrecision(7)));

export const percent = (fraction: number): string =>
  Number.isNaN(fraction) ? '-' : `${(100 * fraction).toFixed(2)} %`;

export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds.toFixed(0)} ms`;
  if (milliseconds < 100_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${(milliseconds / 60_000).toFixed(1)} min`;
}

/** 6000000000 -> 6.0 GB. */
export function bytes(value: number): string {
  const units = ['kB', 'MB', 'GB', 'TB'];
  if (value < 1000) return counted(value, 'byte');
  const power = Math.min(units.length, Math.floor(Math.log10(value) / 3));
  return `${(value / 1000 ** power).toFixed(1)} ${units[power - 1]}`;
}

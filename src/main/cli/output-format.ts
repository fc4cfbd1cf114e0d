// In which format a command writes: what --format says, or the end of the name.

import { type Files, fileFormats, tableFormatOf } from '../index.js';
import { UsageError } from './failures.js';
import { isStandardOutput } from './files.js';
import { either } from './output.js';
import { ownTransport } from './ranks.js';

export type OutputFormat = Files.TableFormat | 'npy';

const OWN_EXTENSIONS = ['.csv', '.tsv', '.jsonl', '.npy', '.parquet'];
const OWN_NAMES: readonly string[] = ['csv', 'npy'];

/** Those that programs have registered. */
const registeredWriters = (): Files.FileFormat[] =>
  fileFormats().filter(
    ({ name, writeArray, writeRecords }) => (writeArray ?? writeRecords) && !OWN_NAMES.includes(name),
  );

export const registeredWriter = (output: string | undefined): Files.FileFormat | undefined =>
  registeredWriters().find(({ extensions }) => extensions.some((end) => output?.endsWith(end)));

/** Whether someone looks on. Open MPI gives each rank a terminal of its own, whatever takes its output in the end. */
export const isForPeople = (target: Files.OutputTarget | undefined): boolean =>
  process.stdout.isTTY && ownTransport() === undefined && (target === undefined || isStandardOutput(target));

/** Without a name that says so, pipes, devices and standard output get CSV; all get `other`, if there is one. */
export function outputFormat(
  { output, format }: { readonly output?: string; readonly format?: OutputFormat },
  target: Files.OutputTarget | undefined,
  other?: OutputFormat,
): OutputFormat {
  const byName = output === undefined ? undefined : /\.npy$/i.test(output) ? 'npy' : tableFormatOf(output);
  const chosen = format ?? byName ?? other ?? (target?.kind === 'file' ? undefined : 'csv');
  if (chosen === undefined) {
    const ends = [...OWN_EXTENSIONS, ...registeredWriters().flatMap(({ extensions }) => extensions)];
    throw new UsageError(
      `--output is ${output}: its name must end in ${either(ends.sort())}, which says what to write (text may end in .gz ` +
        'as well), or give --format',
    );
  }
  if (isForPeople(target) && (chosen === 'npy' || chosen === 'parquet')) {
    throw new UsageError(
      `${chosen === 'npy' ? '.npy' : 'Parquet'} is not for a terminal: name a file with --output, or add | and a command`,
    );
  }
  return chosen;
}

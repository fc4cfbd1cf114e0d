// Results on standard output: JSON, aligned tables, numbers for people.

/** A reader that went away (head, a closed pager) ends the command quietly; a full disk does not. */
export function watchStreams(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    process.stderr.write(`softshard: standard output cannot be written: ${error.message}\n`);
    process.exit(1);
  });
  // Nobody is left to read what stderr has to say.
  process.stderr.on('error', () => {});
}

/** Waits until the text is on its way, so that a slow reader holds up the writer instead of filling the memory. */
export async function print(text: string): Promise<void> {
  if (process.stdout.write(text)) return;
  await new Promise<void>((resolve) => process.stdout.once('drain', resolve));
}

/** Arrays of numbers, each on lines of its own. Strings have no line feeds in JSON. */
const NUMBER_ARRAYS = /\[\n([^[\]{}"]*)\n *\]/g;

/** NaN and infinities, which JSON does not have, become null. A row of numbers is printed in one line. */
export function printJson(result: object): Promise<void> {
  const json = JSON.stringify(result, undefined, 2);
  const compact = json.replace(
    NUMBER_ARRAYS,
    (_, entries: string) => `[${entries.trim().replace(/\s+/g, ' ')}]`,
  );
  return print(`${compact}\n`);
}

/** Columns side by side, two spaces between them: the first flush left, the others flush right. */
export function table(rows: readonly (readonly string[])[]): string {
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

/** 1234567 -> 1,234,567, wherever the machine stands. */
export const count = (value: number): string => Math.round(value).toLocaleString('en-US');

export const counted = (value: number, noun: string, plural = `${noun}s`): string =>
  `${count(value)} ${value === 1 ? noun : plural}`;

export const loss = (value: number): string => value.toFixed(4);

/** With the digits that a float32 has: 0.0000012345678 -> 0.000001234568. */
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

/** Names in a sentence: the first of many. */
export function listed(names: readonly string[], most = 20): string {
  const shown = names.slice(0, most).map((name) => (name.length > 40 ? `${name.slice(0, 40)}…` : name));
  const more = names.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${count(more)} more` : '');
}

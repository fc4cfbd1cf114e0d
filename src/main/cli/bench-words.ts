// How the text of a scaling measurement shows numbers and sentences.

const WIDTH = 80;

/** Three significant digits, never in exponents. */
export function three(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(6, Math.max(0, 2 - magnitude)));
}

export const percent = (share: number): string =>
  Number.isFinite(share) ? `${Math.round(100 * share)} %` : '-';

/** Broken at spaces to lines of a terminal; those after the first are indented. */
export function wrapped(text: string, indent = 2): string {
  const lines: string[] = [''];
  // A number and its % stay together.
  for (const word of text.trim().split(/ (?!%)/)) {
    const line = lines.at(-1)!;
    if (line !== '' && line.length + 1 + word.length > WIDTH) lines.push(`${' '.repeat(indent)}${word}`);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return `${lines.join('\n')}\n`;
}

// Lines of a live block, made of coloured parts and cut to the width of the terminal.

import type { Paint, Style } from './terminal.js';

export type Segment = string | readonly [style: Style, text: string];

const textOf = (segment: Segment): string => (typeof segment === 'string' ? segment : segment[1]);

const lengthOf = (segments: readonly Segment[]): number =>
  segments.reduce((sum, segment) => sum + textOf(segment).length, 0);

/** Parts two spaces apart, as many of them as fit, the first ones first. */
export function joined(parts: readonly (readonly Segment[])[], columns: number, paint: Paint): string {
  const kept: Segment[] = [];
  for (const part of parts) {
    if (part.length === 0) continue;
    const space = kept.length === 0 ? '' : '  ';
    if (kept.length > 0 && lengthOf(kept) + space.length + lengthOf(part) > columns) continue;
    kept.push(space, ...part);
  }
  return painted(kept, columns, paint);
}

function painted(segments: readonly Segment[], columns: number, paint: Paint): string {
  let left = columns;
  let text = '';
  for (const segment of segments) {
    const shown = textOf(segment).slice(0, left);
    left -= shown.length;
    text += typeof segment === 'string' || shown === '' ? shown : paint(segment[0], shown);
  }
  return text;
}

/** [======    ], with so many characters between the brackets. */
export function bar(fraction: number, length: number): string {
  const full = Math.round(Math.max(0, Math.min(1, fraction)) * length);
  return `[${'='.repeat(full)}${' '.repeat(length - full)}]`;
}

/** Whether the terminal shows more than ASCII. */
export function hasUnicode({ LC_ALL, LC_CTYPE, LANG, WT_SESSION }: NodeJS.ProcessEnv = process.env): boolean {
  if (process.platform === 'win32') return WT_SESSION !== undefined;
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '');
}

const BLOCKS = '▁▂▃▄▅▆▇█';
/** Rising as well, of plain ASCII. */
const SIGNS = '_.,-=+*#';

export interface SparklineOptions {
  readonly isLog?: boolean;
  readonly isUnicode?: boolean;
}

/** One character for each value, or for each of equally many values; what is no number shows as a space. */
export function sparkline(
  values: readonly number[],
  length: number,
  { isLog = false, isUnicode = true }: SparklineOptions = {},
): string {
  if (values.length === 0 || length <= 0) return '';
  const heights = values.map((value) => (isLog ? Math.log10(value) : value));
  const count = Math.min(length, heights.length);
  const means = Array.from({ length: count }, (_, i) => {
    const begin = Math.floor((i * heights.length) / count);
    const own = heights.slice(begin, Math.floor(((i + 1) * heights.length) / count)).filter(Number.isFinite);
    return own.length === 0 ? Number.NaN : own.reduce((sum, value) => sum + value, 0) / own.length;
  });
  const finite = means.filter(Number.isFinite);
  const [least, most] = [Math.min(...finite), Math.max(...finite)];
  const ramp = isUnicode ? BLOCKS : SIGNS;
  return means
    .map((mean) => {
      if (!Number.isFinite(mean)) return ' ';
      const height = most > least ? (mean - least) / (most - least) : 0;
      return ramp[Math.min(ramp.length - 1, Math.floor(height * ramp.length))];
    })
    .join('');
}

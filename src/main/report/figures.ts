// Numbers for people, the same whatever the locale.
import type { Figure } from './facts.js';

type Unknown = Figure | undefined;

const UNKNOWN = '–';
/** Never alone on a line. */
const PERCENT = '\u00a0%';

export const isNumber = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value);

/** Four digits: 0.1235, 1,234, 1.2e-7. */
export function figure(value: Unknown, digits = 4): string {
  if (!isNumber(value)) return UNKNOWN;
  const size = Math.abs(value);
  if (value !== 0 && (size < 1e-4 || size >= 1e9)) {
    return value
      .toExponential(digits - 2)
      .replace(/\.?0+e/, 'e')
      .replace('e+', 'e');
  }
  if (size >= 10 ** digits || Number.isInteger(value)) return whole(value);
  return value.toLocaleString('en-US', { maximumSignificantDigits: digits });
}

/** Short: 50K, 1.5M, 0.002. */
export const tickText = (value: number): string =>
  Math.abs(value) >= 10_000 && Math.abs(value) < 1e15
    ? value.toLocaleString('en-US', { notation: 'compact', maximumSignificantDigits: 4 })
    : figure(value);

/** 0.85 -> 85 %. */
export const percentTick = (value: number): string => `${figure(100 * value)}${PERCENT}`;

export const whole = (value: Unknown): string =>
  isNumber(value) ? Math.round(value).toLocaleString('en-US') : UNKNOWN;

/** As many digits for every loss, so that columns compare. */
export const lossText = (value: Unknown): string =>
  isNumber(value) && Math.abs(value) < 1e6 ? value.toFixed(4) : figure(value);

export const percent = (fraction: Unknown, digits = 2): string =>
  isNumber(fraction) ? `${(100 * fraction).toFixed(digits)}${PERCENT}` : UNKNOWN;

/** 0.0000824 -> 0.0082 %. */
export const smallPercent = (fraction: Unknown): string =>
  isNumber(fraction) ? `${figure(100 * fraction, 2)}${PERCENT}` : UNKNOWN;

export function duration(milliseconds: Unknown): string {
  if (!isNumber(milliseconds)) return UNKNOWN;
  if (milliseconds < 1000) return `${milliseconds.toFixed(0)} ms`;
  if (milliseconds < 100_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  if (milliseconds < 7_200_000) return `${(milliseconds / 60_000).toFixed(1)} min`;
  return `${(milliseconds / 3_600_000).toFixed(1)} h`;
}

export function byteText(value: Unknown): string {
  if (!isNumber(value)) return UNKNOWN;
  if (value < 1000) return `${value} bytes`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length, Math.floor(Math.log10(value) / 3));
  return `${(value / 1000 ** power).toFixed(1)} ${units[power - 1]}`;
}

export const counted = (value: number, noun: string, plural = `${noun}s`): string =>
  `${whole(value)} ${value === 1 ? noun : plural}`;

/** 2026-11-30T11:00:00.000Z -> 2026-11-30 11:00 UTC; what is no such text stays. */
export const timeText = (iso: string): string =>
  iso.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*Z$/, '$1 $2 UTC');

// How two JSON values differ.
import { inspectValue } from '../checks.js';

export interface Difference {
  /** options.C, say. */
  readonly place: string;
  /** As messages show them. */
  readonly before: string;
  readonly now: string;
}

export function differencesOf(before: unknown, now: unknown, place = ''): Difference[] {
  if (Object.is(before, now)) return [];
  if (!isObject(before) || !isObject(now)) return [{ place, before: shown(before), now: shown(now) }];
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...names].flatMap((name) =>
    differencesOf(before[name], now[name], place === '' ? name : `${place}.${name}`),
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const shown = (value: unknown): string => (value === undefined ? 'nothing' : inspectValue(value));

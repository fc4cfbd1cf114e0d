// Levels of a page: whether all of its values are there, and whether its lists all have the same length.

import type { Page, PageBytes } from './pages.js';
import { fillFromRuns, Runs } from './runs.js';
import type { Levels } from './schema.js';

export interface PageLevels {
  readonly entries: number;
  /** Not there where the column has no lists. */
  readonly repetition: Uint8Array | undefined;
  /** Not there where no value can be missing. */
  readonly definition: Uint8Array | undefined;
}

/** The parts of a page, and what follows its levels. */
export function splitPage(
  page: Page,
  { levels, content }: PageBytes,
  { maxRepetition, maxDefinition }: Levels,
): { levels: PageLevels; values: Uint8Array } {
  const { entries } = page;
  if (page.kind === 'data v2') {
    const repetition = maxRepetition > 0 ? levels.subarray(0, page.repetitionBytes) : undefined;
    const definition = maxDefinition > 0 ? levels.subarray(page.repetitionBytes) : undefined;
    return { levels: { entries, repetition, definition }, values: content };
  }
  let at = 0;
  const part = (isThere: boolean): Uint8Array | undefined => {
    if (!isThere) return undefined;
    if (at + 4 > content.length) throw new Error('its levels are missing');
    const length = new DataView(content.buffer, content.byteOffset + at, 4).getUint32(0, true);
    at += 4 + length;
    if (at > content.length) throw new Error(`${length} bytes of levels`);
    return content.subarray(at - length, at);
  };
  const repetition = part(maxRepetition > 0);
  const definition = part(maxDefinition > 0);
  return { levels: { entries, repetition, definition }, values: content.subarray(at) };
}

const bitsOf = (maxLevel: number): number => 32 - Math.clz32(maxLevel);

/** Damage: packed levels come in eights, but the repetition of one ends where its page does. */
function checkRun({ isPacked, count }: Runs, room: number): void {
  if (!isPacked && count > room) throw new Error(`a run of ${count} levels where ${room} are left`);
}

/** Whether no value is missing: one run, as writers have it, is seen at once. */
export function areAllDefined({ entries, definition }: PageLevels, { maxDefinition }: Levels): boolean {
  if (definition === undefined) return true;
  const runs = new Runs(definition, bitsOf(maxDefinition));
  for (let seen = 0; seen < entries; seen += runs.count) {
    runs.next();
    checkRun(runs, entries - seen);
    if (!runs.isPacked) {
      if (runs.value !== maxDefinition) return false;
      continue;
    }
    const values = new Uint8Array(Math.min(runs.count, entries - seen));
    runs.unpack(values);
    if (values.some((value) => value !== maxDefinition)) return false;
  }
  return true;
}

/** Whether lists begin at each multiple of `width` and nowhere else, the first entry being value `begin` of its list. */
export function areRegular({ entries, repetition }: PageLevels, begin: number, width: number): boolean {
  const runs = new Runs(repetition!, 1);
  const packed = new Uint8Array(504);
  /** Entries until the next list begins. */
  let rest = begin === 0 ? 0 : width - begin;
  for (let seen = 0; seen < entries; ) {
    runs.next();
    checkRun(runs, entries - seen);
    const end = Math.min(entries, seen + runs.count);
    if (!runs.isPacked) {
      if (runs.value > 1) return false;
      if (runs.value !== 0 && rest < end - seen) return false;
      if (runs.value === 0 && (rest !== 0 || (end - seen > 1 && width > 1))) return false;
      rest = runs.value === 0 ? (width === 1 ? 0 : width - 1) : rest - (end - seen);
      seen = end;
      continue;
    }
    const values = runs.count <= packed.length ? packed.subarray(0, end - seen) : new Uint8Array(end - seen);
    runs.unpack(values);
    for (let i = 0; i < values.length; i++) {
      if ((values[i] === 0) !== (rest === 0)) return false;
      rest = rest === 0 ? width - 1 : rest - 1;
    }
    seen = end;
  }
  return true;
}

/** One level an entry, or none where it says nothing. */
export function expandLevels(levels: Uint8Array | undefined, maxLevel: number, entries: number): Uint8Array {
  const values = new Uint8Array(entries);
  if (levels === undefined) return values;
  fillFromRuns(new Runs(levels, bitsOf(maxLevel)), values, checkRun);
  const bad = values.find((level) => level > maxLevel);
  if (bad !== undefined) throw new Error(`level ${bad} of ${maxLevel}`);
  return values;
}

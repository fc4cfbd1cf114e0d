// What a line of an SVMlight file says.

import type { SoftshardError } from '../../../errors.js';
import { quoted } from '../../../printable.js';
import { formatError } from '../errors.js';

/** Without a comment at the end; '' for a line that is no row. */
export function rowOf(line: string): string {
  const comment = line.indexOf('#');
  return (comment < 0 ? line : line.slice(0, comment)).trim();
}

/** A row: its label, which may be missing, and its features as written, index:value. */
export interface RowText {
  readonly label: string;
  readonly features: readonly string[];
}

/** The identifier of a query comes before the features, and is passed over. */
export function splitRow(row: string): RowText {
  const cells = row.split(/\s+/);
  const label = cells[0]!.includes(':') ? '' : cells[0]!;
  const begin = (label === '' ? 0 : 1) + (cells[label === '' ? 0 : 1]?.startsWith('qid:') ? 1 : 0);
  return { label, features: begin === 0 ? cells : cells.slice(begin) };
}

/** Where a row is, for messages. */
export interface Place {
  readonly path: string;
  readonly line: number;
  readonly row: number;
}

/** Gives where the colon is; throws unless digits stand before it. */
export function indexEnd(cell: string, place: Place): number {
  const colon = cell.indexOf(':');
  let digits = 0;
  while (digits < colon && cell.charCodeAt(digits) >= 48 && cell.charCodeAt(digits) <= 57) digits++;
  if (colon > 0 && digits === colon) return colon;
  throw wrongCell(place, 'a feature as index:value', cell, 'Write rows as "label 1:0.5 7:-2".');
}

export const wrongCell = (
  { path, line, row }: Place,
  expected: string,
  found: string,
  remedy: string,
): SoftshardError =>
  formatError(path, `line ${line}: expected ${expected}, found ${quoted(found)}`, remedy, {
    row,
    value: found.slice(0, 200),
  });

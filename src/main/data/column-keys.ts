// Finds the columns that options ask for, by name or by index.

import { SoftshardError } from '../../errors.js';
import { nearestName } from '../../nearest-name.js';
import { listed, quoted } from '../../printable.js';
import { formatError } from './errors.js';
import type { ColumnKey } from './read-options.js';

export interface NamedColumns {
  readonly path: string;
  readonly names: readonly string[];
  /** Where names stand, before a finding: "line 1: ". */
  readonly place: string;
  /** A sentence that may help where a column is not found; or ''. */
  readonly remedy: string;
}

/** Throws ERR_OPTION for a column that is not there, ERR_FORMAT for a name that two have. */
export function columnIndex(file: NamedColumns, key: ColumnKey, argument: string): number {
  const { path, names, remedy } = file;
  const refuse = (expected: string) =>
    new SoftshardError('ERR_OPTION', `${argument}: expected ${expected}.${remedy && ` ${remedy}`}`, {
      argument,
      value: key,
    });
  if (typeof key === 'string') {
    const index = names.indexOf(key);
    const last = names.lastIndexOf(key);
    if (index !== last) throw ambiguousColumn(file, key, index, last, argument);
    if (index >= 0) return index;
    const nearest = nearestName(key, names);
    const hint = nearest === undefined ? '' : ` (did you mean ${quoted(nearest)}?)`;
    throw refuse(
      `a column of ${path}, got ${quoted(key)}${hint}. Its columns are ${listed(names.map(quoted))}`,
    );
  }
  const index = key < 0 ? names.length + key : key;
  if (Number.isInteger(index) && index >= 0 && index < names.length) return index;
  throw refuse(`an index from ${-names.length} to ${names.length - 1}, the columns of ${path}, got ${key}`);
}

export function ambiguousColumn(
  { path, place }: Pick<NamedColumns, 'path' | 'place'>,
  name: string,
  index: number,
  other: number,
  argument: string,
): SoftshardError {
  return formatError(
    path,
    `${place}expected one column ${quoted(name)}, found it as columns ${index + 1} and ${other + 1}`,
    `Rename one of them, or ask for it by index in ${argument}.`,
    { value: name },
  );
}

/** 0, 1, 2, …: positions, not names. */
export const isCounting = (names: readonly string[]): boolean =>
  names.length > 0 && names.every((name, index) => name === String(index));

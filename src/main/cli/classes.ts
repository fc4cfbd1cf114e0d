// Turns the labels of files into class indices; errors name file, row and label.

import { isUtf8 } from 'node:buffer';
import { readFile, stat } from 'node:fs/promises';
import { didYouMean } from '../../nearest-name.js';
import { listed, quoted } from '../../printable.js';
import { detectFormat, type Losses, matchLabels, SoftshardError } from '../index.js';
import { counted } from './output.js';

/** The classes of a model, or those that --class-names lists. */
export interface Classes {
  readonly count: number;
  readonly names: readonly string[] | undefined;
}

/** Labels as read: class indices, or with `classNames` (text files) codes of names in order of their values. */
export interface Labels {
  /** The file, for messages. */
  readonly path: string;
  readonly targets: Int32Array;
  readonly classNames?: readonly string[];
}

/** Far more than a million class names take. */
const MAX_NAMES_BYTES = 2 ** 26;

/** One name a line. */
export async function readClassNames(path: string): Promise<Classes> {
  const names = (await readText(path))
    .trimEnd()
    .split(/\r?\n/)
    .map((name) => name.trim());
  const first = new Map<string, number>();
  for (const [index, name] of names.entries()) {
    const line = index + 1;
    if (name === '')
      throw formatError(path, `line ${line}: expected the name of class ${index}, found an empty line`);
    const earlier = first.get(name);
    if (earlier !== undefined) {
      throw formatError(
        path,
        `line ${line}: ${quoted(name)} is on line ${earlier} already; names must differ`,
      );
    }
    first.set(name, line);
  }
  return { count: checkedCount(path, names.length), names };
}

async function readText(path: string): Promise<string> {
  // Names foreign files by their kind, and refuses pipes.
  if ((await detectFormat(path)) !== 'csv')
    throw formatError(path, 'expected one name a line, found an array');
  const stats = await stat(path);
  if (!stats.isFile()) throw formatError(path, 'expected one name a line, found a folder');
  const { size } = stats;
  if (size > MAX_NAMES_BYTES) {
    throw formatError(path, `expected at most ${MAX_NAMES_BYTES} bytes of names, found ${size}`);
  }
  const bytes = await readFile(path);
  if (!isUtf8(bytes)) throw formatError(path, 'expected UTF-8 text, not compressed');
  // TextDecoder drops the byte order mark.
  return new TextDecoder().decode(bytes);
}

/** The target of an ignored row: the engine's default ignoreIndex. */
const IGNORED = -100;

/**
 * The classes of labels where no names are given: their own names; 0 to the largest label; or, of whole numbers that do not count
 * from 0, such as -1 and 1 or 100, 200 and 300, those that there are, as names. Rows with the label `ignored` do not count.
 */
export function classesOf({ path, targets, classNames }: Labels, ignored?: number): Classes {
  if (classNames) {
    const at = ignored === undefined ? -1 : matchLabels([String(ignored)], classNames)[0]!;
    const names = at < 0 ? classNames : classNames.toSpliced(at, 1);
    return { count: checkedCount(path, names.length), names };
  }
  const distinct = new Set(targets);
  if (ignored !== undefined) distinct.delete(ignored);
  if (distinct.has(IGNORED)) {
    const row = targets.indexOf(IGNORED);
    const message = `${path}: row ${row} (from 0) has the label ${IGNORED}, which marks rows that do not count elsewhere: --ignore-index ${IGNORED} leaves them out`;
    throw new SoftshardError('ERR_TARGET_RANGE', message, { argument: 'labels', row, value: IGNORED });
  }
  const values = [...distinct].sort((a, b) => a - b);
  const count = (values.at(-1) ?? 0) + 1;
  // Some numbers from 0 on may be missing by chance.
  const areCounted = values[0] === 0 && values.length * MOST_GAPS >= count;
  if (areCounted) return { count: checkedCount(path, count), names: undefined };
  return { count: checkedCount(path, values.length), names: values.map(String) };
}

/** Labels that count from 0 are so many times fewer than the largest says, at most. */
const MOST_GAPS = 2;

function checkedCount(path: string, count: number): number {
  if (count >= 2) return count;
  throw formatError(path, `expected at least two classes, found ${counted(count, 'class', 'classes')}`);
}

/** Which rows to ignore, by label. */
export interface LabelRules {
  /** Rows with this label. */
  readonly ignoreIndex?: number | undefined;
  /** 'ignore': rows whose label is not a class, otherwise an error. */
  readonly onInvalidTarget?: Losses.OnInvalidTarget | undefined;
}

/**
 * Class indices. Text labels are class names; if none of them is one, they are read as class indices. Integer labels are
 * class indices, unless all class names are whole numbers: then they are names.
 */
export function targetsOf(labels: Labels, classes: Classes, rules: LabelRules = {}): Int32Array {
  const { targets, classNames } = labels;
  const { names, count } = classes;
  const { ignoreIndex } = rules;
  if (classNames) {
    if (classNames === names) return targets;
    const byName = names && matchLabels(classNames, names);
    const isByName = byName?.some((index) => index >= 0) || names?.every(isWhole);
    const indices = isByName ? byName! : Int32Array.from(classNames, (name) => indexIn(name, count));
    const ignored = ignoreIndex === undefined ? -1 : matchLabels([`${ignoreIndex}`], classNames)[0]!;
    if (ignored >= 0) indices[ignored] = IGNORED;
    return mapLabels(labels, rules, isByName ? names : classes, (code) => indices[code]!);
  }
  if (!names || !areNumbered(labels, names)) {
    return mapLabels(labels, rules, classes, (target) => {
      if (target === ignoreIndex) return IGNORED;
      return target >= 0 && target < count ? target : -1;
    });
  }
  const distinct = [...new Set(targets)];
  const indices = matchLabels(distinct.map(String), names);
  const indexOf = new Map(distinct.map((target, i) => [target, indices[i]!]));
  return mapLabels(labels, rules, names, (target) =>
    target === ignoreIndex ? IGNORED : indexOf.get(target)!,
  );
}

/** `indexOf` gives -1 for a label that is not a class. `classes` is for messages: names only, where labels are names. */
function mapLabels(
  { path, targets, classNames }: Labels,
  { onInvalidTarget }: LabelRules,
  classes: Classes | readonly string[] | undefined,
  indexOf: (target: number) => number,
): Int32Array {
  return targets.map((target, row) => {
    const index = indexOf(target);
    if (index >= 0 || index === IGNORED) return index;
    if (onInvalidTarget === 'ignore') return IGNORED;
    const label = classNames?.[target] ?? target;
    const shown = typeof label === 'string' ? quoted(label) : label;
    const names = classes && 'names' in classes ? classes.names : classes;
    // Of numbers all are near.
    const meant = Number.isNaN(Number(label)) ? didYouMean(String(label), names ?? [], quoted) : '';
    const message = `${path}: row ${row} (from 0) has the label ${shown}, which is not one of the ${describe(classes)}${meant}`;
    throw new SoftshardError('ERR_TARGET_RANGE', message, { argument: 'labels', row, value: label });
  });
}

/** Whether a class name is a whole number, so that an integer label may mean it. */
export const isWhole = (name: string): boolean => /^[+-]?(?:0|[1-9]\d*)(?:\.0*)?$/.test(name);

/** The class index that a text writes; -1 if it is not one. */
function indexIn(name: string, count: number): number {
  const index = /^\+?\d/.test(name) && !/^\+?0\d|x/i.test(name) ? Number(name) : Number.NaN;
  return Number.isInteger(index) && index < count ? index : -1;
}

/**
 * Whether integer labels are class names: all names are whole numbers (1 to 26, say). Throws if only some are, because
 * integers could then mean names or indices.
 */
function areNumbered({ path }: Labels, names: readonly string[]): boolean {
  if (names.every(isWhole)) return true;
  const at = names.findIndex((name, index) => /^[+-]?\d+(?:\.0*)?$/.test(name) && Number(name) !== index);
  if (at < 0) return false;
  throw new SoftshardError(
    'ERR_TARGET_RANGE',
    `${path}: its labels are integers, and of the classes (${listed(names)}) class ${at} is called ${names[at]}: ` +
      'give the labels as text with the names of the classes, one a line',
    { argument: 'labels', value: names[at] },
  );
}

function describe(classes: Classes | readonly string[] | undefined): string {
  if (classes === undefined) return 'classes';
  if (!('names' in classes)) return `${counted(classes.length, 'class', 'classes')} ${listed(classes)}`;
  const { count, names } = classes;
  return `${count} classes 0 to ${count - 1}${names ? ` (${listed(names)})` : ''}`;
}

/** Classes that no row has, so that the model cannot learn them. */
export function classesWithoutRows(targets: Int32Array, { count }: Classes): number[] {
  const has = new Uint8Array(count);
  for (const target of targets) if (target >= 0) has[target] = 1;
  return Array.from(has.keys()).filter((index) => has[index] === 0);
}

const formatError = (path: string, finding: string): SoftshardError =>
  new SoftshardError('ERR_FORMAT', `${path}: ${finding}`, { value: path });

// From labels as files have them to class indices, with messages that name file, row and label.

import { isUtf8 } from 'node:buffer';
import { readFile, stat } from 'node:fs/promises';
import { listed, quoted } from '../../printable.js';
import { detectFormat, matchLabels, type OnInvalidTarget, SoftshardError } from '../index.js';
import { counted } from './output.js';

/** The classes of a model, or of class names that were given. */
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

/** Far more than the names of a million classes take. */
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
  // Says of pages, archives and others what they are, and refuses pipes.
  if ((await detectFormat(path)) !== 'csv')
    throw formatError(path, 'expected one name a line, found an array');
  const { size } = await stat(path);
  if (size > MAX_NAMES_BYTES) {
    throw formatError(path, `expected at most ${MAX_NAMES_BYTES} bytes of names, found ${size}`);
  }
  const bytes = await readFile(path);
  if (!isUtf8(bytes)) throw formatError(path, 'expected UTF-8 text, not compressed');
  // Without the mark that editors put before it.
  return new TextDecoder().decode(bytes);
}

/** The engine counts in int32. */
const MAX_CLASSES = 2 ** 31 - 1;

/** What targetsOf gives for a row that is to be ignored: what the engine ignores unless it is told otherwise. */
const IGNORED = -100;

/**
 * The classes that labels have when nothing else says so: their names, or 0 to the largest. Rows with the label
 * `ignored` are left out.
 */
export function classesOf({ path, targets, classNames }: Labels, ignored?: number): Classes {
  if (classNames) {
    const at = ignored === undefined ? -1 : matchLabels([String(ignored)], classNames)[0]!;
    const names = at < 0 ? classNames : classNames.toSpliced(at, 1);
    return { count: checkedCount(path, names.length), names };
  }
  let largest = 0;
  for (const [row, target] of targets.entries()) {
    if (target === ignored) continue;
    if (target < 0 || target >= MAX_CLASSES) {
      const message = `${path}: row ${row} (from 0) has the label ${target}: classes are counted from 0, to ${MAX_CLASSES - 1} at most`;
      throw new SoftshardError('ERR_TARGET_RANGE', message, { argument: 'labels', row, value: target });
    }
    largest = Math.max(largest, target);
  }
  return { count: checkedCount(path, largest + 1), names: undefined };
}

function checkedCount(path: string, count: number): number {
  if (count >= 2) return count;
  throw formatError(path, `expected at least two classes, found ${counted(count, 'class', 'classes')}`);
}

/** Which labels' rows are to be ignored. */
export interface LabelRules {
  /** Those with this label. */
  readonly ignoreIndex?: number | undefined;
  /** 'ignore': those whose label is no class, which otherwise is an error. */
  readonly onInvalidTarget?: OnInvalidTarget | undefined;
}

/**
 * Class indices. Labels are names of classes. Text of which none fits, and integers, are class indices, unless the names are
 * numbers themselves: these are meant then.
 */
export function targetsOf(labels: Labels, classes: Classes, rules: LabelRules = {}): Int32Array {
  const { targets, classNames } = labels;
  const { names } = classes;
  if (!classNames) {
    return names && areNumbered(labels, names)
      ? namedTargets(labels, names, rules)
      : indexTargets(labels, classes, rules);
  }
  if (classNames === names) return targets;
  const byName = names && matchLabels(classNames, names);
  const isByName = byName?.some((index) => index >= 0) || names?.every(isWhole);
  const indices = isByName ? byName! : Int32Array.from(classNames, (name) => indexIn(name, classes.count));
  const ignored =
    rules.ignoreIndex === undefined ? -1 : matchLabels([`${rules.ignoreIndex}`], classNames)[0]!;
  if (ignored >= 0) indices[ignored] = IGNORED;
  return targets.map((code, row) => {
    const index = indices[code]!;
    if (index >= 0 || index === IGNORED) return index;
    if (rules.onInvalidTarget === 'ignore') return IGNORED;
    return unknownLabel(labels, row, classNames[code]!, isByName ? names : classes);
  });
}

/** Whether a class is called by a whole number, which integers may mean. */
export const isWhole = (name: string): boolean => /^[+-]?(?:0|[1-9]\d*)(?:\.0*)?$/.test(name);

/** Of a class index written as a number; -1 where it is none. */
function indexIn(name: string, count: number): number {
  const index = /^\+?\d/.test(name) && !/^\+?0\d|x/i.test(name) ? Number(name) : Number.NaN;
  return Number.isInteger(index) && index < count ? index : -1;
}

/**
 * Whether integers mean names that are numbers: all are (1 to 26, say). Throws where only some are, and integers may mean
 * either those or places.
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

function namedTargets(labels: Labels, names: readonly string[], rules: LabelRules): Int32Array {
  const distinct = [...new Set(labels.targets)];
  const indices = matchLabels(distinct.map(String), names);
  const indexOf = new Map(distinct.map((target, i) => [target, indices[i]!]));
  return labels.targets.map((target, row) => {
    const index = indexOf.get(target)!;
    if (target === rules.ignoreIndex) return IGNORED;
    if (index >= 0) return index;
    return rules.onInvalidTarget === 'ignore' ? IGNORED : unknownLabel(labels, row, target, names);
  });
}

function indexTargets(
  labels: Labels,
  classes: Classes,
  { ignoreIndex, onInvalidTarget }: LabelRules,
): Int32Array {
  return labels.targets.map((target, row) => {
    if (target === ignoreIndex) return IGNORED;
    if (target >= 0 && target < classes.count) return target;
    return onInvalidTarget === 'ignore' ? IGNORED : unknownLabel(labels, row, target, classes);
  });
}

/** `classes`: their names alone where labels are names. */
function unknownLabel(
  { path }: Labels,
  row: number,
  label: string | number,
  classes: Classes | readonly string[] | undefined,
): never {
  const shown = typeof label === 'string' ? quoted(label) : label;
  const message = `${path}: row ${row} (from 0) has the label ${shown}, which is not one of the ${describe(classes)}`;
  throw new SoftshardError('ERR_TARGET_RANGE', message, { argument: 'labels', row, value: label });
}

function describe(classes: Classes | readonly string[] | undefined): string {
  if (classes === undefined) return 'classes';
  if (!('names' in classes)) return `${counted(classes.length, 'class', 'classes')} ${listed(classes)}`;
  const { count, names } = classes;
  return `${count} classes 0 to ${count - 1}${names ? ` (${listed(names)})` : ''}`;
}

/** Class indices that no row has: what a model is not trained on. */
export function classesWithoutRows(targets: Int32Array, { count }: Classes): number[] {
  const has = new Uint8Array(count);
  for (const target of targets) if (target >= 0) has[target] = 1;
  return Array.from(has.keys()).filter((index) => has[index] === 0);
}

const formatError = (path: string, finding: string): SoftshardError =>
  new SoftshardError('ERR_FORMAT', `${path}: ${finding}`, { value: path });

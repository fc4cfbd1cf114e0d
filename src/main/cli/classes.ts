// From labels as files have them to class indices, with messages that name file, row and label.

import { readFile } from 'node:fs/promises';
import { listed, quoted } from '../../printable.js';
import { type OnInvalidTarget, SoftshardError } from '../index.js';
import { fileError } from './files.js';
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

/** One name a line. */
export async function readClassNames(path: string): Promise<Classes> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw fileError(path, 'read', cause);
  }
  const names = text
    .replace(/^\uFEFF/, '')
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
    const at = ignored === undefined ? -1 : classNames.indexOf(String(ignored));
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
 * Class indices. Text labels are names of classes or, when none of the classes' names fit, class indices written as
 * numbers.
 */
export function targetsOf(labels: Labels, classes: Classes, rules: LabelRules = {}): Int32Array {
  const { targets, classNames } = labels;
  if (!classNames) return checkRange(labels, classes, rules);
  const { names } = classes;
  if (classNames === names) return targets;
  const byName = new Map(names?.map((name, index) => [name, index]));
  const indexOf = classNames.some((name) => byName.has(name))
    ? (name: string) => byName.get(name)
    : (name: string) => (/^\d+$/.test(name) && Number(name) < classes.count ? Number(name) : undefined);
  const unknown = rules.onInvalidTarget === 'ignore' ? IGNORED : undefined;
  const ignored = rules.ignoreIndex?.toString();
  const indices = classNames.map((name) => (name === ignored ? IGNORED : (indexOf(name) ?? unknown)));
  return targets.map((code, row) => indices[code] ?? unknownLabel(labels, row, classNames[code]!, classes));
}

function checkRange(
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

function unknownLabel({ path }: Labels, row: number, label: string | number, classes: Classes): never {
  const { count, names } = classes;
  const known = names ? ` (${listed(names)})` : '';
  const shown = typeof label === 'string' ? quoted(label) : label;
  const message = `${path}: row ${row} (from 0) has the label ${shown}, which is not one of the ${count} classes 0 to ${count - 1}${known}`;
  throw new SoftshardError('ERR_TARGET_RANGE', message, { argument: 'labels', row, value: label });
}

const formatError = (path: string, finding: string): SoftshardError =>
  new SoftshardError('ERR_FORMAT', `${path}: ${finding}`, { value: path });

// Targets of a classifier, whatever they are, as class indices or shares of its classes: and which classes it has, where its first
// rows say so.
import { SoftshardError } from '../../errors.js';
import type { Targets } from '../arguments/targets.js';
import { inspectValue } from '../checks.js';
import { areDense, type DenseTargets } from '../losses/dense-targets.js';
import { arrayClassOf, checkedDims, dataOf, dimsOf, isFloats } from '../memory/arrays.js';
import { type Classes, findClasses, type LabelRules, matchClasses } from './classes.js';
import { addLabels, Labels } from './labels.js';
import { doubtIndices } from './number-names.js';

export interface ClassTargets {
  readonly targets: Targets | DenseTargets;
  readonly classes: Classes;
  /** Whether targets are labels, now class indices and IGNORED_LABEL. */
  readonly areLabels: boolean;
}

export interface TargetTerms {
  readonly argument: string;
  readonly rows: number;
  /** Undefined: to be found. */
  readonly classes: Classes | undefined;
  /** Whether classes without names may get those of the labels. */
  readonly mayName: () => boolean;
  readonly rules: LabelRules;
}

/** What is neither labels nor finds classes is left as it is, to be checked by whoever uses it. */
export function classTargets(given: unknown, terms: TargetTerms): ClassTargets {
  const { argument, rows, classes, rules } = terms;
  const shares = classes === undefined ? shareCount(given, rows) : undefined;
  const found = shares === undefined ? classes : { count: shares, names: undefined, labelType: undefined };
  if (found !== undefined && !areLabels(given, rows, found)) {
    if (found.names !== undefined) doubtIndices(dataOf(given), found.names, terms);
    return { targets: given as Targets, classes: found, areLabels: false };
  }
  const labels = labelsOf(argument, given);
  if (labels.rows !== rows) {
    const message = `${argument} has ${labels.rows} entries for ${rows} rows: it needs one label for each row`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: labels.rows });
  }
  if (classes === undefined) return { ...findClasses(labels, rules), areLabels: true };
  if (classes.names !== undefined)
    return { targets: matchClasses(labels, classes, rules), classes, areLabels: true };
  // Class indices that came one by one.
  if (labels.areNumbers) {
    const { distinct } = labels;
    return { targets: Array.from(labels.codes, (code) => Number(distinct[code])), classes, areLabels: false };
  }
  return { ...named(labels, classes, terms), areLabels: true };
}

/** Classes that had no names get the labels', if there are as many. */
function named(labels: Labels, classes: Classes, { rules, mayName, argument }: TargetTerms) {
  const found = findClasses(labels, rules);
  const may = mayName();
  if (may && found.classes.count === classes.count) return found;
  const why = may ? `${found.classes.count} different labels` : 'names, which the classes do not have';
  const message = `${argument} has ${why}, and the classifier was made with ${classes.count} classes: leave classes out, and they are found in the labels; or give it classNames`;
  throw new SoftshardError('ERR_TARGET_RANGE', message, { argument, value: labels.distinct[0] });
}

/** Shares of how many classes targets are that nobody has told the classes of; undefined: they are labels. */
function shareCount(given: unknown, rows: number): number | undefined {
  const array = dataOf(given);
  const isArray = Array.isArray(array) || arrayClassOf(array) !== undefined;
  if (given instanceof Labels || !isArray || rows === 0) return undefined;
  const { length } = array as ArrayLike<unknown>;
  const dims = checkedDims(dimsOf(given));
  const isMatrix = dims !== undefined && dims.length > 1;
  const count = length / rows;
  return (isMatrix || isFloats(array)) && count >= 2 && Number.isInteger(count) ? count : undefined;
}

/** Whether targets name classes, rather than count them or give shares of each. */
function areLabels(given: unknown, rows: number, { count, labelType }: Classes): boolean {
  if (given instanceof Labels) return true;
  const array = dataOf(given);
  const isArray = Array.isArray(array);
  if (isArray && (typeof array[0] === 'string' || typeof array[0] === 'boolean')) return true;
  if (labelType === undefined || !(isArray || arrayClassOf(array) !== undefined)) return false;
  const { length } = array as ArrayLike<unknown>;
  return length === rows || !areDense(given as Targets, { rows, columns: count });
}

function labelsOf(argument: string, given: unknown): Labels {
  if (given instanceof Labels) return given;
  const array = dataOf(given);
  if (!Array.isArray(array) && arrayClassOf(array) === undefined) {
    const message = `${argument} is ${inspectValue(array)}: pass a label for each row (strings, whole numbers, booleans), as an array, an integer tensor, an Arrow vector or an iterable`;
    throw new SoftshardError('ERR_TYPE', message, { argument, value: array });
  }
  const labels = new Labels(argument);
  addLabels(labels, given);
  return labels;
}

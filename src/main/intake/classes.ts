// The classes of a classifier: found in the labels it is first trained on, and looked up in those that come later.
import { SoftshardError } from '../../errors.js';
import { listed } from '../../printable.js';
import { inspectValue } from '../checks.js';
import { classesOf, matchLabels } from '../data/class-labels.js';
import type { LossOptions } from '../losses/loss-options.js';
import type { DistinctLabel, Labels } from './labels.js';

/** What classes a classifier has. */
export interface Classes {
  readonly count: number;
  readonly names: readonly string[] | undefined;
  /** 'number': labels that are numbers are found among the names; else numbers are class indices. */
  readonly labelType: LabelType | undefined;
}

export type LabelType = 'number';

/** Which labels are neither classes nor errors. */
export type LabelRules = Pick<LossOptions, 'ignoreIndex' | 'onInvalidTarget'>;

/** The class of each row, -1 for a row to be ignored; and the classes, where they were found or named by these labels. */
export interface LabelClasses {
  readonly targets: Int32Array;
  readonly classes: Classes;
}

/** In the targets of LabelClasses. */
export const IGNORED_LABEL = -1;

/** PyTorch's number for rows without a class. */
const DEFAULT_IGNORED = -100;

export const isIgnored = (label: DistinctLabel, { ignoreIndex }: LabelRules): boolean =>
  label === (ignoreIndex ?? DEFAULT_IGNORED) || (ignoreIndex !== undefined && label === String(ignoreIndex));

/**
 * Finds the classes: the distinct labels in order, numbers by value. Whole numbers from 0 on without gaps are class indices, all
 * other classes get their labels as names. Throws ERR_TARGET_RANGE where they are fewer than two, or of more than one type.
 */
export function findClasses(labels: Labels, rules: LabelRules): LabelClasses {
  const { distinct, codes, argument } = labels;
  const kept = distinct.filter((label) => !isIgnored(label, rules));
  checkOneType(labels, kept);
  const texts = kept.map(String);
  const { classNames, classOf } = classesOf(texts);
  if (classNames.length < 2) {
    const found = kept.length === 0 ? 'no labels' : `only the label ${inspectValue(kept[0])}`;
    const message = `${argument} has ${found}: a classifier needs two classes (where these rows do not have all, give the constructor classNames)`;
    throw new SoftshardError('ERR_TARGET_RANGE', message, { argument, value: kept[0] });
  }
  const areIndices =
    labels.areNumbers && kept.every((label) => Number(label) >= 0 && Number(label) < kept.length);
  const ofText = new Map(texts.map((text, i) => [text, classOf[i]!]));
  const byCode = distinct.map((label) =>
    isIgnored(label, rules) ? IGNORED_LABEL : ofText.get(String(label))!,
  );
  return {
    targets: codes.map((code) => byCode[code]!),
    classes: {
      count: classNames.length,
      names: areIndices ? undefined : Object.freeze(classNames),
      labelType: labels.areNumbers && !areIndices ? 'number' : undefined,
    },
  };
}

/** 1 and '1' in one array are a mistake more often than two spellings of one class. */
function checkOneType(labels: Labels, kept: readonly DistinctLabel[]): void {
  const [first] = kept;
  const other = kept.find((label) => typeof label !== typeof first);
  if (other === undefined || first === undefined) return;
  const { argument, distinct } = labels;
  const rowOf = (label: DistinctLabel) => labels.firstRowOf(distinct.indexOf(label));
  const row = rowOf(other);
  const message = `${labels.placeOf(row)} is ${inspectValue(other)}, a ${typeof other}, and ${labels.placeOf(rowOf(first))} is ${inspectValue(first)}, a ${typeof first}: labels are all of one type (String(label) makes them so)`;
  throw new SoftshardError('ERR_TARGET_RANGE', message, { argument, row, value: other });
}

/** Looks labels up in the names of the classes. Throws ERR_TARGET_RANGE with the first row of a label that is none. */
export function matchClasses(labels: Labels, classes: Classes, rules: LabelRules): Int32Array {
  const { distinct, codes, argument } = labels;
  const names = classes.names ?? [];
  const matched = matchLabels(distinct.map(String), names);
  const byCode = distinct.map((label, code) => {
    if (isIgnored(label, rules)) return IGNORED_LABEL;
    if (matched[code]! >= 0 || rules.onInvalidTarget === 'ignore') return matched[code]!;
    const row = labels.firstRowOf(code);
    const message = `${labels.placeOf(row)} is ${inspectValue(label)}, not a class: the classes are ${listed(names)} (options.onInvalidTarget 'ignore' leaves such rows out)`;
    throw new SoftshardError('ERR_TARGET_RANGE', message, { argument, row, value: label });
  });
  return codes.map((code) => byCode[code]!);
}

// Class indices for classes whose names are numbers: what is likely meant as labels is refused or doubted.
import { SoftshardError } from '../../errors.js';
import { presentable, quoted } from '../../printable.js';
import { arrayClassOf } from '../memory/arrays.js';
import { isIgnored, type LabelRules } from './classes.js';

export interface IndexTerms {
  readonly argument: string;
  readonly rows: number;
  readonly rules: LabelRules;
}

/** The classes that are called by a whole number. */
type Numbered = ReadonlyMap<number, number>;

/** By the names of a classifier, which stay the same. */
const numbered = new WeakMap<readonly string[], Numbered>();
/** Of the classifiers that have been warned of, which each are once. */
const warned = new WeakSet<readonly string[]>();

/**
 * Of targets that count as class indices, though the classes have names. Throws ERR_TARGET_RANGE for a number that is no index, but
 * the name of a class; a plain array of numbers which all are names of classes, and of other classes than those that they count, is
 * more likely to be labels, and gets a warning. (Typed arrays of class indices come from files and from matchLabels.)
 */
export function doubtIndices(array: unknown, names: readonly string[], terms: IndexTerms): void {
  const places = placesOf(names);
  if (places.size === 0 || !(Array.isArray(array) || arrayClassOf(array) !== undefined)) return;
  refuseNames(array as ArrayLike<unknown>, places, names, terms);
  if (Array.isArray(array)) warnOfNames(array, places, names, terms);
}

function placesOf(names: readonly string[]): Numbered {
  const known = numbered.get(names);
  if (known !== undefined) return known;
  const places = new Map<number, number>();
  for (const [place, name] of names.entries()) {
    const value = Number(name);
    if (Number.isSafeInteger(value) && String(value) === name) places.set(value, place);
  }
  numbered.set(names, places);
  return places;
}

function refuseNames(
  values: ArrayLike<unknown>,
  places: Numbered,
  names: readonly string[],
  { argument, rows, rules }: IndexTerms,
): void {
  const isIndex = (value: number) => value >= 0 && value < names.length;
  // Entries of another number are shares of classes; whatever else is no index, others tell of.
  if (rules.onInvalidTarget === 'ignore' || values.length !== rows || [...places.keys()].every(isIndex))
    return;
  for (let row = 0; row < rows; row++) {
    const given = values[row];
    if (typeof given !== 'number' && typeof given !== 'bigint') return;
    const value = Number(given);
    if (isIndex(value) || isIgnored(value, rules)) continue;
    const place = places.get(value);
    if (place === undefined) return;
    const message = `${argument}[${row}] is ${value}, not a class index (0 to ${names.length - 1}) but the name of class ${place}: pass labels as strings (String(label)), or make the classifier with labelType 'number'`;
    throw new SoftshardError('ERR_TARGET_RANGE', message, { argument, row, value });
  }
}

function warnOfNames(
  values: readonly unknown[],
  places: Numbered,
  names: readonly string[],
  { argument, rules }: IndexTerms,
): void {
  if (warned.has(names) || values.length === 0 || !values.every(Number.isInteger)) return;
  let other: number | undefined;
  for (const value of new Set(values as readonly number[])) {
    if (isIgnored(value, rules)) continue;
    const place = places.get(value);
    if (place === undefined) return;
    if (place !== value) other ??= value;
  }
  if (other === undefined) return;
  const message = `${argument} are taken for class indices, ${other} for the class ${quoted(names[other] ?? '')}, though there is a class ${quoted(String(other))}: labels are strings, or numbers where the classifier is made or trained with labelType 'number'; class indices in an Int32Array are never doubted`;
  warned.add(names);
  process.emitWarning(presentable(message), { type: 'SoftshardWarning', code: 'WARN_LABELS' });
}

// Weights of classes by their names, as scikit-learn's class_weight has them.
import { SoftshardError } from '../../errors.js';
import { didYouMean } from '../../nearest-name.js';
import { listed, presentable } from '../../printable.js';
import type { NumericVector } from '../arguments/numeric-vectors.js';
import { inspectValue } from '../checks.js';

/** By the names of classes, without names by their numbers; classes that are left out weigh 1. */
export type WeightsByClass = Readonly<Record<string, number>>;

const ARGUMENT = 'options.weight';

/** What `weight` gives each class; what is no object of numbers is left as it is, to be checked by whoever uses it. */
export function weightsOf(
  weight: NumericVector | WeightsByClass | undefined,
  classes: number,
  classNames: readonly string[] | undefined,
): NumericVector | undefined {
  if (typeof weight === 'string') throw textError(weight);
  if (!isByClass(weight)) return weight;
  const names = classNames ?? Array.from({ length: classes }, (_, index) => String(index));
  const weights = new Float64Array(classes).fill(1);
  for (const [name, value] of Object.entries(weight)) {
    const index = names.indexOf(name);
    if (index < 0) {
      const message = `${ARGUMENT} has a weight for ${inspectValue(name)}, which is not a class${didYouMean(name, names)}: the classes are ${listed(names)}`;
      throw new SoftshardError('ERR_OPTION', presentable(message), { argument: ARGUMENT, value: name });
    }
    if (typeof value !== 'number' || !(value >= 0) || value === Number.POSITIVE_INFINITY) {
      const message = `${ARGUMENT} of the class ${inspectValue(name)} is ${inspectValue(value)}: it must be a finite number of at least 0`;
      throw new SoftshardError('ERR_OPTION', message, { argument: ARGUMENT, value });
    }
    weights[index] = value;
  }
  return weights;
}

function textError(weight: string): SoftshardError {
  const why = weight === 'balanced' ? ', which counts the rows that fit trains on' : '';
  const message = `${ARGUMENT} is ${inspectValue(weight)}${why}: pass a number for each class, or { name: number, … }`;
  return new SoftshardError('ERR_OPTION', message, { argument: ARGUMENT, value: weight });
}

function isByClass(weight: unknown): weight is WeightsByClass {
  if (typeof weight !== 'object' || weight === null) return false;
  const prototype: unknown = Object.getPrototypeOf(weight);
  // A plain object of any realm, but no tensor, which is one, too.
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return isPlain && typeof Reflect.get(weight, 'data') !== 'object';
}

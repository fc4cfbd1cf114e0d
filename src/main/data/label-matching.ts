// Which class a label written as text means: one of the same name, or of a name that is the same number.
import { checkStrings } from '../arguments/checks.js';
import { decimalOf, exactKey, hasLeadingZeros } from './number-text.js';

export class LabelMatcher {
  readonly #byName: ReadonlyMap<string, number>;
  /** By exact value; empty where a name has leading zeros: then all are texts. */
  readonly #byValue = new Map<string, number>();

  constructor(classNames: readonly string[]) {
    this.#byName = new Map(classNames.map((name, index) => [name, index]));
    if (classNames.some(hasLeadingZeros)) return;
    for (const [index, name] of classNames.entries()) {
      const value = decimalOf(name);
      if (value && !this.#byValue.has(exactKey(value))) this.#byValue.set(exactKey(value), index);
    }
  }

  indexOf(label: string): number | undefined {
    const index = this.#byName.get(label);
    if (index !== undefined || this.#byValue.size === 0 || hasLeadingZeros(label)) return index;
    const value = decimalOf(label);
    return value && this.#byValue.get(exactKey(value));
  }
}

/**
 * For each label the index of its class, -1 where there is none. Numbers match by their exact value, whatever their
 * spelling ("1", "1.0"), unless one has leading zeros: these are texts.
 */
export function matchLabels(labels: readonly string[], classNames: readonly string[]): Int32Array {
  checkStrings('labels', labels);
  checkStrings('classNames', classNames);
  const matcher = new LabelMatcher(classNames);
  return Int32Array.from(labels, (label) => matcher.indexOf(label) ?? -1);
}

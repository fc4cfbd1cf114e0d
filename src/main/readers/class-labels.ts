// Turns labels written as text into class indices.

import { listed, quoted } from '../../printable.js';
import { formatError } from './byte-source.js';
import { isNumberText } from './csv-columns.js';

/**
 * Without given names, the classes are the distinct labels in sorted order: by value when all are numbers ("9" before
 * "10"; "1" and "1.0" are one class), else by UTF-16 code units, which no locale changes.
 */
export class ClassLabels {
  readonly #path: string;
  readonly #given: ReadonlyMap<string, number> | undefined;
  readonly #givenNames: readonly string[] | undefined;
  /** Distinct labels in order of appearance, with the line where each was first met. */
  readonly #found = new Map<string, { readonly code: number; readonly line: number }>();
  /** Class indices when names are given, else the codes of `#found`. */
  readonly #codes: Int32Array;
  #rows = 0;

  constructor(path: string, maxRows: number, classNames: readonly string[] | undefined) {
    this.#path = path;
    this.#codes = new Int32Array(maxRows);
    this.#givenNames = classNames;
    this.#given = classNames && new Map(classNames.map((name, index) => [name, index]));
  }

  get count(): number {
    return this.#rows;
  }

  add(label: string, line: number): void {
    this.#codes[this.#rows] = this.#given ? this.#classOf(label, line) : this.#codeOf(label, line);
    this.#rows++;
  }

  #classOf(label: string, line: number): number {
    const given = this.#given!;
    const index = given.get(label) ?? (isNumberText(label) ? given.get(canonicalNumber(label)) : undefined);
    if (index !== undefined) return index;
    throw formatError(
      this.#path,
      `line ${line}: expected a label that is one of the classes (${listed(this.#givenNames!)}), found ${quoted(label)}`,
      'Correct the label, or train a model that knows this class.',
      { row: this.#rows, value: label },
    );
  }

  #codeOf(label: string, line: number): number {
    const known = this.#found.get(label);
    if (known) return known.code;
    this.#checkText(label, line);
    const code = this.#found.size;
    this.#found.set(label, { code, line });
    return code;
  }

  #checkText(label: string, line: number): void {
    const details = { row: this.#rows, value: label };
    if (label === '') {
      throw formatError(
        this.#path,
        `line ${line}: expected a label, found an empty cell`,
        'Fill it in or leave the row out.',
        details,
      );
    }
    if (label.includes('\uFFFD')) {
      throw formatError(
        this.#path,
        `line ${line}: expected UTF-8 text, found the label ${quoted(label)}`,
        'Save the file as UTF-8.',
        details,
      );
    }
  }

  /** Whether the given classes are numbers and this label is not: the mark of a header taken for a row. */
  isOddOneOut(label: string): boolean {
    return !isNumberText(label) && (this.#givenNames?.every(isNumberText) ?? false);
  }

  /** The same mark where no classes are given, once all labels are known: only the first is not a number. */
  get firstIsOddOneOut(): boolean {
    const [first, ...others] = this.#found.keys();
    if (first === undefined || others.length === 0 || isNumberText(first)) return false;
    return others.every(isNumberText) && !this.#codes.subarray(1, this.#rows).includes(0);
  }

  /** Takes the first label out again, with its class: it was a header. */
  dropFirst(): void {
    const [first] = this.#found.keys();
    this.#found.delete(first!);
    this.#codes.copyWithin(0, 1);
    this.#rows--;
  }

  finish(): { targets: Int32Array; classNames: string[] } {
    const targets = this.#codes.slice(0, this.#rows);
    if (this.#givenNames) return { targets, classNames: [...this.#givenNames] };
    const nameOf = [...this.#found.keys()].every(isNumberText) ? canonicalNumber : (label: string) => label;
    const names = new Set([...this.#found.keys()].map(nameOf));
    const classNames =
      nameOf === canonicalNumber ? [...names].sort((a, b) => Number(a) - Number(b)) : [...names].sort();
    const classOfName = new Map(classNames.map((name, index) => [name, index]));
    const classOfCode = new Map(
      [...this.#found].map(([label, { code }]) => [code, classOfName.get(nameOf(label))!]),
    );
    for (let row = 0; row < targets.length; row++) targets[row] = classOfCode.get(targets[row]!)!;
    return { targets, classNames };
  }
}

/** "1.0", "01" and "+1" -> "1". */
const canonicalNumber = (text: string): string => String(Number(text));

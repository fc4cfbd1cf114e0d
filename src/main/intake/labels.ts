// Labels as they come, kept as codes of the distinct ones: strings, whole numbers, booleans. What classes they are is decided
// when all are there.
import { SoftshardError } from '../../errors.js';
import { isArrowVector } from '../arguments/arrow.js';
import { adviceFor } from '../arguments/foreign-values.js';
import { inspectValue } from '../checks.js';
import { MAX_CLASSES } from '../data/class-labels.js';
import { arrayClassOf, dataOf } from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';

export type Label = string | number | bigint | boolean;

/** A bigint becomes a number. */
export type DistinctLabel = string | number | boolean;

export class Labels {
  /** What they are called in errors. */
  readonly #argument: string;
  /** Of records: the field. */
  readonly #field: string | undefined;
  readonly #found = new Map<DistinctLabel, number>();
  readonly #firstRows: number[] = [];
  #codes = new Int32Array(1024);
  #rows = 0;

  constructor(argument: string, field?: string) {
    this.#argument = argument;
    this.#field = field;
  }

  get rows(): number {
    return this.#rows;
  }

  /** In order of appearance. */
  get distinct(): readonly DistinctLabel[] {
    return [...this.#found.keys()];
  }

  /** [rows], of `distinct`. */
  get codes(): Int32Array {
    return this.#codes.subarray(0, this.#rows);
  }

  get areNumbers(): boolean {
    return this.distinct.every((label) => typeof label === 'number');
  }

  /** Throws ERR_TYPE or ERR_TARGET_RANGE, naming the row. */
  add(value: unknown): void {
    const code = this.#found.get(value as DistinctLabel) ?? this.#newCode(value);
    if (this.#rows === this.#codes.length) {
      const codes = new Int32Array(2 * this.#rows);
      codes.set(this.#codes);
      this.#codes = codes;
    }
    this.#codes[this.#rows++] = code;
  }

  placeOf(row: number): string {
    return `${this.#argument}[${row}]${this.#field === undefined ? '' : `.${this.#field}`}`;
  }

  /** Where a label comes first. */
  firstRowOf(code: number): number {
    return this.#firstRows[code]!;
  }

  get argument(): string {
    return this.#argument;
  }

  #newCode(value: unknown): number {
    const label = this.#checked(value);
    const known = this.#found.get(label);
    if (known !== undefined) return known;
    const code = this.#found.size;
    if (code === MAX_CLASSES) {
      throw this.#error(value, `one of more than ${MAX_CLASSES} different labels, which are no classes`);
    }
    this.#found.set(label, code);
    this.#firstRows.push(this.#rows);
    return code;
  }

  #checked(value: unknown): DistinctLabel {
    if (typeof value === 'boolean' || (typeof value === 'string' && value !== '')) return value;
    if (typeof value === 'number' || typeof value === 'bigint') {
      const number = Number(value);
      // -0 is 0.
      if (Number.isSafeInteger(number)) return number + 0;
      throw this.#error(
        value,
        'no label: labels are whole numbers below 2^53 in size, or strings (a classifier predicts classes: put continuous values into classes, and write larger numbers as strings)',
      );
    }
    throw this.#error(
      value,
      'no label: labels are strings, whole numbers or booleans (fill it in, or leave the row out)',
    );
  }

  #error(value: unknown, what: string): SoftshardError {
    const row = this.#rows;
    const message = `${this.placeOf(row)} is ${inspectValue(value)}, ${what}`;
    return new SoftshardError('ERR_TARGET_RANGE', message, {
      argument: this.#argument,
      row,
      value,
    });
  }
}

/** Those of a batch: an array of any kind, a tensor, or an Arrow vector. */
export function addLabels(labels: Labels, values: unknown): void {
  const array = isArrowVector(values) ? values : dataOf(values);
  if (isArrowVector(array)) {
    for (let i = 0; i < array.length; i++) labels.add(array.get(i));
  } else if (Array.isArray(array) || arrayClassOf(array) !== undefined) {
    checkAttached(labels.argument, array);
    const { length } = array as ArrayLike<unknown>;
    // By index: holes count.
    for (let i = 0; i < length; i++) labels.add((array as ArrayLike<unknown>)[i]);
  } else {
    const message = `${labels.placeOf(labels.rows)} is ${adviceFor(array) ?? inspectValue(array)}: pass labels as an array, one for each row`;
    throw new SoftshardError('ERR_TYPE', message, { argument: labels.argument, value: array });
  }
}

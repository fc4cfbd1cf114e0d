// Brings rows in any form together as float32: arrays of numbers, tensors, Arrow data, records and batches of them.
import { SoftshardError } from '../../errors.js';
import {
  type ArrowTable,
  columnOf,
  elementsOf,
  fieldNamesOf,
  fixedRowsOf,
  isArrowTable,
  isArrowVector,
  isListVector,
  kindOf,
} from '../arguments/arrow.js';
import { adviceFor } from '../arguments/foreign-values.js';
import { inspectValue } from '../checks.js';
import type { Arena } from '../memory/arena.js';
import { arrayClassOf } from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';
import type { Tensor } from '../memory/tensor.js';
import { GrowingRows } from './growing-rows.js';
import { addLabels, Labels } from './labels.js';
import { type HalfType, writeNumbers } from './numbers.js';
import { type ChosenFields, chooseFields, type FieldKind, type FieldsWanted } from './records.js';
import { isTensorLike, tensorRows } from './tensors.js';

export interface RowsWanted extends FieldsWanted {
  /** Of the model. */
  readonly features: number | undefined;
}

export interface CollectedRows {
  readonly inputs: Tensor<'float32'>;
  readonly labels: Labels | undefined;
  /** Of records and tables with a number in each field. */
  readonly featureNames: readonly string[] | undefined;
  /** Gives the memory of the inputs back. */
  free(): void;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

const isArray = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || arrayClassOf(value) !== undefined;

/** Rows may lie in arrays of them, which lie in another array. */
const DEEPEST = 2;

export class RowCollector {
  readonly #wanted: RowsWanted;
  readonly #rows: GrowingRows;
  #columns: number | undefined;
  #count = 0;
  #fields: ChosenFields | undefined;
  #labels: Labels | undefined;

  constructor(arena: Arena, wanted: RowsWanted) {
    this.#wanted = wanted;
    this.#rows = new GrowingRows(arena, wanted.argument);
    this.#columns = wanted.features;
  }

  /**
   * One row, or several; `more`: how many items are known to follow; `depth`: in how many others it lies. Throws where it is
   * neither.
   */
  add(item: unknown, more = 0, depth = 0): void {
    if (isArray(item)) {
      if (Array.isArray(item) && isObject(item[0])) this.#addArray(item, more, depth);
      else this.#addNumbers(item, undefined, 1, item.length, more);
    } else if (isArrowVector(item)) {
      this.#addVector(item);
    } else if (isArrowTable(item)) {
      this.#addTable(item);
    } else if (isTensorLike(item)) {
      const { values, half, rows, columns } = tensorRows(this.#place, item);
      this.#addNumbers(values, half, rows, columns, more);
    } else if (isObject(item) && 'inputs' in item) {
      if (depth === DEEPEST) throw this.#noRow(item);
      this.#addBatch(item.inputs, 'targets' in item ? item.targets : undefined, depth + 1);
    } else if (isObject(item) && adviceFor(item) === undefined && Object.keys(item).length > 0) {
      this.#addRecord(item, more);
    } else {
      throw this.#noRow(item);
    }
  }

  #addArray(items: readonly unknown[], more: number, depth: number): void {
    if (depth === DEEPEST) throw this.#noRow(items);
    for (const [i, item] of items.entries()) this.add(item, items.length - i - 1 + more, depth + 1);
  }

  /** [rows × columns] in an array without dims. */
  addRows(values: ArrayLike<unknown>, columns: number): void {
    if (values.length % columns === 0) {
      this.#addNumbers(values, undefined, values.length / columns, columns, 0);
      return;
    }
    const { argument } = this.#wanted;
    const message = `${argument} has ${values.length} elements, not a whole number of rows of ${columns} columns`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: values.length });
  }

  /** Throws ERR_SHAPE where there are no rows and nobody knows how long they would be. */
  finish(): CollectedRows {
    const { argument } = this.#wanted;
    if (this.#columns === undefined) {
      throw new SoftshardError('ERR_SHAPE', `${argument} has no rows`, { argument, value: 0 });
    }
    const { tensor, free } = this.#rows.finish(this.#columns);
    const features = this.#fields?.features;
    return {
      inputs: tensor,
      labels: this.#labels,
      featureNames: typeof features === 'string' ? undefined : features,
      free,
    };
  }

  /** Instead of finish. */
  free(): void {
    this.#rows.free();
  }

  get #place(): string {
    return `${this.#wanted.argument}[${this.#count}]`;
  }

  #addNumbers(
    values: ArrayLike<unknown>,
    half: HalfType,
    rows: number,
    columns: number,
    more: number,
    names?: readonly string[],
  ): void {
    checkAttached(this.#wanted.argument, values);
    this.#checkColumns(columns);
    const into = this.#rows.next(rows * columns, more * columns);
    writeNumbers(into, values, half, { argument: this.#wanted.argument, row: this.#count, columns, names });
    this.#count += rows;
  }

  #checkColumns(columns: number): void {
    const { argument, features } = this.#wanted;
    if (columns === this.#columns) return;
    if (this.#columns === undefined && columns > 0) {
      this.#columns = columns;
      return;
    }
    const rule =
      columns === 0
        ? 'it needs at least one'
        : features === undefined
          ? `the rows before it have ${this.#columns}: all need as many`
          : `the classifier has ${features} features: pass one number for each`;
    const message = `${this.#place} has ${columns} numbers, ${rule}`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, row: this.#count, value: columns });
  }

  #addVector(vector: Parameters<typeof elementsOf>[0]): void {
    const rows = fixedRowsOf(vector);
    if (rows !== undefined) this.#addNumbers(rows.values, rows.half, vector.length, rows.columns, 0);
    else if (isListVector(vector)) {
      for (let i = 0; i < vector.length; i++) this.add(vector.get(i), vector.length - i - 1);
    } else {
      const { values, half } = elementsOf(vector);
      this.#addNumbers(values, half, 1, values.length, 0);
    }
  }

  #addTable(table: ArrowTable): void {
    const { features, label } = this.#fieldsOf(fieldNamesOf(table), (name) => kindOf(columnOf(table, name)));
    const columnNamed = (name: string) => {
      const column = columnOf(table, name);
      if (column !== undefined) return column;
      throw new SoftshardError('ERR_SHAPE', `${this.#place} has no column '${name}', which the others have`, {
        argument: this.#wanted.argument,
      });
    };
    if (label !== undefined && this.#wanted.wantsLabels) addLabels(this.#labelsOf(label), columnNamed(label));
    if (typeof features === 'string') {
      this.#addVector(columnNamed(features));
      return;
    }
    const columns = features.map((name) => elementsOf(columnNamed(name)).values);
    for (let row = 0; row < table.numRows; row++) {
      const values = columns.map((column) => column[row]);
      this.#addNumbers(values, undefined, 1, values.length, table.numRows - row - 1, features);
    }
  }

  #addBatch(inputs: unknown, targets: unknown, depth: number): void {
    const before = this.#count;
    this.add(inputs, 0, depth);
    if (!this.#wanted.wantsLabels) return;
    const labels = this.#labelsOf();
    addLabels(labels, targets);
    if (labels.rows === this.#count) return;
    const { argument } = this.#wanted;
    const message = `${argument} has a batch of ${this.#count - before} rows with ${labels.rows - before} targets: it needs one for each`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, row: before });
  }

  #addRecord(record: object, more: number): void {
    const fieldOf = (name: string): unknown => Reflect.get(record, name);
    const { features, label } = this.#fieldsOf(Object.keys(record), (name) => kindOfValue(fieldOf(name)));
    if (label !== undefined && this.#wanted.wantsLabels) this.#labelsOf(label).add(fieldOf(label));
    if (typeof features !== 'string') {
      this.#addNumbers(features.map(fieldOf), undefined, 1, features.length, more, features);
      return;
    }
    const row = fieldOf(features);
    if (!isRow(row)) throw this.#noRow(row, `.${features}`);
    const before = this.#count;
    this.add(row, more, DEEPEST);
    if (this.#count === before + 1) return;
    const { argument } = this.#wanted;
    const message = `${argument}[${before}].${features} holds ${this.#count - before} rows: a record is one row`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, row: before });
  }

  /** Chosen at the first record or table; the others must have the same. */
  #fieldsOf(names: readonly string[], kindOfField: (name: string) => FieldKind): ChosenFields {
    this.#fields ??= chooseFields(names, kindOfField, this.#wanted);
    return this.#fields;
  }

  #labelsOf(field?: string): Labels {
    this.#labels ??= new Labels(this.#wanted.argument, field ?? 'target');
    return this.#labels;
  }

  #noRow(item: unknown, field = ''): SoftshardError {
    const { argument } = this.#wanted;
    const what = adviceFor(item) ?? inspectValue(item);
    const message = `${this.#place}${field} is ${what}. Rows are arrays of numbers, records { …, label }, tensors { type, dims, data }, or batches { inputs, targets }`;
    return new SoftshardError('ERR_TYPE', message, { argument, row: this.#count, value: item });
  }
}

const isRow = (value: unknown): boolean => isArray(value) || isArrowVector(value) || isTensorLike(value);

function kindOfValue(value: unknown): FieldKind {
  if (isRow(value)) return 'row';
  return ['number', 'bigint', 'boolean'].includes(typeof value) ? 'number' : undefined;
}

// Arrow vectors, tables and record batches, known by what they have: apache-arrow itself is not needed, and any version or copy
// of it will do.

/** An Arrow vector. */
export interface ArrowVector {
  readonly type: { readonly typeId: number };
  readonly length: number;
  readonly nullCount: number;
  get(index: number): unknown;
  toArray(): unknown;
  getChildAt(index: number): unknown;
}

/** An Arrow table or record batch. */
export interface ArrowTable {
  readonly schema: { readonly fields: readonly { readonly name: string }[] };
  readonly numRows: number;
  getChild(name: string): unknown;
}

/** Of Arrow's enumeration Type. */
const INT = 2;
const FLOAT = 3;
const BOOL = 6;
const FIXED_SIZE_LIST = 16;
const LISTS: ReadonlySet<number> = new Set([12, FIXED_SIZE_LIST, 21]);
const HALF_PRECISION = 0;

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

const hasMethod = (value: object, name: string): boolean =>
  name in value && typeof Reflect.get(value, name) === 'function';

export const isArrowVector = (value: unknown): value is ArrowVector =>
  isObject(value) &&
  ['getChildAt', 'get', 'toArray'].every((name) => hasMethod(value, name)) &&
  'type' in value &&
  isObject(value.type) &&
  'typeId' in value.type;

export const isArrowTable = (value: unknown): value is ArrowTable =>
  isObject(value) &&
  hasMethod(value, 'getChild') &&
  'schema' in value &&
  isObject(value.schema) &&
  'fields' in value.schema &&
  Array.isArray(value.schema.fields);

export const fieldNamesOf = ({ schema }: ArrowTable): readonly string[] =>
  schema.fields.map(({ name }) => name);

/** Undefined where the table has no such column. */
export function columnOf(table: ArrowTable, name: string): ArrowVector | undefined {
  const column = table.getChild(name);
  return isArrowVector(column) ? column : undefined;
}

export interface ArrowNumbers {
  readonly values: ArrayLike<unknown>;
  readonly half: 'float16' | undefined;
}

/** The elements of a vector of numbers: a view of its memory, or an array where some are null or of another kind. */
export function elementsOf(vector: ArrowVector): ArrowNumbers {
  const { type } = vector;
  if (vector.nullCount === 0 && (type.typeId === INT || type.typeId === FLOAT)) {
    const isHalf = type.typeId === FLOAT && 'precision' in type && type.precision === HALF_PRECISION;
    return { values: vector.toArray() as ArrayLike<unknown>, half: isHalf ? 'float16' : undefined };
  }
  return { values: Array.from({ length: vector.length }, (_, i) => vector.get(i)), half: undefined };
}

/** Whether each element is a list. */
export const isListVector = ({ type }: ArrowVector): boolean => LISTS.has(type.typeId);

/** What an element of a column may be, also where it has none: a row, a number, or else. */
export function kindOf(column: ArrowVector | undefined): 'row' | 'number' | undefined {
  if (column === undefined) return undefined;
  if (isListVector(column)) return 'row';
  return [INT, FLOAT, BOOL].includes(column.type.typeId) ? 'number' : undefined;
}

/** The rows of a vector of lists of one length without nulls, in one array; undefined for other vectors. */
export function fixedRowsOf(vector: ArrowVector): (ArrowNumbers & { readonly columns: number }) | undefined {
  const { type } = vector;
  const child = vector.getChildAt(0);
  if (type.typeId !== FIXED_SIZE_LIST || vector.nullCount > 0 || !isArrowVector(child)) return undefined;
  const columns = 'listSize' in type ? Number(type.listSize) : 0;
  const elements = elementsOf(child);
  return elements.values.length === vector.length * columns ? { ...elements, columns } : undefined;
}

// The columns of an Arrow file: their types, and how many buffers each takes in a batch.

import { bytesPerElement, type StoredType } from '../elements.js';
import type { TableColumn } from '../table/column-table.js';
import type { Table } from './flatbuffer.js';

/** Numbers of the format's types. */
const TYPES = [
  ...['none', 'null', 'int', 'float', 'binary', 'string', 'bool', 'decimal', 'date', 'time', 'timestamp'],
  ...['interval', 'list', 'struct', 'union', 'fixed_size_binary', 'fixed_size_list', 'map', 'duration'],
  ...['large_binary', 'large_string', 'large_list', 'run_end_encoded', 'binary_view', 'string_view'],
  ...['list_view', 'large_list_view'],
] as const;
type TypeKind = (typeof TYPES)[number];

export interface Field {
  readonly name: string;
  /** Of a dictionary's values, if there is one. */
  readonly type: TypeKind;
  /** As pyarrow calls it. */
  readonly typeName: string;
  /** How numbers are stored. */
  readonly stored: StoredType | undefined;
  /** Of fixed_size_binary its bytes, of fixed_size_list its length. */
  readonly size: number;
  readonly dictionary: { readonly id: number; readonly indices: StoredType } | undefined;
  readonly children: readonly Field[];
  /** Buffers of its own in a batch; views have more. */
  readonly buffers: number;
  /** The same of the values of its dictionary. */
  readonly buffersOfValues: number;
}

export interface ArrowColumn extends TableColumn {
  /** The index of its field. */
  readonly field: number;
  readonly isHalf: boolean;
}

const MOST_NESTED = 64;
/** Tables may be reached on many ways: bytes that lie would have them read for ever. */
const MOST_FIELDS = 1_000_000;

/** `isVersion5`: of the format; unions had one more buffer before. */
export function readFields(schema: Table, isVersion5: boolean): Field[] {
  if (schema.short(0) !== 0) throw new Error('big-endian values');
  let count = 0;
  const read = (table: Table, depth: number): Field => {
    if (++count > MOST_FIELDS || depth > MOST_NESTED) throw new Error('too many fields');
    const type = TYPES[table.byte(2)];
    if (type === undefined || type === 'none') throw new Error(`type ${table.byte(2)}`);
    const details = table.table(3);
    const encoding = table.table(4);
    const children = table.tables(5).map((child) => read(child, depth + 1));
    const stored = storedType(type, details);
    const size = type === 'fixed_size_binary' || type === 'fixed_size_list' ? (details?.int(0) ?? 0) : 0;
    if (size < 0) throw new Error(`a size of ${size}`);
    const indices = encoding && (integerType(encoding.table(1)) ?? 'int32');
    const dictionary = encoding && indices ? { id: encoding.long(0), indices } : undefined;
    return {
      name: table.text(0),
      type,
      typeName: typeNameOf(type, { stored, size, children, isDictionary: dictionary !== undefined }),
      stored,
      size,
      dictionary,
      children,
      // Of a dictionary the batch has indices only.
      buffers: dictionary ? 2 : buffersOf(type, details, isVersion5),
      buffersOfValues: buffersOf(type, details, isVersion5),
    };
  };
  return schema.tables(1).map((table) => read(table, 0));
}

function integerType(details: Table | undefined): StoredType | undefined {
  const name = details && `${details.byte(1) === 0 ? 'uint' : 'int'}${details.int(0)}`;
  return /^u?int(8|16|32|64)$/.test(name ?? '') ? (name as StoredType) : undefined;
}

function storedType(type: TypeKind, details: Table | undefined): StoredType | undefined {
  if (type === 'bool') return 'bool';
  if (type === 'int') return integerType(details);
  return type === 'float' ? (['float16', 'float32', 'float64'] as const)[details?.short(0) ?? 0] : undefined;
}

function buffersOf(type: TypeKind, details: Table | undefined, isVersion5: boolean): number {
  switch (type) {
    case 'null':
    case 'run_end_encoded':
      return 0;
    case 'fixed_size_list':
    case 'struct':
      return 1;
    case 'union':
      return (details?.short(0) === 1 ? 2 : 1) + (isVersion5 ? 0 : 1);
    case 'binary':
    case 'string':
    case 'large_binary':
    case 'large_string':
    case 'list_view':
    case 'large_list_view':
      return 3;
    default:
      return 2;
  }
}

const TEXT_TYPES: readonly TypeKind[] = ['string', 'large_string', 'string_view'];
export const isText = ({ type }: Field): boolean => TEXT_TYPES.includes(type);

interface TypeParts {
  readonly stored: StoredType | undefined;
  readonly size: number;
  readonly children: readonly Field[];
  readonly isDictionary: boolean;
}

function typeNameOf(type: TypeKind, { stored, size, children, isDictionary }: TypeParts): string {
  const inner = children[0]?.typeName ?? '';
  const names: Partial<Record<TypeKind, string>> = {
    list: `list<${inner}>`,
    large_list: `large_list<${inner}>`,
    fixed_size_list: `fixed_size_list<${inner}>[${size}]`,
    fixed_size_binary: `fixed_size_binary[${size}]`,
  };
  const name = names[type] ?? stored?.replace('float32', 'float').replace('float64', 'double') ?? type;
  return isDictionary ? `dictionary<${name}>` : name;
}

/** Those that can be features or labels, and the others; aliases last. */
export function arrowColumns(fields: readonly Field[]): ArrowColumn[] {
  const columns = fields.map((field, index): ArrowColumn => {
    const { name, typeName, type, size } = field;
    const isBlob = type === 'fixed_size_binary';
    return { name, kind: kindOf(field), typeName, field: index, isHalf: isBlob && size % 4 !== 0 };
  });
  // What the bytes of a blob are, the file does not say.
  const blobs = columns.filter(({ field, kind, isHalf }) => {
    return kind === 'vector' && fields[field]!.type === 'fixed_size_binary' && !isHalf;
  });
  return [
    ...columns,
    ...blobs.map((column): ArrowColumn => {
      return { ...column, name: `${column.name}:float16`, isHalf: true, isAlias: true };
    }),
  ];
}

function kindOf(field: Field): TableColumn['kind'] {
  const { type, stored, size, dictionary, children } = field;
  if (stored !== undefined) return 'number';
  if (isText(field)) return 'text';
  if (dictionary) return 'other';
  if (type === 'fixed_size_binary') return size > 0 && size % 2 === 0 ? 'vector' : 'other';
  if (type !== 'list' && type !== 'large_list' && type !== 'fixed_size_list') return 'other';
  const [value] = children;
  if (value?.stored === undefined || value.dictionary) return 'other';
  return type === 'fixed_size_list' && size === 0 ? 'other' : 'vector';
}

/** Of one element in the buffer after that of nulls. */
export function bitsOf({
  type,
  stored,
  size,
  dictionary,
}: Pick<Field, 'type' | 'stored' | 'size' | 'dictionary'>): number {
  if (dictionary) return 8 * bytesPerElement(dictionary.indices);
  if (stored !== undefined) return stored === 'bool' ? 1 : 8 * bytesPerElement(stored);
  if (type === 'fixed_size_binary') return 8 * size;
  if (type === 'string_view') return 128;
  return type === 'large_string' ? 64 : 32;
}

// The columns of a Parquet file: which can be features or labels, and how their values are stored.

import type { FileMetaData, SchemaElement } from 'hyparquet';
import type { TableColumn } from '../table/column-table.js';

/** How single values are stored, and what they stand for. */
export type Storage =
  | 'BOOLEAN'
  | 'INT32'
  | 'UINT32'
  | 'INT64'
  | 'UINT64'
  | 'FLOAT'
  | 'DOUBLE'
  | 'HALF'
  | 'TEXT'
  | 'FLOAT_BLOB'
  | 'HALF_BLOB';

/** Definition and repetition levels, which say what is null and where lists begin. */
export interface Levels {
  /** 1 for lists, else 0. */
  readonly maxRepetition: number;
  readonly maxDefinition: number;
  /** Below it the whole list is null; at it, unless it is `maxDefinition` or one less by a null element, the list is empty. */
  readonly emptyList: number;
}

export interface ParquetColumn extends TableColumn {
  /** The index of its chunk in each row group; of a column without values, -1. */
  readonly leaf: number;
  /** Path of the leaf in the schema. */
  readonly leafPath: string;
  /** The physical type of its values, which each chunk repeats; as storage undefined for kind 'other'. */
  readonly type: SchemaElement['type'];
  readonly storage: Storage | undefined;
  readonly levels: Levels;
  /** Bytes of FIXED_LEN_BYTE_ARRAY. */
  readonly typeLength: number;
}

const MOST_NESTED = 64;

interface Node {
  readonly element: SchemaElement;
  readonly children: readonly Node[];
}

/** Throws where the flat list of elements is no tree. */
export function parquetColumns({ schema }: FileMetaData): ParquetColumn[] {
  let at = 0;
  const next = (depth: number): Node => {
    const element = schema[at++];
    if (element === undefined || depth > MOST_NESTED) throw new Error('a schema that is no tree');
    // In damaged bytes fields may have any type.
    const { name, type_length: length = 0, num_children: count = 0 } = element;
    if (typeof name !== 'string' || !Number.isInteger(length))
      throw new Error('a column that is not described');
    // Only the root has none; what is no repetition is undefined, too.
    if (depth > 0 && element.repetition_type === undefined) throw new Error('a column without a repetition');
    if (!Number.isInteger(count) || count < 0 || count > schema.length)
      throw new Error(`a group of ${count}`);
    return { element, children: Array.from({ length: count }, () => next(depth + 1)) };
  };
  const root = next(0);
  if (at !== schema.length) throw new Error('a schema that is no tree');
  let leaf = 0;
  const columns = root.children.flatMap((node) => {
    const first = leaf;
    leaf += leavesOf(node);
    return columnsOf(node, first);
  });
  // Aliases last: the others are counted from 0.
  return [...columns.filter(({ isAlias }) => !isAlias), ...columns.filter(({ isAlias }) => isAlias)];
}

const leavesOf = ({ children }: Node): number =>
  children.length === 0 ? 1 : children.reduce((sum, child) => sum + leavesOf(child), 0);

const isOptional = ({ element }: Node): boolean => element.repetition_type === 'OPTIONAL';
const isRepeated = ({ element }: Node): boolean => element.repetition_type === 'REPEATED';

function columnsOf(node: Node, leaf: number): ParquetColumn[] {
  const { name } = node.element;
  const typeName = typeNameOf(node);
  const found = isRepeated(node) ? { value: node, path: [name], empty: 0, max: 1 } : innermost(node);
  if (!found) return [other(name, typeName)];
  const { value, path, empty, max } = found;
  const isList = isRepeated(node) || value !== node;
  const storage = storageOf(value.element);
  const isBlob = storage === 'FLOAT_BLOB' || storage === 'HALF_BLOB';
  if (!storage || (isList && (isBlob || storage === 'TEXT'))) return [other(name, typeName)];
  const column: ParquetColumn = {
    name,
    kind: isList || isBlob ? 'vector' : storage === 'TEXT' ? 'text' : 'number',
    typeName,
    leaf,
    leafPath: path.join('.'),
    type: value.element.type,
    storage,
    levels: { maxRepetition: isList ? 1 : 0, maxDefinition: max, emptyList: empty },
    typeLength: value.element.type_length ?? 0,
  };
  // What the bytes of a blob are, the file does not say.
  if (storage !== 'FLOAT_BLOB') return [column];
  return [column, { ...column, name: `${name}:float16`, storage: 'HALF_BLOB', isAlias: true }];
}

const other = (name: string, typeName: string): ParquetColumn => ({
  name,
  kind: 'other',
  typeName,
  leaf: -1,
  leafPath: '',
  type: undefined,
  storage: undefined,
  levels: { maxRepetition: 0, maxDefinition: 0, emptyList: 0 },
  typeLength: 0,
});

/** The values of a column of numbers or of lists of them, with the definition levels of an empty list and of a value. */
function innermost(node: Node): { value: Node; path: string[]; empty: number; max: number } | undefined {
  const own = isOptional(node) ? 1 : 0;
  const path = [node.element.name];
  if (node.children.length === 0) return { value: node, path, empty: own, max: own };
  const { converted_type: converted, logical_type: logical } = node.element;
  const [repeated, ...others] = node.children;
  if (converted !== 'LIST' && logical?.type !== 'LIST') return undefined;
  if (!repeated || others.length > 0 || !isRepeated(repeated)) return undefined;
  path.push(repeated.element.name);
  if (repeated.children.length === 0) return { value: repeated, path, empty: own, max: own + 1 };
  const [value, ...more] = repeated.children;
  if (!value || more.length > 0 || value.children.length > 0 || isRepeated(value)) return undefined;
  path.push(value.element.name);
  return { value, path, empty: own, max: own + 1 + (isOptional(value) ? 1 : 0) };
}

function storageOf(element: SchemaElement): Storage | undefined {
  const { type, converted_type: converted, logical_type: logical, type_length: length = 0 } = element;
  const isInteger = logical?.type === 'INTEGER';
  const isUnsigned = converted?.startsWith('UINT_') || (isInteger && !logical.isSigned);
  const isPlain =
    (converted === undefined || /^U?INT_/.test(converted)) && (logical === undefined || isInteger);
  if (type === 'FLOAT' || type === 'DOUBLE' || type === 'BOOLEAN') return type;
  if (type === 'INT32') return isPlain ? (isUnsigned ? 'UINT32' : 'INT32') : undefined;
  if (type === 'INT64') return isPlain ? (isUnsigned ? 'UINT64' : 'INT64') : undefined;
  if (type === 'BYTE_ARRAY') {
    const isText = converted === undefined || converted === 'UTF8' || converted === 'ENUM';
    return isText && (!logical || logical.type === 'STRING' || logical.type === 'ENUM') ? 'TEXT' : undefined;
  }
  if (type !== 'FIXED_LEN_BYTE_ARRAY') return undefined;
  if (logical?.type === 'FLOAT16') return length === 2 ? 'HALF' : undefined;
  if (converted !== undefined || logical !== undefined || length <= 0 || length % 2 !== 0) return undefined;
  return length % 4 === 0 ? 'FLOAT_BLOB' : 'HALF_BLOB';
}

/** As pyarrow calls them. */
function typeNameOf({ element, children }: Node): string {
  const { type, converted_type: converted, logical_type: logical } = element;
  if (children.length > 0) {
    if (logical?.type === 'MAP' || converted === 'MAP' || converted === 'MAP_KEY_VALUE') return 'map';
    if (logical?.type !== 'LIST' && converted !== 'LIST') return 'struct';
    const repeated = children[0]!;
    const inner = repeated.children.length === 1 ? repeated.children[0]! : repeated;
    return `list<${typeNameOf(inner)}>`;
  }
  const single = singleTypeName(element, type);
  return element.repetition_type === 'REPEATED' ? `list<${single}>` : single;
}

function singleTypeName(element: SchemaElement, type: SchemaElement['type']): string {
  const { converted_type: converted, logical_type: logical, type_length: length = 0 } = element;
  if (logical?.type === 'INTEGER') return `${logical.isSigned ? '' : 'u'}int${logical.bitWidth}`;
  const named = logical?.type ?? converted;
  if (named !== undefined)
    return named
      .replace('UTF8', 'string')
      .replace(/^(U?INT)_/, '$1')
      .toLowerCase();
  if (type === 'FIXED_LEN_BYTE_ARRAY') return `fixed_size_binary[${length}]`;
  if (type === 'BYTE_ARRAY') return 'binary';
  return type === undefined ? 'struct' : type.toLowerCase();
}

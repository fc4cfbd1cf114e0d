// What formats of named columns have in common: a file open as a table, whose columns are read part by part.

import type { SoftshardError } from '../../../errors.js';
import { quoted } from '../../../printable.js';
import { formatError } from '../errors.js';

export interface TableColumn {
  readonly name: string;
  /** 'vector': a list of numbers a row, all of one width; 'other': nothing that can be a feature or a label. */
  readonly kind: 'number' | 'vector' | 'text' | 'other';
  /** What the format calls the type, for messages: "list<float>". */
  readonly typeName: string;
  /** Another way to read a column that is listed already: chosen by its name only. */
  readonly isAlias?: true;
}

export type Cell = number | bigint | boolean | string;

/** Consecutive values of a column: of a vector column those of its rows, one after the other. */
export interface ColumnPart {
  /** Of the first value in the column: row × width + its place in the vector. */
  readonly begin: number;
  readonly values: ArrayLike<Cell> | FloatBytes;
  /** Not 0 where the value is missing; as long as `values`. */
  readonly missing?: Uint8Array | undefined;
}

/** Little-endian float32 values wherever they lie in a buffer, to be copied once. */
export class FloatBytes {
  readonly bytes: Uint8Array;
  readonly length: number;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.length = bytes.length / 4;
  }

  toFloats(): Float32Array {
    return new Float32Array(new Uint8Array(this.bytes).buffer);
  }
}

/** A column to be read, and what takes its parts. Columns of numbers and text have width 1. */
export interface ColumnRequest {
  readonly column: number;
  readonly width: number;
  take(part: ColumnPart): void;
}

export interface ColumnTable {
  readonly path: string;
  readonly rows: number;
  readonly columns: readonly TableColumn[];
  /** The length of the vectors of a column: that of the first which is there. */
  widthOf(column: number): Promise<number>;
  /** Gives the parts of each column in the order of its rows, and throws where a vector has another width. */
  read(requests: readonly ColumnRequest[], onProgress?: (fraction: number) => void): Promise<void>;
  /** Where a row is, for messages: "row 3". */
  placeOf(row: number): string;
}

/**
 * Where rows may be missing, vectors are measured before memory is asked for if it would be more than so many times the values that
 * there are: one vector may be longer than all others.
 */
export const MOST_MISSING = 4;

type Place = Pick<ColumnTable, 'path' | 'columns' | 'placeOf'>;

/** `found` says what the row has in place of a vector of that width. */
export function raggedRow(
  { path, columns, placeOf }: Place,
  column: number,
  row: number,
  width: number,
  found: string,
): SoftshardError {
  return formatError(
    path,
    `${placeOf(row)}, column ${quoted(columns[column]!.name)}: expected ${width} values, as in the first row that has any, found ${found}`,
    'Give all rows vectors of the same length, or leave the row out.',
    { row },
  );
}

/** What is wrong with the file itself. */
export function damagedTable(path: string, finding: string, cause?: unknown): SoftshardError {
  const details = cause === undefined ? {} : { cause };
  return formatError(path, finding, 'The file is damaged or cut off: fetch or write it again.', details);
}

export const rowPlace = (row: number): string => `row ${row}`;

// Brings the parts of a table's columns to their places: features in a matrix, labels to classes.

import type { SoftshardError } from '../../../errors.js';
import { quoted } from '../../../printable.js';
import { isArrayOf } from '../../memory/arrays.js';
import type { Matrix } from '../../memory/tensor.js';
import type { ClassLabels } from '../class-labels.js';
import { formatError, missingRemedy } from '../errors.js';
import type { TableOptions } from '../read-options.js';
import type { FeatureColumn } from './choose-columns.js';
import { type ColumnPart, type ColumnRequest, type ColumnTable, FloatBytes } from './column-table.js';

/** Fills the columns of a matrix that a feature column is. */
export function featureRequest(
  table: ColumnTable,
  matrix: Matrix,
  feature: FeatureColumn,
  options: TableOptions,
): ColumnRequest {
  const { column, width } = feature;
  return {
    column,
    width,
    take(part) {
      const at = part.missing?.findIndex((flag) => flag !== 0) ?? -1;
      if (at >= 0 && options.missingCells !== 'nan')
        throw missingCell(table, feature, part.begin + at, options);
      place(matrix, feature, part, (index, value) => overflow(table, feature, index, value));
    },
  };
}

type Misfit = (index: number, value: number) => SoftshardError;

function place(matrix: Matrix, feature: FeatureColumn, part: ColumnPart, misfit: Misfit): void {
  const { begin, values, missing } = part;
  const { width } = feature;
  const features = matrix.dims[1];
  if (values instanceof FloatBytes && width === features) {
    const { buffer, byteOffset } = matrix.data;
    new Uint8Array(buffer, byteOffset + 4 * begin, values.bytes.length).set(values.bytes);
  } else {
    const floats = floatsOf(part, misfit);
    if (width === features) matrix.data.set(floats, begin);
    else scatter(matrix, feature, begin, floats);
  }
  for (let i = 0; missing && i < missing.length; i++) {
    if (missing[i] === 0) continue;
    const row = Math.floor((begin + i) / width);
    matrix.data[row * features + feature.begin + ((begin + i) % width)] = Number.NaN;
  }
}

/** Numbers as float32, each rounded to nearest. */
function floatsOf({ begin, values, missing }: ColumnPart, misfit: Misfit): Float32Array {
  if (values instanceof FloatBytes) return values.toFloats();
  if (isArrayOf('float32', values)) return values;
  const floats = new Float32Array(values.length);
  for (let i = 0; i < floats.length; i++) {
    const value = Number(values[i]);
    floats[i] = value;
    if (Number.isFinite(value) && !Number.isFinite(floats[i]) && !missing?.[i]) {
      throw misfit(begin + i, value);
    }
  }
  return floats;
}

function scatter(
  matrix: Matrix,
  { begin: first, width }: FeatureColumn,
  begin: number,
  floats: Float32Array,
): void {
  const { data } = matrix;
  const features = matrix.dims[1];
  let inRow = begin % width;
  let to = Math.floor(begin / width) * features + first + inRow;
  for (let i = 0; i < floats.length; i++) {
    data[to++] = floats[i]!;
    if (++inRow < width) continue;
    inRow = 0;
    to += features - width;
  }
}

/** Passes the labels of a column on as text. */
export function labelRequest(table: ColumnTable, column: number, labels: ClassLabels): ColumnRequest {
  return {
    column,
    width: 1,
    take({ begin, values, missing }) {
      const cells = values instanceof FloatBytes ? values.toFloats() : values;
      for (let i = 0; i < cells.length; i++) {
        if (missing?.[i]) throw missingLabel(table, column, begin + i);
        labels.add(String(cells[i]), begin + i);
      }
    },
  };
}

/** Passes the names or numbers of rows on as text; where there is none, as ''. */
export function idRequest(column: number, ids: string[]): ColumnRequest {
  return {
    column,
    width: 1,
    take({ values, missing }) {
      const cells = values instanceof FloatBytes ? values.toFloats() : values;
      for (let i = 0; i < cells.length; i++) ids.push(missing?.[i] ? '' : String(cells[i]));
    },
  };
}

type Vectors = Pick<FeatureColumn, 'column' | 'width'>;

function placeIn(
  table: ColumnTable,
  { column, width }: Vectors,
  index: number,
): { row: number; place: string } {
  const row = Math.floor(index / width);
  const { name, kind } = table.columns[column]!;
  const inVector = kind === 'vector' ? `, value ${index % width}` : '';
  return { row, place: `${table.placeOf(row)}, column ${quoted(name)}${inVector}` };
}

/** `index`: of the value in the column. */
export function missingCell(
  table: ColumnTable,
  feature: Vectors,
  index: number,
  options: TableOptions,
): SoftshardError {
  const { row, place } = placeIn(table, feature, index);
  return formatError(
    table.path,
    `${place}: expected a number, found null`,
    missingRemedy(options.featureNames !== undefined),
    {
      row,
      value: null,
    },
  );
}

function overflow(table: ColumnTable, feature: Vectors, index: number, value: number): SoftshardError {
  const { row, place } = placeIn(table, feature, index);
  return formatError(
    table.path,
    `${place}: expected a number within float32's range, found ${value}`,
    'Scale the values before they are written.',
    { row, value },
  );
}

function missingLabel({ path, columns, placeOf }: ColumnTable, column: number, row: number): SoftshardError {
  return formatError(
    path,
    `${placeOf(row)}, column ${quoted(columns[column]!.name)}: expected a label, found null`,
    'Fill it in or leave the row out.',
    { row, value: null },
  );
}

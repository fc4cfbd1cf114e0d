// Formats of one dense array after a header, such as IDX and .npy: their values become matrices; dense-labels.ts has labels.

import type { SoftshardError } from '../../errors.js';
import type { Allocator, ByteMatrix, Matrix } from '../memory/tensor.js';
import { type ByteSource, CHUNK_BYTES } from './byte-source.js';
import { type DataFile, type ReadOptions, withDataFile } from './data-file.js';
import { type LabelRemedies, readArrayLabels } from './dense-labels.js';
import {
  type ArrayLayout,
  type DenseLayout,
  describe,
  expectValues,
  numbersOf,
  storedChunks,
} from './dense-layout.js';
import { bytesPerElement, decodeFloat32, type Misfit } from './elements.js';
import { allocateFor, formatError } from './errors.js';
import type { FeatureMatrix, FileFormat, MatrixContent } from './format.js';
import { checkAllocator, checkReadOptions } from './read-options.js';

export type DenseMatrix<Rows extends FeatureMatrix = Matrix> = MatrixContent<Rows> &
  Required<Pick<MatrixContent, 'elementType' | 'featureDims'>>;

/** What the formats of dense arrays differ in. */
interface DenseDescription
  extends Pick<FileFormat, 'name' | 'title' | 'extensions' | 'options' | 'matches' | 'writeArray'> {
  /** Leaves the source at the first value. */
  readHeader(source: ByteSource): Promise<ArrayLayout>;
  readonly labelRemedies: LabelRemedies;
}

export interface DenseFormat extends FileFormat {
  readMatrix(file: DataFile, allocator: Allocator): Promise<DenseMatrix>;
}

export function denseFormat({ readHeader, labelRemedies, ...description }: DenseDescription): DenseFormat {
  return {
    ...description,
    async readMatrix(file, allocator) {
      const source = file.content();
      return readDenseMatrix(source, allocator, await readHeader(source));
    },
    async readFeatures(file, allocator) {
      const source = file.content();
      return readDenseFeatures(source, allocator, await readHeader(source));
    },
    async readLabels(file, options) {
      const source = file.content();
      return readArrayLabels(source, await readHeader(source), labelRemedies, options);
    },
  };
}

/** The format's own readers, for callers who know what a file is. */
export const readersOf = (format: DenseFormat) => ({
  async readMatrix(allocator: Allocator, path: string, options: ReadOptions = {}): Promise<DenseMatrix> {
    checkAllocator(allocator);
    checkReadOptions(options);
    return withDataFile(path, options, (file) => format.readMatrix(file, allocator));
  },
  async readLabels(path: string, options: ReadOptions = {}): Promise<Int32Array> {
    checkReadOptions(options);
    return withDataFile(path, options, async (file) => {
      const { targets, classNames } = await format.readLabels(file, {});
      if (!classNames) return targets;
      const remedy = 'readLabels gives them with the names of their classes.';
      throw formatError(path, 'expected class indices, found labels that are text', remedy);
    });
  },
});

export async function readDenseMatrix(
  source: ByteSource,
  allocator: Allocator,
  array: ArrayLayout,
): Promise<DenseMatrix> {
  const layout = numbersOf(source.path, array);
  return readRows(
    source,
    layout,
    (rows, features) => allocator.matrix(rows, features),
    (matrix) => (isInOrder(layout) ? fillInOrder : fillFromColumns)(source, layout, matrix),
  );
}

export async function readDenseFeatures(
  source: ByteSource,
  allocator: Allocator,
  array: ArrayLayout,
): Promise<DenseMatrix<FeatureMatrix>> {
  const layout = numbersOf(source.path, array);
  if (layout.elements.type !== 'uint8' || !isInOrder(layout))
    return readDenseMatrix(source, allocator, layout);
  return readRows(
    source,
    layout,
    (rows, features) => allocator.tensor('uint8', [rows, features]) as ByteMatrix,
    (matrix) => source.readExactly(matrix.data, describe(layout)),
  );
}

const isInOrder = ({ columnMajor, dims }: DenseLayout): boolean => !columnMajor || dims.length === 1;

/** Reads all values after the header into a new matrix; frees it when anything fails. */
async function readRows<Rows extends FeatureMatrix>(
  source: ByteSource,
  layout: DenseLayout,
  allocate: (rows: number, features: number) => Rows,
  fill: (matrix: Rows) => Promise<void>,
): Promise<DenseMatrix<Rows>> {
  const count = expectValues(source, layout);
  const [rows = 0, ...featureDims] = layout.dims;
  const matrix = allocateFor(source.path, () => allocate(rows, count / rows));
  try {
    await fill(matrix);
    await source.expectEnd(describe(layout));
  } catch (error) {
    matrix.free();
    throw error;
  }
  return { matrix, elementType: layout.elements.type, featureDims };
}

const READ_ELEMENTS = CHUNK_BYTES * 16;

async function fillInOrder(source: ByteSource, layout: DenseLayout, matrix: Matrix): Promise<void> {
  const values = matrix.data;
  if (layout.elements.type === 'float32' && !layout.elements.bigEndian) {
    // Read straight into the matrix: no conversion. In parts, because Node 20 has no views of 4 GiB.
    for (let begin = 0; begin < values.length; begin += READ_ELEMENTS) {
      const part = values.subarray(begin, begin + READ_ELEMENTS);
      await source.readExactly(
        new Uint8Array(part.buffer, part.byteOffset, part.byteLength),
        describe(layout),
      );
    }
    return;
  }
  for await (const { start, bytes, count } of storedChunks(source, layout, values.length)) {
    const misfit = decodeFloat32(layout.elements, bytes, values.subarray(start, start + count));
    if (misfit) throw overflow(source, matrix, start + misfit.index, misfit);
  }
}

/** Element k of the file is row k mod rows of column k / rows, columns in Fortran order of the feature dims. */
async function fillFromColumns(source: ByteSource, layout: DenseLayout, matrix: Matrix): Promise<void> {
  const [rows, features] = matrix.dims;
  const values = matrix.data;
  const featureDims = layout.dims.slice(1);
  const featureOf = Uint32Array.from({ length: features }, (_, column) => rowMajorIndex(column, featureDims));
  const chunkValues = new Float32Array(CHUNK_BYTES / bytesPerElement(layout.elements.type));
  let row = 0;
  let column = 0;
  for await (const { bytes, count } of storedChunks(source, layout, values.length)) {
    const chunk = chunkValues.subarray(0, count);
    const misfit = decodeFloat32(layout.elements, bytes, chunk);
    for (let i = 0; i < count; i++) {
      const index = row * features + featureOf[column]!;
      if (misfit?.index === i) throw overflow(source, matrix, index, misfit);
      values[index] = chunk[i]!;
      if (++row === rows) {
        row = 0;
        column++;
      }
    }
  }
}

/** The index in C order of element `column` in Fortran order: for dims [2, 3], 0 3 1 4 2 5. */
export function rowMajorIndex(column: number, dims: readonly number[]): number {
  let rest = column;
  let stride = dims.reduce((product, dim) => product * dim, 1);
  let index = 0;
  for (const dim of dims) {
    stride /= dim;
    index += (rest % dim) * stride;
    rest = Math.floor(rest / dim);
  }
  return index;
}

function overflow(source: ByteSource, matrix: Matrix, index: number, { value }: Misfit): SoftshardError {
  const features = matrix.dims[1];
  const row = Math.floor(index / features);
  return formatError(
    source.path,
    `row ${row}, feature ${index % features}: expected a value within float32's range, found ${value}`,
    'Scale the values before they are written.',
    { row, value },
  );
}

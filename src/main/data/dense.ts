// Formats of one dense array after a header, such as IDX and .npy: their values become matrices and labels.

import type { SoftshardError } from '../../errors.js';
import type { Allocator, ByteMatrix, Matrix } from '../memory/tensor.js';
import { type ByteSource, CHUNK_BYTES } from './byte-source.js';
import { type DataFile, type ReadOptions, withDataFile } from './data-file.js';
import { bytesPerElement, decodeFloat32, decodeInt32, type Misfit, type StoredElements } from './elements.js';
import { allocateFor, beyondFloat32, formatError } from './errors.js';
import type { FeatureMatrix, FileFormat, LabelContent, MatrixContent } from './format.js';
import { checkAllocator, checkReadOptions } from './read-options.js';

export type DenseMatrix<Rows extends FeatureMatrix = Matrix> = MatrixContent<Rows> &
  Required<Pick<MatrixContent, 'elementType' | 'featureDims'>>;

/** What a header says about the values that follow it. */
export interface DenseLayout {
  readonly elements: StoredElements;
  readonly dims: readonly number[];
  /** First dimension fastest (Fortran) instead of last (C). */
  readonly columnMajor: boolean;
}

/** What the formats of dense arrays differ in. */
interface DenseDescription
  extends Pick<FileFormat, 'name' | 'title' | 'extensions' | 'matches' | 'writeArray'> {
  /** Leaves the source at the first value. */
  readHeader(source: ByteSource): Promise<DenseLayout>;
  readonly labelRemedies: LabelRemedies;
}

export interface DenseFormat extends FileFormat {
  readMatrix(file: DataFile, allocator: Allocator): Promise<DenseMatrix>;
  readLabels(file: DataFile): Promise<LabelContent>;
}

export function denseFormat({ readHeader, labelRemedies, ...description }: DenseDescription): DenseFormat {
  return {
    ...description,
    options: [],
    async readMatrix(file, allocator) {
      const source = file.content();
      return readDenseMatrix(source, allocator, await readHeader(source));
    },
    async readFeatures(file, allocator) {
      const source = file.content();
      return readDenseFeatures(source, allocator, await readHeader(source));
    },
    async readLabels(file) {
      const source = file.content();
      return { targets: await readDenseLabels(source, await readHeader(source), labelRemedies) };
    },
    async locateRows(file) {
      const source = file.content();
      const layout = await readHeader(source);
      expectValues(source, layout);
      return isInOrder(layout) ? { ...layout, offset: source.offset } : undefined;
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
    return withDataFile(path, options, async (file) => (await format.readLabels(file)).targets);
  },
});

const readDenseMatrix = (source: ByteSource, allocator: Allocator, layout: DenseLayout) =>
  readRows(
    source,
    layout,
    (rows, features) => allocator.matrix(rows, features),
    (matrix) => (isInOrder(layout) ? fillInOrder : fillFromColumns)(source, layout, matrix),
  );

function readDenseFeatures(
  source: ByteSource,
  allocator: Allocator,
  layout: DenseLayout,
): Promise<DenseMatrix<FeatureMatrix>> {
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

/** Remedies where labels are not one integer a row. */
interface LabelRemedies {
  /** For an array with several numbers a row. */
  readonly manyColumns: string;
  /** For other dims. */
  readonly otherDims: string;
}

/** Whole numbers of an integer or floating type, dims [rows] or [rows, 1] -> Int32Array. */
async function readDenseLabels(
  source: ByteSource,
  layout: DenseLayout,
  remedies: LabelRemedies,
): Promise<Int32Array> {
  const { dims, elements } = layout;
  if (dims.length !== 1 && !(dims.length === 2 && dims[1] === 1)) {
    throw formatError(
      source.path,
      `expected labels, one integer a row, found ${elements.type} values of dims [${dims.join(', ')}]`,
      dims.length === 2 && dims[1]! > 1 ? remedies.manyColumns : remedies.otherDims,
      { value: dims },
    );
  }
  const count = expectValues(source, layout, 'Write one label for each row.');
  const targets = allocateFor(source.path, () => new Int32Array(count));
  for await (const { start, bytes, count } of storedChunks(source, layout, targets.length)) {
    const misfit = decodeInt32(elements, bytes, targets.subarray(start, start + count));
    if (misfit) throw badLabel(source, start + misfit.index, misfit.value);
  }
  await source.expectEnd(describe(layout));
  return targets;
}

function badLabel({ path }: ByteSource, row: number, value: number): SoftshardError {
  const details = { row, value };
  if (Number.isInteger(value)) {
    return formatError(
      path,
      `row ${row}: expected a label from -2147483648 to 2147483647, found ${value}`,
      'Write class indices, counted from 0.',
      details,
    );
  }
  if (!Number.isFinite(value)) {
    const remedy = 'Leave rows without a label out, or give them a number that options.ignoreIndex names.';
    return formatError(path, `row ${row}: expected a label, found ${value}`, remedy, details);
  }
  return formatError(
    path,
    `row ${row}: expected the index of a class, found the continuous value ${value}`,
    'A classifier predicts classes, which are whole numbers: put the values into classes first.',
    details,
  );
}

/** The number of values; throws unless the file can hold them. */
export function expectValues(
  source: ByteSource,
  layout: DenseLayout,
  remedyIfEmpty = 'Write an array with rows and features.',
): number {
  const { dims, elements } = layout;
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (count === 0) {
    throw formatError(
      source.path,
      `expected at least one value, found dims [${dims.join(', ')}]`,
      remedyIfEmpty,
      { value: dims },
    );
  }
  const bytes = count * bytesPerElement(elements.type);
  if (!Number.isSafeInteger(bytes)) {
    throw formatError(
      source.path,
      `expected at most ${Number.MAX_SAFE_INTEGER} bytes of values, found ${describe(layout)}`,
      'The header is damaged, or the array too large: split it into files of fewer rows.',
      { value: dims },
    );
  }
  source.expectRoomFor(bytes, describe(layout));
  return count;
}

const describe = ({ dims, elements }: DenseLayout): string =>
  `${elements.type} values of dims [${dims.join(', ')}]`;

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

interface StoredChunk {
  /** Index of the first element. */
  readonly start: number;
  readonly count: number;
  /** Valid until the next chunk. */
  readonly bytes: Buffer;
}

async function* storedChunks(
  source: ByteSource,
  layout: DenseLayout,
  total: number,
): AsyncGenerator<StoredChunk, void, undefined> {
  const width = bytesPerElement(layout.elements.type);
  // Not from Node's pool: typed views need an offset that is a multiple of 8.
  const scratch = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, total * width));
  for (let start = 0; start < total; ) {
    const count = Math.min(scratch.length / width, total - start);
    const bytes = scratch.subarray(0, count * width);
    await source.readExactly(bytes, describe(layout));
    yield { start, count, bytes };
    start += count;
  }
}

const overflow = ({ path }: ByteSource, { dims }: Matrix, index: number, { value }: Misfit): SoftshardError =>
  beyondFloat32(path, index, dims[1], value);

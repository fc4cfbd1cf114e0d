// IDX files, the format of MNIST and its kin: big-endian, any element type, any number of dimensions.

import type { ByteSource } from '../byte-source.js';
import { denseFormat, readersOf } from '../dense.js';
import type { DenseLayout } from '../dense-layout.js';
import type { StoredType } from '../elements.js';
import { formatError } from '../errors.js';
import { refuseForeignAfter } from '../foreign-files.js';

/**
 * byte 0 1 | 2            | 3                | 4 …                        | …
 *      0 0 | element type | number of dims n | n big-endian uint32 dims   | values, last dimension fastest
 * Source: http://yann.lecun.com/exdb/mnist, "The IDX file format".
 */
const IDX_TYPES: ReadonlyMap<number, StoredType> = new Map([
  [0x08, 'uint8'],
  [0x09, 'int8'],
  [0x0b, 'int16'],
  [0x0c, 'int32'],
  [0x0d, 'float32'],
  [0x0e, 'float64'],
]);

const LABEL_REMEDY = 'Name the label file (…-labels-idx1-ubyte), not the image file.';

export const idxFormat = denseFormat({
  name: 'idx',
  title: 'IDX',
  extensions: ['.idx'],
  options: [],
  matches: (head) =>
    head.length >= 4 && head[0] === 0 && head[1] === 0 && IDX_TYPES.has(head[2]!) && head[3]! >= 1,
  readHeader: readIdxHeader,
  labelRemedies: { manyColumns: LABEL_REMEDY, otherDims: LABEL_REMEDY },
});

const readers = readersOf(idxFormat);

/** Rows are the first dimension, the others are flattened to features. */
export const readIdxMatrix = readers.readMatrix;

/** One label a row, whole numbers, such as MNIST's label files. */
export const readIdxLabels = readers.readLabels;

async function readIdxHeader(source: ByteSource): Promise<DenseLayout> {
  const magic = Buffer.alloc(4);
  await source.readExactly(magic, '4 bytes of IDX magic number');
  const type = IDX_TYPES.get(magic[2]!);
  const rank = magic[3]!;
  if (!idxFormat.matches(magic) || !type) {
    await refuseForeignAfter(source, magic, { expected: 'an IDX file' });
    throw formatError(
      source.path,
      'byte 0: expected an IDX magic number (00 00, a type of 08 09 0b 0c 0d 0e, 1 or more dimensions), ' +
        `found ${magic.toString('hex', 0, 4).replace(/..(?=.)/g, '$& ')}`,
      'Name an IDX file, such as train-images-idx3-ubyte.gz.',
      { value: magic.readUInt32BE() },
    );
  }
  const dimBytes = Buffer.alloc(4 * rank);
  await source.readExactly(dimBytes, `${rank} IDX dimensions of 4 bytes`);
  const dims = Array.from({ length: rank }, (_, axis) => dimBytes.readUInt32BE(4 * axis));
  return { elements: { type, bigEndian: true }, dims, columnMajor: false };
}

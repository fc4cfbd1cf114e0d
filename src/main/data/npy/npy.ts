// numpy's .npy files: features and labels in, predictions out.

import { SoftshardError } from '../../../errors.js';
import { checkArray, inspectValue } from '../../checks.js';
import { isArrayOf } from '../../memory/arrays.js';
import { checkAttached } from '../../memory/attached.js';
import {
  checkWriteOptions,
  type Write,
  type WriteOptions,
  writeFileAtomically,
} from '../../outputs/write-atomically.js';
import { denseFormat, readersOf } from '../dense.js';
import type { ArrayContent } from '../format.js';
import { countOf, encodeNpyHeader, isNpy, readNpyHeader, shownDims } from './npy-header.js';

export const npyFormat = denseFormat({
  name: 'npy',
  title: '.npy',
  extensions: ['.npy'],
  matches: isNpy,
  readHeader: readNpyHeader,
  labelRemedies: {
    manyColumns: 'Save one label a row: one_hot.argmax(axis=1) for one-hot rows or probabilities.',
    otherDims: 'Save one label a row: labels.ravel().',
  },
  writeArray: writeNpy,
});

const readers = readersOf(npyFormat);

/**
 * Rows are the first dimension, the others are flattened to features in C order (array.reshape(len(array), -1)),
 * whatever order the file has. One dimension becomes one column.
 */
export const readNpyMatrix = readers.readMatrix;

/** One label a row: integers, booleans, or whole numbers of a floating type. */
export const readNpyLabels = readers.readLabels;

export type NpyArray = ArrayContent['data'];

/** The dtype follows from the array's class. */
export type NpyContent = ArrayContent;

/** Replaces the file at once and completely or, when that fails, not at all. Pipes and devices are written to. */
export async function writeNpy(path: string, content: NpyContent, options: WriteOptions = {}): Promise<void> {
  const signal = checkWriteOptions(options);
  if (typeof content !== 'object' || content === null) {
    const message = `content is ${inspectValue(content)}: pass { dims, data }`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'content', value: content });
  }
  const { dims, data } = content;
  checkArray('content.dims', dims, 'whole numbers');
  const dtype = dtypeOf(data);
  checkAttached('content.data', data);
  if (countOf(dims) !== data.length) {
    throw new SoftshardError(
      'ERR_SHAPE',
      `content.dims: expected counts whose product is data.length ${data.length}, got ${shownDims(dims)}.`,
      { argument: 'content.dims', value: dims },
    );
  }
  const header = encodeNpyHeader(dtype, dims);
  const fill = async (write: Write) => {
    await write(header);
    await write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  };
  await writeFileAtomically(path, fill, signal);
}

function dtypeOf(data: NpyArray): string {
  if (isArrayOf('float32', data)) return '<f4';
  if (isArrayOf('float64', data)) return '<f8';
  if (isArrayOf('int32', data)) return '<i4';
  const message = `content.data: expected a Float32Array, Float64Array or Int32Array, got ${inspectValue(data)}.`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'content.data', value: data satisfies never });
}

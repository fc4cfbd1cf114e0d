// numpy's .npy files: features and labels in, predictions out.

import { denseFormat, readersOf } from '../dense.js';
import { isNpy, readNpyHeader } from './npy-header.js';
import { writeNpy } from './npy-writer.js';

export const ARRAY_LABEL_REMEDIES = {
  manyColumns: 'Save one label a row: one_hot.argmax(axis=1) for one-hot rows or probabilities.',
  otherDims: 'Save one label a row: labels.ravel().',
};

export const npyFormat = denseFormat({
  name: 'npy',
  title: '.npy',
  extensions: ['.npy'],
  options: ['classNames', 'numericLabels'],
  matches: isNpy,
  readHeader: readNpyHeader,
  labelRemedies: ARRAY_LABEL_REMEDIES,
  writeArray: writeNpy,
});

const readers = readersOf(npyFormat);

/**
 * Rows are the first dimension, the others are flattened to features in C order (array.reshape(len(array), -1)),
 * whatever order the file has. One dimension becomes one column.
 */
export const readNpyMatrix = readers.readMatrix;

/** One label a row: integers, booleans, or whole numbers of a floating type. Words need readLabels, which names them. */
export const readNpyLabels = readers.readLabels;

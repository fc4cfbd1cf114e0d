// safetensors files of data: embeddings and their labels, as PyTorch and others save them.

import type { NamedArray } from '../array-choice.js';
import type { DataFile } from '../data-file.js';
import type { UnreadLayout } from '../dense-layout.js';
import { bytesPerElement, type StoredType } from '../elements.js';
import { formatError } from '../errors.js';
import type { FileFormat } from '../format.js';
import { namedArraysFormat, pathOf } from '../named-arrays.js';
import {
  type HeaderReader,
  LENGTH_BYTES,
  MAX_HEADER_BYTES,
  SafetensorsHeader,
} from './safetensors-header.js';

const TYPES: ReadonlyMap<string, StoredType> = new Map([
  ['BOOL', 'bool'],
  ['U8', 'uint8'],
  ['I8', 'int8'],
  ['U16', 'uint16'],
  ['I16', 'int16'],
  ['U32', 'uint32'],
  ['I32', 'int32'],
  ['U64', 'uint64'],
  ['I64', 'int64'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['F32', 'float32'],
  ['F64', 'float64'],
]);

const WIDTHS = new Map([...TYPES].map(([dtype, type]) => [dtype, bytesPerElement(type)]));

const DATA: HeaderReader = {
  // A checkpoint of a large model has thousands of tensors.
  bounds: { depth: 3, entries: 200_000 },
  expected: 'a safetensors file',
  remedy: 'Name a file written by safetensors.',
  damagedRemedy: 'The file is damaged: fetch or write it again.',
};

const LABEL_REMEDY = 'Save one label a row: labels.flatten(), or one_hot.argmax(1) for one-hot rows.';

export const safetensorsFormat: FileFormat = namedArraysFormat({
  name: 'safetensors',
  title: 'safetensors',
  extensions: ['.safetensors'],
  matches(head) {
    if (head.length < LENGTH_BYTES + 2) return false;
    const bytes = Buffer.from(head);
    return (
      bytes.readBigUInt64LE() <= MAX_HEADER_BYTES && /^\{\s*"/.test(bytes.toString('latin1', LENGTH_BYTES))
    );
  },
  labelRemedies: { manyColumns: LABEL_REMEDY, otherDims: LABEL_REMEDY },
  list,
});

async function list(file: DataFile): Promise<readonly NamedArray[]> {
  const source = file.content(() => {});
  const header = await SafetensorsHeader.read(source, DATA);
  if (header.metadata.format === 'softshard') {
    throw formatError(
      file.path,
      'expected rows of data, found a model written by softshard',
      'Name the model where a model is asked for (--model), and a file of rows here.',
    );
  }
  const values = source.offset;
  source.close();
  const entries = header.entries(WIDTHS);
  const allBytes = entries.at(-1)?.end ?? 0;
  return entries.map(({ name, dtype, dims, begin, end }) => {
    const path = pathOf(file, name);
    const elements = { type: TYPES.get(dtype)!, bigEndian: false };
    return {
      name,
      layout: dims.length > 0 ? { elements, dims, columnMajor: false } : scalar(path, elements.type),
      offset: values + begin,
      async open(onProgress) {
        const pass = file.content(onProgress);
        await pass.skip(values + begin, 'the tensors before it');
        return pass.sectionBefore(allBytes - end, `${allBytes} bytes of tensors`, path, end - begin);
      },
    };
  });
}

const scalar = (path: string, type: StoredType): UnreadLayout => ({
  type,
  dims: [],
  refusal: formatError(path, 'expected rows, found a single value', 'Name a tensor that has rows.'),
});

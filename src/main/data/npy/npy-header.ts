// The header of .npy files: a Python dict in text, parsed strictly and without Python.

import type { SoftshardError } from '../../../errors.js';
import { shortened } from '../../../printable.js';
import { inspectValue } from '../../checks.js';
import { checkedDims } from '../../memory/arrays.js';
import type { ByteSource } from '../byte-source.js';
import { type ArrayLayout, isRead, type TextLayout, type UnreadLayout } from '../dense-layout.js';
import type { StoredElements, StoredType } from '../elements.js';
import { formatError } from '../errors.js';
import { refuseForeignAfter } from '../foreign-files.js';

/**
 * byte 0            | 6       7     | 8                        | 10 or 12                       | multiple of 64
 *      93 "NUMPY"   | major   minor | uint16 length (1.0) or   | {'descr': '<f4', …} and spaces | values
 *                   |               | uint32 length (2.0, 3.0) | up to a line feed              |
 * All lengths are little-endian. 3.0 differs from 2.0 in the text being UTF-8 instead of Latin-1.
 * Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
const MAGIC = Buffer.from('\x93NUMPY', 'latin1');

/** Values begin at a multiple of this, as numpy writes them since 1.14. */
const ALIGNMENT_BYTES = 64;

/** Headers of plain arrays take about 100 bytes; this is room for 1,000 dimensions. */
const MAX_HEADER_BYTES = 65_535;

const TYPES: ReadonlyMap<string, StoredType> = new Map([
  ['b1', 'bool'],
  ['u1', 'uint8'],
  ['i1', 'int8'],
  ['u2', 'uint16'],
  ['i2', 'int16'],
  ['u4', 'uint32'],
  ['i4', 'int32'],
  ['u8', 'uint64'],
  ['i8', 'int64'],
  ['f2', 'float16'],
  ['f4', 'float32'],
  ['f8', 'float64'],
]);

export function isNpy(head: Uint8Array): boolean {
  return MAGIC.equals(head.subarray(0, MAGIC.length));
}

/** Leaves the source at the first value. */
export async function readNpyHeader(source: ByteSource): Promise<ArrayLayout> {
  const layout = await readNpyLayout(source);
  if (isRead(layout)) return layout;
  throw layout.refusal;
}

/** As readNpyHeader, for files of several arrays, of which one that is not read does not matter to the others. */
export async function readNpyLayout(source: ByteSource): Promise<ArrayLayout | UnreadLayout> {
  const start = Buffer.alloc(MAGIC.length + 2);
  await source.readExactly(start, '8 bytes of .npy magic and version');
  const [major, minor] = [start[6]!, start[7]!];
  if (!isNpy(start)) await refuseForeignAfter(source, start, { expected: 'a .npy file' });
  if (!isNpy(start) || major < 1 || major > 3 || minor !== 0) {
    throw formatError(
      source.path,
      `byte 0: expected 93 4e 55 4d 50 59 ("\\x93NUMPY") and version 1.0, 2.0 or 3.0, ` +
        `found ${start.toString('hex').replace(/..(?=.)/g, '$& ')}`,
      'Name a file written by numpy.save.',
    );
  }
  const lengthBytes = Buffer.alloc(major === 1 ? 2 : 4);
  await source.readExactly(lengthBytes, `${lengthBytes.length} bytes of .npy header length`);
  const length = lengthBytes.readUIntLE(0, lengthBytes.length);
  if (length > MAX_HEADER_BYTES) {
    throw formatError(
      source.path,
      `byte 8: expected a header of at most ${MAX_HEADER_BYTES} bytes, found ${length}`,
      'Only plain numeric arrays are read, not structured ones.',
      { value: length },
    );
  }
  const text = Buffer.alloc(length);
  await source.readExactly(text, `a header of ${length} bytes`);
  return parseHeader(source.path, text.toString(major === 3 ? 'utf8' : 'latin1').trim());
}

function parseHeader(path: string, text: string): ArrayLayout | UnreadLayout {
  const entries = parseDict(text);
  const descr = entries?.get('descr');
  const order = entries?.get('fortran_order');
  const shape = entries?.get('shape');
  if (!descr || !order || !shape || entries?.size !== 3 || !/^(True|False)$/.test(order)) {
    throw formatError(
      path,
      `header: expected a dict of 'descr', 'fortran_order' and 'shape', found ${shortened(text)}`,
      'Only plain numeric arrays are read, not structured ones: save each field by itself.',
    );
  }
  const dims = parseShape(path, shape);
  const words = parseText(path, descr);
  const elements = parseType(descr);
  if (dims.length === 0 || (!words && !elements)) {
    const refusal = dims.length === 0 ? withoutRows(path, shape) : unknownType(path, descr);
    return { type: descr.slice(1, -1), dims, refusal };
  }
  return words ? { text: words, dims } : { elements: elements!, columnMajor: order === 'True', dims };
}

/** {'key': value, …} with values that are strings, True, False or tuples; undefined for anything else. */
function parseDict(text: string): Map<string, string> | undefined {
  const body = /^\{(.*)\}$/s.exec(text)?.[1];
  if (body === undefined) return undefined;
  const entry = /\s*(['"])(\w+)\1\s*:\s*('[^']*'|"[^"]*"|True|False|\([^()]*\))\s*(,\s*|$)/y;
  const entries = new Map<string, string>();
  while (entry.lastIndex < body.length) {
    const match = entry.exec(body);
    if (!match || entries.has(match[2]!)) return undefined;
    entries.set(match[2]!, match[3]!);
  }
  return entries;
}

/** Its elements are fixed in width, however short a word is. */
const MAX_WORD_BYTES = 2 ** 20;

/** <U5, >U5 in UTF-32, |S3 in bytes; undefined for other types. */
function parseText(path: string, descr: string): TextLayout['text'] | undefined {
  const [, order, kind, length] = /^['"]([<>|=]?)([US])(\d+)['"]$/.exec(descr) ?? [];
  if (kind === undefined) return undefined;
  const bytes = Number(length) * (kind === 'U' ? 4 : 1);
  if (bytes < 1 || bytes > MAX_WORD_BYTES) {
    throw formatError(
      path,
      `header: expected words of 1 to ${MAX_WORD_BYTES} bytes, found ${shortened(descr)}`,
      'Only labels are read from arrays of text.',
      { value: descr },
    );
  }
  const encoding = kind === 'S' ? 'utf-8' : order === '>' ? 'utf-32be' : 'utf-32le';
  return { descr: descr.slice(1, -1), encoding, bytes };
}

function parseType(descr: string): StoredElements | undefined {
  const [, order, code = ''] = /^['"]([<>|=]?)([a-zA-Z]\d+)['"]$/.exec(descr) ?? [];
  const type = TYPES.get(code);
  return type && { type, bigEndian: order === '>' };
}

const unknownType = (path: string, descr: string): SoftshardError =>
  formatError(
    path,
    `header: expected a dtype of ${[...TYPES.keys()].join(' ')}, U or S, found ${shortened(descr)}`,
    /^['"]\|?O/.test(descr)
      ? PICKLED
      : "Save numbers: array.astype('float32') for features, array.astype('int32') for labels.",
    { value: descr },
  );

/** Unpickling runs code of the file's. */
const PICKLED =
  "Arrays of Python objects are not read, since they may run code: save words as array.astype('U'), numbers as " +
  "array.astype('float32'), rows of different lengths padded to one.";

/** (3, 4), (3,), (3L, 4L) as Python 2 wrote it; () of a single value has none. */
function parseShape(path: string, shape: string): number[] {
  const inner = shape.slice(1, -1).trim();
  const parts = inner === '' ? [] : inner.replace(/,$/, '').split(',');
  const dims = parts.map((part) => (/^\s*\d+L?\s*$/.test(part) ? Number.parseInt(part, 10) : Number.NaN));
  if (dims.some(Number.isNaN)) throw withoutRows(path, shape);
  return dims;
}

const withoutRows = (path: string, shape: string): SoftshardError =>
  formatError(
    path,
    `header: expected a shape of 1 or more dimensions, found ${shortened(shape)}`,
    'Save an array with rows: numpy.atleast_1d(array) makes one of a single number.',
    { value: shape },
  );

/** numpy's own limit. */
const MAX_DIMS = 64;

/** The number of values; NaN if dims are not counts, none, or too many for numpy. */
export function countOf(dims: readonly number[]): number {
  const counts = checkedDims(dims);
  if (counts === undefined || counts.length > MAX_DIMS) return Number.NaN;
  return counts.reduce((product, dim) => product * dim, 1);
}

/** For messages: dims that may be anything. */
export const shownDims = (dims: readonly unknown[]): string =>
  `[${Array.from(dims.slice(0, MAX_DIMS), (dim) => (typeof dim === 'object' ? inspectValue(dim) : String(dim))).join(', ')}]`;

/** A version 1.0 header; `descr` is a dtype such as '<f4'. */
export function encodeNpyHeader(descr: string, dims: readonly number[]): Buffer {
  const shape = dims.length === 1 ? `(${dims[0]},)` : `(${dims.join(', ')})`;
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  const startBytes = MAGIC.length + 4;
  const totalBytes = Math.ceil((startBytes + dict.length + 1) / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  const header = Buffer.alloc(totalBytes, ' ');
  MAGIC.copy(header);
  header.set([1, 0], MAGIC.length);
  header.writeUInt16LE(totalBytes - startBytes, MAGIC.length + 2);
  header.write(dict, startBytes, 'latin1');
  header.write('\n', totalBytes - 1, 'latin1');
  return header;
}

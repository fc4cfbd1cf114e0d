// Labels from dense arrays: one whole number a row, or a word, as numpy stores arrays of strings.

import { SoftshardError } from '../../errors.js';
import type { ByteSource } from './byte-source.js';
import { ClassLabels } from './class-labels.js';
import {
  type ArrayLayout,
  type DenseLayout,
  describe,
  expectValues,
  storedChunks,
  type TextLayout,
  typeNameOf,
} from './dense-layout.js';
import { decodeInt32 } from './elements.js';
import { allocateFor, formatError } from './errors.js';
import type { LabelContent } from './format.js';
import type { LabelOptions } from './read-options.js';

/** Remedies where labels are not one a row. */
export interface LabelRemedies {
  /** For an array with several numbers a row. */
  readonly manyColumns: string;
  /** For other dims. */
  readonly otherDims: string;
}

/** Dims [rows] or [rows, 1]. Numbers are class indices; words become classes, as those of CSV do. */
export async function readArrayLabels(
  source: ByteSource,
  layout: ArrayLayout,
  remedies: LabelRemedies,
  options: LabelOptions,
): Promise<LabelContent> {
  const { dims } = layout;
  if (!isOneARow(dims)) {
    throw formatError(
      source.path,
      `expected labels, one a row, found ${describe(layout)}`,
      dims.length === 2 && dims[1]! > 1 ? remedies.manyColumns : remedies.otherDims,
      { value: dims },
    );
  }
  if ('text' in layout) return readWords(source, layout, options);
  if (options.classNames !== undefined) {
    const message = `options.classNames is for labels that are text, and ${source.path} holds class indices (${typeNameOf(layout)}): leave it out`;
    throw new SoftshardError('ERR_OPTION', message, {
      argument: 'options.classNames',
      value: options.classNames,
    });
  }
  return { targets: await readIndices(source, layout) };
}

export const isOneARow = (dims: readonly number[]): boolean =>
  dims.length === 1 || (dims.length === 2 && dims[1] === 1);

const IF_EMPTY = 'Write one label for each row.';

/** Whole numbers of an integer or floating type. */
async function readIndices(source: ByteSource, layout: DenseLayout): Promise<Int32Array> {
  const count = expectValues(source, layout, IF_EMPTY);
  const targets = allocateFor(source.path, () => new Int32Array(count));
  for await (const { start, bytes, count } of storedChunks(source, layout, targets.length)) {
    const misfit = decodeInt32(layout.elements, bytes, targets.subarray(start, start + count));
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

async function readWords(
  source: ByteSource,
  layout: TextLayout,
  options: LabelOptions,
): Promise<LabelContent> {
  const rows = expectValues(source, layout, IF_EMPTY);
  const labels = new ClassLabels(source.path, rows, options, (row) => `row ${row}`);
  const { bytes: width } = layout.text;
  const words = new WordDecoder(source.path, layout);
  for await (const { start, bytes, count } of storedChunks(source, layout, rows)) {
    for (let i = 0; i < count; i++) {
      const row = start + i;
      labels.add(words.decode(bytes.subarray(i * width, (i + 1) * width), row), row);
    }
  }
  await source.expectEnd(describe(layout));
  return labels.finish();
}

/** Kept words, so that those of a few classes are decoded once each. */
const MOST_KEPT = 1 << 12;

class WordDecoder {
  readonly #path: string;
  readonly #text: TextLayout['text'];
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #known = new Map<string, string>();

  constructor(path: string, { text }: TextLayout) {
    this.#path = path;
    this.#text = text;
  }

  decode(bytes: Buffer, row: number): string {
    const key = bytes.toString('latin1');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const word = this.#text.encoding === 'utf-8' ? this.#fromUtf8(bytes) : this.#fromUtf32(bytes, row);
    if (this.#known.size < MOST_KEPT) this.#known.set(key, word);
    return word;
  }

  #fromUtf8(bytes: Buffer): string {
    let end = bytes.length;
    while (bytes[end - 1] === 0) end--;
    return this.#decoder.decode(bytes.subarray(0, end));
  }

  #fromUtf32(bytes: Buffer, row: number): string {
    const isBigEndian = this.#text.encoding === 'utf-32be';
    let word = '';
    let zeros = '';
    for (let at = 0; at < bytes.length; at += 4) {
      const code = isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
        throw formatError(
          this.#path,
          `row ${row}: expected text, found the code point ${code}`,
          'The file is damaged: fetch or write it again.',
          { row, value: code },
        );
      }
      if (code === 0) {
        zeros += '\0';
        continue;
      }
      word += zeros + String.fromCodePoint(code);
      zeros = '';
    }
    return word;
  }
}

// Writes .npy files: an array at once, or one larger than memory piece by piece.

import { SoftshardError } from '../../../errors.js';
import { checkArray, checkOptionNames, checkSignal, inspectValue } from '../../checks.js';
import { isArrayOf } from '../../memory/arrays.js';
import { checkAttached } from '../../memory/attached.js';
import type { Output } from '../../outputs/output.js';
import {
  checkWriteOptions,
  openOutput,
  type Write,
  type WriteOptions,
  writeFileAtomically,
} from '../../outputs/write-atomically.js';
import type { ArrayContent } from '../format.js';
import { countOf, encodeNpyHeader, shownDims } from './npy-header.js';

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

/** Of each type that is written piece by piece, numpy's name. */
const DTYPES = { float16: '<f2', float32: '<f4', float64: '<f8' } as const;
type WrittenType = keyof typeof DTYPES;
/** float16 as its bits. */
type WrittenValues = Float32Array | Float64Array | Uint16Array;

export interface NpyWriterOptions extends WriteOptions {
  /** One or more; values come in C order. */
  readonly dims: readonly number[];
  readonly type: WrittenType;
}

/**
 * Must end with commit() or abort(); until then the content is in a temporary file next to `path`. A pipe or device gets it at
 * once.
 */
export interface NpyWriter {
  /** The next values, of the file's type. The array may be changed once the promise is fulfilled. */
  append(values: WrittenValues): Promise<void>;
  /** Gives the file its name once all values are on disk; if values are missing, removes it and rejects. */
  commit(): Promise<void>;
  /** Removes what was written and leaves `path` as it was. Does nothing after commit() or abort(). */
  abort(): Promise<void>;
}

/** Waits for an earlier writer of the same file or pipe to end, and for a pipe's reader. */
export async function createNpyWriter(path: string, options: NpyWriterOptions): Promise<NpyWriter> {
  checkOptionNames('options', options, ['dims', 'type', 'signal']);
  const { dims, type } = options;
  const signal = checkSignal('options.signal', options.signal);
  checkArray('options.dims', dims, 'whole numbers');
  const total = countOf(dims);
  if (!Number.isSafeInteger(total * 8)) {
    const message = `options.dims: expected one or more counts, got ${shownDims(dims)}.`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: 'options.dims', value: dims });
  }
  if (typeof type !== 'string' || !Object.hasOwn(DTYPES, type)) {
    const message = `options.type: expected 'float16', 'float32' or 'float64', got ${inspectValue(type)}.`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'options.type', value: type });
  }
  const header = encodeNpyHeader(DTYPES[type], dims);
  const output = await openOutput(path, signal);
  try {
    await output.write(header);
  } catch (error) {
    await output.discard();
    throw error;
  }
  return new StreamingWriter(path, type, total, output);
}

class StreamingWriter implements NpyWriter {
  readonly #path: string;
  readonly #type: WrittenType;
  readonly #total: number;
  readonly #output: Output;
  #appended = 0;
  #ended = false;
  /** Each append waits for the one before, to keep their order in the file. */
  #lastAppend: Promise<void> = Promise.resolve();

  constructor(path: string, type: WrittenType, total: number, output: Output) {
    this.#path = path;
    this.#type = type;
    this.#total = total;
    this.#output = output;
  }

  append(values: WrittenValues): Promise<void> {
    const appended = this.#lastAppend.then(() => this.#appendNow(values));
    this.#lastAppend = appended.catch(() => {});
    return appended;
  }

  async #appendNow(values: WrittenValues): Promise<void> {
    this.#expectOpen();
    if (!isArrayOf(this.#type, values)) {
      throw new SoftshardError('ERR_TYPE', `values: expected a ${this.#type} array, as the file's type is.`, {
        argument: 'values',
      });
    }
    checkAttached('values', values);
    if (this.#appended + values.length > this.#total) {
      throw new SoftshardError(
        'ERR_SHAPE',
        `values: expected at most ${this.#total - this.#appended} more for ${this.#path}, got ${values.length}.`,
        { argument: 'values', value: values.length },
      );
    }
    try {
      await this.#output.write(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    } catch (cause) {
      // abort() came before the write had ended.
      this.#expectOpen();
      await this.abort();
      throw cause;
    }
    this.#appended += values.length;
  }

  async commit(): Promise<void> {
    await this.#lastAppend;
    this.#expectOpen();
    if (this.#appended < this.#total) {
      await this.abort();
      const missing = this.#total - this.#appended;
      throw new SoftshardError(
        'ERR_SHAPE',
        `${this.#path}: ${missing} of ${this.#total} values are missing.`,
        {
          argument: 'values',
          value: this.#appended,
        },
      );
    }
    this.#ended = true;
    await this.#output.commit();
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#output.discard();
  }

  #expectOpen(): void {
    if (!this.#ended) return;
    throw new SoftshardError('ERR_CLOSED', `${this.#path}: was committed or aborted. Create a new writer.`);
  }
}

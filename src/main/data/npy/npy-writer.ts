// Writes a .npy file piece by piece: results larger than memory, which take their name only when they are complete.

import { SoftshardError } from '../../../errors.js';
import { checkArray, checkOptionNames, checkSignal, inspectValue } from '../../arguments/checks.js';
import type { Cancellation } from '../../dispatch/cancellation.js';
import { isArrayOf } from '../../memory/arrays.js';
import { checkAttached } from '../../memory/attached.js';
import { type Write, type WriteOptions, writeFileAtomically } from '../../outputs/write-atomically.js';
import { countOf, encodeNpyHeader, shownDims } from './npy-header.js';

export interface NpyWriterOptions extends WriteOptions {
  /** In C order; one or more. */
  readonly dims: readonly number[];
  readonly type: 'float32' | 'float64';
}

/**
 * Ends with commit() or abort(): until then the content is in a temporary file beside `path`. Into a pipe or device it goes
 * at once, and what went there stays.
 */
export interface NpyWriter {
  /** The next values in C order, of the file's type. They may be changed once the promise is fulfilled. */
  append(values: Float32Array | Float64Array): Promise<void>;
  /** Gives the file its name once all values are on disk; rejects, leaving nothing, when values are missing. */
  commit(): Promise<void>;
  /** Removes what was written; what stood at `path` stays. Does nothing after commit() or another abort(). */
  abort(): Promise<void>;
}

/** A second writer of the same file or pipe waits until the first one has ended; any writer of a pipe, for its reader. */
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
  if (type !== 'float32' && type !== 'float64') {
    const message = `options.type: expected 'float32' or 'float64', got ${inspectValue(type)}.`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'options.type', value: type });
  }
  const header = encodeNpyHeader(type === 'float32' ? '<f4' : '<f8', dims);
  const writer = new StreamingWriter(path, type, total);
  await writer.start(header, signal);
  return writer;
}

class StreamingWriter implements NpyWriter {
  readonly #path: string;
  readonly #type: 'float32' | 'float64';
  readonly #total: number;
  #appended = 0;
  #ended = false;
  #write!: Write;
  /** Lets the temporary file be finished, or with an error removed. */
  #finish!: (failure?: unknown) => void;
  /** Settled when the file is in place or removed. */
  #file!: Promise<void>;
  /** The last append: each waits for the one before, as positions in the file follow from their order. */
  #lastAppend: Promise<void> = Promise.resolve();

  constructor(path: string, type: 'float32' | 'float64', total: number) {
    this.#path = path;
    this.#type = type;
    this.#total = total;
  }

  async start(header: Buffer, signal: Cancellation | undefined): Promise<void> {
    const end = new Promise<void>((resolve, reject) => {
      this.#finish = (failure) => (failure === undefined ? resolve() : reject(failure));
    });
    await new Promise<void>((resolve, reject) => {
      const fill = async (write: Write) => {
        await write(header);
        this.#write = write;
        resolve();
        await end;
      };
      this.#file = writeFileAtomically(this.#path, fill, signal);
      // Also keeps a failure that nobody awaits yet from ending the process: commit() and append() tell it.
      this.#file.catch(reject);
    });
  }

  append(values: Float32Array | Float64Array): Promise<void> {
    const appended = this.#lastAppend.then(() => this.#appendNow(values));
    this.#lastAppend = appended.catch(() => {});
    return appended;
  }

  async #appendNow(values: Float32Array | Float64Array): Promise<void> {
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
      await this.#write(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    } catch (cause) {
      // abort() came before the write had ended.
      this.#expectOpen();
      return this.#end(cause ?? new Error('the write failed'));
    }
    this.#appended += values.length;
  }

  async commit(): Promise<void> {
    await this.#lastAppend;
    this.#expectOpen();
    if (this.#appended < this.#total) {
      const missing = this.#total - this.#appended;
      return this.#end(
        new SoftshardError('ERR_SHAPE', `${this.#path}: ${missing} of ${this.#total} values are missing.`, {
          argument: 'values',
          value: this.#appended,
        }),
      );
    }
    return this.#end();
  }

  async abort(): Promise<void> {
    if (!this.#ended) await this.#end(new Error('aborted')).catch(() => {});
  }

  /** Fulfilled when the file is in place; rejects, once it is removed, with the failure. */
  #end(failure?: unknown): Promise<void> {
    this.#ended = true;
    this.#finish(failure);
    return this.#file;
  }

  #expectOpen(): void {
    if (!this.#ended) return;
    throw new SoftshardError('ERR_CLOSED', `${this.#path}: was committed or aborted. Create a new writer.`);
  }
}

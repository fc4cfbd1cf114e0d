// Writes a .npy file part by part: for arrays that are larger than memory.

import { SoftshardError } from '../../errors.js';
import { type Write, writeFileAtomically } from '../write-atomically.js';
import { fileError } from './byte-source.js';
import { encodeNpyHeader } from './npy-header.js';

const WRITTEN = {
  float32: { descr: '<f4', array: Float32Array },
  float64: { descr: '<f8', array: Float64Array },
  int32: { descr: '<i4', array: Int32Array },
} as const;

export interface NpyWriterOptions {
  readonly type: keyof typeof WRITTEN;
  readonly dims: readonly number[];
}

/** To be closed, or aborted: abort may be called in any case. */
export interface NpyWriter {
  readonly path: string;
  /** Appends elements in C order. `values` may be reused once the promise is fulfilled. */
  write(values: Float32Array | Float64Array | Int32Array): Promise<void>;
  /** Puts the file in its place, which until then had its former content. Throws ERR_SHAPE when elements are missing. */
  close(): Promise<void>;
  /** Removes what was written. Does nothing after close. */
  abort(): Promise<void>;
}

/** Opens a temporary file beside `path`, which takes its name when it is closed. Throws ERR_FILE. */
export async function createNpyWriter(path: string, { type, dims }: NpyWriterOptions): Promise<NpyWriter> {
  const { descr, array } = WRITTEN[type];
  const length = dims.reduce((product, dim) => product * dim, 1);
  const file = await openForAppending(path);
  let written = 0;
  const append = async (bytes: Uint8Array) => {
    try {
      await file.write(bytes);
    } catch (cause) {
      const error = fileError(path, 'written', cause);
      await file.abandon(error);
      throw error;
    }
  };
  await append(encodeNpyHeader(descr, dims));
  return {
    path,
    async write(values) {
      if (!(values instanceof array) || written + values.length > length) {
        const message = `${path}: expected ${array.name}s of ${length} elements in all, got ${written + values.length} in a ${values.constructor.name}`;
        throw new SoftshardError('ERR_SHAPE', message, { argument: 'values', value: values.length });
      }
      written += values.length;
      await append(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    },
    async close() {
      if (written === length) return file.finish();
      const message = `${path}: only ${written} of the ${length} elements of dims [${dims.join(', ')}] were written`;
      const error = new SoftshardError('ERR_SHAPE', message, { argument: 'dims', value: written });
      await file.abandon(error);
      throw error;
    },
    abort: () => file.abandon(new SoftshardError('ERR_FILE', `${path}: writing was given up`)),
  };
}

interface AppendedFile {
  readonly write: Write;
  finish(): Promise<void>;
  abandon(reason: SoftshardError): Promise<void>;
}

/** Holds writeFileAtomically open until it is told how to end. */
async function openForAppending(path: string): Promise<AppendedFile> {
  let finish!: () => void;
  let abandon!: (reason: SoftshardError) => void;
  const ended = new Promise<void>((resolve, reject) => {
    finish = resolve;
    abandon = reject;
  });
  // A failure to open leaves nobody to wait for the end.
  ended.catch(() => {});
  let placed!: Promise<void>;
  const write = await new Promise<Write>((resolve, reject) => {
    placed = writeFileAtomically(path, async (write) => {
      resolve(write);
      await ended;
    });
    placed.catch(reject);
  });
  return {
    write,
    finish() {
      finish();
      return placed;
    },
    async abandon(reason) {
      abandon(reason);
      await placed.catch(() => {});
    },
  };
}

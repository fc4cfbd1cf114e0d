// The rows of a file, read from disk as they are needed: for data sets larger than memory.

import { SoftshardError } from '../../errors.js';
import { inspectValue } from '../checks.js';
import type { ChosenRows } from '../dispatch/row-source.js';
import { MIXED_BLOCKS, planBlockRows } from '../plans/row-blocks.js';
import { OpenFile, type ReadOptions } from './data-file.js';
import { bytesPerElement, decodeFloat32, type StoredType } from './elements.js';
import { beyondFloat32, formatError } from './errors.js';
import type { ChosenArrays, FileFormat, StoredRows } from './format.js';
import { type CsvOptions, checkCsvOptions } from './read-options.js';
import { checkTaken, formatOf } from './registry.js';

/** Which arrays of a file with several are features and labels, as for readFeatures; labels are not read. */
export type OpenFeaturesOptions = Pick<ReadOptions, 'signal'> &
  Pick<CsvOptions, 'featureColumns' | 'labelColumn' | 'skipLabels'>;

/** What a classifier takes as a FeatureSource. */
export interface OpenFeatures {
  readonly path: string;
  readonly rows: number;
  readonly features: number;
  /** [rows, features], as of a matrix. */
  readonly dims: readonly [rows: number, features: number];
  /** As gathered: bytes stay bytes, all other numbers become float32. */
  readonly type: 'float32' | 'uint8';
  /** The type in the file. */
  readonly elementType: StoredType;
  /** The dimensions after the first, which are flattened. */
  readonly featureDims: readonly number[];
  /** Of a file of several arrays. */
  readonly arrays: ChosenArrays | undefined;
  /** Rejects with ERR_FORMAT where the file has changed, or a value is beyond float32's range. */
  gather(rowNumbers: Uint32Array, into: Float32Array | Uint8Array): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a file whose rows lie in it one after the other, uncompressed: .npy in C order, IDX, an
 * array of an .npz file or a tensor of a safetensors file. Its rows are read when a
 * classifier needs them, with the bits of readFeatures. Some 260 MB of them are kept in memory while a training shuffles
 * (float32; of bytes a quarter). Throws ERR_FORMAT for other files.
 */
export async function openFeatures(path: string, options: OpenFeaturesOptions = {}): Promise<OpenFeatures> {
  checkCsvOptions(options);
  const file = await OpenFile.open(path, options);
  try {
    const format = await formatOf(file);
    checkTaken(format, path, options);
    return new RowsOnDisk(file, await locateRows(format, file, options));
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function locateRows(format: FileFormat, file: OpenFile, options: CsvOptions): Promise<StoredRows> {
  const finding = 'expected rows that can be read one by one';
  if (file.compression !== undefined) {
    throw formatError(file.path, `${finding}, found ${file.compression}`, 'Unpack it first.');
  }
  const found = await format.locateRows?.(file, options);
  if (found !== undefined) return found;
  const remedy = 'Write a .npy file in C order, or read all rows into memory with readFeatures.';
  throw formatError(file.path, `${finding}, found the format ${format.title} or another order`, remedy);
}

type Rows = Float32Array | Uint8Array;

/** Neighbouring rows of this many bytes are read by themselves; others with the block that they lie in. */
const WHOLE_RUN_BYTES = 256 * 1024;

/** As many as Node has threads for files. */
const CONCURRENT_READS = 4;

export class RowsOnDisk implements OpenFeatures {
  readonly path: string;
  readonly rows: number;
  readonly features: number;
  readonly type: 'float32' | 'uint8';
  readonly elementType: StoredType;
  readonly featureDims: readonly number[];
  readonly arrays: ChosenArrays | undefined;
  readonly #file: OpenFile;
  readonly #stored: StoredRows;
  readonly #bytesARow: number;
  readonly #blockRows: number;
  /** The last used at the end. */
  readonly #blocks = new Map<number, Rows>();
  /** Blocks of full length that are no longer used. */
  readonly #spare: Rows[] = [];
  /** Calls that use blocks take turns. */
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(file: OpenFile, stored: StoredRows) {
    const [rows = 0, ...featureDims] = stored.dims;
    this.path = file.path;
    this.rows = rows;
    this.features = featureDims.reduce((product, dim) => product * dim, 1);
    this.type = stored.elements.type === 'uint8' ? 'uint8' : 'float32';
    this.elementType = stored.elements.type;
    this.featureDims = featureDims;
    this.arrays = stored.arrays;
    this.#file = file;
    this.#stored = stored;
    this.#bytesARow = this.features * bytesPerElement(stored.elements.type);
    this.#blockRows = planBlockRows(this.features);
  }

  get dims(): [number, number] {
    return [this.rows, this.features];
  }

  async gather(rowNumbers: Uint32Array, into: Rows): Promise<void> {
    this.#checkOpen();
    this.#check(rowNumbers, into);
    await this.read(rowNumbers, into);
  }

  /** As gather, of rows that there are, for an array of the right type and length, which may be shared. */
  async read(chosen: ChosenRows, into: Rows): Promise<void> {
    this.#checkOpen();
    try {
      if ('begin' in chosen) await this.#readRows(chosen.begin, into);
      else if (chosen.length * this.#bytesARow >= countRuns(chosen) * WHOLE_RUN_BYTES)
        await this.#readRuns(chosen, into);
      else await this.#inTurn(() => this.#copyFromBlocks(chosen, into));
      await this.#file.expectUnchanged();
    } catch (error) {
      // Closed meanwhile, which is why.
      this.#checkOpen();
      throw error;
    }
  }

  #checkOpen(): void {
    if (!this.#isClosed) return;
    throw new SoftshardError('ERR_CLOSED', `${this.path}: was closed. Open it again with openFeatures().`);
  }

  #check(rowNumbers: Uint32Array, into: Rows): void {
    for (const [i, row] of rowNumbers.entries()) {
      if (row < this.rows) continue;
      const message = `rowNumbers[${i}] is ${row}: ${this.path} has ${this.rows} rows, counted from 0`;
      throw new SoftshardError('ERR_OPTION', message, { argument: 'rowNumbers', value: row });
    }
    const length = rowNumbers.length * this.features;
    const name = this.type === 'uint8' ? 'Uint8Array' : 'Float32Array';
    if (into.length === length && into.constructor.name === name) return;
    const message = `into is ${inspectValue(into)}: it must be a ${name} of ${length} elements`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: 'into', value: into });
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const before = this.#turn;
    const mine = before.catch(() => {}).then(work);
    this.#turn = mine;
    await mine;
  }

  async #readRuns(rowNumbers: Uint32Array, into: Rows): Promise<void> {
    for (let begin = 0; begin < rowNumbers.length; ) {
      let end = begin + 1;
      while (end < rowNumbers.length && rowNumbers[end] === rowNumbers[end - 1]! + 1) end++;
      await this.#readRows(
        rowNumbers[begin]!,
        into.subarray(begin * this.features, end * this.features) as Rows,
      );
      begin = end;
    }
  }

  /** Some of the rows at a time: where they lie far apart, their blocks are far more than they. */
  async #copyFromBlocks(rowNumbers: Uint32Array, into: Rows): Promise<void> {
    const keep = MIXED_BLOCKS + 2 * Math.ceil(rowNumbers.length / this.#blockRows) + 1;
    for (let begin = 0; begin < rowNumbers.length; ) {
      const wanted = new Set<number>();
      let end = begin;
      for (; end < rowNumbers.length && wanted.size < MIXED_BLOCKS; end++) {
        wanted.add(Math.floor(rowNumbers[end]! / this.#blockRows));
      }
      await this.#loadBlocks(wanted, keep);
      this.#copyRows(rowNumbers.subarray(begin, end), into, begin * this.features);
      begin = end;
    }
  }

  /** Of blocks that are loaded, to the elements of `into` from `to` on. */
  #copyRows(rowNumbers: Uint32Array, into: Rows, to: number): void {
    const { features } = this;
    for (const row of rowNumbers) {
      const block = this.#blocks.get(Math.floor(row / this.#blockRows))!;
      const begin = (row % this.#blockRows) * features;
      if (features < COPIED_FEATURES) {
        for (let feature = 0; feature < features; feature++) into[to + feature] = block[begin + feature]!;
      } else {
        into.set(block.subarray(begin, begin + features), to);
      }
      to += features;
    }
  }

  /** They become the last used ones; of all, at most `keep` stay, which is more than are wanted. */
  async #loadBlocks(wanted: ReadonlySet<number>, keep: number): Promise<void> {
    const missing: number[] = [];
    for (const block of wanted) {
      const loaded = this.#blocks.get(block);
      if (loaded === undefined) missing.push(block);
      else {
        this.#blocks.delete(block);
        this.#blocks.set(block, loaded);
      }
    }
    this.#drop(keep - missing.length);
    // Near each other on the disk, too.
    const next = missing.sort((a, b) => a - b).values();
    const readers = Array.from({ length: CONCURRENT_READS }, async () => {
      for (const block of next) await this.#loadBlock(block);
    });
    // Waits for all: no read may run after the caller has closed the file.
    const outcomes = await Promise.allSettled(readers);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #loadBlock(block: number): Promise<void> {
    const begin = block * this.#blockRows;
    const rows = Math.min(this.#blockRows, this.rows - begin);
    const isWhole = rows === this.#blockRows;
    const values = (isWhole ? this.#spare.pop() : undefined) ?? this.#newRows(rows);
    await this.#readRows(begin, values);
    this.#blocks.set(block, values);
  }

  #newRows(rows: number): Rows {
    const length = rows * this.features;
    return this.type === 'uint8' ? new Uint8Array(length) : new Float32Array(length);
  }

  /** Keeps this many blocks. */
  #drop(keep: number): void {
    for (const [block, values] of this.#blocks) {
      if (this.#blocks.size <= keep) return;
      this.#blocks.delete(block);
      if (values.length === this.#blockRows * this.features) this.#spare.push(values);
    }
  }

  /** Rows from `row` on, as many as `into` holds. */
  async #readRows(row: number, into: Rows): Promise<void> {
    const { elements, offset } = this.#stored;
    const position = offset + row * this.#bytesARow;
    const isAsStored = elements.type === 'uint8' || (elements.type === 'float32' && !elements.bigEndian);
    if (isAsStored) {
      const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
      return this.#read(bytes, position);
    }
    const width = bytesPerElement(elements.type);
    const scratch = Buffer.allocUnsafeSlow(Math.min(into.length * width, SCRATCH_BYTES));
    const most = scratch.length / width;
    for (let begin = 0; begin < into.length; begin += most) {
      const values = into.subarray(begin, begin + most) as Float32Array;
      const bytes = scratch.subarray(0, values.length * width);
      await this.#read(bytes, position + begin * width);
      const misfit = decodeFloat32(elements, bytes, values);
      if (misfit === undefined) continue;
      const element = row * this.features + begin + misfit.index;
      throw beyondFloat32(this.path, element, this.features, misfit.value);
    }
  }

  async #read(into: Uint8Array, position: number): Promise<void> {
    const count = await this.#file.read(into, position);
    if (count === into.length) return;
    // A file that was cut off has changed, and says so.
    await this.#file.expectUnchanged();
    const finding = `byte ${position + count} of the file: expected values, found the end`;
    throw formatError(this.path, finding, 'Write it again.', { value: position + count });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#turn.catch(() => {});
    this.#blocks.clear();
    this.#spare.length = 0;
    await this.#file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Shorter rows are copied faster by a loop than through a view of each. */
const COPIED_FEATURES = 32;

/** Stored values that are decoded at a time: a multiple of the width of any type. */
const SCRATCH_BYTES = 1024 * 1024;

/** Stretches of neighbouring rows in ascending order. */
function countRuns(rowNumbers: Uint32Array): number {
  let runs = 0;
  let expected = -1;
  for (const row of rowNumbers) {
    if (row !== expected) runs++;
    expected = row + 1;
  }
  return runs;
}

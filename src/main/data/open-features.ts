// The rows of a file, read from disk as they are needed: for data sets larger than memory.

import { SoftshardError } from '../../errors.js';
import { inspectValue } from '../checks.js';
import type { ChosenRows } from '../dispatch/row-source.js';
import { isArrayOf } from '../memory/arrays.js';
import { MIXED_BLOCKS, planBlockRows } from '../plans/row-blocks.js';
import { BlockCache, type Rows } from './block-cache.js';
import { keepDataFile, type OpenFile, type ReadOptions } from './data-file.js';
import { bytesPerElement, decodeFloat32, type StoredType } from './elements.js';
import { beyondFloat32, formatError } from './errors.js';
import type { ChosenArrays, FileFormat, StoredRows } from './format.js';
import { type CsvOptions, checkCsvOptions } from './read-options.js';
import { checkTaken, formatOf } from './registry.js';

/**
 * Which arrays of a file with several are features and labels, as for readFeatures; labels are not read. `signal` ends the opening
 * alone.
 */
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
 * Opens a file whose rows lie in it one after the other, uncompressed: .npy in C order, IDX, an array of an .npz file or a
 * tensor of a safetensors file. Its rows are read when a classifier needs them, with the bits of readFeatures. Some 260 MB
 * of them are kept in memory while a training shuffles (float32; of bytes a quarter): in the arena, where 340 MB fit, else
 * beside it. Throws ERR_FORMAT for other files.
 */
export async function openFeatures(path: string, options: OpenFeaturesOptions = {}): Promise<OpenFeatures> {
  checkCsvOptions(options);
  return keepDataFile(path, options, async (file) => {
    const format = await formatOf(file);
    checkTaken(format, path, options);
    const stored = await locateRows(format, file, options);
    // Calls that read have signals of their own, and may have to end what they have begun.
    file.outliveSignal();
    return new RowsOnDisk(file, stored);
  });
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

/** Neighbouring rows of this many bytes are read by themselves; others with the block that they lie in. */
const WHOLE_RUN_BYTES = 256 * 1024;

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
  readonly #mixedBlocks: BlockCache;
  readonly #passingBlocks: BlockCache;
  /** Calls that use blocks take turns. */
  #turn: Promise<void> = Promise.resolve();
  /** To whether the file has changed: the last one, and that for calls which came after its question. */
  #answer: Promise<void> = Promise.resolve();
  #nextAnswer: Promise<void> | undefined;
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
    const load = (block: number, former: Rows | undefined) => this.#loadBlock(block, former);
    this.#mixedBlocks = new BlockCache(load);
    this.#passingBlocks = new BlockCache(load);
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
      await this.#expectUnchanged();
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
    if (!isArrayOf('uint32', rowNumbers)) {
      const message = `rowNumbers is ${inspectValue(rowNumbers)}: it must be a Uint32Array`;
      throw new SoftshardError('ERR_TYPE', message, { argument: 'rowNumbers', value: rowNumbers });
    }
    for (const [i, row] of rowNumbers.entries()) {
      if (row < this.rows) continue;
      const message = `rowNumbers[${i}] is ${row}: ${this.path} has ${this.rows} rows, counted from 0`;
      throw new SoftshardError('ERR_OPTION', message, { argument: 'rowNumbers', value: row });
    }
    const length = rowNumbers.length * this.features;
    if (isArrayOf(this.type, into) && into.length === length) return;
    const name = this.type === 'uint8' ? 'Uint8Array' : 'Float32Array';
    const message = `into is ${inspectValue(into)}: it must be a ${name} of ${length} elements`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: 'into', value: into });
  }

  /** One question for all whose reads have ended before it is asked. */
  #expectUnchanged(): Promise<void> {
    this.#nextAnswer ??= this.#answer
      .catch(() => {})
      .then(() => {
        this.#nextAnswer = undefined;
        this.#answer = this.#file.expectUnchanged();
        return this.#answer;
      });
    return this.#nextAnswer;
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
    // Rows that are mixed come back to a block; those that ascend, over a block and more, leave it behind.
    const isPassing = rowNumbers.length >= this.#blockRows && ascend(rowNumbers);
    const most = isPassing ? PASSING_BLOCKS : MIXED_BLOCKS;
    const keep = most + (isPassing ? 0 : 2 * Math.ceil(rowNumbers.length / this.#blockRows) + 1);
    const cache = isPassing ? this.#passingBlocks : this.#mixedBlocks;
    for (let begin = 0; begin < rowNumbers.length; ) {
      const wanted = new Set<number>();
      let end = begin;
      for (; end < rowNumbers.length && wanted.size < most; end++) {
        wanted.add(Math.floor(rowNumbers[end]! / this.#blockRows));
      }
      await cache.load(wanted, keep);
      this.#copyRows(cache, rowNumbers.subarray(begin, end), into, begin * this.features);
      begin = end;
    }
  }

  /** Of blocks that are loaded, to the elements of `into` from `to` on. */
  #copyRows(cache: BlockCache, rowNumbers: Uint32Array, into: Rows, to: number): void {
    const { features } = this;
    for (const row of rowNumbers) {
      const block = cache.get(Math.floor(row / this.#blockRows));
      const begin = (row % this.#blockRows) * features;
      if (features < COPIED_FEATURES) {
        for (let feature = 0; feature < features; feature++) into[to + feature] = block[begin + feature]!;
      } else {
        into.set(block.subarray(begin, begin + features), to);
      }
      to += features;
    }
  }

  /** In the place of a former one, if that is as long. */
  async #loadBlock(block: number, former: Rows | undefined): Promise<Rows> {
    const begin = block * this.#blockRows;
    const rows = Math.min(this.#blockRows, this.rows - begin);
    const isAsLong = former?.length === rows * this.features;
    const values = isAsLong ? former : this.#newRows(rows);
    await this.#readRows(begin, values);
    return values;
  }

  #newRows(rows: number): Rows {
    const length = rows * this.features;
    return this.type === 'uint8' ? new Uint8Array(length) : new Float32Array(length);
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
    this.#mixedBlocks.clear();
    this.#passingBlocks.clear();
    await this.#file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Blocks that are kept of rows that ascend. */
const PASSING_BLOCKS = 8;

const ascend = (rowNumbers: Uint32Array): boolean =>
  rowNumbers.every((row, i) => i === 0 || row > rowNumbers[i - 1]!);

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

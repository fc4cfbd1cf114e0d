// An array that stays in its file, whatever its format: parts of it are read in their own element type.

import { SoftshardError } from '../../errors.js';
import { inspectValue } from '../checks.js';
import { checkAttached } from '../memory/attached.js';
import { CHUNK_BYTES } from './byte-source.js';
import { forEachAtOnce } from './concurrent.js';
import type { OpenFile } from './data-file.js';
import { rowMajorIndex } from './dense.js';
import type { DenseLayout } from './dense-layout.js';
import { bytesPerElement, type StoredType, type StoredView, typedView } from './elements.js';
import { formatError } from './errors.js';

/** An array that stays in its file, which is open until close(). */
export interface NpyFile {
  readonly path: string;
  /** One or more; the first counts the rows. */
  readonly dims: readonly number[];
  readonly type: StoredType;
  /** On disk; readRows gives C order in any case. */
  readonly fortranOrder: boolean;
  /**
   * Rows [rowBegin, rowEnd) in C order, as a new array of the file's type: bool as Uint8Array, float16 bits as Uint16Array.
   * Calls may overlap in time.
   */
  readRows(rowBegin: number, rowEnd: number): Promise<StoredView>;
  /**
   * Elements [begin, end) in C order, for parts that are not whole rows. Fills `into` if given: any view of the same number
   * of bytes, in shared memory or not. Fortran order is read by whole rows.
   */
  readElements(begin: number, end: number, into?: ArrayBufferView): Promise<StoredView>;
  close(): Promise<void>;
}

/**
 * In Fortran order, a gap between wanted parts up to this size is read along: that takes no longer than another system call.
 */
const GAP_BYTES = 32 << 10;

/** `valuesOffset`: of the first value in the file, which is closed with it. */
export class ArrayOnDisk implements NpyFile {
  readonly path: string;
  readonly dims: readonly number[];
  readonly type: StoredType;
  readonly fortranOrder: boolean;
  readonly #file: OpenFile;
  readonly #layout: DenseLayout;
  /** File offset of the first value. */
  readonly #valuesOffset: number;
  readonly #rows: number;
  /** Elements of one row. */
  readonly #features: number;
  readonly #width: number;
  #closed = false;

  constructor(file: OpenFile, layout: DenseLayout, valuesOffset: number) {
    this.path = file.path;
    this.dims = layout.dims;
    this.type = layout.elements.type;
    this.fortranOrder = layout.columnMajor;
    this.#file = file;
    this.#layout = layout;
    this.#valuesOffset = valuesOffset;
    this.#rows = layout.dims[0]!;
    this.#features = layout.dims.slice(1).reduce((product, dim) => product * dim, 1);
    this.#width = bytesPerElement(layout.elements.type);
  }

  async readRows(rowBegin: number, rowEnd: number): Promise<StoredView> {
    this.#checkRange('rowBegin', rowBegin, rowEnd, this.#rows);
    const bytes = this.#bytesFor((rowEnd - rowBegin) * this.#features, undefined);
    if (this.fortranOrder && this.#features > 1) await this.#readColumns(bytes, rowBegin, rowEnd);
    else await this.#read(bytes, rowBegin * this.#features);
    await this.#file.expectUnchanged();
    return typedView(this.#layout.elements, bytes);
  }

  async readElements(begin: number, end: number, into?: ArrayBufferView): Promise<StoredView> {
    if (this.fortranOrder && this.#features > 1) return this.#gatherElements(begin, end, into);
    this.#checkRange('begin', begin, end, this.#rows * this.#features);
    const bytes = this.#bytesFor(end - begin, into);
    await this.#read(bytes, begin);
    await this.#file.expectUnchanged();
    return typedView(this.#layout.elements, bytes);
  }

  async #gatherElements(begin: number, end: number, into: ArrayBufferView | undefined): Promise<StoredView> {
    const rowBegin = Math.floor(begin / this.#features);
    const rows = await this.readRows(rowBegin, Math.ceil(end / this.#features));
    const first = begin - rowBegin * this.#features;
    const elements = rows.subarray(first, first + end - begin);
    if (into === undefined) return elements;
    const bytes = this.#bytesFor(end - begin, into);
    bytes.set(new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength));
    return typedView({ ...this.#layout.elements, bigEndian: false }, bytes);
  }

  /** The bytes of `into`, or a new buffer; not from Node's pool, because typed views need an aligned offset. */
  #bytesFor(elements: number, into: ArrayBufferView | undefined): Buffer {
    const length = elements * this.#width;
    if (into === undefined) return Buffer.allocUnsafeSlow(length);
    if (!ArrayBuffer.isView(into)) {
      const message = `into: expected a typed array of ${length} bytes, got ${inspectValue(into)}.`;
      throw new SoftshardError('ERR_TYPE', message, { argument: 'into', value: into satisfies never });
    }
    checkAttached('into', into);
    if (into.byteLength === length) {
      return Buffer.from(into.buffer as ArrayBuffer, into.byteOffset, into.byteLength);
    }
    throw new SoftshardError(
      'ERR_SHAPE',
      `into: expected ${length} bytes for ${elements} ${this.type} elements, got ${into.byteLength}.`,
      { argument: 'into', value: into.byteLength },
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#file.close();
  }

  #checkRange(argument: 'rowBegin' | 'begin', begin: number, end: number, limit: number): void {
    if (this.#closed) {
      throw new SoftshardError('ERR_CLOSED', `${this.path}: was closed. Open it again with openNpy().`);
    }
    const isIndex = (index: number) => Number.isSafeInteger(index) && index >= 0 && index <= limit;
    if (isIndex(begin) && isIndex(end) && begin <= end) return;
    const names = argument === 'begin' ? ['begin', 'end'] : ['rowBegin', 'rowEnd'];
    throw new SoftshardError(
      'ERR_OPTION',
      `${names.join(', ')}: expected 0 <= ${names.join(' <= ')} <= ${limit}, got ${inspectValue(begin)}, ${inspectValue(end)}.`,
      { argument, value: [begin, end] },
    );
  }

  /** Elements of the file from index `element` on. */
  async #read(into: Uint8Array, element: number): Promise<void> {
    const position = this.#valuesOffset + element * this.#width;
    const end = position + (await this.#file.read(into, position));
    if (end === position + into.length) return;
    throw formatError(
      this.path,
      `byte ${end} of the file: expected values, found the end`,
      'The file was cut off after it was opened: write it again.',
      { value: end },
    );
  }

  /**
   * Fortran order: column k, one for each element of a row, is `rows` consecutive elements. Columns close together are read
   * at once, others by reads of their own, several at a time.
   */
  async #readColumns(bytes: Buffer, rowBegin: number, rowEnd: number): Promise<void> {
    const wanted = rowEnd - rowBegin;
    const features = this.#features;
    if (wanted === 0) return;
    const chunk = CHUNK_BYTES / this.#width;
    const bridgesGap = (this.#rows - wanted) * this.#width <= GAP_BYTES;
    const columnsAtOnce = bridgesGap ? Math.max(1, Math.floor(chunk / this.#rows)) : 1;
    const rowsAtOnce = Math.min(wanted, chunk);
    function* parts() {
      for (let column = 0; column < features; column += columnsAtOnce) {
        const columns = Math.min(columnsAtOnce, features - column);
        for (let row = rowBegin; row < rowEnd; row += rowsAtOnce) {
          yield { column, columns, row, rows: Math.min(rowsAtOnce, rowEnd - row) };
        }
      }
    }
    await forEachAtOnce(parts(), async (part) => {
      const elements = (part.columns - 1) * this.#rows + part.rows;
      const scratch = Buffer.allocUnsafeSlow(elements * this.#width);
      await this.#read(scratch, part.column * this.#rows + part.row);
      for (let k = 0; k < part.columns; k++) {
        const begin = k * this.#rows * this.#width;
        const values = scratch.subarray(begin, begin + part.rows * this.#width);
        this.#placeColumn(bytes, values, part.column + k, part.row - rowBegin);
      }
    });
  }

  /** Scatters one column's values, from the window's row `row` on; as bits, whatever their type. */
  #placeColumn(bytes: Buffer, values: Buffer, column: number, row: number): void {
    const to = rowMajorIndex(column, this.dims.slice(1)) + row * this.#features;
    const step = this.#features;
    if (this.#width === 1) placeWords(bytes, values, to, step);
    else if (this.#width === 2) placeWords(words16(bytes), words16(values), to, step);
    else if (this.#width === 4) placeWords(words32(bytes), words32(values), to, step);
    else placePairs(words32(bytes), words32(values), to, step);
  }
}

type Words = Uint8Array | Uint16Array | Uint32Array;

function placeWords(target: Words, source: Words, to: number, step: number): void {
  for (let i = 0, place = to; i < source.length; i++, place += step) target[place] = source[i]!;
}

/** Elements of two words. */
function placePairs(target: Uint32Array, source: Uint32Array, to: number, step: number): void {
  for (let i = 0, place = 2 * to; i < source.length; i += 2, place += 2 * step) {
    target[place] = source[i]!;
    target[place + 1] = source[i + 1]!;
  }
}

const words16 = ({ buffer, byteOffset, length }: Buffer): Uint16Array =>
  new Uint16Array(buffer, byteOffset, length / 2);

const words32 = ({ buffer, byteOffset, length }: Buffer): Uint32Array =>
  new Uint32Array(buffer, byteOffset, length / 4);

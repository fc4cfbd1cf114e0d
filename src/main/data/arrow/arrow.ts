// Arrow IPC files and streams, and Feather version 2, which is such a file: batches of columns, read slice by slice.

import { SoftshardError } from '../../../errors.js';
import { quoted } from '../../../printable.js';
import { inOrder } from '../concurrent.js';
import type { DataFile } from '../data-file.js';
import type { CsvOptions } from '../read-options.js';
import {
  type ColumnPart,
  type ColumnRequest,
  type ColumnTable,
  damagedTable,
  FloatBytes,
  MOST_MISSING,
  raggedRow,
  rowPlace,
} from '../table/column-table.js';
import { missingCell } from '../table/fill.js';
import { tableFormat } from '../table/table-format.js';
import { BatchReader, holds, mayHold, numbersOf, readSingles, repeated, type Values } from './buffers.js';
import {
  type Batch,
  type DictionaryPart,
  type FieldData,
  isArrowFile,
  isArrowStream,
  readMessages,
} from './messages.js';
import { type ArrowColumn, arrowColumns, bitsOf, type Field } from './schema.js';

export const arrowFormat = tableFormat({
  name: 'arrow',
  title: 'Arrow',
  extensions: ['.arrow', '.arrows', '.feather'],
  matches: (head) => isArrowFile(head) || isArrowStream(head),
  async open(file, options) {
    const { fields, batches } = await readMessages(file);
    return new ArrowTable(file, fields, batches, options);
  },
});

/** What is decoded at a time. */
const SLICE_BYTES = 4 << 20;

/** Rows of a batch. */
interface Slice {
  readonly request: ColumnRequest;
  readonly batch: Batch;
  readonly reader: BatchReader;
  readonly begin: number;
  readonly end: number;
}

class ArrowTable implements ColumnTable {
  readonly path: string;
  readonly rows: number;
  readonly columns: readonly ArrowColumn[];
  readonly placeOf = rowPlace;
  readonly #file: DataFile;
  readonly #fields: readonly Field[];
  readonly #batches: readonly Batch[];
  readonly #options: CsvOptions;
  readonly #dictionaries = new WeakMap<readonly DictionaryPart[], Promise<Values>>();

  constructor(file: DataFile, fields: readonly Field[], batches: readonly Batch[], options: CsvOptions) {
    this.path = file.path;
    this.rows = batches.reduce((sum, { rows }) => sum + rows, 0);
    this.columns = arrowColumns(fields);
    this.#file = file;
    this.#fields = fields;
    this.#batches = batches;
    this.#options = options;
    for (const [index, column] of this.columns.entries()) {
      if (column.kind !== 'other') for (const batch of batches) this.#checkLengths(index, batch);
    }
  }

  /** What the buffers cannot hold, no memory is asked for. */
  #checkLengths(index: number, batch: Batch): void {
    const field = this.#fieldOf(index);
    const data = this.#dataOf(index, batch);
    const [child] = data.children;
    const value = field.children[0];
    const isList = field.type === 'list' || field.type === 'large_list';
    const isFits =
      data.length === batch.rows &&
      (field.type === 'fixed_size_list'
        ? child!.length >= batch.rows * field.size && holds(child!, bitsOf(value!))
        : isList
          ? mayHold(data, data.buffers[1], batch.rows * 4) && holds(child!, bitsOf(value!))
          : holds(data, bitsOf(field)));
    if (isFits) return;
    const name = quoted(this.columns[index]!.name);
    throw damagedTable(
      this.path,
      `column ${name}: expected ${batch.rows} values from row ${batch.rowBegin} on, found fewer bytes`,
    );
  }

  #fieldOf(index: number): Field {
    return this.#fields[this.columns[index]!.field]!;
  }

  #dataOf(index: number, batch: Batch): FieldData {
    return batch.fields[this.columns[index]!.field]!;
  }

  async widthOf(index: number): Promise<number> {
    const field = this.#fieldOf(index);
    if (field.type === 'fixed_size_list') return field.size;
    if (field.type === 'fixed_size_binary') return field.size / (this.columns[index]!.isHalf ? 2 : 4);
    const width = await this.#firstLength(index, field);
    const values = this.#batches.reduce(
      (sum, batch) => sum + this.#dataOf(index, batch).children[0]!.length,
      0,
    );
    // Some row is shorter or null: say which, before memory is asked for that the values may not fill.
    const least = this.#options.missingCells === 'nan' ? MOST_MISSING * values : values;
    if (least < width * this.rows) {
      await this.read([{ column: index, width, take: (part) => this.#expectAll(index, width, part) }]);
    }
    return width;
  }

  #expectAll(index: number, width: number, { begin, missing }: ColumnPart): void {
    if (this.#options.missingCells === 'nan') return;
    const at = missing?.indexOf(1) ?? -1;
    if (at >= 0) throw missingCell(this, { column: index, width }, begin + at, this.#options);
  }

  /** The length of the first list that is there. */
  async #firstLength(index: number, field: Field): Promise<number> {
    for (const batch of this.#batches) {
      const data = this.#dataOf(index, batch);
      const reader = new BatchReader(this.#file);
      const rowsAtOnce = SLICE_BYTES / 8;
      for (let begin = 0; begin < batch.rows; begin += rowsAtOnce) {
        const end = Math.min(batch.rows, begin + rowsAtOnce);
        const length = await this.#checked(index, batch, async () => {
          const missing = await reader.missing(data, begin, end);
          const offsets = await reader.offsets(data, field.type === 'large_list', begin, end);
          const first = offsets.findIndex((offset, i) => !missing?.[i] && offsets[i + 1]! > offset);
          return first < 0 ? 0 : offsets[first + 1]! - offsets[first]!;
        });
        if (length > 0) return length;
      }
    }
    throw raggedRow(this, index, 0, 1, 'none in any row');
  }

  async read(requests: readonly ColumnRequest[], onProgress?: (fraction: number) => void): Promise<void> {
    const total = requests.length * this.rows;
    let done = 0;
    for await (const { item, result } of inOrder(
      this.#slices(requests),
      ({ request, begin, end }) => (end - begin) * request.width * 8,
      (slice) => this.#checked(slice.request.column, slice.batch, () => this.#readSlice(slice)),
    )) {
      item.request.take(result);
      done += item.end - item.begin;
      onProgress?.(Math.min(1, done / total));
    }
  }

  *#slices(requests: readonly ColumnRequest[]): Generator<Slice, void, undefined> {
    for (const request of requests) {
      const rowsAtOnce = Math.max(1, Math.floor(SLICE_BYTES / 8 / request.width));
      for (const batch of this.#batches) {
        const reader = new BatchReader(this.#file);
        for (let begin = 0; begin < batch.rows; begin += rowsAtOnce) {
          yield { request, batch, reader, begin, end: Math.min(batch.rows, begin + rowsAtOnce) };
        }
      }
    }
  }

  async #readSlice({ request, batch, reader, begin, end }: Slice): Promise<ColumnPart> {
    const { column: index, width } = request;
    const column = this.columns[index]!;
    const field = this.#fieldOf(index);
    const data = this.#dataOf(index, batch);
    const missing = await reader.missing(data, begin, end);
    const first = (batch.rowBegin + begin) * width;
    if (field.dictionary) {
      const values = await this.#fromDictionary(field, data, { batch, reader, begin, end }, missing);
      return { begin: first, values, missing };
    }
    if (field.type === 'list' || field.type === 'large_list' || field.type === 'fixed_size_list') {
      const lists = { index, field, data, width, rowBegin: batch.rowBegin };
      return { begin: first, ...(await this.#readLists(lists, reader, begin, end, missing)) };
    }
    if (field.type === 'fixed_size_binary') {
      const bytes = await reader.buffer(data, 1).bytes(begin * field.size, end * field.size);
      const values = numbersOf(column.isHalf ? 'float16' : 'float32', bytes);
      return { begin: first, values, missing: missing && repeated(missing, width) };
    }
    return { begin: first, values: await readSingles(field, data, reader, begin, end), missing };
  }

  async #fromDictionary(
    field: Field,
    data: FieldData,
    { batch, reader, begin, end }: Omit<Slice, 'request'>,
    missing: Uint8Array | undefined,
  ): Promise<Values> {
    const { id, indices: stored } = field.dictionary!;
    const values = await this.#dictionary(field, batch.dictionaries.get(id));
    const found = await reader.numbers(data, stored, begin, end);
    const indices = found instanceof FloatBytes ? found.toFloats() : found;
    const cells = values instanceof FloatBytes ? values.toFloats() : values;
    return Array.from(indices, (index, i) => {
      if (missing?.[i]) return 0;
      const cell = cells[Number(index)];
      if (cell === undefined) throw new Error(`value ${index} of a dictionary of ${cells.length}`);
      return cell;
    });
  }

  #dictionary(field: Field, parts: readonly DictionaryPart[] | undefined): Promise<Values> {
    if (!parts) throw new Error('its dictionary is missing');
    let values = this.#dictionaries.get(parts);
    if (!values) {
      values = this.#readDictionary(field, parts);
      this.#dictionaries.set(parts, values);
    }
    return values;
  }

  async #readDictionary(field: Field, parts: readonly DictionaryPart[]): Promise<Values> {
    const all = [];
    for (const { values: data } of parts) {
      if (!holds(data, bitsOf({ ...field, dictionary: undefined })))
        throw new Error('a dictionary that is cut off');
      const values = await readSingles(field, data, new BatchReader(this.#file), 0, data.length);
      const cells = values instanceof FloatBytes ? values.toFloats() : values;
      for (let i = 0; i < cells.length; i++) all.push(cells[i]!);
    }
    return all;
  }

  async #readLists(
    { index, field, data, width, rowBegin }: Lists,
    reader: BatchReader,
    begin: number,
    end: number,
    missingRows: Uint8Array | undefined,
  ): Promise<Pick<ColumnPart, 'values' | 'missing'>> {
    const isFixed = field.type === 'fixed_size_list';
    const offsets = isFixed
      ? Array.from({ length: end - begin + 1 }, (_, i) => (begin + i) * width)
      : await reader.offsets(data, field.type === 'large_list', begin, end);
    for (let i = 0; i < end - begin; i++) {
      const found = offsets[i + 1]! - offsets[i]!;
      if (found === width || missingRows?.[i]) continue;
      throw raggedRow(this, index, rowBegin + begin + i, width, String(found));
    }
    const child = data.children[0]!;
    const [from, to] = [offsets[0]!, offsets.at(-1)!];
    if (to > child.length) throw new Error(`values up to ${to} of ${child.length}`);
    const stored = field.children[0]!.stored!;
    const values = await reader.numbers(child, stored, from, to);
    const missing = await reader.missing(child, from, to);
    if (!missingRows) return { values, missing };
    // Rows that are null may have values, which do not count, or none.
    const cells = values instanceof FloatBytes ? values.toFloats() : values;
    const all = new Float64Array((end - begin) * width);
    const flags = repeated(missingRows, width);
    for (let row = 0; row < end - begin; row++) {
      if (missingRows[row]) continue;
      for (let i = 0; i < width; i++) {
        const at = offsets[row]! - from + i;
        all[row * width + i] = Number(cells[at]);
        if (missing?.[at]) flags[row * width + i] = 1;
      }
    }
    return { values: all, missing: flags };
  }

  async #checked<Result>(index: number, batch: Batch, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (cause) {
      // The reason of an abort is passed on as it is.
      if (cause instanceof SoftshardError || this.#options.signal?.aborted) throw cause;
      const column = quoted(this.columns[index]!.name);
      const finding = `expected values of column ${column} from row ${batch.rowBegin} on, found damage`;
      throw damagedTable(this.path, finding, cause);
    }
  }
}

interface Lists {
  readonly index: number;
  readonly field: Field;
  readonly data: FieldData;
  readonly width: number;
  readonly rowBegin: number;
}

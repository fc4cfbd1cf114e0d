// Parquet files: columns of numbers, text, lists of numbers, and blobs of them, read page by page.

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
  MOST_MISSING,
  raggedRow,
  rowPlace,
} from '../table/column-table.js';
import { missingCell } from '../table/fill.js';
import { tableFormat } from '../table/table-format.js';
import { ColumnReader, RaggedRow } from './column-reader.js';
import { type Footer, readFooter } from './footer.js';
import { areAllDefined, expandLevels, splitPage } from './levels.js';
import { loadParquetLibrary, type ParquetLibrary } from './library.js';
import { findPages, type Page, readPage } from './pages.js';
import type { ParquetColumn } from './schema.js';
import { numbersIn } from './values.js';

export const parquetFormat = tableFormat({
  name: 'parquet',
  title: 'Parquet',
  extensions: ['.parquet'],
  // Words may begin the same way: what follows is the header of a page, or the metadata.
  matches: (head) => Buffer.from(head.subarray(0, 4)).toString('latin1') === 'PAR1' && head[4] === 0x15,
  async open(file, options) {
    const library = await loadParquetLibrary(file.path);
    return new ParquetTable(file, library, await readFooter(file, library), options);
  },
});

class ParquetTable implements ColumnTable {
  readonly path: string;
  readonly rows: number;
  readonly columns: readonly ParquetColumn[];
  readonly placeOf = rowPlace;
  readonly #file: DataFile;
  readonly #library: ParquetLibrary;
  readonly #footer: Footer;
  readonly #options: CsvOptions;
  /** By column. */
  readonly #pages = new Map<number, Promise<Page[]>>();

  constructor(file: DataFile, library: ParquetLibrary, footer: Footer, options: CsvOptions) {
    this.path = file.path;
    this.rows = footer.rows;
    this.columns = footer.columns;
    this.#file = file;
    this.#library = library;
    this.#footer = footer;
    this.#options = options;
  }

  get #isNullAllowed(): boolean {
    return this.#options.missingCells === 'nan';
  }

  async widthOf(index: number): Promise<number> {
    const column = this.columns[index]!;
    if (column.levels.maxRepetition === 0) return numbersIn(column);
    const width = await this.#firstLength(index);
    const pages = await this.#pagesOf(index);
    const entries = pages.reduce((sum, { kind, entries }) => sum + (kind === 'dictionary' ? 0 : entries), 0);
    // Some row is shorter, null or longer: say which, before memory is asked for that the values may not fill.
    const isSuspicious = this.#isNullAllowed
      ? MOST_MISSING * entries < width * this.rows
      : entries !== width * this.rows;
    if (isSuspicious) {
      await this.read([{ column: index, width, take: (part) => this.#expectAll(index, width, part) }]);
    }
    return width;
  }

  #expectAll(index: number, width: number, { begin, missing }: ColumnPart): void {
    if (this.#isNullAllowed) return;
    const at = missing?.indexOf(1) ?? -1;
    if (at >= 0) throw missingCell(this, { column: index, width }, begin + at, this.#options);
  }

  /** The length of the first list that is there. */
  async #firstLength(index: number): Promise<number> {
    const { levels } = this.columns[index]!;
    let length = 0;
    for (const page of await this.#pagesOf(index)) {
      if (page.kind === 'dictionary') continue;
      const bytes = await readPage(this.#file, this.#library, page);
      const found = this.#checked(index, page, () => {
        const parts = splitPage(page, bytes, levels).levels;
        const repetition = expandLevels(parts.repetition, 1, page.entries);
        const isAll = areAllDefined(parts, levels);
        const definition = isAll
          ? undefined
          : expandLevels(parts.definition, levels.maxDefinition, page.entries);
        for (let i = 0; i < page.entries; i++) {
          if (repetition[i] === 0 && length > 0) return true;
          if (!definition || definition[i]! > levels.emptyList) length++;
        }
        return false;
      });
      if (found) return length;
    }
    if (length > 0) return length;
    throw raggedRow(this, index, 0, 1, 'none in any row');
  }

  #pagesOf(index: number): Promise<Page[]> {
    let pages = this.#pages.get(index);
    if (!pages) {
      pages = this.#findPages(index);
      this.#pages.set(index, pages);
    }
    return pages;
  }

  async #findPages(index: number): Promise<Page[]> {
    const column = this.columns[index]!;
    const chunks = this.#footer.chunksOf(column);
    // An empty list has an entry, too.
    const isList = column.levels.maxRepetition > 0;
    const short = chunks.find(({ entries, rows }) => (isList ? entries < rows : entries !== rows));
    if (short) {
      const name = quoted(column.name);
      throw damagedTable(this.path, `column ${name}: expected ${short.rows} values, found ${short.entries}`);
    }
    const pages: Page[] = [];
    for await (const { result } of inOrder(
      chunks,
      () => 0,
      (chunk) => findPages(this.#file, this.#library, chunk),
    )) {
      pages.push(...result);
    }
    return pages;
  }

  /** Pages are read and inflated ahead, of several row groups at once where these are short. */
  async read(requests: readonly ColumnRequest[], onProgress?: (fraction: number) => void): Promise<void> {
    const tasks: { request: ColumnRequest; page: Page }[] = [];
    for (const request of requests) {
      for (const page of await this.#pagesOf(request.column)) tasks.push({ request, page });
    }
    const total = tasks.reduce((sum, { page }) => sum + page.compressedBytes, 0);
    let done = 0;
    let request: ColumnRequest | undefined;
    let reader: ColumnReader | undefined;
    for await (const { item, result } of inOrder(
      tasks,
      ({ page }) => page.compressedBytes + page.contentBytes,
      ({ page }) => readPage(this.#file, this.#library, page),
    )) {
      const { page } = item;
      if (item.request !== request) {
        this.#end(request, reader);
        request = item.request;
        const { column, width, take } = request;
        reader = new ColumnReader(this.#library, this.columns[column]!, width, take);
      }
      this.#checked(item.request.column, page, () => reader!.add(page, result), item.request.width);
      done += page.compressedBytes;
      onProgress?.(Math.min(1, done / total));
    }
    this.#end(request, reader);
  }

  #end(request: ColumnRequest | undefined, reader: ColumnReader | undefined): void {
    if (request) this.#checked(request.column, undefined, () => reader!.end(), request.width);
  }

  /** Says where it is that something is wrong. */
  #checked<Result>(index: number, page: Page | undefined, work: () => Result, width = 0): Result {
    try {
      return work();
    } catch (cause) {
      if (cause instanceof SoftshardError) throw cause;
      if (cause instanceof RaggedRow) throw raggedRow(this, index, cause.row, width, cause.found);
      const place = page ? `byte ${page.begin}` : 'its end';
      const column = quoted(this.columns[index]!.name);
      throw damagedTable(this.path, `${place}: expected values of column ${column}, found damage`, cause);
    }
  }
}

// Puts the pages of one column together: values at their rows, missing ones flagged, lists checked for their length.

import { type ColumnPart, FloatBytes } from '../table/column-table.js';
import type { Chunk } from './footer.js';
import { areAllDefined, areRegular, expandLevels, type PageLevels, splitPage } from './levels.js';
import type { ParquetLibrary } from './library.js';
import type { Page, PageBytes } from './pages.js';
import type { ParquetColumn } from './schema.js';
import { decodeValues, numbersIn, type Values } from './values.js';

/** What a row has in place of a vector of the right length. */
export class RaggedRow extends Error {
  readonly row: number;
  readonly found: string;

  constructor(row: number, found: string) {
    super(`row ${row}: ${found}`);
    this.row = row;
    this.found = found;
  }
}

/** Takes the pages of a column in order. */
export class ColumnReader {
  readonly #library: ParquetLibrary;
  readonly #column: ParquetColumn;
  readonly #width: number;
  readonly #take: (part: ColumnPart) => void;
  #chunk: Chunk | undefined;
  #dictionary: Values | undefined;
  /** Rows of the chunk that have begun. */
  #rows = 0;
  /** Values of the last of them. */
  #inRow = 0;

  constructor(
    library: ParquetLibrary,
    column: ParquetColumn,
    width: number,
    take: (part: ColumnPart) => void,
  ) {
    this.#library = library;
    this.#column = column;
    this.#width = width;
    this.#take = take;
  }

  /** Throws RaggedRow, or whatever is wrong with the page. */
  add(page: Page, bytes: PageBytes): void {
    if (page.chunk !== this.#chunk) {
      this.end();
      this.#chunk = page.chunk;
      this.#dictionary = undefined;
      this.#rows = 0;
      this.#inRow = 0;
    }
    if (page.kind === 'dictionary') {
      this.#dictionary = this.#decode('PLAIN', bytes.content, page.entries);
      return;
    }
    const { levels, values } = splitPage(page, bytes, this.#column.levels);
    if (this.#column.levels.maxRepetition > 0) this.#addLists(page, levels, values);
    else this.#addSingles(page, levels, values);
  }

  /** Throws where rows are missing from the last chunk. */
  end(): void {
    const chunk = this.#chunk;
    if (!chunk) return;
    if (this.#column.levels.maxRepetition > 0) this.#endRow();
    if (this.#rows !== chunk.rows) throw new Error(`${this.#rows} rows in place of ${chunk.rows}`);
  }

  #decode(encoding: string, bytes: Uint8Array, count: number): Values {
    const values = decodeValues(this.#library, this.#column, encoding, bytes, count, this.#dictionary);
    const wanted = count * numbersIn(this.#column);
    if (values.length !== wanted) throw new Error(`${values.length} values in place of ${wanted}`);
    return values;
  }

  #expectRows(rows: number): void {
    if (rows > this.#chunk!.rows) throw new Error(`${rows} rows in place of ${this.#chunk!.rows}`);
  }

  #addSingles(page: Page, levels: PageLevels, bytes: Uint8Array): void {
    const { entries } = page;
    this.#expectRows(this.#rows + entries);
    const numbers = numbersIn(this.#column);
    const begin = (this.#chunk!.rowBegin + this.#rows) * numbers;
    this.#rows += entries;
    if (areAllDefined(levels, this.#column.levels)) {
      if (entries > 0) this.#take({ begin, values: this.#decode(page.encoding, bytes, entries) });
      return;
    }
    const { maxDefinition } = this.#column.levels;
    const defined = expandLevels(levels.definition, maxDefinition, entries);
    const count = defined.reduce((sum, level) => sum + (level === maxDefinition ? 1 : 0), 0);
    const missing = new Uint8Array(entries * numbers);
    for (let i = 0; i < entries; i++) {
      if (defined[i] !== maxDefinition) missing.fill(1, i * numbers, (i + 1) * numbers);
    }
    this.#take({ begin, ...spread(this.#decode(page.encoding, bytes, count), missing) });
  }

  #addLists(page: Page, levels: PageLevels, bytes: Uint8Array): void {
    const { entries } = page;
    const width = this.#width;
    const begin = this.#rows === 0 ? 0 : (this.#rows - 1) * width + this.#inRow;
    const inRow = begin % width;
    // A page may begin within a row.
    const isRegular =
      (this.#rows === 0 || this.#inRow <= width) &&
      areAllDefined(levels, this.#column.levels) &&
      areRegular(levels, inRow, width);
    if (!isRegular) {
      this.#addIrregular(page, levels, bytes);
      return;
    }
    const end = begin + entries;
    this.#rows = Math.ceil(end / width);
    this.#expectRows(this.#rows);
    this.#inRow = end - (this.#rows - 1) * width;
    const values = this.#decode(page.encoding, bytes, entries);
    if (entries > 0) this.#take({ begin: this.#chunk!.rowBegin * width + begin, values });
  }

  /** Lists with nulls among their values or in their place; or of another length, which is an error. */
  #addIrregular({ entries, encoding }: Page, levels: PageLevels, bytes: Uint8Array): void {
    const { maxDefinition, emptyList } = this.#column.levels;
    const width = this.#width;
    const repetition = expandLevels(levels.repetition, 1, entries);
    const definition = expandLevels(levels.definition, maxDefinition, entries);
    if (levels.definition === undefined) definition.fill(maxDefinition);
    const begin = this.#rows === 0 ? 0 : (this.#rows - 1) * width + this.#inRow;
    const flags: number[] = [];
    let count = 0;
    for (let i = 0; i < entries; i++) {
      if (repetition[i] === 0) {
        this.#endRow();
        this.#expectRows(++this.#rows);
        this.#inRow = 0;
      } else if (this.#rows === 0) throw new Error('its first list has no beginning');
      const level = definition[i]!;
      // A null in place of the list, one in it, a value, or nothing at all.
      if (level < emptyList) for (; this.#inRow < width; this.#inRow++) flags.push(1);
      else if (level > emptyList) {
        if (++this.#inRow > width) throw this.#ragged('more');
        flags.push(level === maxDefinition ? 0 : 1);
        if (level === maxDefinition) count++;
      }
    }
    const values = spread(this.#decode(encoding, bytes, count), Uint8Array.from(flags));
    this.#take({ begin: this.#chunk!.rowBegin * width + begin, ...values });
  }

  #endRow(): void {
    if (this.#rows > 0 && this.#inRow !== this.#width) throw this.#ragged(String(this.#inRow));
  }

  #ragged(found: string): RaggedRow {
    return new RaggedRow(this.#chunk!.rowBegin + this.#rows - 1, found);
  }
}

/** Values at the places that are not flagged. */
function spread(values: Values, missing: Uint8Array): { values: Values; missing: Uint8Array } {
  const found = values instanceof FloatBytes ? values.toFloats() : values;
  let next = 0;
  const isNumbers = typeof found[0] !== 'string' && typeof found[0] !== 'bigint';
  if (isNumbers) {
    const all = new Float64Array(missing.length);
    for (let i = 0; i < all.length; i++) if (missing[i] === 0) all[i] = Number(found[next++]);
    return { values: all, missing };
  }
  return { values: Array.from(missing, (flag) => (flag === 0 ? found[next++]! : 0)), missing };
}

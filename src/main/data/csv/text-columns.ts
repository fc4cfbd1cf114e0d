// Finds the columns of a CSV file that hold text by their first rows, before features are chosen.

import { isMissingAmongNumbers, isNumberText, isTruth } from '../number-text.js';
import type { RecordSink } from './csv-records.js';
import type { PlainRows } from './plain-rows.js';

/** Rows that decide. A typo among so many is no column of text. */
const DECIDING_ROWS = 10;

/** Fewer rows decide where these would take much memory as strings. */
const MOST_HELD_CELLS = 2 ** 20;
const MOST_HELD_CHARACTERS = 2 ** 24;

/** 2024-11-30, 30/11/2024, 12:30, 30.11.2024 (1.234.567 is a number written otherwise). */
const DATE_OR_TIME = /^(?:\d+(?:-\d+-|\/\d+\/|:)\d+|\d{1,2}\.\d{1,2}\.\d{2,4}\b)/;

/** Numbers written otherwise that have letters: 1,5e-3, 1.5D+03, 0x1F, 1.#INF, [nan, 1e5]. */
const OTHER_NUMBERS =
  /^(?:[+-]?\d+[.,]\d*[ed][+-]?\d+|0x[\da-f]+|[+-]?1\.#inf|[[(](?:[\d\s.,;+\-e]|nan|inf)*[\])])$/i;

/** Numbers with what they count: 5 kg, 132k, EUR 132. What is longer may be an address. */
const WITH_UNIT = /^(?:[+-]?\d[\d.,]*(?:[kKM]|\s+\p{L}{1,4}\.?)|\p{Lu}{3}\s\d[\d.,]*)$/u;

interface HeldRecord {
  readonly cells: readonly string[];
  readonly line: number;
}

/**
 * A column is text if, of its cells in the first ten rows after line 1, none is a number, two or more are text, and those are more
 * than the missing ones. What has no letter is not text but a number written otherwise ("1,5", "12 %") unless it is a date.
 */
export class TextColumns<Sink extends RecordSink> implements RecordSink {
  readonly #makeSink: (texts: ReadonlySet<number>) => Sink;
  readonly #held: HeldRecord[] = [];
  #heldCharacters = 0;
  /** Of each column that may be text: how many texts more than missing cells, and how many texts. */
  #candidates = new Map<number, { lead: number; texts: number }>();
  #sink: Sink | undefined;

  constructor(makeSink: (texts: ReadonlySet<number>) => Sink) {
    this.#makeSink = makeSink;
  }

  add(cells: readonly string[], line: number): void {
    if (this.#sink) {
      this.#sink.add(cells, line);
      return;
    }
    if (this.#held.length === 0) {
      for (const column of cells.keys()) this.#candidates.set(column, { lead: 0, texts: 0 });
    } else this.#look(cells);
    this.#held.push({ cells, line });
    for (const cell of cells) this.#heldCharacters += cell.length;
    const isDecided = this.#held.length > DECIDING_ROWS || this.#candidates.size === 0;
    const isMuch =
      (this.#held.length + 1) * cells.length > MOST_HELD_CELLS || this.#heldCharacters > MOST_HELD_CHARACTERS;
    if (isDecided || isMuch) this.end();
  }

  /** Rows go by once it is decided. */
  get plainRows(): PlainRows | undefined {
    return this.#sink?.plainRows;
  }

  /** After the last record, or once it is decided: what the sink has become. */
  end(): Sink {
    if (this.#sink) return this.#sink;
    const texts = [...this.#candidates].filter(([, { lead, texts }]) => lead > 0 && texts > 1);
    this.#sink = this.#makeSink(new Set(texts.map(([column]) => column)));
    for (const { cells, line } of this.#held.splice(0)) this.#sink.add(cells, line);
    return this.#sink;
  }

  #look(cells: readonly string[]): void {
    for (const [column, counts] of this.#candidates) {
      const cell = cells[column] ?? '';
      if (cell === '' || isMissingAmongNumbers(cell)) counts.lead--;
      else if (isTextCell(cell)) {
        counts.lead++;
        counts.texts++;
      } else this.#candidates.delete(column);
    }
  }
}

const isTextCell = (cell: string): boolean =>
  !isNumberText(cell) &&
  !isTruth(cell) &&
  !OTHER_NUMBERS.test(cell) &&
  !WITH_UNIT.test(cell) &&
  (/\p{L}/u.test(cell) || DATE_OR_TIME.test(cell));

// Rows that an operation reads, wherever they lie. Training, evaluation and prediction know no more of rows than this.

import type { Ptr } from '../../kernels/ptr.js';
import { checkStillThere } from '../arguments/targets.js';
import type { Place } from '../memory/arena.js';
import { type ElementType, elementBytes, type TensorData } from '../memory/element-types.js';

/** Rows [begin, end). */
export interface RowRange {
  readonly begin: number;
  readonly end: number;
}

/** Row numbers in the order wanted, or a range. */
export type ChosenRows = Uint32Array | RowRange;

/** In memory, gather is synchronous; of a file, several calls may be under way; a caller is asked for one at a time. */
export type RowOrigin = 'memory' | 'file' | 'caller';

export interface RowSource {
  /** Its name in errors. */
  readonly what: string;
  readonly rows: number;
  /** The address of all rows, if they lie in the arena in the form that kernels read. */
  readonly ptr: Ptr | undefined;
  /** Arena memory that must not be released while rows are gathered. */
  readonly held: Ptr | undefined;
  readonly origin: RowOrigin;
  /** Bytes of this many rows in the arena. Gathered row i lies bytesOf(i) after the first. */
  bytesOf(rows: number): number;
  /** Writes the chosen rows to a place in the arena of exactly their size. */
  gather(place: Place, chosen: ChosenRows): void | Promise<void>;
}

/** An array of rows of equal length. */
export interface ArrayRows {
  readonly elements: TensorData[ElementType];
  readonly columns: number;
  /** Default float32. */
  readonly type?: ElementType;
  readonly ptr: Ptr | undefined;
}

export const countOf = (chosen: ChosenRows): number =>
  'begin' in chosen ? chosen.end - chosen.begin : chosen.length;

/** The chosen rows from index `begin` to before `end`. */
export const portionOf = (chosen: ChosenRows, begin: number, end: number): ChosenRows =>
  'begin' in chosen
    ? { begin: chosen.begin + begin, end: Math.min(chosen.begin + end, chosen.end) }
    : chosen.subarray(begin, end);

export const rowNumberOf = (chosen: ChosenRows, index: number): number =>
  'begin' in chosen ? chosen.begin + index : chosen[index]!;

/** Rows of an array, in the arena or not. */
export class DenseRows implements RowSource {
  readonly what: string;
  readonly rows: number;
  readonly ptr: Ptr | undefined;
  readonly origin = 'memory';
  readonly #elements: TensorData[ElementType];
  readonly #columns: number;
  readonly #type: ElementType;

  constructor(what: string, { elements, columns, type = 'float32', ptr }: ArrayRows) {
    this.what = what;
    this.rows = elements.length / columns;
    this.ptr = ptr;
    this.#elements = elements;
    this.#columns = columns;
    this.#type = type;
  }

  get held(): Ptr | undefined {
    return this.ptr;
  }

  bytesOf(rows: number): number {
    return rows * this.#columns * elementBytes(this.#type);
  }

  gather(place: Place, chosen: ChosenRows): void {
    copyRows(this.what, place.as(this.#type), this.#elements, this.#columns, chosen);
  }
}

/** Shorter rows are copied faster by a loop than through a view of each. */
const COPIED_COLUMNS = 32;

/** Copies the chosen rows of `elements` [rows × columns] to `copied`; `what` names them in errors. */
export function copyRows(
  what: string,
  copied: TensorData[ElementType],
  elements: TensorData[ElementType],
  columns: number,
  chosen: ChosenRows,
): void {
  if ('begin' in chosen) {
    copied.set(rowsOf(what, elements, columns, chosen));
    return;
  }
  let last = -1;
  for (const row of chosen) last = Math.max(last, row);
  checkStillThere(what, elements.length, (last + 1) * columns);
  let to = 0;
  for (const row of chosen) {
    const begin = row * columns;
    if (columns < COPIED_COLUMNS) {
      for (let column = 0; column < columns; column++) copied[to + column] = elements[begin + column]!;
    } else {
      copied.set(elements.subarray(begin, begin + columns), to);
    }
    to += columns;
  }
}

/** A view of a range of rows. */
export function rowsOf<Elements extends TensorData[ElementType]>(
  what: string,
  elements: Elements,
  columns: number,
  { begin, end }: RowRange,
): Elements {
  checkStillThere(what, elements.length, end * columns);
  return elements.subarray(begin * columns, end * columns) as Elements;
}

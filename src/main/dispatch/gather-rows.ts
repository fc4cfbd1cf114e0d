// Brings rows of an array together, in any order.
import { checkStillThere } from '../arguments/targets.js';
import type { ElementType, TensorData } from '../memory/element-types.js';

/** Below this many elements a row, a loop is faster than a view and a copy of each row. */
const COPIED_COLUMNS = 32;

/** Row i of gathered = row rowNumbers[i] of source, rows of `columns` elements; `what` is the source's name in errors. */
export function gatherRows(
  what: string,
  gathered: TensorData[ElementType],
  source: TensorData[ElementType],
  columns: number,
  rowNumbers: Uint32Array,
): void {
  let last = 0;
  for (const row of rowNumbers) last = Math.max(last, row);
  checkStillThere(what, source.length, rowNumbers.length === 0 ? 0 : (last + 1) * columns);
  let to = 0;
  for (const row of rowNumbers) {
    const begin = row * columns;
    if (columns < COPIED_COLUMNS) {
      for (let column = 0; column < columns; column++) gathered[to + column] = source[begin + column]!;
    } else {
      gathered.set(source.subarray(begin, begin + columns), to);
    }
    to += columns;
  }
}

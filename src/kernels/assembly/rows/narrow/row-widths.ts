// Rows of few columns, by their width: a kernel that is generic over it is compiled once for each, without branches on the
// number of columns. (In V8, loops for several widths in one function run up to a third slower.)
import { MOST_GROUP_COLUMNS } from '../../../layout';
import { numberOf } from '../../vectors/type-numbers';

// N0: up to three columns. They lie in scratch by quads, [columns][4 rows].
//
// N1 to N4: that many vectors to a row. Rows lie in scratch one after the other. All vectors but the last are full; the last
// is that of the row's last four columns, and overlaps the one before unless columns is a multiple of 4.
//
// N5: five vectors or more, by loops.

/** The vectors of a row: 0 for N0, MANY for N5. */
@inline
export function vectorsOf<Width>(): i32 {
  return numberOf<Width>();
}

export const MANY: i32 = 5;

/**
 * Width class of `columns`; MANY + 1: use the general kernel. A group stores all its results in one go. Where they go
 * to another matrix (`elsewhere`) that is not in cache, the processor waits for it, which costs more than a group of
 * more than about 24 columns gains.
 */
@inline
export function widthOf(columns: i32, elsewhere: bool): i32 {
  if (columns < 4) return 0;
  return columns > (elsewhere ? MOST_COLUMNS_ELSEWHERE : MOST_GROUP_COLUMNS) ? MANY + 1 : min((columns + 3) >> 2, MANY);
}

const MOST_COLUMNS_ELSEWHERE: i32 = 24;

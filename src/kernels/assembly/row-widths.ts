// How many columns a row of few columns has, as types: a kernel that is generic over them is compiled to one function for each,
// without branches on the number. (Loops for several numbers in one function run up to a third slower in V8.)
import { MOST_GROUP_COLUMNS } from "../layout";

/** Up to three columns. They lie in scratch by quads, [columns][4 rows]. */
export class Few {}

// Rows of the others lie there one after the other. Their size is the number of vectors of a row. All but the last are full;
// the last is that of the row's last four columns, and overlaps the one before unless columns is a multiple of 4.
export class One {
  a: u8;
}
export class Two {
  a: u8;
  b: u8;
}
export class Three {
  a: u8;
  b: u8;
  c: u8;
}
export class Four {
  a: u8;
  b: u8;
  c: u8;
  d: u8;
}

/** Five or more, by loops. */
export class Many {
  a: u8;
  b: u8;
  c: u8;
  d: u8;
  e: u8;
}

/** 0 for Few, MANY for Many. */
@inline
export function vectorsOf<Width>(): i32 {
  return <i32>offsetof<Width>();
}

export const MANY: i32 = 5;

/**
 * Which of the types is for so many columns, as its size; more than that of Many for rows that are not few. In a group all
 * results are stored in one go. Where those are another matrix (`elsewhere`) that is not in cache, the processor waits for it:
 * longer than a group of more than some 24 columns gains.
 */
@inline
export function widthOf(columns: i32, elsewhere: bool): i32 {
  if (columns < 4) return 0;
  return columns > (elsewhere ? MOST_COLUMNS_ELSEWHERE : MOST_GROUP_COLUMNS) ? MANY + 1 : min((columns + 3) >> 2, MANY);
}

const MOST_COLUMNS_ELSEWHERE: i32 = 24;

// Which sum of a row's exponentials a call of sumOfExpsAs makes, in which blocks, and what it stores on the way.

/** Lane sums in float32 are gathered in float64 after this many groups of four vectors: 512 columns. */
export const GROUPS_PER_BLOCK: i32 = 32;

/** exp(z - max), of columns of the row. */
export const EXPS: i32 = 0;
/** As EXPS, each stored to output. */
export const STORED_EXPS: i32 = 1;
/** As EXPS, each z - max stored to output. */
export const STORED_SHIFTS: i32 = 2;
/** As EXPS, and the sum of the others beside it, which is given if the first is below CONFIDENT_SUM. */
export const EXACT: i32 = 3;
/** As EXACT, each z - max stored to output. */
export const EXACT_STORED_SHIFTS: i32 = 4;
/** The sum of the others, the row being exponentials that STORED_EXPS left. */
export const STORED_OTHERS: i32 = 5;

@inline
export function storesShifts(kind: i32): bool {
  return kind == STORED_SHIFTS || kind == EXACT_STORED_SHIFTS;
}

@inline
export function isExact(kind: i32): bool {
  return kind == EXACT || kind == EXACT_STORED_SHIFTS;
}

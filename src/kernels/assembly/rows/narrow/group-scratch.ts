// The layout of the scratch memory in which a group of 16 rows of few columns is worked on.
//
//   maxima [16] · target logits [16] · sums [16] · parts of sums [16] · logarithms [16] (float64) ·
//   exponentials [16 × columns] · differences z - max [16 × columns],
// both with room for 16 more: exponentials are computed several vectors at a time
import { GROUP_SCRATCH_BYTES } from '../../../layout';

/** Rows of a group. */
export const GROUP_ROWS: i32 = 16;

/** Until useScratch is called; fit for one thread alone. */
let scratch: usize = memory.data(GROUP_SCRATCH_BYTES, 64);

/** See the contract in kernels.ts. */
export function useScratch(ptr: usize): void {
  scratch = ptr;
}

// The scratch is made of pieces of 16 float32. Each …At gives the address of row i, or of a quad where i is a multiple
// of 4.

@inline
function piece(index: i32, i: i32): usize {
  return scratch + <usize>(4 * (index * GROUP_ROWS + i));
}

/** rowMax of each row; anything where it has a NaN. */
@inline
export function maximaAt(i: i32): usize {
  return piece(0, i);
}

@inline
export function targetLogitsAt(i: i32): usize {
  return piece(1, i);
}

/** Sums of exponentials. */
@inline
export function sumsAt(i: i32): usize {
  return piece(2, i);
}

/** What the logarithms are taken of: the sums, or what is left of them without the largest term. */
@inline
export function partsAt(i: i32): usize {
  return piece(3, i);
}

/** Float64. */
@inline
export function logsAt(i: i32): usize {
  return piece(4, 2 * i);
}

@inline
export function exponentialsAt(i: i32, columns: i32): usize {
  return piece(6, i * columns);
}

@inline
export function differencesAt(i: i32, columns: i32): usize {
  return piece(7 + columns, i * columns);
}

// The scratch memory of rows of few columns: where what is made of a group of 16 rows lies while it is worked on.
//
//   maxima [16] · target logits [16] · sums [16] · parts of sums [16] · logarithms [16] (float64) ·
//   exponentials [16 × columns] · differences z - max [16 × columns],
//   both with 16 to spare, for exponentials are made some at a time
import { GROUP_SCRATCH_BYTES } from "../layout";

/** Rows of a group. */
export const GROUP_ROWS: i32 = 16;

/** Until useScratch says otherwise: for a thread that is alone. */
let scratch: usize = memory.data(GROUP_SCRATCH_BYTES, 64);

/** See the contract in kernels.ts. */
export function useScratch(ptr: usize): void {
  scratch = ptr;
}

// The scratch in pieces of 16 float32: where those of row i begin, a quad's where i is a multiple of 4.

@inline
function piece(index: i32, i: i32): usize {
  return scratch + <usize>(4 * (index * GROUP_ROWS + i));
}

/** The largest numbers of rows, as rowMax; where there is NaN, anything. */
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

/** What of the sums the logarithm is taken of. */
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

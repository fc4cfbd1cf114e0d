// Fetching the next row from memory while the exponentials of one are computed.
//
// The first pass over a row, for its maximum, is a matter of memory alone, the second one of arithmetic alone: one after
// the other, either idles half of the core. So the second one reads a byte of each cache line of the row to come (there is
// no prefetch in WebAssembly; a core that reads in order fetches ahead by itself). Rows of 1000 and 32768 columns from
// memory were 1.11 to 1.36 times as fast so, on an AMD EPYC (Zen 3; `npm run bench:rows`); in cache it costs nothing. On an
// Intel Xeon whose memory answers later (AVX-512, some 110 ns) those of 1000 were 0.98 to 1.4 times as fast, those of 4096 0.56
// to 0.78 times, those of 32768 0.88 to 1.06: there a load that misses holds up the arithmetic behind it. So workers try both
// (workers/row-fetching.ts).

let fetches: bool = true;
let follow: bool = false;

/** See useRowFetching in kernels.ts. */
export function useRowFetching(on: i32): void {
  fetches = on != 0;
}

/** See expectRows in kernels.ts. */
export function expectRows(more: i32): void {
  follow = more != 0;
}

/** How far ahead the next row is when so many rows of the call are left, this one among them; 0 when there is none. */
@inline
export function aheadOf(rows: i32, strideBytes: usize): usize {
  return fetches && (rows > 1 || follow) ? strideBytes : 0;
}

/** Fetches the line at row + ahead. */
@inline
export function fetchAhead(row: usize, ahead: usize): void {
  load<u8>(row + ahead);
}

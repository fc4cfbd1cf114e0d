// Prefetches the next row while the exponentials of one are computed.
//
// Pass 1 over a row (its maximum) is memory-bound, pass 2 (the exponentials) compute-bound: one after the other, each
// leaves half of the core idle. So pass 2 reads a byte of each cache line of the next row (WebAssembly has no prefetch
// instruction). On an AMD EPYC (Zen 3) rows of 1000 and 32768 columns from memory are 1.11 to 1.36 times as fast with
// it (`npm run bench:rows`), and it costs nothing in cache. On an Intel Xeon with slower memory (AVX-512, about 110 ns)
// rows of 1000 columns are 0.98 to 1.4 times as fast, of 4096 0.56 to 0.78 times, of 32768 0.88 to 1.06: there a load
// that misses stalls the arithmetic behind it. So workers try both (workers/rows/prefetch-tuner.ts).

let isEnabled: bool = true;
let continues: bool = false;

/** See usePrefetch in kernels.ts. */
export function usePrefetch(on: i32): void {
  isEnabled = on != 0;
}

/** See prefetchBeyond in kernels.ts. */
export function prefetchBeyond(more: i32): void {
  continues = more != 0;
}

/** Bytes from a row to the next when `rows` rows of the call are left, this one included; 0 if there is none. */
@inline
export function aheadOf(rows: i32, strideBytes: usize): usize {
  return isEnabled && (rows > 1 || continues) ? strideBytes : 0;
}

/** Prefetches the cache line at row + ahead. */
@inline
export function prefetch(row: usize, ahead: usize): void {
  load<u8>(row + ahead);
}

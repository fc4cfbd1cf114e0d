// The rules by which V8's revectorizer (--experimental-wasm-revectorize) can join pairs of a kernel's vectors into 256
// bits.
//
// V8 starts from two stores 16 bytes apart and follows their operands back while both halves come from the same
// operations: neighbouring loads, the same vector or splat, loop variables. So a loop does all loads of a pair before
// its stores. The higher address is stored first: in the other order V8 stores the lower half twice (in case of a trap
// between the two). Constants are loaded by v128.load32_splat, one instruction for eight lanes; a v128.load for both
// halves becomes two. Values that reach no store need join.

let joins: bool = false;

/** See useWideSimd in kernels.ts. */
export function useWideSimd(wide: i32): void {
  joins = wide != 0;
}

/** Whether V8 joins pairs of vectors in this instance. No bit of a result depends on it. */
@inline
export function usesWideSimd(): bool {
  return joins;
}

/**
 * Makes V8 join `even` with `odd`, the sums or maxima of a loop. V8 also starts from additions of integer vectors:
 * nothing waits for this one, and V8 cannot tell that its result does not matter.
 */
@inline
export function join(even: v128, odd: v128): void {
  if (v128.any_true(v128.and(i32x4.add(even, odd), nothing()))) unreachable();
}

/**
 * v, after the loop that made it with its pair. Splits the 256-bit pair once, after the loop, not on each iteration.
 */
@inline
export function afterLoop(v: v128): v128 {
  return v128.or(v, nothing());
}

@inline
function nothing(): v128 {
  return v128.load32_splat(NOTHING);
}

const NOTHING: usize = memory.data<i32>([0], 4);

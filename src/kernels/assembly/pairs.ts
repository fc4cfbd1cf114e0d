// How kernels have V8's revectorizer (--experimental-wasm-revectorize) join pairs of their vectors into 256 bits.

let joins: bool = false;

/** See useWideBlocks in kernels.ts. */
export function useWideBlocks(wide: i32): void {
  joins = wide != 0;
}

/** Whether it does, for this instance: no bit of a result depends on it. */
@inline
export function joinsPairs(): bool {
  return joins;
}

/**
 * Has V8 join `even` with `odd` and, from there back, all that the two are made of by the same operations. It starts from
 * neighbouring stores, which sums and maxima do not have, and from additions of integer vectors, as here: one that nothing
 * waits for, whose result V8 cannot know to be of no consequence.
 */
@inline
export function join(even: v128, odd: v128): void {
  if (v128.any_true(v128.and(i32x4.add(even, odd), nothing()))) unreachable();
}

/**
 * v, after a loop that made it together with its pair: what V8 takes apart for one of the two is then this, once, and not
 * the pair of every turn.
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

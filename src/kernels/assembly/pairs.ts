// How kernels are written for V8's revectorizer (--experimental-wasm-revectorize) to join pairs of their vectors into 256
// bits.
//
// It starts from two stores 16 bytes apart and goes back through what they are made of, as long as both halves are made by
// the same operations: from neighbouring loads, from the same vector or splat, or a loop's variables. So a loop stores after
// all that it loads for a pair. The higher address comes first, because in the other order the lower half is stored twice
// (a trap between the two would have left it). Constants are loaded by v128.load32_splat, one instruction for eight
// lanes; a v128.load for both halves becomes two. What no store leads to needs join.

let joins: bool = false;

/** See useWideBlocks in kernels.ts. */
export function useWideBlocks(wide: i32): void {
  joins = wide != 0;
}

/** Whether this instance is compiled so: no bit of a result depends on it. */
@inline
export function joinsPairs(): bool {
  return joins;
}

/**
 * Has V8 join `even` with `odd`, sums or maxima of a loop. Beside stores it starts from additions of integer vectors, as
 * here: one that nothing waits for, whose result V8 cannot know to be of no consequence.
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

// Multiply-add, the one place where the two builds compute differently.

/**
 * a · b + c by lanes. fast: relaxed_madd, rounded once wherever the CPU has fused multiply-add. portable: two roundings,
 * the same bits on every CPU.
 */
@inline
export function fma(a: v128, b: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);
}

/** As fma, for float64. */
@inline
export function fma64(a: v128, b: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f64x2.relaxed_madd(a, b, c) : f64x2.add(f64x2.mul(a, b), c);
}

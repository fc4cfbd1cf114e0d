// Vectors of constants for the row kernels, as tables in static memory.

/**
 * A constant of exp4 in all four lanes; `slot` is one of the numbers below. Loaded, not splatted: inside a loop V8
 * rebuilds the splat of a literal at every use (three instructions), but keeps a loaded vector for a whole iteration.
 * Loading before the loop gains 0 to 4 % (measured) and would cost exp4 eleven parameters.
 */
@inline
export function constant(slot: usize): v128 {
  return v128.load32_splat(CONSTANTS + (slot << 2));
}

export const LOG2_E: usize = 0;
/** 1.5 · 2^23 + 127: adding it rounds a small float to an integer, with the exponent's bias, in the low bits. */
export const ROUND_AND_BIAS: usize = 1;
/** -127 ln 2, where the scale 2^n becomes 0. */
export const EXP_FLOOR: usize = 2;
/** ln 2 in two parts: the high one has 10 bits, so that its product with any n from -127 to 0 is exact. */
export const MINUS_LN2_HIGH: usize = 3;
export const MINUS_LN2_LOW: usize = 4;
/**
 * exp(r) on |r| <= ln 2 / 2 as 1 + r + c2 r² + … + c6 r⁶: a minimax fit of the relative error with c0 = c1 = 1 fixed
 * (so that exp(0) is exactly 1), its coefficients rounded to float32 one by one; relative error 0.06 · 2^-24.
 */
export const EXP_C6: usize = 5;
export const EXP_C5: usize = 6;
export const EXP_C4: usize = 7;
export const EXP_C3: usize = 8;
export const EXP_C2: usize = 9;
export const ONE: usize = 10;

const CONSTANTS: usize = memory.data<f32>(
  [
    1.44269502, 12583039.0, -88.0297, -0.693359375, 2.1219444e-4, 0.0013820947, 0.008368684, 0.041668266, 0.16666521,
    0.49999994, 1.0,
  ],
  16,
);

/** Selects the last `lanes` (0 to 4) of four lanes: those of a row's tail vector that no full vector covers. */
@inline
export function lastLanes(lanes: i32): v128 {
  return v128.load(LAST_LANES + ((<usize>lanes) << 4));
}

const LAST_LANES: usize = memory.data<i32>([0, 0, 0, 0, 0, 0, 0, -1, 0, 0, -1, -1, 0, -1, -1, -1, -1, -1, -1, -1], 16);

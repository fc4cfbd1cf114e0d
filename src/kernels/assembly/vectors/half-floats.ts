// Converts between the 16-bit float types and float32, four numbers at a time, without branches.
//
//   bfloat16   sign 1, exponent 8 (bias 127), fraction 7: the upper half of a float32
//   float16    sign 1, exponent 5 (bias 15), fraction 10: IEEE 754 binary16
//
// Widening is exact and keeps a NaN's sign and payload (integer operations only). Narrowing rounds to nearest, ties to
// even; what rounds beyond the largest number becomes infinite, every NaN the positive quiet NaN without payload.

/** float32 lanes from four bfloat16 in the low halves of the lanes. */
@inline
export function widenBfloat16(halves: v128): v128 {
  return i32x4.shl(halves, 16);
}

/** Four bfloat16, in the low halves of the lanes, from float32 lanes. */
@inline
export function narrowBfloat16(x: v128): v128 {
  // Adding 0x7fff, and 1 more where the bit above is odd, carries into the upper half where it must be rounded up: from
  // the largest numbers into the exponent of an infinity.
  const odd = v128.and(i32x4.shr_u(x, 16), constant(INTEGER_ONE));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(x, constant(BELOW_TIE_BFLOAT16)), odd), 16);
  return v128.bitselect(constant(NAN_BFLOAT16), rounded, f32x4.ne(x, x));
}

/** float32 lanes from four float16 in the low halves of the lanes, whose upper halves are 0. */
@inline
export function widenFloat16(halves: v128): v128 {
  const magnitude = v128.and(halves, constant(MAGNITUDE_FLOAT16));
  const sign = i32x4.shl(v128.xor(halves, magnitude), 16);
  // Exponents move from bias 15 to 127; that of infinities and NaN by as much again, from 31 to 255.
  const special = v128.and(i32x4.gt_s(magnitude, constant(LARGEST_FLOAT16)), constant(REBIAS));
  const normal = i32x4.add(i32x4.add(i32x4.shl(magnitude, 13), constant(REBIAS)), special);
  // Below 2^-14 the fraction counts units of 2^-24. A float32 denormal times 2^112 would be as exact, but takes the
  // processor a hundred cycles.
  const denormal = f32x4.mul(f32x4.convert_i32x4_s(magnitude), constant(UNIT_FLOAT16));
  const isDenormal = i32x4.lt_s(magnitude, constant(LEAST_NORMAL_FLOAT16));
  return v128.or(sign, v128.bitselect(denormal, normal, isDenormal));
}

/** Four float16, in the low halves of the lanes, from float32 lanes. */
@inline
export function narrowFloat16(x: v128): v128 {
  const magnitude = v128.and(x, constant(MAGNITUDE_FLOAT32));
  const sign = i32x4.shr_u(v128.xor(x, magnitude), 16);
  // As in narrowBfloat16, with 13 bits to drop; 65520 and more, infinities too, end at or above 0x7c00.
  const odd = v128.and(i32x4.shr_u(magnitude, 13), constant(INTEGER_ONE));
  const rebiased = i32x4.add(i32x4.add(magnitude, constant(BELOW_TIE_FLOAT16)), odd);
  const normal = i32x4.min_s(i32x4.shr_s(rebiased, 13), constant(INFINITY_FLOAT16));
  // Below 2^-14: the float32 numbers from 1/2 to 1 are 2^-24 apart, so adding 1/2 rounds to float16's denormals.
  const denormal = i32x4.sub(f32x4.add(magnitude, constant(HALF)), constant(HALF));
  const isDenormal = i32x4.lt_s(magnitude, constant(LEAST_NORMAL_FLOAT32));
  const number = v128.or(sign, v128.bitselect(denormal, normal, isDenormal));
  return v128.bitselect(constant(NAN_FLOAT16), number, f32x4.ne(x, x));
}

/** In all four lanes. Loaded, not splatted, as in exp-constants.ts: this alone doubles the speed of the conversions. */
@inline
function constant(slot: usize): v128 {
  return v128.load(CONSTANTS + (slot << 4));
}

const INTEGER_ONE: usize = 0;
/** All dropped bits but the highest. */
const BELOW_TIE_BFLOAT16: usize = 1;
const NAN_BFLOAT16: usize = 2;
const MAGNITUDE_FLOAT16: usize = 3;
/** 65504. */
const LARGEST_FLOAT16: usize = 4;
/** 112 = 127 - 15 in the exponent of a float32. */
const REBIAS: usize = 5;
/** 2^-24. */
const UNIT_FLOAT16: usize = 6;
/** 2^-14. */
const LEAST_NORMAL_FLOAT16: usize = 7;
const MAGNITUDE_FLOAT32: usize = 8;
/** All dropped bits but the highest, less REBIAS. */
const BELOW_TIE_FLOAT16: usize = 9;
const INFINITY_FLOAT16: usize = 10;
const HALF: usize = 11;
/** 2^-14, where float16's normal numbers start. */
const LEAST_NORMAL_FLOAT32: usize = 12;
const NAN_FLOAT16: usize = 13;

// biome-ignore format: a constant a line
const CONSTANTS: usize = memory.data<u32>(
  [
    0x00000001, 0x00000001, 0x00000001, 0x00000001,
    0x00007fff, 0x00007fff, 0x00007fff, 0x00007fff,
    0x00007fc0, 0x00007fc0, 0x00007fc0, 0x00007fc0,
    0x00007fff, 0x00007fff, 0x00007fff, 0x00007fff,
    0x00007bff, 0x00007bff, 0x00007bff, 0x00007bff,
    0x38000000, 0x38000000, 0x38000000, 0x38000000,
    0x33800000, 0x33800000, 0x33800000, 0x33800000,
    0x00000400, 0x00000400, 0x00000400, 0x00000400,
    0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff,
    0xc8000fff, 0xc8000fff, 0xc8000fff, 0xc8000fff,
    0x00007c00, 0x00007c00, 0x00007c00, 0x00007c00,
    0x3f000000, 0x3f000000, 0x3f000000, 0x3f000000,
    0x38800000, 0x38800000, 0x38800000, 0x38800000,
    0x00007e00, 0x00007e00, 0x00007e00, 0x00007e00,
  ],
  16,
);

// Reductions over the lanes of one vector or of four at once, and moves between lanes.

/**
 * The largest lane. No lane may be NaN. Stays with vectors to the end: comparing the last two lanes as scalars would
 * branch.
 */
@inline
export function maxOfLanes(v: v128): f32 {
  const halves = f32x4.pmax(v, i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  const swapped = i8x16.shuffle(halves, halves, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  return f32x4.extract_lane(f32x4.pmax(halves, swapped), 0);
}

/** (lane 0 + lane 2) + (lane 1 + lane 3). */
@inline
export function sumOfLanes(v: v128): f32 {
  const halves = f32x4.add(v, i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return f32x4.extract_lane(halves, 0) + f32x4.extract_lane(halves, 1);
}

/** sumOfLanes of four vectors at once, the same bits. */
@inline
export function sumsOfLanes(a: v128, b: v128, c: v128, d: v128): v128 {
  const abLow = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const abHigh = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  const cdLow = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const cdHigh = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  // [a0 + a2, b0 + b2, a1 + a3, b1 + b3], and of c and d
  const ab = f32x4.add(abLow, abHigh);
  const cd = f32x4.add(cdLow, cdHigh);
  return f32x4.add(
    i8x16.shuffle(ab, cd, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
    i8x16.shuffle(ab, cd, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31),
  );
}

/** maxOfLanes of each of four vectors. */
@inline
export function maximaOfLanes(v0: v128, v1: v128, v2: v128, v3: v128): v128 {
  const a = f32x4.pmax(v128.shuffle<f32>(v0, v1, 0, 4, 1, 5), v128.shuffle<f32>(v0, v1, 2, 6, 3, 7));
  const b = f32x4.pmax(v128.shuffle<f32>(v2, v3, 0, 4, 1, 5), v128.shuffle<f32>(v2, v3, 2, 6, 3, 7));
  return f32x4.pmax(v128.shuffle<f64>(a, b, 0, 2), v128.shuffle<f64>(a, b, 1, 3));
}

/** One lane in all four. */
@inline
export function splatLane(v: v128, lane: i32): v128 {
  switch (lane) {
    case 0:
      return v128.shuffle<f32>(v, v, 0, 0, 0, 0);
    case 1:
      return v128.shuffle<f32>(v, v, 1, 1, 1, 1);
    case 2:
      return v128.shuffle<f32>(v, v, 2, 2, 2, 2);
    default:
      return v128.shuffle<f32>(v, v, 3, 3, 3, 3);
  }
}

// Reductions over the four lanes of a vector.

/** The largest lane. No lane may be NaN. */
@inline
export function maxOfLanes(v: v128): f32 {
  const halves = f32x4.pmax(v, i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  const a = f32x4.extract_lane(halves, 0);
  const b = f32x4.extract_lane(halves, 1);
  return a < b ? b : a;
}

/** (lane 0 + lane 2) + (lane 1 + lane 3). */
@inline
export function sumOfLanes(v: v128): f32 {
  const halves = f32x4.add(v, i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return f32x4.extract_lane(halves, 0) + f32x4.extract_lane(halves, 1);
}

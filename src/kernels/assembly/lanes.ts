// Reductions over the four lanes of a vector.

/** The largest lane. No lane may be NaN. Vectors to the end: comparing the last two as scalars would be a branch. */
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

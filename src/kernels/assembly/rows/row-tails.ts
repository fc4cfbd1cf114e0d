// How the row kernels read and write the last columns of a row, whose number need not be a multiple of four.
//
//   full vectors   [0..3] [4..7] … to 4 · floor(columns / 4)
//   tail vector    the last four columns, overlapping the last full vector; of fewer than four columns, in the last
//                  lanes, the others -Infinity

@inline
export function loadTail(row: usize, columns: i32): v128 {
  const end = row + ((<usize>columns) << 2);
  return columns >= 4 ? v128.load(end - 16) : loadShortRow(end, columns);
}

@inline
function loadShortRow(end: usize, columns: i32): v128 {
  let tail = v128.load32_lane(end - 4, f32x4.splat(-Infinity), 3);
  if (columns > 1) tail = v128.load32_lane(end - 8, tail, 2);
  if (columns > 2) tail = v128.load32_lane(end - 12, tail, 1);
  return tail;
}

@inline
export function storeTail(row: usize, columns: i32, tail: v128): void {
  const end = row + ((<usize>columns) << 2);
  if (columns >= 4) {
    v128.store(end - 16, tail);
    return;
  }
  v128.store32_lane(end - 4, tail, 3);
  if (columns > 1) v128.store32_lane(end - 8, tail, 2);
  if (columns > 2) v128.store32_lane(end - 12, tail, 1);
}

// Checks class indices before an operation touches its outputs.
import { STATUS_OK } from '../../layout';

/** Index of the first of targets [length] outside [0, classes), or STATUS_OK. */
export function findInvalidTarget(targets: usize, length: i32, classes: i32): i32 {
  // As unsigned numbers negative targets are large, so one comparison finds both ends.
  const limit = i32x4.splat(classes);
  let i = 0;
  // The largest of sixteen at a time: one branch for all of them.
  for (; i + 16 <= length; i += 16) {
    const next = targets + ((<usize>i) << 2);
    const a = i32x4.max_u(v128.load(next), v128.load(next, 16));
    const b = i32x4.max_u(v128.load(next, 32), v128.load(next, 48));
    if (v128.any_true(i32x4.ge_u(i32x4.max_u(a, b), limit))) break;
  }
  for (; i + 4 <= length; i += 4) {
    const t = v128.load(targets + ((<usize>i) << 2));
    if (v128.any_true(i32x4.ge_u(t, limit))) break;
  }
  for (; i < length; i++) {
    if (load<u32>(targets + ((<usize>i) << 2)) >= <u32>classes) return i;
  }
  return STATUS_OK;
}

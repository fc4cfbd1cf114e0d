// Ways to go through memory, to measure its bandwidth: what bounds kernels on matrices beyond the caches.

/** The largest of the floats [bytes / 4] at ptr; bytes is a multiple of 64. */
export function readMemory(ptr: usize, bytes: usize): f32 {
  let m0 = f32x4.splat(-Infinity);
  let m1 = m0;
  let m2 = m0;
  let m3 = m0;
  for (const end = ptr + bytes; ptr < end; ptr += 64) {
    m0 = f32x4.pmax(m0, v128.load(ptr));
    m1 = f32x4.pmax(m1, v128.load(ptr, 16));
    m2 = f32x4.pmax(m2, v128.load(ptr, 32));
    m3 = f32x4.pmax(m3, v128.load(ptr, 48));
  }
  const m = f32x4.pmax(f32x4.pmax(m0, m1), f32x4.pmax(m2, m3));
  return max<f32>(
    max<f32>(f32x4.extract_lane(m, 0), f32x4.extract_lane(m, 1)),
    max<f32>(f32x4.extract_lane(m, 2), f32x4.extract_lane(m, 3)),
  );
}

/** Floats [bytes / 4] at ptr become 1; bytes is a multiple of 64. */
export function writeMemory(ptr: usize, bytes: usize): void {
  const one = f32x4.splat(1);
  for (const end = ptr + bytes; ptr < end; ptr += 64) {
    v128.store(ptr, one);
    v128.store(ptr, one, 16);
    v128.store(ptr, one, 32);
    v128.store(ptr, one, 48);
  }
}

/** output = 1 · input, floats [bytes / 4]; bytes is a multiple of 64, output may be input. */
export function copyMemory(output: usize, input: usize, bytes: usize): void {
  const one = f32x4.splat(1);
  for (const end = input + bytes; input < end; input += 64) {
    v128.store(output, f32x4.mul(v128.load(input), one));
    v128.store(output, f32x4.mul(v128.load(input, 16), one), 16);
    v128.store(output, f32x4.mul(v128.load(input, 32), one), 32);
    v128.store(output, f32x4.mul(v128.load(input, 48), one), 48);
    output += 64;
  }
}

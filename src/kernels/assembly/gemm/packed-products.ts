// Products of many panels, with both factors packed: one stream of lines, one or two of panels, all read in order.
import { fma } from '../vectors/fma';
import { N1, N2, numberOf } from '../vectors/type-numbers';
import { usesWideSimd } from '../vectors/wide-simd';
import { LINES_8 } from './outer-products';

// Packed lines (see packed-lines.ts) are read with one address, where rows or columns of a matrix take one for each line
// and a cache line for each of its elements.
//
// Where V8 joins pairs of vectors (--experimental-wasm-revectorize, on a CPU with AVX2), two panels at a time double
// the accumulators: 6 are too few to keep two multipliers with a latency of four cycles busy. Elsewhere they would not
// fit into the registers. GFLOP/s on one thread of an AMD EPYC (Zen 4), in cache, by the length of the sum:
//
//                          24     48     96    384
//   one panel              46     52     55     57
//   two                    30     30     32     13
//   one, pairs joined      65     77     80     83
//   two, pairs joined      86    100    107    108

/** Bytes of a row of a panel: also the distance between stretches of 8 columns in a row-major matrix. */
export const PANEL_BYTES: usize = 32;

/**
 * Whether packed lines gain a product of this many columns more than packing costs. With them training steps of 1024 ×
 * 768 rows took 1.28, 1.11 and 1.01 of the time for 13, 26 and 100 classes; with pairs joined 1.06, 0.87 and 0.75.
 */
export function packingPays(columns: i32): bool {
  return columns > (usesWideSimd() ? 16 : 104);
}

/**
 * output [count lines × panelCount · 8] = start + A B, both with strides in bytes between lines, and panelStep between
 * the stretches of 8 columns: A in packed lines, `depth` long; B in panels [depth][8], panelBytes apart. Each element is
 * summed from zero in order, then added to start. output may be start.
 */
export function multiplyPanels(
  output: usize,
  outputStride: usize,
  start: usize,
  startStride: usize,
  panelStep: usize,
  packed: usize,
  panels: usize,
  panelBytes: usize,
  panelCount: i32,
  depth: i32,
  count: i32,
): void {
  let left = panelCount;
  if (usesWideSimd()) {
    for (; left >= 2; left -= 2) {
      multiplyLines<N2>(output, outputStride, start, startStride, panelStep, packed, panels, panelBytes, depth, count);
      output += panelStep << 1;
      start += panelStep << 1;
      panels += panelBytes << 1;
    }
  }
  for (; left > 0; left--) {
    multiplyLines<N1>(output, outputStride, start, startStride, panelStep, packed, panels, panelBytes, depth, count);
    output += panelStep;
    start += panelStep;
    panels += panelBytes;
  }
}

/** All lines in blocks of LINES_8, the rest by two and one. A function of its own for the reasons given in panel-kernels.ts. */
function multiplyLines<Panels>(
  output: usize,
  outputStride: usize,
  start: usize,
  startStride: usize,
  panelStep: usize,
  packed: usize,
  panels: usize,
  panelBytes: usize,
  depth: i32,
  count: i32,
): void {
  const panelCount = numberOf<Panels>();
  let left = count;
  for (; left >= LINES_8; left -= LINES_8) {
    multiplyBlock(
      LINES_8,
      panelCount,
      output,
      outputStride,
      start,
      startStride,
      panelStep,
      packed,
      panels,
      panelBytes,
      depth,
    );
    output += <usize>LINES_8 * outputStride;
    start += <usize>LINES_8 * startStride;
    packed += (<usize>(LINES_8 * depth)) << 2;
  }
  for (; left >= 2; left -= 2) {
    multiplyBlock(
      2,
      panelCount,
      output,
      outputStride,
      start,
      startStride,
      panelStep,
      packed,
      panels,
      panelBytes,
      depth,
    );
    output += outputStride << 1;
    start += startStride << 1;
    packed += (<usize>depth) << 3;
  }
  if (left)
    multiplyBlock(
      1,
      panelCount,
      output,
      outputStride,
      start,
      startStride,
      panelStep,
      packed,
      panels,
      panelBytes,
      depth,
    );
}

/** The accumulators a<line><vector> of `lines` lines and one or two panels; both are constants at every call. */
@inline
function multiplyBlock(
  lines: i32,
  panelCount: i32,
  output: usize,
  outputStride: usize,
  start: usize,
  startStride: usize,
  panelStep: usize,
  packed: usize,
  panels: usize,
  panelBytes: usize,
  depth: i32,
): void {
  const two = panelCount > 1;
  let second: usize = two ? panels + panelBytes : 0;
  const zero = f32x4.splat(0);
  // biome-ignore format: one line of a block a line
  let a00 = zero, a01 = zero, a02 = zero, a03 = zero,
    a10 = zero, a11 = zero, a12 = zero, a13 = zero,
    a20 = zero, a21 = zero, a22 = zero, a23 = zero,
    a30 = zero, a31 = zero, a32 = zero, a33 = zero,
    a40 = zero, a41 = zero, a42 = zero, a43 = zero,
    a50 = zero, a51 = zero, a52 = zero, a53 = zero;
  for (let k = depth; k > 0; k--) {
    const w0 = v128.load(panels);
    const w1 = v128.load(panels, 16);
    const w2 = two ? v128.load(second) : zero;
    const w3 = two ? v128.load(second, 16) : zero;
    const s0 = v128.load_splat<f32>(packed);
    a00 = fma(s0, w0, a00);
    a01 = fma(s0, w1, a01);
    if (two) a02 = fma(s0, w2, a02);
    if (two) a03 = fma(s0, w3, a03);
    if (lines > 1) {
      const s1 = v128.load_splat<f32>(packed, 4);
      a10 = fma(s1, w0, a10);
      a11 = fma(s1, w1, a11);
      if (two) a12 = fma(s1, w2, a12);
      if (two) a13 = fma(s1, w3, a13);
    }
    if (lines > 2) {
      const s2 = v128.load_splat<f32>(packed, 8);
      a20 = fma(s2, w0, a20);
      a21 = fma(s2, w1, a21);
      if (two) a22 = fma(s2, w2, a22);
      if (two) a23 = fma(s2, w3, a23);
    }
    if (lines > 3) {
      const s3 = v128.load_splat<f32>(packed, 12);
      a30 = fma(s3, w0, a30);
      a31 = fma(s3, w1, a31);
      if (two) a32 = fma(s3, w2, a32);
      if (two) a33 = fma(s3, w3, a33);
    }
    if (lines > 4) {
      const s4 = v128.load_splat<f32>(packed, 16);
      a40 = fma(s4, w0, a40);
      a41 = fma(s4, w1, a41);
      if (two) a42 = fma(s4, w2, a42);
      if (two) a43 = fma(s4, w3, a43);
    }
    if (lines > 5) {
      const s5 = v128.load_splat<f32>(packed, 20);
      a50 = fma(s5, w0, a50);
      a51 = fma(s5, w1, a51);
      if (two) a52 = fma(s5, w2, a52);
      if (two) a53 = fma(s5, w3, a53);
    }
    packed += (<usize>lines) << 2;
    panels += 32;
    if (two) second += 32;
  }
  storeLine(two, output, start, panelStep, a00, a01, a02, a03);
  if (lines > 1) storeLine(two, output + outputStride, start + startStride, panelStep, a10, a11, a12, a13);
  if (lines > 2) storeLine(two, output + 2 * outputStride, start + 2 * startStride, panelStep, a20, a21, a22, a23);
  if (lines > 3) storeLine(two, output + 3 * outputStride, start + 3 * startStride, panelStep, a30, a31, a32, a33);
  if (lines > 4) storeLine(two, output + 4 * outputStride, start + 4 * startStride, panelStep, a40, a41, a42, a43);
  if (lines > 5) storeLine(two, output + 5 * outputStride, start + 5 * startStride, panelStep, a50, a51, a52, a53);
}

/** All loads of a line before its stores: V8 joins pairs of vectors only then. */
@inline
function storeLine(
  two: bool,
  output: usize,
  start: usize,
  panelStep: usize,
  sum0: v128,
  sum1: v128,
  sum2: v128,
  sum3: v128,
): void {
  const result0 = f32x4.add(v128.load(start), sum0);
  const result1 = f32x4.add(v128.load(start, 16), sum1);
  const result2 = two ? f32x4.add(v128.load(start + panelStep), sum2) : sum2;
  const result3 = two ? f32x4.add(v128.load(start + panelStep, 16), sum3) : sum3;
  v128.store(output, result0);
  v128.store(output, result1, 16);
  if (two) v128.store(output + panelStep, result2);
  if (two) v128.store(output + panelStep, result3, 16);
}

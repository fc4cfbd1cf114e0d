// The micro-kernels of the linear layer: small blocks of X W and Xᵀ dZ, built from outer products in registers.
import { fma } from '../vectors/fma';

// A block holds up to 6 × 2 or 3 × 3 accumulators a<line><vector>; `lines` (rows of X, or features) and `vectors`
// (panelWidth / 4) are constants at every call, so each caller compiles to a kernel of its own with only the
// accumulators it uses.
//
// V8 has 15 vector registers for us, and a multiply-add of two instructions needs one more for the product. It spills
// as soon as it runs short, and one spilled accumulator halves the speed; hence fewer lines in the portable build.
// Unrolling makes it spill too. GFLOP/s on one thread of an AMD EPYC (Zen 4), X W in cache, 784 features:
//
//                 2 × 12   3 × 12   4 × 12   4 × 8   5 × 8   6 × 8   6 × 4   8 × 4
//   fast, 24        43       53       27       53      57      56      39      38
//   portable, 24    43       47       28       43      44      29      28      32
//   portable, 20    34       22       26       38      23      26      28      19

/** How many lines a block has for each width of panel. */
export const LINES_4: i32 = 6;
export const LINES_8: i32 = ASC_FEATURE_RELAXED_SIMD ? 6 : 4;
export const LINES_12: i32 = ASC_FEATURE_RELAXED_SIMD ? 3 : 2;

/**
 * output[i][j] = start[i][j] + Σ_k X[i][begin + k] · panel[k][j] for `lines` rows i, k < depth. The sum runs from zero
 * in the order of k, one accumulator for each element: its bits do not depend on `lines`. output may be start.
 * rowPtrs: the rows' addresses; beginBytes: 4 · begin; strides in bytes (that of start may be 0).
 */
@inline
export function forwardBlock(
  lines: i32,
  vectors: i32,
  output: usize,
  outputStride: usize,
  start: usize,
  startStride: usize,
  rowPtrs: usize,
  beginBytes: usize,
  panel: usize,
  depth: i32,
): void {
  let x0 = <usize>load<u32>(rowPtrs) + beginBytes;
  let x1: usize = lines > 1 ? <usize>load<u32>(rowPtrs, 4) + beginBytes : 0;
  let x2: usize = lines > 2 ? <usize>load<u32>(rowPtrs, 8) + beginBytes : 0;
  let x3: usize = lines > 3 ? <usize>load<u32>(rowPtrs, 12) + beginBytes : 0;
  let x4: usize = lines > 4 ? <usize>load<u32>(rowPtrs, 16) + beginBytes : 0;
  let x5: usize = lines > 5 ? <usize>load<u32>(rowPtrs, 20) + beginBytes : 0;
  const zero = f32x4.splat(0);
  // biome-ignore format: one line of a block a line
  let a00 = zero, a01 = zero, a02 = zero,
    a10 = zero, a11 = zero, a12 = zero,
    a20 = zero, a21 = zero, a22 = zero,
    a30 = zero, a31 = zero,
    a40 = zero, a41 = zero,
    a50 = zero, a51 = zero;
  for (let k = depth; k > 0; k--) {
    const w0 = v128.load(panel);
    const w1 = vectors > 1 ? v128.load(panel, 16) : zero;
    const w2 = vectors > 2 ? v128.load(panel, 32) : zero;
    const s0 = v128.load_splat<f32>(x0);
    a00 = fma(s0, w0, a00);
    if (vectors > 1) a01 = fma(s0, w1, a01);
    if (vectors > 2) a02 = fma(s0, w2, a02);
    x0 += 4;
    if (lines > 1) {
      const s1 = v128.load_splat<f32>(x1);
      a10 = fma(s1, w0, a10);
      if (vectors > 1) a11 = fma(s1, w1, a11);
      if (vectors > 2) a12 = fma(s1, w2, a12);
      x1 += 4;
    }
    if (lines > 2) {
      const s2 = v128.load_splat<f32>(x2);
      a20 = fma(s2, w0, a20);
      if (vectors > 1) a21 = fma(s2, w1, a21);
      if (vectors > 2) a22 = fma(s2, w2, a22);
      x2 += 4;
    }
    if (lines > 3) {
      const s3 = v128.load_splat<f32>(x3);
      a30 = fma(s3, w0, a30);
      if (vectors > 1) a31 = fma(s3, w1, a31);
      x3 += 4;
    }
    if (lines > 4) {
      const s4 = v128.load_splat<f32>(x4);
      a40 = fma(s4, w0, a40);
      if (vectors > 1) a41 = fma(s4, w1, a41);
      x4 += 4;
    }
    if (lines > 5) {
      const s5 = v128.load_splat<f32>(x5);
      a50 = fma(s5, w0, a50);
      if (vectors > 1) a51 = fma(s5, w1, a51);
      x5 += 4;
    }
    panel += 16 * vectors;
  }
  storeLine(vectors, output, start, a00, a01, a02);
  if (lines > 1) storeLine(vectors, output + outputStride, start + startStride, a10, a11, a12);
  if (lines > 2) storeLine(vectors, output + 2 * outputStride, start + 2 * startStride, a20, a21, a22);
  if (lines > 3) storeLine(vectors, output + 3 * outputStride, start + 3 * startStride, a30, a31, zero);
  if (lines > 4) storeLine(vectors, output + 4 * outputStride, start + 4 * startStride, a40, a41, zero);
  if (lines > 5) storeLine(vectors, output + 5 * outputStride, start + 5 * startStride, a50, a51, zero);
}

/**
 * panel[i][j] += Σ_r X[r][begin + i] · dZ[r][j] for `lines` features i and all `rows`. The sum runs from zero in the
 * order of the rows, one accumulator for each element, and is added at the end: its bits do not depend on `lines`.
 * rowPtrs: the rows' addresses; beginBytes: 4 · begin; gradLogits: dZ at the panel's first column, stride in bytes.
 */
@inline
export function backwardBlock(
  lines: i32,
  vectors: i32,
  panel: usize,
  rowPtrs: usize,
  beginBytes: usize,
  gradLogits: usize,
  stride: usize,
  rows: i32,
): void {
  const zero = f32x4.splat(0);
  // biome-ignore format: one line of a block a line
  let a00 = zero, a01 = zero, a02 = zero,
    a10 = zero, a11 = zero, a12 = zero,
    a20 = zero, a21 = zero, a22 = zero,
    a30 = zero, a31 = zero,
    a40 = zero, a41 = zero,
    a50 = zero, a51 = zero;
  for (let r = rows; r > 0; r--) {
    const x = <usize>load<u32>(rowPtrs) + beginBytes;
    const z0 = v128.load(gradLogits);
    const z1 = vectors > 1 ? v128.load(gradLogits, 16) : zero;
    const z2 = vectors > 2 ? v128.load(gradLogits, 32) : zero;
    const s0 = v128.load_splat<f32>(x);
    a00 = fma(s0, z0, a00);
    if (vectors > 1) a01 = fma(s0, z1, a01);
    if (vectors > 2) a02 = fma(s0, z2, a02);
    if (lines > 1) {
      const s1 = v128.load_splat<f32>(x, 4);
      a10 = fma(s1, z0, a10);
      if (vectors > 1) a11 = fma(s1, z1, a11);
      if (vectors > 2) a12 = fma(s1, z2, a12);
    }
    if (lines > 2) {
      const s2 = v128.load_splat<f32>(x, 8);
      a20 = fma(s2, z0, a20);
      if (vectors > 1) a21 = fma(s2, z1, a21);
      if (vectors > 2) a22 = fma(s2, z2, a22);
    }
    if (lines > 3) {
      const s3 = v128.load_splat<f32>(x, 12);
      a30 = fma(s3, z0, a30);
      if (vectors > 1) a31 = fma(s3, z1, a31);
    }
    if (lines > 4) {
      const s4 = v128.load_splat<f32>(x, 16);
      a40 = fma(s4, z0, a40);
      if (vectors > 1) a41 = fma(s4, z1, a41);
    }
    if (lines > 5) {
      const s5 = v128.load_splat<f32>(x, 20);
      a50 = fma(s5, z0, a50);
      if (vectors > 1) a51 = fma(s5, z1, a51);
    }
    rowPtrs += 4;
    gradLogits += stride;
  }
  const width: usize = 16 * vectors;
  storeLine(vectors, panel, panel, a00, a01, a02);
  if (lines > 1) storeLine(vectors, panel + width, panel + width, a10, a11, a12);
  if (lines > 2) storeLine(vectors, panel + 2 * width, panel + 2 * width, a20, a21, a22);
  if (lines > 3) storeLine(vectors, panel + 3 * width, panel + 3 * width, a30, a31, zero);
  if (lines > 4) storeLine(vectors, panel + 4 * width, panel + 4 * width, a40, a41, zero);
  if (lines > 5) storeLine(vectors, panel + 5 * width, panel + 5 * width, a50, a51, zero);
}

/** output = start + sum, one line of a block. All loads before the stores: V8 joins pairs of vectors only then. */
@inline
function storeLine(vectors: i32, output: usize, start: usize, sum0: v128, sum1: v128, sum2: v128): void {
  const result0 = f32x4.add(v128.load(start), sum0);
  const result1 = vectors > 1 ? f32x4.add(v128.load(start, 16), sum1) : sum1;
  const result2 = vectors > 2 ? f32x4.add(v128.load(start, 32), sum2) : sum2;
  v128.store(output, result0);
  if (vectors > 1) v128.store(output, result1, 16);
  if (vectors > 2) v128.store(output, result2, 32);
}

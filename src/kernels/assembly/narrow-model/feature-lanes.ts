// The micro-kernels of tile-products.ts: blocks of X W and Xᵀ dZ whose lanes are features, so that no lane is lost where
// the classes are not a multiple of four.
import { fma } from '../vectors/fma';
import { sumOfLanes, sumsOfLanes } from '../vectors/lanes';

// A block has `lines` rows (or vectors of features) × `columns` classes, constants at every call: each caller compiles to a
// kernel of its own. At most 10 accumulators: with those, the operands and the product of the portable build's multiply-add
// V8 needs 14 of its 15 vector registers; fewer than 8 do not fill the processor's multiply-add pipes.

/**
 * logits[i][j] = start[j] + Σ X[i][k] · W[j][k] over all k with bit 2 of k clear, or (start then the logits) set:
 * the lower or the upper four of every eight features, which are four sums each. Together the order of sums is that of
 * eight lanes. x: a tile's row; weights: [groups][columns][8]. 1, 2 or 4 rows, at most 10 accumulators.
 */
@inline
export function forwardHalf(
  lines: i32,
  columns: i32,
  logits: usize,
  logitsStride: usize,
  start: usize,
  startStride: usize,
  x: usize,
  tileStride: usize,
  weights: usize,
  groups: i32,
): void {
  const zero = f32x4.splat(0);
  // biome-ignore format: one line of a block a line
  let a00 = zero, a01 = zero, a02 = zero, a03 = zero, a04 = zero,
    a10 = zero, a11 = zero, a12 = zero, a13 = zero, a14 = zero,
    a20 = zero, a21 = zero,
    a30 = zero, a31 = zero;
  let x1 = x + tileStride;
  let x2 = x1 + tileStride;
  let x3 = x2 + tileStride;
  for (let group = groups; group > 0; group--) {
    const v0 = v128.load(x);
    const v1 = lines > 1 ? v128.load(x1) : zero;
    const v2 = lines > 2 ? v128.load(x2) : zero;
    const v3 = lines > 2 ? v128.load(x3) : zero;
    const w0 = v128.load(weights);
    a00 = fma(v0, w0, a00);
    if (lines > 1) a10 = fma(v1, w0, a10);
    if (lines > 2) a20 = fma(v2, w0, a20);
    if (lines > 2) a30 = fma(v3, w0, a30);
    if (columns > 1) {
      const w1 = v128.load(weights, 32);
      a01 = fma(v0, w1, a01);
      if (lines > 1) a11 = fma(v1, w1, a11);
      if (lines > 2) a21 = fma(v2, w1, a21);
      if (lines > 2) a31 = fma(v3, w1, a31);
    }
    if (columns > 2) {
      const w2 = v128.load(weights, 64);
      a02 = fma(v0, w2, a02);
      if (lines > 1) a12 = fma(v1, w2, a12);
    }
    if (columns > 3) {
      const w3 = v128.load(weights, 96);
      a03 = fma(v0, w3, a03);
      if (lines > 1) a13 = fma(v1, w3, a13);
    }
    if (columns > 4) {
      const w4 = v128.load(weights, 128);
      a04 = fma(v0, w4, a04);
      if (lines > 1) a14 = fma(v1, w4, a14);
    }
    x += 32;
    if (lines > 1) x1 += 32;
    if (lines > 2) x2 += 32;
    if (lines > 2) x3 += 32;
    weights += 32 * columns;
  }
  addSums(columns, logits, start, a00, a01, a02, a03, a04);
  if (lines > 1) addSums(columns, logits + logitsStride, start + startStride, a10, a11, a12, a13, a14);
  if (lines > 2) {
    addSums(columns, logits + 2 * logitsStride, start + 2 * startStride, a20, a21, zero, zero, zero);
    addSums(columns, logits + 3 * logitsStride, start + 3 * startStride, a30, a31, zero, zero, zero);
  }
}

/** logits[j] = start[j] + the sum of lanes of a<j>. */
@inline
function addSums(columns: i32, logits: usize, start: usize, a0: v128, a1: v128, a2: v128, a3: v128, a4: v128): void {
  if (columns >= 4) {
    v128.store(logits, f32x4.add(v128.load(start), sumsOfLanes(a0, a1, a2, a3)));
    if (columns > 4) store<f32>(logits, load<f32>(start, 16) + sumOfLanes(a4), 16);
    return;
  }
  store<f32>(logits, load<f32>(start) + sumOfLanes(a0));
  if (columns > 1) store<f32>(logits, load<f32>(start, 4) + sumOfLanes(a1), 4);
  if (columns > 2) store<f32>(logits, load<f32>(start, 8) + sumOfLanes(a2), 8);
}

/**
 * As forwardHalf, for both halves of the groups at once, and start [columns] for all rows: twice the accumulators, for where
 * V8 joins pairs of vectors, which halves them. It finds pairs by their stores: the sums go through memory, sums [lines ·
 * columns][8].
 */
@inline
export function forwardWhole(
  lines: i32,
  columns: i32,
  logits: usize,
  logitsStride: usize,
  start: usize,
  x: usize,
  tileStride: usize,
  weights: usize,
  groups: i32,
  sums: usize,
): void {
  const zero = f32x4.splat(0);
  // biome-ignore format: one line of a block a line
  let a00 = zero, a01 = zero, a02 = zero, a03 = zero, a04 = zero,
    b00 = zero, b01 = zero, b02 = zero, b03 = zero, b04 = zero,
    a10 = zero, a11 = zero, a12 = zero, a13 = zero, a14 = zero,
    b10 = zero, b11 = zero, b12 = zero, b13 = zero, b14 = zero,
    a20 = zero, a21 = zero, a30 = zero, a31 = zero,
    b20 = zero, b21 = zero, b30 = zero, b31 = zero;
  let x1 = x + tileStride;
  let x2 = x1 + tileStride;
  let x3 = x2 + tileStride;
  for (let group = groups; group > 0; group--) {
    const low0 = v128.load(x);
    const high0 = v128.load(x, 16);
    const low1 = lines > 1 ? v128.load(x1) : zero;
    const high1 = lines > 1 ? v128.load(x1, 16) : zero;
    const low2 = lines > 2 ? v128.load(x2) : zero;
    const high2 = lines > 2 ? v128.load(x2, 16) : zero;
    const low3 = lines > 2 ? v128.load(x3) : zero;
    const high3 = lines > 2 ? v128.load(x3, 16) : zero;
    const v0 = v128.load(weights);
    const w0 = v128.load(weights, 16);
    a00 = fma(low0, v0, a00);
    b00 = fma(high0, w0, b00);
    if (lines > 1) {
      a10 = fma(low1, v0, a10);
      b10 = fma(high1, w0, b10);
    }
    if (lines > 2) {
      a20 = fma(low2, v0, a20);
      b20 = fma(high2, w0, b20);
      a30 = fma(low3, v0, a30);
      b30 = fma(high3, w0, b30);
    }
    if (columns > 1) {
      const v1 = v128.load(weights, 32);
      const w1 = v128.load(weights, 48);
      a01 = fma(low0, v1, a01);
      b01 = fma(high0, w1, b01);
      if (lines > 1) {
        a11 = fma(low1, v1, a11);
        b11 = fma(high1, w1, b11);
      }
      if (lines > 2) {
        a21 = fma(low2, v1, a21);
        b21 = fma(high2, w1, b21);
        a31 = fma(low3, v1, a31);
        b31 = fma(high3, w1, b31);
      }
    }
    if (columns > 2) {
      const v2 = v128.load(weights, 64);
      const w2 = v128.load(weights, 80);
      a02 = fma(low0, v2, a02);
      b02 = fma(high0, w2, b02);
      if (lines > 1) {
        a12 = fma(low1, v2, a12);
        b12 = fma(high1, w2, b12);
      }
    }
    if (columns > 3) {
      const v3 = v128.load(weights, 96);
      const w3 = v128.load(weights, 112);
      a03 = fma(low0, v3, a03);
      b03 = fma(high0, w3, b03);
      if (lines > 1) {
        a13 = fma(low1, v3, a13);
        b13 = fma(high1, w3, b13);
      }
    }
    if (columns > 4) {
      const v4 = v128.load(weights, 128);
      const w4 = v128.load(weights, 144);
      a04 = fma(low0, v4, a04);
      b04 = fma(high0, w4, b04);
      if (lines > 1) {
        a14 = fma(low1, v4, a14);
        b14 = fma(high1, w4, b14);
      }
    }
    x += 32;
    if (lines > 1) x1 += 32;
    if (lines > 2) x2 += 32;
    if (lines > 2) x3 += 32;
    weights += 32 * columns;
  }
  const line: usize = 32 * columns;
  storePair(1, sums, a00, b00);
  if (columns > 1) storePair(1, sums + 32, a01, b01);
  if (columns > 2) storePair(1, sums + 64, a02, b02);
  if (columns > 3) storePair(1, sums + 96, a03, b03);
  if (columns > 4) storePair(1, sums + 128, a04, b04);
  if (lines > 1) {
    storePair(1, sums + line, a10, b10);
    if (columns > 1) storePair(1, sums + line + 32, a11, b11);
    if (columns > 2) storePair(1, sums + line + 64, a12, b12);
    if (columns > 3) storePair(1, sums + line + 96, a13, b13);
    if (columns > 4) storePair(1, sums + line + 128, a14, b14);
  }
  if (lines > 2) {
    storePair(1, sums + 2 * line, a20, b20);
    if (columns > 1) storePair(1, sums + 2 * line + 32, a21, b21);
    storePair(1, sums + 3 * line, a30, b30);
    if (columns > 1) storePair(1, sums + 3 * line + 32, a31, b31);
  }
  for (let i = 0; i < lines; i++) {
    addStoredSums(columns, logits, start, sums);
    addStoredSums(columns, logits, logits, sums + 16);
    logits += logitsStride;
    sums += line;
  }
}

/** addSums of vectors 32 bytes apart. */
@inline
function addStoredSums(columns: i32, logits: usize, start: usize, sums: usize): void {
  const a0 = v128.load(sums);
  const a1 = columns > 1 ? v128.load(sums, 32) : a0;
  const a2 = columns > 2 ? v128.load(sums, 64) : a0;
  const a3 = columns > 3 ? v128.load(sums, 96) : a0;
  const a4 = columns > 4 ? v128.load(sums, 128) : a0;
  addSums(columns, logits, start, a0, a1, a2, a3, a4);
}

/**
 * gradWeights [columns][8] += Σ_r dZ[r][j] · X[r][k] for eight features k and all rows, summed from zero in the order of the
 * rows and added at the end; with fresh = 1 the sums alone. x: eight features of the tile's first row; gradLogits: the block's first column.
 */
@inline
export function backwardGroup(
  columns: i32,
  fresh: i32,
  gradWeights: usize,
  x: usize,
  tileStride: usize,
  gradLogits: usize,
  logitsStride: usize,
  rows: i32,
): void {
  const zero = f32x4.splat(0);
  // biome-ignore format: one line of a block a line
  let low0 = zero, low1 = zero, low2 = zero, low3 = zero, low4 = zero,
    high0 = zero, high1 = zero, high2 = zero, high3 = zero, high4 = zero;
  for (let row = rows; row > 0; row--) {
    const low = v128.load(x);
    const high = v128.load(x, 16);
    const z0 = v128.load_splat<f32>(gradLogits);
    low0 = fma(z0, low, low0);
    high0 = fma(z0, high, high0);
    if (columns > 1) {
      const z1 = v128.load_splat<f32>(gradLogits, 4);
      low1 = fma(z1, low, low1);
      high1 = fma(z1, high, high1);
    }
    if (columns > 2) {
      const z2 = v128.load_splat<f32>(gradLogits, 8);
      low2 = fma(z2, low, low2);
      high2 = fma(z2, high, high2);
    }
    if (columns > 3) {
      const z3 = v128.load_splat<f32>(gradLogits, 12);
      low3 = fma(z3, low, low3);
      high3 = fma(z3, high, high3);
    }
    if (columns > 4) {
      const z4 = v128.load_splat<f32>(gradLogits, 16);
      low4 = fma(z4, low, low4);
      high4 = fma(z4, high, high4);
    }
    x += tileStride;
    gradLogits += logitsStride;
  }
  storePair(fresh, gradWeights, low0, high0);
  if (columns > 1) storePair(fresh, gradWeights + 32, low1, high1);
  if (columns > 2) storePair(fresh, gradWeights + 64, low2, high2);
  if (columns > 3) storePair(fresh, gradWeights + 96, low3, high3);
  if (columns > 4) storePair(fresh, gradWeights + 128, low4, high4);
}

/**
 * As backwardGroup, for two groups: four vectors of features, twice the accumulators. Where V8 joins pairs of vectors, which
 * halves the registers, these keep the multipliers busy.
 */
@inline
export function backwardGroups2(
  columns: i32,
  fresh: i32,
  gradWeights: usize,
  x: usize,
  tileStride: usize,
  gradLogits: usize,
  logitsStride: usize,
  rows: i32,
): void {
  const zero = f32x4.splat(0);
  // biome-ignore format: one line of a block a line
  let a0 = zero, b0 = zero, c0 = zero, d0 = zero,
    a1 = zero, b1 = zero, c1 = zero, d1 = zero,
    a2 = zero, b2 = zero, c2 = zero, d2 = zero,
    a3 = zero, b3 = zero, c3 = zero, d3 = zero,
    a4 = zero, b4 = zero, c4 = zero, d4 = zero;
  for (let row = rows; row > 0; row--) {
    const v0 = v128.load(x);
    const v1 = v128.load(x, 16);
    const v2 = v128.load(x, 32);
    const v3 = v128.load(x, 48);
    const z0 = v128.load_splat<f32>(gradLogits);
    a0 = fma(z0, v0, a0);
    b0 = fma(z0, v1, b0);
    c0 = fma(z0, v2, c0);
    d0 = fma(z0, v3, d0);
    if (columns > 1) {
      const z1 = v128.load_splat<f32>(gradLogits, 4);
      a1 = fma(z1, v0, a1);
      b1 = fma(z1, v1, b1);
      c1 = fma(z1, v2, c1);
      d1 = fma(z1, v3, d1);
    }
    if (columns > 2) {
      const z2 = v128.load_splat<f32>(gradLogits, 8);
      a2 = fma(z2, v0, a2);
      b2 = fma(z2, v1, b2);
      c2 = fma(z2, v2, c2);
      d2 = fma(z2, v3, d2);
    }
    if (columns > 3) {
      const z3 = v128.load_splat<f32>(gradLogits, 12);
      a3 = fma(z3, v0, a3);
      b3 = fma(z3, v1, b3);
      c3 = fma(z3, v2, c3);
      d3 = fma(z3, v3, d3);
    }
    if (columns > 4) {
      const z4 = v128.load_splat<f32>(gradLogits, 16);
      a4 = fma(z4, v0, a4);
      b4 = fma(z4, v1, b4);
      c4 = fma(z4, v2, c4);
      d4 = fma(z4, v3, d4);
    }
    x += tileStride;
    gradLogits += logitsStride;
  }
  const next = gradWeights + 32 * columns;
  storePair(fresh, gradWeights, a0, b0);
  if (columns > 1) storePair(fresh, gradWeights + 32, a1, b1);
  if (columns > 2) storePair(fresh, gradWeights + 64, a2, b2);
  if (columns > 3) storePair(fresh, gradWeights + 96, a3, b3);
  if (columns > 4) storePair(fresh, gradWeights + 128, a4, b4);
  storePair(fresh, next, c0, d0);
  if (columns > 1) storePair(fresh, next + 32, c1, d1);
  if (columns > 2) storePair(fresh, next + 64, c2, d2);
  if (columns > 3) storePair(fresh, next + 96, c3, d3);
  if (columns > 4) storePair(fresh, next + 128, c4, d4);
}

/** Both loads before the stores: V8 joins pairs of vectors only then. */
@inline
function storePair(fresh: i32, target: usize, low: v128, high: v128): void {
  if (fresh) {
    v128.store(target, low);
    v128.store(target, high, 16);
  } else {
    const lowSum = f32x4.add(v128.load(target), low);
    const highSum = f32x4.add(v128.load(target, 16), high);
    v128.store(target, lowSum);
    v128.store(target, highSum, 16);
  }
}

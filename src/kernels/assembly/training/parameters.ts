// What happens to parameters between two passes over the rows: partial gradients are summed, weights updated.
import { fma } from '../vectors/fma';

/** Bytes of each partial that treeAdd takes through the whole tree at once: even 64 of them stay in the L2 cache. */
const TREE_BYTES: usize = 4096;

/**
 * partials[0] = the sum of `count` partials along a fixed binary tree: p[i] += p[i + d] for i = 0, 2d, 4d, …, with
 * d = 1, 2, 4, … Two levels of the tree are taken in one go: (a + b) + (c + d), where b, c and d may be missing.
 */
export function treeAdd(partials: usize, strideBytes: usize, count: i32, length: i32): void {
  const totalBytes = (<usize>length) << 2;
  for (let begin: usize = 0; begin < totalBytes; begin += TREE_BYTES) {
    const bytes = min(TREE_BYTES, totalBytes - begin);
    for (let distance = 1; distance < count; distance <<= 2) {
      const step = <usize>distance * strideBytes;
      for (let i = 0; i + distance < count; i += distance << 2) {
        const first = partials + <usize>i * strideBytes + begin;
        if (i + 3 * distance < count) addFour(first, step, bytes);
        else if (i + 2 * distance < count) addThree(first, step, bytes);
        else addTwo(first, step, bytes);
      }
    }
  }
}

/** a = (a + b) + (c + d), `step` bytes apart. */
function addFour(a: usize, step: usize, bytes: usize): void {
  let left = bytes;
  for (; left >= 16; left -= 16) {
    const ab = f32x4.add(v128.load(a), v128.load(a + step));
    const cd = f32x4.add(v128.load(a + 2 * step), v128.load(a + 3 * step));
    v128.store(a, f32x4.add(ab, cd));
    a += 16;
  }
  for (; left > 0; left -= 4) {
    const ab = load<f32>(a) + load<f32>(a + step);
    const cd = load<f32>(a + 2 * step) + load<f32>(a + 3 * step);
    store<f32>(a, ab + cd);
    a += 4;
  }
}

/** a = (a + b) + c. */
function addThree(a: usize, step: usize, bytes: usize): void {
  let left = bytes;
  for (; left >= 16; left -= 16) {
    const ab = f32x4.add(v128.load(a), v128.load(a + step));
    v128.store(a, f32x4.add(ab, v128.load(a + 2 * step)));
    a += 16;
  }
  for (; left > 0; left -= 4) {
    const ab = load<f32>(a) + load<f32>(a + step);
    store<f32>(a, ab + load<f32>(a + 2 * step));
    a += 4;
  }
}

/** a = a + b. */
function addTwo(a: usize, step: usize, bytes: usize): void {
  let left = bytes;
  for (; left >= 16; left -= 16) {
    v128.store(a, f32x4.add(v128.load(a), v128.load(a + step)));
    a += 16;
  }
  for (; left > 0; left -= 4) {
    store<f32>(a, load<f32>(a) + load<f32>(a + step));
    a += 4;
  }
}

/**
 * With g' = g + weightDecay · w: v = momentum · v + g', then w -= learningRate · s, where s is v, or g' + momentum · v
 * with nesterov, or g' without a velocity. The last elements go through the same instructions in one lane, so that an
 * element's bits do not depend on where a range of parameters is cut.
 */
export function sgdUpdate(
  parameters: usize,
  velocity: usize,
  gradient: usize,
  length: i32,
  learningRate: f32,
  momentum: f32,
  weightDecay: f32,
  nesterov: i32,
): void {
  const rate = f32x4.splat(-learningRate);
  const keep = f32x4.splat(momentum);
  const decay = f32x4.splat(weightDecay);
  let left = length;
  for (; left >= 4; left -= 4) {
    const w = v128.load(parameters);
    let step = fma(decay, w, v128.load(gradient));
    if (velocity) {
      const v = fma(keep, v128.load(velocity), step);
      v128.store(velocity, v);
      step = nesterov ? fma(keep, v, step) : v;
      velocity += 16;
    }
    v128.store(parameters, fma(rate, step, w));
    parameters += 16;
    gradient += 16;
  }
  for (; left > 0; left--) {
    const w = v128.load32_zero(parameters);
    let step = fma(decay, w, v128.load32_zero(gradient));
    if (velocity) {
      const v = fma(keep, v128.load32_zero(velocity), step);
      v128.store_lane<f32>(velocity, v, 0);
      step = nesterov ? fma(keep, v, step) : v;
      velocity += 4;
    }
    v128.store_lane<f32>(parameters, fma(rate, step, w), 0);
    parameters += 4;
    gradient += 4;
  }
}

/**
 * m = beta1 · m + (1 - beta1) · g and v = beta2 · v + (1 - beta2) · g², then w -= learningRate · weightDecay · w and
 * w -= learningRate · (m / correction1) / (sqrt(v / correction2) + epsilon). What holds for all elements is computed in
 * float64; the last elements go through the same instructions in one lane.
 */
export function adamwUpdate(
  parameters: usize,
  mean: usize,
  square: usize,
  gradient: usize,
  length: i32,
  learningRate: f64,
  beta1: f64,
  beta2: f64,
  epsilon: f64,
  weightDecay: f64,
  correction1: f64,
  correction2: f64,
): void {
  const rate = f32x4.splat(<f32>(-learningRate / correction1));
  const decay = f32x4.splat(<f32>(-learningRate * weightDecay));
  const keepMean = f32x4.splat(<f32>beta1);
  const addMean = f32x4.splat(<f32>(1 - beta1));
  const keepSquare = f32x4.splat(<f32>beta2);
  const addSquare = f32x4.splat(<f32>(1 - beta2));
  const rootScale = f32x4.splat(<f32>(1 / sqrt<f64>(correction2)));
  const least = f32x4.splat(<f32>epsilon);
  let left = length;
  for (; left >= 4; left -= 4) {
    const w = v128.load(parameters);
    const g = v128.load(gradient);
    const m = fma(keepMean, v128.load(mean), f32x4.mul(addMean, g));
    const v = fma(keepSquare, v128.load(square), f32x4.mul(f32x4.mul(addSquare, g), g));
    v128.store(mean, m);
    v128.store(square, v);
    const step = f32x4.div(m, fma(rootScale, f32x4.sqrt(v), least));
    v128.store(parameters, fma(rate, step, fma(decay, w, w)));
    parameters += 16;
    mean += 16;
    square += 16;
    gradient += 16;
  }
  for (; left > 0; left--) {
    const w = v128.load32_zero(parameters);
    const g = v128.load32_zero(gradient);
    const m = fma(keepMean, v128.load32_zero(mean), f32x4.mul(addMean, g));
    const v = fma(keepSquare, v128.load32_zero(square), f32x4.mul(f32x4.mul(addSquare, g), g));
    v128.store_lane<f32>(mean, m, 0);
    v128.store_lane<f32>(square, v, 0);
    const step = f32x4.div(m, fma(rootScale, f32x4.sqrt(v), least));
    v128.store_lane<f32>(parameters, fma(rate, step, fma(decay, w, w)), 0);
    parameters += 4;
    mean += 4;
    square += 4;
    gradient += 4;
  }
}

/** Zeroes `length` float32. */
export function clear(values: usize, length: i32): void {
  memory.fill(values, 0, (<usize>length) << 2);
}

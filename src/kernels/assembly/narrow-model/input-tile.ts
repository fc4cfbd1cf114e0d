// Gathers rows of the inputs into a tile of float32, contiguous in cache whatever their order and type.
import {
  FETCHED_ROWS,
  INPUTS_BYTES,
  INPUTS_BYTES_BY_FEATURE,
  INPUTS_FLOAT32,
  INPUTS_SCALED_FLOAT32,
  tileStride,
} from '../../layout';

/**
 * tile [rows × tileStride(features)], zeros beyond the features; tileTargets [rows] where targets is not 0. Row i is row
 * indices[rowBegin + i] of inputs and targets, or rowBegin + i where indices is 0. What is to be scaled becomes
 * (x - shift) · scale, float32 at each step; scaling: shift and scale, or by feature tileStride shifts, then as many scales.
 */
export function gatherInputs(
  tile: usize,
  tileTargets: usize,
  inputs: usize,
  type: i32,
  scaling: usize,
  targets: usize,
  indices: usize,
  rowBegin: i32,
  rows: i32,
  features: i32,
): void {
  const rowBytes = bytesOfRow(type, features);
  const stride = (<usize>tileStride(features)) << 2;
  for (let begin = 0; begin < rows; begin += FETCHED_ROWS) {
    const end = min(rows, begin + FETCHED_ROWS);
    if (targets) copyTargets(tileTargets, targets, indices, rowBegin, begin, end);
    // Stored only to keep the loads alive; overwritten below.
    store<u32>(tile, touchRows(inputs, rowBytes, indices, rowBegin + begin, rowBegin + end - 1));
    for (let i = begin; i < end; i++) {
      const row = inputs + rowAt(indices, rowBegin + i) * rowBytes;
      if (type == INPUTS_FLOAT32) copyRow(tile, row, features);
      else if (type == INPUTS_BYTES) scaleRow(tile, row, scaling, features);
      else if (type == INPUTS_SCALED_FLOAT32) scaleFloats(tile, row, scaling, stride, features);
      else scaleRowByFeature(tile, row, scaling, stride, features);
      clearBeyond(tile, features, stride);
      tile += stride;
    }
  }
}

/**
 * Rows [begin, end) together, before their inputs, so that their cache misses overlap. Epochs of bytes with ten classes
 * are 1.01 to 1.09 times as fast as with one target after each row (bench/versions.ts).
 */
@inline
function copyTargets(tileTargets: usize, targets: usize, indices: usize, rowBegin: i32, begin: i32, end: i32): void {
  for (let i = begin; i < end; i++) {
    store<i32>(tileTargets + ((<usize>i) << 2), load<i32>(targets + (rowAt(indices, rowBegin + i) << 2)));
  }
}

/** Prefetches FETCHED_ROWS rows from `position` on, none beyond `last`. The result only keeps the loads alive. */
export function fetchInputs(inputs: usize, type: i32, indices: usize, position: i32, last: i32, features: i32): u32 {
  return touchRows(inputs, bytesOfRow(type, features), indices, position, last);
}

@inline
function bytesOfRow(type: i32, features: i32): usize {
  const areBytes = type == INPUTS_BYTES || type == INPUTS_BYTES_BY_FEATURE;
  return areBytes ? <usize>features : (<usize>features) << 2;
}

@inline
function rowAt(indices: usize, position: i32): usize {
  return indices ? <usize>load<u32>(indices + ((<usize>position) << 2)) : <usize>position;
}

/** Reads a byte of each cache line of the FETCHED_ROWS rows from `position` on; rows beyond `last` repeat it. */
function touchRows(inputs: usize, rowBytes: usize, indices: usize, position: i32, last: i32): u32 {
  const row0 = inputs + rowAt(indices, position) * rowBytes;
  const row1 = inputs + rowAt(indices, min(last, position + 1)) * rowBytes;
  const row2 = inputs + rowAt(indices, min(last, position + 2)) * rowBytes;
  const row3 = inputs + rowAt(indices, min(last, position + 3)) * rowBytes;
  const row4 = inputs + rowAt(indices, min(last, position + 4)) * rowBytes;
  const row5 = inputs + rowAt(indices, min(last, position + 5)) * rowBytes;
  const row6 = inputs + rowAt(indices, min(last, position + 6)) * rowBytes;
  const row7 = inputs + rowAt(indices, min(last, position + 7)) * rowBytes;
  let touched: u32 = 0;
  for (let at: usize = 0; at < rowBytes; at += 64) {
    touched += load<u8>(row0 + at) + load<u8>(row1 + at) + load<u8>(row2 + at) + load<u8>(row3 + at);
    touched += load<u8>(row4 + at) + load<u8>(row5 + at) + load<u8>(row6 + at) + load<u8>(row7 + at);
  }
  return touched;
}

function copyRow(tile: usize, row: usize, features: i32): void {
  let left = features;
  for (; left >= 16; left -= 16) {
    const a = v128.load(row);
    const b = v128.load(row, 16);
    const c = v128.load(row, 32);
    const d = v128.load(row, 48);
    v128.store(tile, a);
    v128.store(tile, b, 16);
    v128.store(tile, c, 32);
    v128.store(tile, d, 48);
    row += 64;
    tile += 64;
  }
  for (; left > 0; left--) {
    store<u32>(tile, load<u32>(row));
    row += 4;
    tile += 4;
  }
}

/** Bytes row [features] with one shift and one scale. Without a shift nothing is subtracted: the same bits. */
function scaleRow(tile: usize, row: usize, scaling: usize, features: i32): void {
  if (load<f32>(scaling) == 0) shiftAndScale(false, tile, row, scaling, features);
  else shiftAndScale(true, tile, row, scaling, features);
}

@inline
function shiftAndScale(shifts: bool, tile: usize, row: usize, scaling: usize, features: i32): void {
  const shift = v128.load_splat<f32>(scaling);
  const scale = v128.load_splat<f32>(scaling, 4);
  let left = features;
  for (; left >= 16; left -= 16) {
    const first = v128.load_ext<u8>(row);
    const second = v128.load_ext<u8>(row, 8);
    const a = shifts ? f32x4.sub(lowFloats(first), shift) : lowFloats(first);
    const b = shifts ? f32x4.sub(highFloats(first), shift) : highFloats(first);
    const c = shifts ? f32x4.sub(lowFloats(second), shift) : lowFloats(second);
    const d = shifts ? f32x4.sub(highFloats(second), shift) : highFloats(second);
    v128.store(tile, f32x4.mul(a, scale));
    v128.store(tile, f32x4.mul(b, scale), 16);
    v128.store(tile, f32x4.mul(c, scale), 32);
    v128.store(tile, f32x4.mul(d, scale), 48);
    row += 16;
    tile += 64;
  }
  for (; left > 0; left--) {
    store<f32>(tile, (<f32>load<u8>(row) - load<f32>(scaling)) * load<f32>(scaling, 4));
    row += 1;
    tile += 4;
  }
}

/** Bytes row [features] with a shift and a scale for each feature, `stride` bytes apart. */
function scaleRowByFeature(tile: usize, row: usize, shifts: usize, stride: usize, features: i32): void {
  let scales = shifts + stride;
  let left = features;
  for (; left >= 8; left -= 8) {
    const halves = v128.load_ext<u8>(row);
    const low = f32x4.mul(f32x4.sub(lowFloats(halves), v128.load(shifts)), v128.load(scales));
    const high = f32x4.mul(f32x4.sub(highFloats(halves), v128.load(shifts, 16)), v128.load(scales, 16));
    v128.store(tile, low);
    v128.store(tile, high, 16);
    row += 8;
    tile += 32;
    shifts += 32;
    scales += 32;
  }
  for (; left > 0; left--) {
    store<f32>(tile, (<f32>load<u8>(row) - load<f32>(shifts)) * load<f32>(scales));
    row += 1;
    tile += 4;
    shifts += 4;
    scales += 4;
  }
}

/** Float32 row [features], likewise. */
function scaleFloats(tile: usize, row: usize, shifts: usize, stride: usize, features: i32): void {
  let scales = shifts + stride;
  let left = features;
  for (; left >= 8; left -= 8) {
    const low = f32x4.mul(f32x4.sub(v128.load(row), v128.load(shifts)), v128.load(scales));
    const high = f32x4.mul(f32x4.sub(v128.load(row, 16), v128.load(shifts, 16)), v128.load(scales, 16));
    v128.store(tile, low);
    v128.store(tile, high, 16);
    row += 32;
    tile += 32;
    shifts += 32;
    scales += 32;
  }
  for (; left > 0; left--) {
    store<f32>(tile, (load<f32>(row) - load<f32>(shifts)) * load<f32>(scales));
    row += 4;
    tile += 4;
    shifts += 4;
    scales += 4;
  }
}

@inline
function lowFloats(halves: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(halves));
}

@inline
function highFloats(halves: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(halves));
}

@inline
function clearBeyond(tile: usize, features: i32, stride: usize): void {
  let at = tile + ((<usize>features) << 2);
  for (let left = (<i32>stride >> 2) - features; left > 0; left--) {
    store<f32>(at, 0);
    at += 4;
  }
}

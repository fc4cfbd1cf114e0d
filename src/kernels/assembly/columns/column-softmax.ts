// Softmax, its logarithm and log-sum-exp where the columns lie apart, without turning them into rows: each lane of a
// vector is a row of its own. The contracts are in ../loss-kernels.ts.
//
// A group of up to 16 rows (8 in float64) is copied to scratch, a cache line for each column, worked on there and copied
// to the output: columns a power of two apart would push each other out of the caches between passes.
//
// Every operation is by lanes, so the bits of a row depend on its logits and the number of columns alone. They differ
// from those of the row kernels, which add in another order.
import { TYPE_BFLOAT16, TYPE_FLOAT16, TYPE_FLOAT32, TYPE_FLOAT64 } from '../../loss-layout';
import { sizeShift } from '../vectors/element-types';
import { storeFloat32, storeFloat64 } from '../vectors/not-a-number';
import { copyIn, copyOut, lanesOf, maximaOf, resultsOf, totalsOf } from './column-groups';
import { sumColumns } from './column-lanes';
import { exponentials64, logsOfSums64 } from './column-lanes64';

const SOFTMAX: i32 = 0;
const LOG_SOFTMAX: i32 = 1;
const LOG_SUM_EXP: i32 = 2;

/** exp(z - max) / sum of exp(z - max). */
export function softmaxColumns(
  output: usize,
  logits: usize,
  type: i32,
  rowBegin: i32,
  rows: i32,
  columns: i32,
  inner: i32,
  scratch: usize,
): void {
  eachGroup(SOFTMAX, output, logits, type, rowBegin, rows, columns, inner, scratch);
}

/** (z - max) - log(sum of exp(z - max)), the log by log1p. */
export function logSoftmaxColumns(
  output: usize,
  logits: usize,
  type: i32,
  rowBegin: i32,
  rows: i32,
  columns: i32,
  inner: i32,
  scratch: usize,
): void {
  eachGroup(LOG_SOFTMAX, output, logits, type, rowBegin, rows, columns, inner, scratch);
}

/** output [rows] = max + log(sum of exp(z - max)). */
export function logSumExpColumns(
  output: usize,
  logits: usize,
  type: i32,
  rowBegin: i32,
  rows: i32,
  columns: i32,
  inner: i32,
  scratch: usize,
): void {
  eachGroup(LOG_SUM_EXP, output, logits, type, rowBegin, rows, columns, inner, scratch);
}

function eachGroup(
  operation: i32,
  output: usize,
  logits: usize,
  type: i32,
  rowBegin: i32,
  rows: i32,
  columns: i32,
  inner: i32,
  scratch: usize,
): void {
  switch (type) {
    case TYPE_FLOAT32:
      return groupsOf(TYPE_FLOAT32, operation, output, logits, rowBegin, rows, columns, inner, scratch);
    case TYPE_FLOAT64:
      return groupsOf(TYPE_FLOAT64, operation, output, logits, rowBegin, rows, columns, inner, scratch);
    case TYPE_BFLOAT16:
      return groupsOf(TYPE_BFLOAT16, operation, output, logits, rowBegin, rows, columns, inner, scratch);
    default:
      return groupsOf(TYPE_FLOAT16, operation, output, logits, rowBegin, rows, columns, inner, scratch);
  }
}

/** Groups do not cross from one `outer` to the next. */
@inline
function groupsOf(
  type: i32,
  operation: i32,
  output: usize,
  logits: usize,
  rowBegin: i32,
  rows: i32,
  columns: i32,
  inner: i32,
  scratch: usize,
): void {
  const shift = sizeShift(type);
  const columnBytes = (<usize>inner) << shift;
  const groupRows = 4 * lanesOf(type);
  let begin = rowBegin % inner;
  let outerBytes = <usize>(rowBegin / inner) * columns * columnBytes;
  while (rows > 0) {
    const part = min(rows, inner - begin);
    for (let i = 0; i < part; i += groupRows) {
      const group = min(groupRows, part - i);
      const at = outerBytes + ((<usize>(begin + i)) << shift);
      copyIn(type, scratch, logits + at, columns, columnBytes, group);
      if (operation == SOFTMAX) {
        if (type == TYPE_FLOAT64) exponentialsOf64(scratch, columns, group);
        else exponentialsOf32(scratch, columns, group);
        copyOut(type, false, output + at, scratch, columns, columnBytes, group);
        spoilRows(type, output + at, scratch, columns, columnBytes, group);
      } else {
        if (type == TYPE_FLOAT64) logsOf64(scratch, columns, group);
        else logsOf32(scratch, columns, group);
        if (operation == LOG_SOFTMAX) {
          copyOut(type, true, output + at, scratch, columns, columnBytes, group);
          spoilRows(type, output + at, scratch, columns, columnBytes, group);
        } else {
          storeLogSumExps(type, output, scratch, columns, group);
          output += (<usize>group) << (type == TYPE_FLOAT64 ? 3 : 2);
        }
      }
    }
    outerBytes += <usize>columns * columnBytes;
    rows -= part;
    begin = 0;
  }
}

function exponentialsOf32(lines: usize, columns: i32, rows: i32): void {
  if (rows > 4) sumColumns(false, true, lines, columns);
  else sumColumns(false, false, lines, columns);
}

function logsOf32(lines: usize, columns: i32, rows: i32): void {
  if (rows > 4) sumColumns(true, true, lines, columns);
  else sumColumns(true, false, lines, columns);
}

function exponentialsOf64(lines: usize, columns: i32, rows: i32): void {
  const maxima = maximaOf(lines, columns);
  for (let i: usize = 0; i < <usize>rows; i += 2) exponentials64(lines + (i << 3), columns, maxima + (i << 3));
}

function logsOf64(lines: usize, columns: i32, rows: i32): void {
  const maxima = maximaOf(lines, columns);
  for (let i: usize = 0; i < <usize>rows; i += 2) logsOfSums64(lines + (i << 3), columns, maxima + (i << 3));
}

/** Fills with NaN the rows whose largest logit is infinite or whose result is NaN. */
@inline
function spoilRows(type: i32, target: usize, lines: usize, columns: i32, columnBytes: usize, rows: i32): void {
  const maxima = maximaOf(lines, columns);
  const results = resultsOf(lines, columns);
  for (let i: usize = 0; i < <usize>rows; i++) {
    if (type == TYPE_FLOAT64) {
      const max = load<f64>(maxima + (i << 3));
      if (load<f64>(results + (i << 3)) + (max - max) == load<f64>(results + (i << 3))) continue;
    } else {
      const max = load<f32>(maxima + (i << 2));
      if (load<f32>(results + (i << 2)) + (max - max) == load<f32>(results + (i << 2))) continue;
    }
    let element = target + (i << sizeShift(type));
    for (let j = columns; j > 0; j--) {
      if (type == TYPE_FLOAT64) store<u64>(element, 0x7ff8000000000000);
      else if (type == TYPE_FLOAT32) store<u32>(element, 0x7fc00000);
      else store<u16>(element, type == TYPE_BFLOAT16 ? 0x7fc0 : 0x7e00);
      element += columnBytes;
    }
  }
}

@inline
function storeLogSumExps(type: i32, output: usize, lines: usize, columns: i32, rows: i32): void {
  const maxima = maximaOf(lines, columns);
  const results = resultsOf(lines, columns);
  const totals = totalsOf(lines, columns);
  for (let i: usize = 0; i < <usize>rows; i++) {
    if (type == TYPE_FLOAT64) {
      storeFloat64(output + (i << 3), load<f64>(maxima + (i << 3)) + load<f64>(results + (i << 3)));
    } else {
      storeFloat32(output + (i << 2), <f64>load<f32>(maxima + (i << 2)) + load<f64>(totals + (i << 3)));
    }
  }
}

// Softmax, and cross-entropy with its gradient, of a matrix of logits: each into another matrix.

import { crossEntropyGradient, softmax } from '../../../kernels/reference/index.js';
import type { Engine } from '../../engine.js';
import type { Matrix } from '../../memory/tensor.js';
import { checkClose, fillRandom, fillTargets, sampleRows } from './values.js';
import { freeAll, type PreparedWorkload, type Workload } from './workload.js';

/**
 * Vector instructions for four logits, loads and stores aside (kernels/assembly/rows/rows.ts): the maximum 1, z - max 1, the
 * exponential 13, its sum 1, scaling 1.
 */
const INSTRUCTIONS = 17;
/** Of the multiply-add of one lane that could run in an instruction's place. */
const FLOPS_AN_INSTRUCTION = 2;
const FLOAT32_BYTES = 4;
const ROWS_CHECKED = 8;
/** Of float32 results; the tests of softshard promise ten times less, and take longer. */
const TOLERANCE = { relative: 1e-5, absolute: 1e-6 };

/** Of logits [rows × columns]. */
export function rowWorkload(
  operation: 'softmax' | 'crossEntropyGradient',
  rows: number,
  columns: number,
): Workload {
  return {
    operation,
    rows,
    columns,
    features: undefined,
    classes: undefined,
    work: (count) => ({
      flops: count * columns * INSTRUCTIONS * FLOPS_AN_INSTRUCTION,
      bytes: 2 * count * columns * FLOAT32_BYTES,
      pattern: 'copy',
    }),
    bytes: (count) => 2 * count * columns * FLOAT32_BYTES + count * FLOAT32_BYTES,
    prepare: (engine, count) =>
      operation === 'softmax'
        ? prepareSoftmax(engine, count, columns)
        : prepareGradient(engine, count, columns),
  };
}

function prepareSoftmax(engine: Engine, rows: number, columns: number): PreparedWorkload {
  const { logits, output } = matrices(engine, rows, columns);
  const run = async (signal?: AbortSignal) => {
    await engine.softmax(logits, { into: output, signal });
    return undefined;
  };
  return {
    async check() {
      await run();
      for (const row of sampleRows(rows, ROWS_CHECKED)) {
        checkClose(`softmax of row ${row}`, rowOf(output, row), softmax(rowOf(logits, row)), TOLERANCE);
      }
    },
    run,
    results: () => [output.data],
    free: () => freeAll([logits, output]),
  };
}

function prepareGradient(engine: Engine, rows: number, columns: number): PreparedWorkload {
  const { logits, output } = matrices(engine, rows, columns);
  const targets = engine.vector('int32', rows);
  fillTargets(targets.data, columns);
  const loss = new Float64Array(1);
  const run = async (signal?: AbortSignal) => {
    const result = await engine.crossEntropyGradient(logits, targets, {
      into: output,
      reduction: 'sum',
      signal,
    });
    loss[0] = result.loss;
    return undefined;
  };
  return {
    async check() {
      await run();
      for (const row of sampleRows(rows, ROWS_CHECKED)) {
        const target = [targets.data[row]!];
        const expected = crossEntropyGradient(rowOf(logits, row), target, 1, columns);
        checkClose(`crossEntropyGradient of row ${row}`, rowOf(output, row), expected, TOLERANCE);
      }
    },
    run,
    results: () => [output.data, loss],
    free: () => freeAll([logits, output, targets]),
  };
}

function matrices(engine: Engine, rows: number, columns: number) {
  const logits = engine.matrix(rows, columns);
  fillRandom(logits.data);
  return { logits, output: engine.matrix(rows, columns) };
}

const rowOf = ({ dims: [, columns], data }: Matrix, row: number): Float32Array =>
  data.subarray(row * columns, (row + 1) * columns);

// The linear layer by blocks of classes, on row-major weights: against the kernels on panels, whose sums it shares, and
// against float64.
import { describe, expect, test } from 'vitest';
import {
  BLOCK_FEATURES,
  BLOCK_ROWS,
  blockColumns,
  blockScratchBytes,
  classBlocks,
  DEPTH_BLOCK,
  paddedClasses,
  panelWidth,
  SUM_ROWS,
} from '#softshard/kernels/layout.js';
import { TYPE_BFLOAT16, TYPE_FLOAT16, TYPE_FLOAT32 } from '#softshard/kernels/loss-layout.js';
import { NULL_PTR, offsetBy } from '#softshard/kernels/ptr.js';
import { expectSameBits, expectWithin, Grid } from '../rows/grid.js';
import { builds, randomValues, Workbench } from '../workbench.js';
import { type Sums, startingFrom } from './oracle.js';
import { guarded, pack, padded, productScratch, rowTable, shuffledIndices, unpack } from './shapes.js';

const SHAPES: readonly (readonly [features: number, classes: number])[] = [
  [1, 1],
  [7, 3],
  [5, 8],
  [17, 10],
  [9, 13],
  [64, 127],
  [33, 128],
  [13, 129],
  [785, 260],
  [7, 255],
  [50, 513],
  [1025, 131],
  [3, 2049],
];
/** The row counts to run: few where a row is long. */
const rowCountsFor = (features: number, classes: number): readonly number[] =>
  features * classes > 100_000 ? [1, 25] : [1, 5, 24, 97, 192];

const allRows = (rows: number): Uint32Array => Uint32Array.from({ length: rows }, (_, row) => row);

test('blocks are whole panels of at most 256 columns, none is empty, and an eighth of padding at most beyond 128 classes', () => {
  for (let classes = 1; classes <= 5000; classes++) {
    const columns = blockColumns(classes);
    const blocks = classBlocks(classes);
    const wrong =
      !Number.isInteger(columns) ||
      columns > 256 ||
      columns % panelWidth(columns) !== 0 ||
      blocks * columns < classes ||
      (blocks - 1) * columns >= classes ||
      (classes > 128 && blocks * columns > classes * 1.125);
    if (wrong) throw new Error(`${classes} classes: ${blocks} blocks of ${columns}`);
  }
  expect([blockColumns(131072), classBlocks(131072)]).toEqual([256, 512]);
});

describe.each(builds)('linear layer by blocks of classes (%s)', (numerics) => {
  const bench = new Workbench(numerics, 1024);
  const { kernels } = bench;

  /** Scratch that nothing may be written beyond. */
  const scratchFor = (features: number, classes: number) =>
    new Grid(bench, 1, blockScratchBytes(features, classes) / 4);

  test.each(SHAPES)(
    'blockForward of %i × %i: the bits of linearForward, for any rows, with and without bias',
    (features, classes) => {
      for (const rows of rowCountsFor(features, classes)) {
        bench.reset();
        const order = shuffledIndices(rows + 1, classes).subarray(0, rows);
        const inputs = randomValues((rows + 1) * features, 2, features);
        const weights = randomValues(features * classes, 1, classes + 1);
        const bias = randomValues(classes, 1, classes + 2);
        // The kernel is told to look 8 bytes past the addresses of its table.
        const inputsPtr = bench.putFloat32(inputs);
        const table = rowTable(bench, inputsPtr, order, features);
        const earlierTable = rowTable(bench, offsetBy(inputsPtr, -8), order, features);
        const weightsPtr = bench.putFloat32(weights, 4);
        const packed = bench.putFloat32(pack(weights, features, classes));
        const expected = new Grid(bench, rows, paddedClasses(classes));
        const columns = blockColumns(classes);
        for (const b of [bias, new Float32Array(classes)]) {
          const paddedBias = bench.putFloat32(padded(b, classes));
          const products = productScratch(bench, classes).ptr;
          kernels.linearForward(expected.ptr, table, packed, paddedBias, rows, features, classes, products);
          const biasPtr = b === bias ? bench.putFloat32(bias, 12) : NULL_PTR;
          for (let begin = 0; begin < classes; begin += columns) {
            const scratch = scratchFor(features, classes);
            const logits = new Grid(bench, rows, columns, columns, 4);
            kernels.blockForward(
              logits.ptr,
              earlierTable,
              8,
              weightsPtr,
              TYPE_FLOAT32,
              biasPtr,
              rows,
              features,
              classes,
              begin,
              scratch.ptr,
            );
            logits.checkGuards();
            scratch.checkGuards();
            const count = Math.min(columns, classes - begin);
            for (let row = 0; row < rows; row++) {
              expectSameBits(
                bitsOf(logits.row(row).subarray(0, count)),
                bitsOf(expected.row(row).subarray(begin, begin + count)),
                `row ${row} of ${rows}, classes from ${begin}`,
              );
              expect(
                logits
                  .row(row)
                  .subarray(count)
                  .every((z) => z === 0),
              ).toBe(true);
            }
          }
        }
      }
    },
  );

  test.each(SHAPES)(
    'blockBackward of %i × %i: the bits of linearBackward, also when rows come in calls of 48, fresh or adding',
    (features, classes) => {
      for (const rows of rowCountsFor(features, classes)) {
        for (const fresh of [true, false]) {
          bench.reset();
          const inputs = randomValues(rows * features, 2, features);
          const gradLogits = randomValues(rows * classes, 1, classes + 1);
          const before = randomValues(features * classes, 1, classes + 2);
          const table = rowTable(bench, bench.putFloat32(inputs, 4), allRows(rows), features);
          const stride = paddedClasses(classes);
          const wide = new Float32Array(rows * stride);
          const columns = blockColumns(classes);
          const blocks = classBlocks(classes);
          const blocked = new Float32Array(blocks * rows * columns).fill(7);
          for (let row = 0; row < rows; row++) {
            for (let c = 0; c < classes; c++) {
              const z = gradLogits[row * classes + c]!;
              wide[row * stride + c] = z;
              blocked[(Math.floor(c / columns) * rows + row) * columns + (c % columns)] = z;
            }
          }
          const start = fresh ? new Float32Array(features * classes) : before;
          const expected = bench.putFloat32(pack(start, features, classes));
          const widePtr = bench.putFloat32(wide);
          const panels = stride / panelWidth(classes);
          const products = productScratch(bench, classes).ptr;
          kernels.linearBackward(
            expected,
            table,
            widePtr,
            rows,
            features,
            classes,
            0,
            panels,
            0,
            features,
            products,
          );
          const blockedPtr = bench.putFloat32(blocked, 8);
          const got = guarded(bench, before, 12);
          const scratch = scratchFor(features, classes);
          const part = Math.min(DEPTH_BLOCK, Math.ceil(features / 2));
          for (let block = 0; block < blocks; block++) {
            for (let begin = 0; begin < features; begin += part) {
              for (let row = 0; row < rows; row += SUM_ROWS) {
                kernels.blockBackward(
                  got.ptr,
                  offsetBy(table, row * 4),
                  0,
                  offsetBy(blockedPtr, (block * rows + row) * columns * 4),
                  Math.min(SUM_ROWS, rows - row),
                  classes,
                  block * columns,
                  begin,
                  Math.min(features, begin + part),
                  fresh && row === 0 ? 1 : 0,
                  scratch.ptr,
                );
              }
            }
          }
          got.checkGuards();
          scratch.checkGuards();
          const unpacked = unpack(bench.float32(expected, features * stride), features, classes);
          expectSameBits(got.bits(), bitsOf(unpacked), `${rows} rows, ${fresh ? 'fresh' : 'adding'}`);
        }
      }
    },
  );

  test.each(SHAPES)(
    'blockBackwardInputs of %i × %i: within 5e-7 of Σ |terms|, and the same bits for each cut of rows and features',
    (features, classes) => {
      for (const rows of rowCountsFor(features, classes)) {
        bench.reset();
        const gradLogits = randomValues(rows * classes, 1, classes + 1);
        const weights = randomValues(features * classes, 1, classes + 2);
        const before = randomValues(rows * features, 1, 3);
        const columns = blockColumns(classes);
        const blocks = classBlocks(classes);
        const blocked = new Float32Array(blocks * rows * columns).fill(Number.NaN);
        for (let row = 0; row < rows; row++) {
          for (let c = 0; c < classes; c++) {
            blocked[(Math.floor(c / columns) * rows + row) * columns + (c % columns)] =
              gradLogits[row * classes + c]!;
          }
        }
        const weightsPtr = bench.putFloat32(weights, 8);
        const table = rowTable(bench, bench.putFloat32(blocked, 4), allRows(rows), columns);
        const run = (fresh: boolean, rowStep: number, featureStep: number): Grid => {
          const gradInputs = guarded(bench, before, 4);
          const scratch = scratchFor(features, classes);
          for (let block = 0; block < blocks; block++) {
            for (let row = 0; row < rows; row += rowStep) {
              for (let begin = 0; begin < features; begin += featureStep) {
                kernels.blockBackwardInputs(
                  offsetBy(gradInputs.ptr, row * features * 4),
                  offsetBy(table, row * 4),
                  block * rows * columns * 4,
                  weightsPtr,
                  TYPE_FLOAT32,
                  Math.min(rowStep, rows - row),
                  features,
                  classes,
                  block * columns,
                  begin,
                  Math.min(features, begin + featureStep),
                  fresh && block === 0 ? 1 : 0,
                  scratch.ptr,
                );
              }
            }
          }
          gradInputs.checkGuards();
          scratch.checkGuards();
          return gradInputs;
        };
        for (const fresh of [true, false]) {
          const whole = run(fresh, BLOCK_ROWS, BLOCK_FEATURES);
          const sums = startingFrom(fresh ? new Float32Array(before.length) : before);
          for (let row = 0; row < rows; row++) addRow(sums, row, gradLogits, weights, features, classes);
          expectWithin(
            whole.row(0),
            sums.values,
            (_, index) => 5e-7 * sums.magnitudes[index]!,
            `${rows} rows, ${fresh ? 'fresh' : 'adding'}`,
          );
          const cut = run(fresh, 5, 11);
          expectSameBits(cut.bits(), whole.bits(), `${rows} rows in fives, features in elevens`);
        }
      }
    },
  );

  test.each(SHAPES)(
    'weights of half types, %i × %i, at odd addresses: the bits of the widened ones',
    (features, classes) => {
      const rows = 7;
      for (const type of [TYPE_BFLOAT16, TYPE_FLOAT16]) {
        bench.reset();
        // Random signs and fractions, exponents around that of 1/4, and denormals of both types.
        const halves = Uint16Array.from(randomValues(features * classes, 30_000, classes), (value, i) => {
          const exponent = i % 19 === 7 ? 0 : type === TYPE_BFLOAT16 ? 125 << 7 : 13 << 10;
          return ((value < 0 ? 0x8000 : 0) + exponent) | (Math.abs(value) & 127);
        });
        const halvesPtr = bench.allocate(halves.byteLength, 2);
        bench.bytes(halvesPtr, halves.byteLength).set(new Uint8Array(halves.buffer));
        const wide = bench.allocate(4 * halves.length);
        kernels.loadTile(wide, halvesPtr, type, 0, 1, halves.length, 1);
        const table = rowTable(
          bench,
          bench.putFloat32(randomValues(rows * features, 1, 2)),
          allRows(rows),
          features,
        );
        const columns = blockColumns(classes);
        const gradLogits = bench.putFloat32(randomValues(rows * columns, 1, 3));
        const gradLogitsTable = rowTable(bench, gradLogits, allRows(rows), columns);
        const scratch = scratchFor(features, classes);
        const logits = [0, 1].map(() => guarded(bench, new Float32Array(rows * columns)));
        const gradInputs = [0, 1].map(() => guarded(bench, new Float32Array(rows * features)));
        const tile = Math.min(features, BLOCK_FEATURES);
        for (let begin = 0; begin < classes; begin += columns) {
          for (const [i, [w, of]] of (
            [
              [wide, TYPE_FLOAT32],
              [halvesPtr, type],
            ] as const
          ).entries()) {
            const s = scratch.ptr;
            kernels.blockForward(
              logits[i]!.ptr,
              table,
              0,
              w,
              of,
              NULL_PTR,
              rows,
              features,
              classes,
              begin,
              s,
            );
            const dx = gradInputs[i]!.ptr;
            kernels.blockBackwardInputs(
              dx,
              gradLogitsTable,
              0,
              w,
              of,
              rows,
              features,
              classes,
              begin,
              0,
              tile,
              1,
              s,
            );
          }
          for (const each of [...logits, ...gradInputs, scratch]) each.checkGuards();
          expectSameBits(logits[1]!.bits(), logits[0]!.bits(), `logits of type ${type}`);
          expectSameBits(gradInputs[1]!.bits(), gradInputs[0]!.bits(), `gradInputs of type ${type}`);
        }
      }
    },
  );

  test('gatherClasses and scatterClasses are each other’s reverse and leave the padding alone', () => {
    for (const [, classes] of SHAPES) {
      bench.reset();
      const chunkRows = 7;
      const columns = blockColumns(classes);
      const logits = guarded(bench, randomValues(classBlocks(classes) * chunkRows * columns, 1, 4), 4);
      const original = Float32Array.from(logits.row(0));
      const at = (row: number, c: number) =>
        (Math.floor(c / columns) * chunkRows + row) * columns + (c % columns);
      const tile = new Grid(bench, 3, classes, classes, 8);
      kernels.gatherClasses(tile.ptr, offsetBy(logits.ptr, 2 * columns * 4), 3, chunkRows, classes);
      tile.checkGuards();
      for (let row = 0; row < 3; row++) {
        for (let c = 0; c < classes; c++) {
          expect(tile.row(row)[c], `row ${row}, class ${c}`).toBe(original[at(row + 2, c)]);
          tile.row(row)[c] = row * 10_000 + c;
          original[at(row + 2, c)] = row * 10_000 + c;
        }
      }
      kernels.scatterClasses(offsetBy(logits.ptr, 2 * columns * 4), tile.ptr, 3, chunkRows, classes);
      logits.checkGuards();
      expectSameBits(logits.bits(), bitsOf(original), `${classes} classes`);
    }
  });
});

const bitsOf = (values: Float32Array): Uint32Array => new Uint32Array(values.slice().buffer);

/** sums [rows × features] += dZ Wᵀ, row `row` of it. */
function addRow(
  { values, magnitudes }: Sums,
  row: number,
  gradLogits: Float32Array,
  weights: Float32Array,
  features: number,
  classes: number,
): void {
  for (let f = 0; f < features; f++) {
    for (let c = 0; c < classes; c++) {
      const term = gradLogits[row * classes + c]! * weights[f * classes + c]!;
      values[row * features + f]! += term;
      magnitudes[row * features + f]! += Math.abs(term);
    }
  }
}

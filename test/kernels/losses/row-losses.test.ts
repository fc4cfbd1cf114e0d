// The kernels of the row losses: what they write and what they leave alone, on each build.
import { describe, expect, test } from 'vitest';
import { STATUS_OK } from '#softshard/kernels/layout.js';
import { TYPE_FLOAT32, TYPE_FLOAT64 } from '#softshard/kernels/loss-layout.js';
import { scratchRowBytes } from '#softshard/kernels/loss-scratch.js';
import { NULL_PTR, type Ptr } from '#softshard/kernels/ptr.js';
import { expectSameBits, Grid } from '../rows/grid.js';
import { builds, randomTargets, randomValues, Workbench } from '../workbench.js';

const COLUMNS = [1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 16, 31, 67, 1025];
const ROWS = 5;

interface Arrays {
  readonly type: number;
  readonly rows: number;
  readonly columns: number;
  readonly output: Ptr;
  readonly losses: Ptr;
  readonly sums: Ptr;
  readonly source: Ptr;
  readonly classes: Ptr;
  readonly dense: Ptr;
  readonly scratch: Ptr;
}

const uniform = (length: number, seed: number) => randomValues(length, 0.5, seed).map((v) => v + 0.5);

describe.each(builds)('kernels of the row losses (%s)', (numerics) => {
  const bench = new Workbench(numerics, 64);
  const { kernels } = bench;

  const runs: Record<string, (arrays: Arrays) => number | undefined> = {
    nll: (a) => {
      kernels.nllRows(
        a.output,
        NULL_PTR,
        a.losses,
        a.sums,
        a.source,
        a.classes,
        NULL_PTR,
        NULL_PTR,
        a.type,
        a.rows,
        a.columns,
        1.5,
      );
      return undefined;
    },
    'probability, classes': (a) =>
      kernels.probabilityLossRows(
        a.output,
        NULL_PTR,
        a.losses,
        a.sums,
        a.source,
        a.classes,
        NULL_PTR,
        a.type,
        a.rows,
        a.columns,
        0.01,
        1.5,
      ),
    'probability, dense': (a) =>
      kernels.probabilityLossRows(
        a.output,
        NULL_PTR,
        a.losses,
        a.sums,
        a.source,
        NULL_PTR,
        a.dense,
        a.type,
        a.rows,
        a.columns,
        0.01,
        1.5,
      ),
    'squared error': (a) => {
      kernels.squaredErrorRows(
        a.output,
        NULL_PTR,
        a.losses,
        a.sums,
        a.source,
        NULL_PTR,
        a.dense,
        a.type,
        a.rows,
        a.columns,
        0,
        1.5,
        NULL_PTR,
      );
      return undefined;
    },
    'squared error through softmax': (a) => {
      kernels.squaredErrorRows(
        a.output,
        NULL_PTR,
        a.losses,
        a.sums,
        a.source,
        a.classes,
        NULL_PTR,
        a.type,
        a.rows,
        a.columns,
        1,
        1.5,
        a.scratch,
      );
      return undefined;
    },
    'divergence from probabilities': (a) =>
      kernels.divergenceRows(
        a.output,
        NULL_PTR,
        a.losses,
        a.sums,
        a.source,
        a.dense,
        1,
        NULL_PTR,
        a.type,
        a.rows,
        a.columns,
        2,
        1,
        0,
        1.5,
        a.scratch,
      ),
    distillation: (a) =>
      kernels.divergenceRows(
        a.output,
        NULL_PTR,
        a.losses,
        a.sums,
        a.source,
        a.dense,
        0,
        a.classes,
        a.type,
        a.rows,
        a.columns,
        2,
        0.6,
        0.4,
        1.5,
        a.scratch,
      ),
    binary: (a) =>
      kernels.binaryCrossEntropyRows(
        a.output,
        NULL_PTR,
        a.losses,
        a.sums,
        a.source,
        a.dense,
        NULL_PTR,
        0,
        NULL_PTR,
        a.type,
        a.rows,
        a.columns,
        1.5,
      ),
  };

  /**
   * The bits of gradient, losses and sums; the output in place or apart, and the bench's memory between guards. A float64
   * is two elements of the grids.
   */
  function bitsOf(
    run: (arrays: Arrays) => number | undefined,
    type: number,
    columns: number,
    place: { inPlace: boolean; offset: number },
  ) {
    bench.reset();
    const words = type === TYPE_FLOAT64 ? 2 : 1;
    const offset = place.offset * words;
    const as = (values: Float32Array) =>
      type === TYPE_FLOAT64 ? new Float32Array(Float64Array.from(values).buffer) : values;
    const grid = (rows: number, length: number, bytes: number) =>
      new Grid(bench, rows, length * words, length * words, bytes);
    const source = grid(ROWS, columns, offset).fill(as(uniform(ROWS * columns, columns)));
    const output = place.inPlace ? source : grid(ROWS, columns, offset * 2);
    const dense = grid(ROWS, columns, offset).fill(as(uniform(ROWS * columns, columns + 1)));
    const losses = grid(1, ROWS, offset);
    const sums = bench.allocate(24);
    bench.uint32(sums, 6).fill(0);
    const arrays: Arrays = {
      type,
      rows: ROWS,
      columns,
      output: output.ptr,
      losses: losses.ptr,
      sums,
      source: source.ptr,
      classes: bench.putInt32(randomTargets(ROWS, columns, 3)),
      dense: dense.ptr,
      scratch: bench.allocate(3 * scratchRowBytes(columns, type)),
    };
    expect(run(arrays) ?? STATUS_OK).toBe(STATUS_OK);
    for (const each of [source, output, dense, losses]) each.checkGuards();
    return [output.bits(), losses.bits(), bench.uint32(sums, 6).slice()];
  }

  describe.each([
    ['float32', TYPE_FLOAT32],
    ['float64', TYPE_FLOAT64],
  ])('of %s', (_, type) => {
    test.each(Object.keys(runs))(
      '%s: the same bits in place and misaligned, nothing written outside',
      (name) => {
        for (const columns of COLUMNS) {
          const expected = bitsOf(runs[name]!, type, columns, { inPlace: false, offset: 0 });
          for (const place of [
            { inPlace: true, offset: 0 },
            { inPlace: false, offset: 4 },
            { inPlace: true, offset: 12 },
          ]) {
            bitsOf(runs[name]!, type, columns, place).forEach((bits, k) => {
              expectSameBits(
                bits,
                expected[k]!,
                `${name}, ${columns} columns, ${JSON.stringify(place)}, result ${k}`,
              );
            });
          }
        }
      },
    );

    test.each(Object.keys(runs))('%s: without a gradient the same losses', (name) => {
      for (const columns of COLUMNS) {
        const [, losses, sums] = bitsOf(runs[name]!, type, columns, { inPlace: false, offset: 0 });
        const alone = bitsOf((a) => runs[name]!({ ...a, output: NULL_PTR }), type, columns, {
          inPlace: false,
          offset: 0,
        });
        expectSameBits(alone[1]!, losses!, `${name}, losses of ${columns} columns`);
        expectSameBits(alone[2]!, sums!, `${name}, sums of ${columns} columns`);
      }
    });
  });

  test('a target that is no probability ends the call at its row, with nothing written from there on', () => {
    const columns = 6;
    for (const wrong of [-0.5, NaN, Infinity, -Infinity]) {
      for (const at of [0, 4, 5]) {
        bench.reset();
        const rows = 4;
        const source = bench.putFloat32(uniform(rows * columns, 1));
        const targets = uniform(rows * columns, 2);
        targets[2 * columns + at] = wrong;
        const dense = bench.putFloat32(targets);
        const output = new Grid(bench, rows, columns);
        const sums = bench.putFloat32([0, 0, 0, 0, 0, 0]);
        const scratch = bench.allocate(3 * scratchRowBytes(columns, TYPE_FLOAT32));
        expect(
          kernels.probabilityLossRows(
            output.ptr,
            NULL_PTR,
            NULL_PTR,
            sums,
            source,
            NULL_PTR,
            dense,
            TYPE_FLOAT32,
            rows,
            columns,
            0,
            1,
          ),
        ).toBe(2);
        expect(
          kernels.divergenceRows(
            output.ptr,
            NULL_PTR,
            NULL_PTR,
            sums,
            source,
            dense,
            1,
            NULL_PTR,
            TYPE_FLOAT32,
            rows,
            columns,
            1,
            1,
            0,
            1,
            scratch,
          ),
        ).toBe(2);
        expect(
          kernels.binaryCrossEntropyRows(
            output.ptr,
            NULL_PTR,
            NULL_PTR,
            sums,
            source,
            dense,
            NULL_PTR,
            0,
            NULL_PTR,
            TYPE_FLOAT32,
            rows,
            columns,
            1,
          ),
        ).toBe(2);
        expect([...output.row(2), ...output.row(3)].every((value) => value === Math.fround(1e30))).toBe(true);
      }
    }
  });
});

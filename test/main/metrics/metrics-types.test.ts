// Metrics of logits in every element type and along any axis: float64 against the formulas, the half types and other axes
// bit for bit against float32 rows.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { type ClassificationMetrics, Engine, type FloatInput, type Tensor } from '#softshard/main/index.js';
import { sharedEngines } from '../../engines.js';
import { failure } from '../../failure.js';
import { expectWithin } from '../../kernels/rows/grid.js';
import { halfBits, halfNumber, TYPES } from '../../kernels/tiles/block.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';

// More than the 16,384 elements that the calling thread does alone.
const [OUTER, CLASSES, INNER] = [129, 7, 19];
const ROWS = OUTER * INNER;
const values = randomValues(ROWS * CLASSES, 5, 1);
const targets = randomTargets(ROWS, CLASSES, 2).map((target, row) => (row % 11 === 4 ? -100 : target));

/** [outer × classes × inner] of rows that lie one after the other. */
function spread<Values extends Float32Array | Float64Array | Uint16Array>(rows: Values): Values {
  const result = rows.slice() as Values;
  for (let i = 0; i < rows.length; i++) {
    const [row, j] = [Math.floor(i / CLASSES), i % CLASSES];
    result[(Math.floor(row / INNER) * CLASSES + j) * INNER + (row % INNER)] = rows[i]!;
  }
  return result;
}

const near = (bound: number) => (wanted: number) => bound * Math.abs(wanted) + 1e-300;

describe.each(builds)('metrics of any type and axis (%s)', (numerics) => {
  const engineOf = sharedEngines();
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  async function measured(
    logits: FloatInput,
    axis: number | undefined,
    on: Engine = engine,
  ): Promise<ClassificationMetrics> {
    const metrics = on.metrics({ classes: CLASSES, topK: 3, bins: 10 });
    await metrics.add(logits, targets, axis === undefined ? {} : { axis });
    return metrics;
  }

  test('float64: losses and calibration are within 1e-14 of the formulas, counts exact', async () => {
    const logits = Float64Array.from(values, (value, i) => value + Math.sin(i) * 2 ** -30);
    const report = (await measured(logits, undefined)).report();
    const kept = Array.from(targets.keys()).filter((row) => targets[row]! >= 0);
    const rowOf = (row: number) => logits.subarray(row * CLASSES, (row + 1) * CLASSES);
    const losses = kept.map((row) => -reference.logSoftmax(rowOf(row))[targets[row]!]!);
    const { perplexity, standardError } = reference.perplexity(losses);
    expect([report.rows, report.ignored]).toEqual([kept.length, ROWS - kept.length]);
    expectWithin([report.loss], [losses.reduce((a, b) => a + b) / kept.length], near(1e-14), 'loss');
    expectWithin(
      [report.perplexity, report.perplexityStandardError],
      [perplexity, standardError],
      near(1e-13),
      'perplexity',
    );
    const ranks = kept.map((row) => reference.rankOfTarget(rowOf(row), targets[row]!));
    expect(report.accuracyAtK).toEqual([1, 2, 3].map((k) => reference.topKAccuracy(ranks, k)));
    const confusion = reference.confusionMatrix(
      kept.map((row) => targets[row]!),
      kept.map((row) => reference.predictedClass(rowOf(row))),
      CLASSES,
    );
    expect(report.confusion?.data).toEqual(confusion);
    const bins = reference.calibrationBins(
      kept.map((row) => Math.max(...reference.softmax(rowOf(row)))),
      ranks.map((rank) => (rank === 0 ? 1 : 0)),
      10,
    );
    expectWithin(
      [report.calibration.expectedError],
      [reference.expectedCalibrationError(bins)],
      near(1e-13),
      'calibration',
    );
  });

  test.each(TYPES)(
    '$name along axis 1 of three has the bits of rows one after the other, for 1, 2, 3 and 8 threads, in the arena and in windows',
    async (storage) => {
      const isHalf = storage.bytes === 2;
      const rows = isHalf ? Uint16Array.from(values, (value) => halfBits(storage, value)) : values;
      const inFull =
        rows instanceof Uint16Array ? Float32Array.from(rows, (bits) => halfNumber(storage, bits)) : rows;
      const wide = storage.name === 'float64' ? Float64Array.from(values) : inFull;
      const wanted = JSON.stringify(await measured(wide, undefined));
      const data = spread(rows instanceof Uint16Array ? rows : wide);
      const dims = [OUTER, CLASSES, INNER];
      const strided = { type: storage.name, dims, data } as Tensor<'float32'>;
      const plain = { ...strided, dims: [ROWS, CLASSES], data: rows instanceof Uint16Array ? rows : wide };
      expect(JSON.stringify(await measured(plain as Tensor<'float32'>, -1))).toBe(wanted);
      for (const threads of [1, 2, 3, 8]) {
        const other = await engineOf({ threads, numerics, arenaBytes: 4 * 1024 * 1024 });
        expect(JSON.stringify(await measured(strided, 1, other)), `${threads} threads`).toBe(wanted);
        using resident = other.tensor(storage.name, dims);
        (resident.data as Float64Array).set(data as Float64Array);
        expect(JSON.stringify(await measured(resident as Tensor<'float32'>, -2, other))).toBe(wanted);
      }
    },
  );

  test('batches larger than the arena pass in windows along another axis, with the same bits', async () => {
    const outer = 4000;
    const data = Float64Array.from(randomValues(outer * CLASSES * INNER, 4, 9));
    const classes = randomTargets(outer * INNER, CLASSES, 4);
    const reports: string[] = [];
    for (const arenaBytes of [2 ** 20, 2 ** 26]) {
      await using small = await Engine.create({ threads: 2, numerics, arenaBytes });
      const metrics = small.metrics({ classes: CLASSES });
      await metrics.add({ type: 'float64', dims: [outer, CLASSES, INNER], data }, classes, { axis: 1 });
      reports.push(JSON.stringify(metrics));
    }
    expect(reports[0]).toBe(reports[1]);
  });

  test('metrics of other types merge: the sums are exact whatever they are of', async () => {
    const [single, double] = [await measured(values, 1), await measured(Float64Array.from(values), 1)];
    const rows = single.report().rows;
    expect(double.merge(single).report().rows).toBe(2 * rows);
  });

  test('an edge of the calibration bins is exact for float64: 0.8 of float64 is above 8 / 10', async () => {
    const metrics = engine.metrics({ classes: 2, bins: 10 });
    // exp(-log 4) = 1/4: the confidence is 1 / 1.25.
    await metrics.add(Float64Array.of(Math.log(4), 0), [0]);
    const { bins } = metrics.report().calibration;
    expect(bins.findIndex(({ rows }) => rows === 1)).toBe(8);
    expect(bins[8]!.confidence).toBe(0.8);
    const half = engine.metrics({ classes: 2, bins: 4 });
    await half.add(Float64Array.of(0, 0), [0]);
    expect(half.report().calibration.bins.map(({ rows }) => rows)).toEqual([0, 1, 0, 0]);
  });

  test('wrong axes, shapes and types are refused, and nothing is counted', async () => {
    const metrics = engine.metrics({ classes: CLASSES });
    const empty = JSON.stringify(metrics);
    const cube = { type: 'float32', dims: [OUTER, CLASSES, INNER], data: values } as const;
    const cases: [() => Promise<unknown>, object][] = [
      [() => metrics.add(cube, targets), { code: 'ERR_SHAPE', argument: 'logits', value: INNER }],
      [() => metrics.add(cube, targets, { axis: 3 }), { code: 'ERR_OPTION', argument: 'options.axis' }],
      [() => metrics.add(values, targets, { axis: 0 }), { code: 'ERR_OPTION', argument: 'options.axis' }],
      [() => metrics.add(cube, [0], { axis: 1 }), { code: 'ERR_SHAPE', argument: 'targets' }],
      [
        () => metrics.add({ ...cube, type: 'float64' } as never, targets, { axis: 1 }),
        { code: 'ERR_TYPE', argument: 'logits.data' },
      ],
      [() => metrics.add(new Int32Array(CLASSES) as never, [0]), { code: 'ERR_TYPE', argument: 'logits' }],
      [() => metrics.add(values, targets, { columns: 7 } as never), { code: 'ERR_OPTION' }],
    ];
    for (const [call, expected] of cases) expect(await failure(call)).toMatchObject(expected);
    expect(JSON.stringify(metrics)).toBe(empty);
  });
});

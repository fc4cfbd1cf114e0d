// Metrics over a data set: against the reference, and the same bits however rows are cut, spread and merged.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { ClassificationMetrics, Engine } from '#softshard/main/index.js';
import { failure } from '../../failure.js';
import { expectWithin } from '../../kernels/rows/grid.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';

const [ROWS, CLASSES] = [501, 12];
const logits = randomValues(ROWS * CLASSES, 5, 1);
const targets = randomTargets(ROWS, CLASSES, 2);
const rowOf = (row: number) => logits.subarray(row * CLASSES, (row + 1) * CLASSES);
const near = (bound: number) => (wanted: number) => bound * Math.abs(wanted) + 1e-30;

describe.each(builds)('ClassificationMetrics (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const measured = async (
    values: Float32Array = logits,
    classes: readonly number[] | Int32Array = targets,
    options = {},
  ) => {
    const metrics = engine.metrics({ classes: CLASSES, ...options });
    await metrics.add(values, classes as Int32Array);
    return metrics;
  };

  test('losses and perplexity are within 1e-6 of the reference, counts are exact', async () => {
    const report = (await measured(logits, targets, { topK: 4, bins: 10 })).report();
    const losses = Array.from(
      { length: ROWS },
      (_, row) => -reference.logSoftmax(rowOf(row))[targets[row]!]!,
    );
    const lossSum = losses.reduce((sum, loss) => sum + loss, 0);
    const { perplexity, standardError } = reference.perplexity(losses);
    expect([report.rows, report.ignored]).toEqual([ROWS, 0]);
    expectWithin([report.lossSum, report.loss], [lossSum, lossSum / ROWS], near(3e-7), 'loss');
    expectWithin(
      [report.perplexity, report.perplexityStandardError],
      [perplexity, standardError],
      near(2e-6),
      'perplexity',
    );
    expect(report.lossStandardError).toBeCloseTo(standardError / perplexity, 6);

    const ranks = Array.from({ length: ROWS }, (_, row) => reference.rankOfTarget(rowOf(row), targets[row]!));
    for (let k = 1; k <= 4; k++) {
      expect(report.accuracyAtK[k - 1]).toBe(ranks.filter((rank) => rank < k).length / ROWS);
    }
    expect(report.topKAccuracy).toBe(report.accuracyAtK[3]);
    expect(report.accuracy).toBe(report.correct / ROWS);

    const predictions = Array.from({ length: ROWS }, (_, row) => reference.predictedClass(rowOf(row)));
    const confusion = reference.confusionMatrix(targets, predictions, CLASSES);
    expect(report.confusion).toEqual({ type: 'float64', dims: [CLASSES, CLASSES], data: confusion });
    expect(report.perClass).toEqual(reference.classScores(confusion, CLASSES));

    const confidences = Array.from({ length: ROWS }, (_, row) => Math.max(...reference.softmax(rowOf(row))));
    const bins = reference.calibrationBins(
      confidences,
      ranks.map((rank) => (rank === 0 ? 1 : 0)),
      10,
    );
    expect(report.calibration.bins.map(({ rows }) => rows)).toEqual([...bins.rows]);
    expectWithin(
      [report.calibration.expectedError],
      [reference.expectedCalibrationError(bins)],
      near(2e-6),
      'calibration',
    );
    const gaps = report.calibration.bins
      .filter(({ rows }) => rows > 0)
      .map((bin) => Math.abs(bin.accuracy - bin.confidence));
    expect(report.calibration.maximumError).toBeCloseTo(Math.max(...gaps), 12);
  });

  test('averages of precision, recall and F1 are those of scikit-learn on its own example, absent classes left out', async () => {
    // y_true, y_pred = [0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1]: precision_recall_fscore_support's documentation.
    const predictions = [0, 2, 1, 0, 0, 1];
    const values = Float32Array.from(predictions.flatMap((p) => [0, 1, 2, 3].map((j) => (j === p ? 5 : 0))));
    const metrics = engine.metrics({ classes: 4 });
    await metrics.add(values, [0, 1, 2, 0, 1, 2]);
    const { macro, weighted, perClass } = metrics.report();
    const close = { precision: 0.2222222222222222, recall: 1 / 3, f1: 0.26666666666666666 };
    for (const averages of [macro, weighted]) {
      for (const name of ['precision', 'recall', 'f1'] as const)
        expect(averages[name]).toBeCloseTo(close[name], 12);
    }
    expect([...perClass.support]).toEqual([2, 2, 2, 0]);
  });

  test('the report has the same bits for 1, 2, 3 and 8 threads and any cut into batches', async () => {
    // Of so many rows that workers compute them.
    const rows = 4001;
    const many = randomValues(rows * CLASSES, 5, 3);
    const manyTargets = randomTargets(rows, CLASSES, 4);
    const whole = JSON.stringify(await measured(many, manyTargets));
    for (const threads of [1, 2, 3, 8]) {
      await using other = await Engine.create({ threads, numerics, arenaBytes: 1024 * 1024 });
      for (const batchRows of [37, 1500, rows]) {
        const metrics = other.metrics({ classes: CLASSES });
        const adding: Promise<void>[] = [];
        for (let row = 0; row < rows; row += batchRows) {
          const end = Math.min(rows, row + batchRows);
          adding.push(
            metrics.add(many.subarray(row * CLASSES, end * CLASSES), manyTargets.subarray(row, end)),
          );
        }
        await Promise.all(adding);
        expect(JSON.stringify(metrics)).toBe(whole);
      }
    }
  });

  test('merging parts in any order and grouping, through JSON or not, gives the same bits (fast-check)', async () => {
    const whole = await measured();
    const report = whole.report();
    // Each row as metrics of its own, saved; the property joins them by threes.
    const saved: unknown[] = [];
    for (let row = 0; row < ROWS; row += 3) {
      saved.push(
        (
          await measured(logits.slice(row * CLASSES, (row + 3) * CLASSES), targets.slice(row, row + 3))
        ).toJSON(),
      );
    }
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (choices) => {
        const parts = saved.map((part) => ClassificationMetrics.fromJSON(part));
        while (parts.length > 1) {
          const [taken] = parts.splice(choices.next().value! % parts.length, 1);
          const at = choices.next().value! % parts.length;
          parts[at]!.merge(taken!);
          if (choices.next().value! % 7 === 0) {
            parts[at] = ClassificationMetrics.fromJSON(JSON.parse(JSON.stringify(parts[at])));
          }
        }
        expect(parts[0]!.toJSON()).toEqual(whole.toJSON());
        expect(parts[0]!.report()).toEqual(report);
      }),
      { numRuns: 15 },
    );
  });

  test('ignored rows count as ignored only, whatever they hold', async () => {
    const spoiled = logits.slice();
    spoiled.fill(Number.NaN, 0, 2 * CLASSES);
    const marked = targets.slice();
    marked.fill(-100, 0, 2);
    const some = await measured(spoiled, marked);
    const rest = await measured(logits.slice(2 * CLASSES), targets.slice(2));
    expect(some.report()).toEqual({ ...rest.report(), ignored: 2 });
    const byClass = (await measured(logits, targets, { ignoreIndex: 3 })).report();
    expect(byClass.ignored).toBe(targets.filter((t) => t === 3).length);
    expect(byClass.rows + byClass.ignored).toBe(ROWS);
    expect(byClass.perClass.support[3]).toBe(0);
  });

  test('a row of NaN makes loss, perplexity and calibration NaN, a loss of Infinity the loss; counts go on', async () => {
    const values = logits.slice();
    values.fill(Number.NaN, 0, CLASSES);
    const spoiled = (await measured(values)).report();
    expect([spoiled.loss, spoiled.lossSum, spoiled.perplexity, spoiled.calibration.expectedError]).toEqual([
      NaN,
      NaN,
      NaN,
      NaN,
    ]);
    expect(spoiled.rows).toBe(ROWS);
    const wrong = logits.slice();
    wrong[targets[0]!] = Number.NEGATIVE_INFINITY;
    const infinite = (await measured(wrong)).report();
    expect([infinite.loss, infinite.perplexity]).toEqual([Infinity, Infinity]);
    expect(infinite.lossStandardError).toBeNaN();
    expect(infinite.calibration.expectedError).toBeGreaterThan(0);
  });

  test('no rows: NaN for means, 0 for counts; equal losses have a standard error of 0', async () => {
    const empty = engine.metrics({ classes: 3 }).report();
    expect(empty).toMatchObject({
      rows: 0,
      correct: 0,
      loss: NaN,
      accuracy: NaN,
      perplexity: NaN,
      lossStandardError: NaN,
    });
    const same = engine.metrics({ classes: 2 });
    await same.add(Float32Array.of(1, 0, 1, 0, 1, 0), [0, 0, 0]);
    expect(same.report()).toMatchObject({ lossStandardError: 0, accuracy: 1 });
  });

  test('the standard error of nearly equal losses does not cancel: within 1e-8 where they differ by 1e-7 of themselves', async () => {
    const metrics = engine.metrics({ classes: 2 });
    const values = Float32Array.of(1000, 0, 1000.0001, 0, 1000.0002, 0);
    await metrics.add(values, [1, 1, 1]);
    const losses = [values[0]!, values[2]!, values[4]!];
    const mean = losses.reduce((a, b) => a + b) / 3;
    const deviation = Math.sqrt(losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / 2);
    expectWithin(
      [metrics.report().lossStandardError],
      [deviation / Math.sqrt(3)],
      near(1e-6),
      'standard error',
    );
  });

  test('edges of the calibration bins belong to the lower bin, exactly', async () => {
    const metrics = engine.metrics({ classes: 2, bins: 4 });
    // Confidence ½, exactly; and a sure row of confidence 1.
    await metrics.add(Float32Array.of(0, 0, 100, 0), [0, 0]);
    expect(metrics.report().calibration.bins.map(({ rows }) => rows)).toEqual([0, 1, 0, 1]);
    expect(metrics.report().calibration.bins[1]).toEqual({
      from: 0.25,
      to: 0.5,
      rows: 1,
      accuracy: 1,
      confidence: 0.5,
    });
  });

  test('beyond 1024 classes there is no confusion matrix, all else is there', async () => {
    const classes = 1025;
    const metrics = engine.metrics({ classes });
    await metrics.add(
      { type: 'float32', dims: [3, classes], data: randomValues(3 * classes, 3, 9) },
      [0, 1024, 5],
    );
    expect(metrics.report().confusion).toBeUndefined();
    expect(metrics.report().perClass.support[1024]).toBe(1);
    const copy = ClassificationMetrics.fromJSON(JSON.parse(JSON.stringify(metrics)));
    expect(copy.report()).toEqual(metrics.report());
  });

  test('a call that fails or is aborted counts nothing', async () => {
    const metrics = await measured();
    const before = JSON.stringify(metrics);
    expect(
      await failure(() =>
        metrics.add(
          logits,
          targets.map(() => CLASSES),
        ),
      ),
    ).toMatchObject({ code: 'ERR_TARGET_RANGE' });
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(metrics.add(logits, targets, { signal })).rejects.toThrow('enough');
    const later = new AbortController();
    const adding = metrics.add(logits, targets, { signal: later.signal });
    later.abort(new Error('later'));
    await expect(adding).rejects.toThrow('later');
    expect(JSON.stringify(metrics)).toBe(before);
  });
});

describe('wrong arguments of metrics', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 1 });
  });
  afterAll(() => engine.close());
  const wrong = (value: unknown) => value as never;

  test('options, shapes and unlike metrics are refused with the argument and the remedy', async () => {
    for (const options of [
      {},
      { classes: 0 },
      { classes: 3, topK: 4 },
      { classes: 3, bins: 0 },
      { classes: 3, top: 1 },
    ]) {
      expect(() => engine.metrics(wrong(options))).toThrow(/options/);
    }
    const metrics = engine.metrics({ classes: 3 });
    expect(await failure(() => metrics.add(new Float32Array(4), [0]))).toMatchObject({ code: 'ERR_SHAPE' });
    const matrix = { type: 'float32', dims: [1, 4], data: new Float32Array(4) } as const;
    expect((await failure(() => metrics.add(matrix, [0]))).message).toMatch(/4 columns .*3 classes/);
    expect(() => metrics.merge(engine.metrics({ classes: 3, bins: 7 }))).toThrow(/bins 7 cannot be merged/);
    const alone = new ClassificationMetrics(undefined, { classes: 3 });
    expect(await failure(() => alone.add(new Float32Array(3), [0]))).toMatchObject({
      code: 'ERR_OPTION',
      argument: 'engine',
    });
  });

  test('saved metrics that are something else or contradict themselves: ERR_FORMAT', async () => {
    const metrics = engine.metrics({ classes: 3 });
    await metrics.add(Float32Array.of(1, 2, 3, 0, 1, 0), [2, 0]);
    const saved = metrics.toJSON();
    for (const damaged of [
      null,
      {},
      { ...saved, version: 2 },
      { ...saved, rows: 3 },
      { ...saved, rows: -1 },
      { ...saved, support: [1, 1] },
      { ...saved, support: [1, 0, 0.5] },
      { ...saved, loss: { units: 'zz' } },
      { ...saved, confusion: [[0, 3, 1]] },
      { ...saved, confusion: [[0, 1, 1]] },
      { ...saved, confusion: undefined },
      { ...saved, binConfidence: [] },
    ]) {
      expect(await failure(async () => ClassificationMetrics.fromJSON(damaged))).toMatchObject({
        code: 'ERR_FORMAT',
      });
    }
    expect(ClassificationMetrics.fromJSON(saved).toJSON()).toEqual(saved);
  });
});

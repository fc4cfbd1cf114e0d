// What metrics keep of float64 rows, against an oracle with more digits and the plain evaluation.
import { beforeEach, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { Block } from '../tiles/block.js';
import { builds, randomTargets, randomValues, Workbench } from '../workbench.js';
import { expectWithin64, logSoftmaxBound, randomValues64, rowResults } from './oracle.js';

const COLUMN_COUNTS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 67, 1000, 1023, 4097];
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

describe.each(builds)('predictRows64 (%s)', (numerics) => {
  const bench = new Workbench(numerics, 512);
  beforeEach(() => bench.reset());

  /** Runs the kernel off 16-byte alignment, and checks that nothing else was written. */
  function predictionsOf(logits: Float64Array, targets: ArrayLike<number>) {
    bench.reset();
    const rows = targets.length;
    const input = new Block(bench, logits.byteLength, 8);
    input.float64.set(logits);
    const classes = new Block(bench, rows * 4, 4);
    bench.int32(classes.ptr, rows).set(targets);
    const outputs = [4, 4, 8, 8].map((bytes) => new Block(bench, rows * bytes, bytes));
    const [predictions, ranks, losses, confidences] = outputs.map(({ ptr }) => ptr);
    bench.kernels.predictRows64(
      predictions!,
      ranks!,
      losses!,
      confidences!,
      input.ptr,
      classes.ptr,
      rows,
      logits.length / rows,
    );
    for (const block of [input, classes, ...outputs]) block.checkGuards();
    return {
      predictions: [...bench.int32(predictions!, rows)],
      ranks: [...bench.int32(ranks!, rows)],
      losses: [...bench.float64(losses!, rows)],
      confidences: [...bench.float64(confidences!, rows)],
    };
  }

  test.each(COLUMN_COUNTS)(
    '%i columns: losses and confidences within 1e-15 and the rounding of z - max, predictions and ranks exact',
    (columns) => {
      const rows = 7;
      const values = (seed: number) => randomValues(rows * columns, 30, seed);
      const logits = randomValues64(values(columns), values(columns + 1));
      // Equal largest logits, and targets that dominate their row.
      logits.set(logits.subarray(columns - 1, columns), 0);
      const targets = randomTargets(rows, columns, 3);
      logits[5 * columns + targets[5]!]! += 60;
      const got = predictionsOf(logits, targets);
      for (let row = 0; row < rows; row++) {
        const part = logits.subarray(row * columns, (row + 1) * columns);
        const target = targets[row]!;
        const wanted = rowResults(part);
        const loss = -wanted.logSoftmax[target]!;
        expectWithin64([got.losses[row]!], [loss], () => logSoftmaxBound(loss, wanted), `loss ${row}`);
        const confidence = wanted.softmax[part.indexOf(wanted.max)]!;
        expectWithin64([got.confidences[row]!], [confidence], (value) => value * 1e-15, `confidence ${row}`);
        expect(got.predictions[row]).toBe(reference.predictedClass(part));
        expect(got.ranks[row]).toBe(reference.rankOfTarget(part, target));
      }
    },
  );

  test.each([
    ['NaN beside numbers', [nan, 1, 3, nan], 1, { predictions: [2], ranks: [1], confidences: [nan] }],
    ['NaN at the target', [2, nan, 3, 2], 1, { predictions: [2], ranks: [4], confidences: [nan] }],
    ['nothing but NaN', [nan, nan, nan], 0, { predictions: [0], ranks: [3], confidences: [nan] }],
    ['+Infinity', [0, inf, 1], 1, { predictions: [1], ranks: [0], confidences: [nan] }],
    ['nothing but -Infinity', [-inf, -inf, -inf], 2, { predictions: [0], ranks: [2], confidences: [nan] }],
  ])('%s: the loss is NaN', (_, logits, target, wanted) => {
    expect(predictionsOf(Float64Array.from(logits), [target])).toEqual({ ...wanted, losses: [nan] });
  });

  test('a target at -Infinity has loss Infinity; 1.7e308 and -1.7e308 overflow to it; a margin of 40 keeps 4.2e-18', () => {
    expect(predictionsOf(Float64Array.of(0, -inf, 0), [1])).toEqual({
      predictions: [0],
      ranks: [2],
      losses: [inf],
      confidences: [0.5],
    });
    expect(predictionsOf(Float64Array.of(1.7e308, -1.7e308), [1]).losses).toEqual([inf]);
    expect(predictionsOf(Float64Array.of(40, 0), [0]).losses[0]).toBeCloseTo(Math.exp(-40), 30);
  });

  test('rows whose target is no class are ignored, whatever they hold', () => {
    const logits = Float64Array.of(nan, inf, 1, 2, 0, 5);
    expect(predictionsOf(logits, [-1, 0, 2])).toEqual({
      predictions: [-1, 1, -1],
      ranks: [-1, 1, -1],
      losses: [0, expect.closeTo(1 + Math.log1p(Math.exp(-1)), 15), 0],
      confidences: [0, expect.closeTo(1 / (1 + Math.exp(-1)), 15), 0],
    });
  });
});

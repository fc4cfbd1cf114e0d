// The rows and the classes that a model is most wrong about, compared with sorting all of them.
import { expect, test } from 'vitest';
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import {
  confusedPairs,
  firstOfWorst,
  topConfusions,
  topOfPairs,
  worstRows,
} from '#softshard/main/models/mistakes.js';
import { bitsOf } from '../../bits.js';
import { randomValues } from '../../kernels/workbench.js';
import { clusters } from '../training/workbench.js';

const results = (ranks: number[], predictions: number[], losses: number[]) => ({
  ranks: Int32Array.from(ranks),
  predictions: Int32Array.from(predictions),
  losses: Float64Array.from(losses),
  confidences: Float32Array.from(ranks, () => 0.5),
});

test('worst rows come by loss, infinite ones first, equal ones by row; ignored rows and NaN are left out', () => {
  const { NEGATIVE_INFINITY: _, POSITIVE_INFINITY: infinite, NaN: none } = Number;
  const rows = results([0, 1, -1, 1, 0, 1, 1], [0, 0, -1, 1, 1, 0, 1], [0.1, 2, 9, infinite, 2, none, 3]);
  const worst = worstRows(rows, Int32Array.of(0, 1, 1, 0, 1, 1, 0));
  expect(worst.map(({ row }) => row)).toEqual([3, 6, 1, 4, 0]);
  expect(worst[2]).toEqual({ row: 1, target: 1, prediction: 0, loss: 2, confidence: 0.5 });
});

test('twenty of many rows and pairs are those that sorting all gives, also of a million classes', () => {
  const count = 5000;
  const classes = 1_000_000;
  const some = (scale: number, seed: number) =>
    Array.from(randomValues(count, 1, seed), (value) => Math.floor(Math.abs(value) * scale));
  const losses = some(40, 1);
  const targets = Int32Array.from(some(6, 2), (it) => it * 100_000);
  const predictions = some(6, 3).map((it) => it * 100_000 + 7);
  const rows = results(Array(count).fill(1), predictions, losses);
  const byLoss = [...losses.keys()].sort((a, b) => losses[b]! - losses[a]! || a - b);
  expect(worstRows(rows, targets).map(({ row }) => row)).toEqual(byLoss.slice(0, 20));
  const counts = new Map<string, number>();
  for (const [row, prediction] of predictions.entries()) {
    const pair = `${targets[row]},${prediction}`;
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  const all = [...counts].map(([pair, rows]) => {
    const [target, prediction] = pair.split(',').map(Number) as [number, number];
    return { target, prediction, rows };
  });
  all.sort((a, b) => b.rows - a.rows || a.target - b.target || a.prediction - b.prediction);
  expect(all.length).toBeGreaterThan(20);
  expect(topConfusions(rows, targets, classes)).toEqual(all.slice(0, 20));
  // And those that three parts of the rows give together.
  const parts = [0, 100, 2000, count].flatMap((end, i, ends) => {
    const begin = ends[i - 1] ?? 0;
    const own = results(Array(end - begin).fill(1), predictions.slice(begin, end), losses.slice(begin, end));
    return [{ begin, own, targets: targets.subarray(begin, end) }];
  });
  const worst = parts.flatMap(({ begin, own, targets }) =>
    worstRows(own, targets).map((one) => ({ ...one, row: begin + one.row })),
  );
  expect(firstOfWorst(worst)).toEqual(worstRows(rows, targets));
  const pairs = parts.flatMap(({ own, targets }) => confusedPairs(own, targets, classes));
  expect(topOfPairs(pairs, classes)).toEqual(all.slice(0, 20));
});

test('a model that is always right confuses nothing', () => {
  const rows = results([0, 0, -1], [1, 2, -1], [0, 0, 0]);
  expect(topConfusions(rows, Int32Array.of(1, 2, 0), 3)).toEqual([]);
});

test('evaluate gives them with the same bits for 1, 2, 3 and 8 threads, as the losses of rows say', async () => {
  const { rows, features, classes, inputs, targets } = clusters(403, 19, 7, 5);
  const of: string[] = [];
  for (const threads of [1, 2, 3, 8]) {
    const engine = await Engine.create({ threads });
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    classifier.weights.set(randomValues(features * classes, 0.3, 1));
    const { worstRows, topConfusions, confusion } = await classifier.evaluate(inputs, targets);
    of.push(JSON.stringify(worstRows) + bitsOf(Float64Array.from(worstRows, ({ loss }) => loss)));
    if (threads === 1) {
      const probabilities = await classifier.predictProbabilities(inputs);
      const lossOf = (row: number) => -Math.log(probabilities.data[row * classes + targets[row]!]!);
      const byLoss = Array.from({ length: rows }, (_, row) => row).sort((a, b) => lossOf(b) - lossOf(a));
      expect(worstRows.map(({ row }) => row)).toEqual(byLoss.slice(0, 20));
      for (const { target, prediction, rows: many } of topConfusions) {
        expect(confusion!.data[target * classes + prediction]).toBe(many);
      }
    }
    await engine.close();
  }
  expect(new Set(of).size).toBe(1);
});

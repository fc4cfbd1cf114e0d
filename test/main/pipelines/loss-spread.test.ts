import { expect, test } from 'vitest';
import { perplexity } from '#softshard/kernels/reference/index.js';
import { LossSpread } from '#softshard/main/pipelines/loss-spread.js';

const losses = Float64Array.from({ length: 500 }, (_, i) => 1 + Math.sin(i * i));
const weights = Float64Array.from({ length: 500 }, (_, i) => (i % 5 === 0 ? 0 : 1 + (i % 3)));

test('without weights is the sample standard deviation over the root of the rows, within 1e-12', () => {
  const spread = new LossSpread();
  spread.add(losses, () => 1);
  const { perplexity: value, standardError } = perplexity(losses);
  expect(spread.standardError / (standardError / value)).toBeCloseTo(1, 12);
});

test('with weights is the linearised error of a ratio, and rows of weight 0 do not count', () => {
  const spread = new LossSpread();
  const weighted = losses.map((loss, row) => loss * weights[row]!);
  spread.add(weighted, (row) => weights[row]!);
  const kept = [...losses.keys()].filter((row) => weights[row]! > 0);
  const sum = (of: (row: number) => number) => kept.reduce((all, row) => all + of(row), 0);
  const total = sum((row) => weights[row]!);
  const mean = sum((row) => weighted[row]!) / total;
  const squares = sum((row) => (weighted[row]! - mean * weights[row]!) ** 2);
  const want = Math.sqrt((kept.length / (kept.length - 1)) * squares) / total;
  expect(spread.standardError / want).toBeCloseTo(1, 12);
});

test('the bits do not depend on the parts, and losses that are almost alike keep their digits', () => {
  const whole = new LossSpread();
  const parts = new LossSpread();
  const alike = losses.map((loss) => 1e6 + loss * 1e-6);
  whole.add(alike, () => 1);
  for (let begin = 0; begin < alike.length; begin += 77)
    parts.add(alike.subarray(begin, begin + 77), () => 1);
  expect(parts.standardError).toBe(whole.standardError);
  const mean = alike.reduce((sum, loss) => sum + (loss - 1e6), 0) / alike.length;
  const squares = alike.reduce((sum, loss) => sum + (loss - 1e6 - mean) ** 2, 0);
  const want = Math.sqrt(squares / (alike.length - 1) / alike.length);
  expect(whole.standardError / want).toBeCloseTo(1, 6);
});

test.each([[[]], [[3]]])('of %j is NaN', (few) => {
  const spread = new LossSpread();
  spread.add(few, () => 1);
  expect(spread.standardError).toBeNaN();
});

test('of a loss that is no number is NaN', () => {
  const spread = new LossSpread();
  spread.add([1, Number.NaN, 2], () => 1);
  expect(spread.standardError).toBeNaN();
});

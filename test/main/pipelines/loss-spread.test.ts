import { expect, test } from 'vitest';
import { perplexity } from '#softshard/kernels/reference/index.js';
import { mergeSpreads, spreadOf, standardErrorOf } from '#softshard/main/pipelines/loss-spread.js';

const losses = Float64Array.from({ length: 500 }, (_, i) => 1 + Math.sin(i * i));
const weights = Float64Array.from({ length: 500 }, (_, i) => (i % 5 === 0 ? 0 : 1 + (i % 3)));

test('without weights is the sample standard deviation over the root of the rows, within 1e-12', () => {
  const said = standardErrorOf(spreadOf(losses, () => 1, 64));
  const { perplexity: value, standardError } = perplexity(losses);
  expect(said / (standardError / value)).toBeCloseTo(1, 12);
});

test('with weights is the linearised error of a ratio, and rows of weight 0 do not count', () => {
  const weighted = losses.map((loss, row) => loss * weights[row]!);
  const said = standardErrorOf(spreadOf(weighted, (row) => weights[row]!, 64));
  const kept = [...losses.keys()].filter((row) => weights[row]! > 0);
  const sum = (of: (row: number) => number) => kept.reduce((all, row) => all + of(row), 0);
  const total = sum((row) => weights[row]!);
  const mean = sum((row) => weighted[row]!) / total;
  const squares = sum((row) => (weighted[row]! - mean * weights[row]!) ** 2);
  const want = Math.sqrt((kept.length / (kept.length - 1)) * squares) / total;
  expect(said / want).toBeCloseTo(1, 12);
});

test('the bits do not depend on the parts, and losses that are almost alike keep their digits', () => {
  const alike = losses.map((loss) => 1e6 + loss * 1e-6);
  const whole = standardErrorOf(spreadOf(alike, () => 1, 16));
  for (const partRows of [16, 64, 256]) {
    const parts = Array.from({ length: Math.ceil(alike.length / partRows) }, (_, part) =>
      spreadOf(alike.subarray(part * partRows, (part + 1) * partRows), () => 1, 16),
    );
    expect(standardErrorOf(mergeSpreads(parts))).toBe(whole);
  }
  const mean = alike.reduce((sum, loss) => sum + (loss - 1e6), 0) / alike.length;
  const squares = alike.reduce((sum, loss) => sum + (loss - 1e6 - mean) ** 2, 0);
  const want = Math.sqrt(squares / (alike.length - 1) / alike.length);
  expect(whole / want).toBeCloseTo(1, 6);
});

test.each([[[]], [[3]]])('of %j is NaN', (few) => {
  expect(standardErrorOf(spreadOf(few, () => 1, 16))).toBeNaN();
});

test('of a loss that is no number is NaN', () => {
  expect(standardErrorOf(spreadOf([1, Number.NaN, 2], () => 1, 16))).toBeNaN();
});

import { expect, test } from 'vitest';
import { LineProgress } from '#softshard/main/cli/progress.js';

/** What it writes to a file or pipe, or to a terminal that moves no cursor. */
function linesOf(tell: (progress: LineProgress) => void, isTTY = false): readonly string[] {
  let text = '';
  tell(new LineProgress({ isTTY, columns: 80, write: (part) => (text += part) }));
  return text.trimEnd().split('\n');
}

test('on a terminal notes and warnings have lines of at most 80 columns, but for words that are longer', () => {
  const path = `/${'a'.repeat(100)}`;
  const text = `${'warning: many words of it, '.repeat(12)}${path} and more`;
  const warn = (progress: LineProgress) => progress.warn(text);
  const [first, ...others] = linesOf(warn, true);
  expect(others.length).toBeGreaterThan(3);
  for (const line of [first!, ...others])
    if (line.trim() !== path) expect(line.length).toBeLessThanOrEqual(80);
  for (const line of others) expect(line).toMatch(/^ {2}\S/);
  expect(others).toContain(`  ${path}`);
  expect(linesOf(warn)).toEqual([text]);
});

test.each([
  [10, 123_456, '  123,456 rows/s'],
  [1_000_000, 12_345_678, ''],
])('an epoch of %i is one line, without the rate where that is too long', (epochs, rowsPerSecond, rate) => {
  const report = { epoch: 3, epochs, loss: 0.84851, learningRate: 0.1, durationMs: 1, rowsPerSecond };
  const validation = { validationLoss: 0.67081, validationAccuracy: 1 };
  const lines = linesOf((progress) => progress.epoch({ ...report, ...validation }));
  expect(lines).toHaveLength(1);
  expect(lines[0]!.length).toBeLessThanOrEqual(80);
  expect(lines[0]).toMatch(/^epoch +3\/\d+ {2}loss 0\.8485, validation 0\.6708, accuracy 100\.00 %/);
  expect(lines[0]!.endsWith(`accuracy 100.00 %${rate}`)).toBe(true);
});

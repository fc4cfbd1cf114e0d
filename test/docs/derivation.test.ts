// Keeps docs/derivation.md true: its excerpts are in the sources, its numbers are what the code gives.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { linearForward } from '#softshard/kernels/reference/index.js';
import {
  type Comparison,
  compareLosses,
  comparisonTable,
  RUN,
} from '../../bench/derivation/comparison-table.js';
import {
  CLASSES,
  confidentlyWrongStart,
  FEATURES,
  firstStepAt,
} from '../../bench/derivation/confidently-wrong-start.js';
import { workedExample } from '../../bench/derivation/worked-example.js';
import { pythonFor } from '../optional.js';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const page = read('docs/derivation.md');

/** The page's sentences, independent of where its lines break. */
const prose = page.replace(/\s+/g, ' ');

/** Every fenced block: its language, its text, and the file named by an excerpt comment on the line before it. */
const blocks = [...page.matchAll(/(?:<!-- excerpt: (\S+) -->\n)?^```(\w+)\n(.*?)^```$/gms)].map(
  ([, path, language, text]) => ({ path, language: language!, text: text! }),
);
const blocksIn = (language: string) => blocks.filter((block) => block.language === language);

describe('the excerpts of docs/derivation.md', () => {
  it('are marked with their file wherever the page shows TypeScript, at least 15 times', () => {
    const typescript = blocksIn('ts');
    expect(typescript.filter(({ path }) => path === undefined).map(({ text }) => text)).toEqual([]);
    expect(typescript.length).toBeGreaterThanOrEqual(15);
    expect(page.match(/<!-- excerpt:/g)).toHaveLength(typescript.length);
    expect(page.match(/^```/gm)).toHaveLength(2 * blocks.length);
  });

  it.each(blocksIn('ts').map(({ path, text }) => [path!, text.trim().split('\n')[0]!, text]))(
    'are whole lines of %s, literally: %s',
    (path, _, text) => {
      // The page leaves out the indentation that all lines of an excerpt share.
      const indented = [0, 2, 4, 6, 8].map((spaces) => text.replace(/^(?=.)/gm, ' '.repeat(spaces)));
      const source = `\n${read(path)}`;
      const found = indented.some((excerpt) => source.includes(`\n${excerpt}`));
      expect(found, `not in ${path}:\n${text}`).toBe(true);
    },
  );
});

describe('the worked example', () => {
  const [printed] = blocksIn('text');

  it('printed on the page is what the reference gives, to all six decimals', () => {
    expect(printed!.text.trimEnd()).toBe(workedExample());
  });

  for (const module of ['numpy', 'torch']) {
    const python = pythonFor(`import ${module}`);
    it.skipIf(python === undefined)(
      `is what the page’s ${module} version prints, to all six decimals`,
      () => {
        const [script, ...others] = blocksIn('python').filter(({ text }) =>
          text.startsWith(`import ${module}`),
        );
        expect(others).toEqual([]);
        const { stdout, stderr } = spawnSync(python!, ['-c', script!.text], { encoding: 'utf8' });
        expect(stderr).toBe('');
        expect(stdout).toBe(printed!.text);
      },
    );
  }
});

describe('the run of cross-entropy against squared error', () => {
  const comparison = compareLosses();
  const { crossEntropy, squaredError } = comparison;
  const stepsTo90 = (runs: Comparison) =>
    [firstStepAt(runs.crossEntropy, 0.9), firstStepAt(runs.squaredError, 0.9)] as const;

  it('starts wrong by a margin of 7.5 at the centers, with under 10 % of the rows right', () => {
    const start = confidentlyWrongStart(RUN.confidence);
    const [weights, bias] = [start.subarray(0, FEATURES * CLASSES), start.subarray(FEATURES * CLASSES)];
    const logits = linearForward([1, 0], weights, bias, 1, FEATURES, CLASSES);
    expect(logits[1]! - logits[0]!).toBeCloseTo(7.5, 12);
    expect(logits[1]! - logits[2]!).toBeCloseTo(7.5, 12);
    expect(prose).toContain('by a margin of 7.5 in the logits');
    expect(crossEntropy[0]!.accuracy).toBeLessThan(0.1);
    expect(squaredError[0]!.accuracy).toBe(crossEntropy[0]!.accuracy);
  });

  it('gives the table on the page', () => {
    expect(page).toContain(`\n${comparisonTable(comparison)}\n`);
  });

  it('has a gradient smaller by the stated factor at the start: 28', () => {
    const factor = crossEntropy[0]!.gradientNorm / squaredError[0]!.gradientNorm;
    expect(prose).toContain(`the gradient of the squared error is ${factor.toFixed(0)} times smaller`);
    expect(factor).toBeGreaterThan(20);
  });

  it('has cross-entropy’s largest gradient at the start, and the squared error’s grown as stated by step 200', () => {
    const largest = Math.max(...crossEntropy.map(({ gradientNorm }) => gradientNorm));
    expect(crossEntropy[0]!.gradientNorm).toBe(largest);
    const growth = squaredError[200]!.gradientNorm / squaredError[0]!.gradientNorm;
    expect(prose).toContain(`its gradient is ${growth.toFixed(1)} times larger at step 200`);
    expect(growth).toBeGreaterThan(2);
  });

  it('reaches 90 % in the stated numbers of steps, with cross-entropy in a fifth of them or fewer', () => {
    const [withCrossEntropy, withSquaredError] = stepsTo90(comparison);
    expect(prose).toContain(`has 90 % of the rows right after ${withCrossEntropy} steps`);
    expect(prose).toContain(`90 % takes ${withSquaredError} steps`);
    expect(withSquaredError! / withCrossEntropy!).toBeGreaterThan(5);
  });

  it('keeps that order at a learning rate of 8, in the stated numbers of steps', () => {
    const [withCrossEntropy, withSquaredError] = stepsTo90(compareLosses(8));
    expect(prose).toContain(
      `at rate 8 cross-entropy takes ${withCrossEntropy} steps to 90 %, the squared error ${withSquaredError}.`,
    );
    expect(withSquaredError!).toBeGreaterThan(withCrossEntropy!);
  });

  it('ends at about 93 % with both losses', () => {
    for (const run of [crossEntropy, squaredError]) expect(Math.round(100 * run.at(-1)!.accuracy)).toBe(93);
    expect(prose).toContain('both arrive at about 93 %');
  });
});

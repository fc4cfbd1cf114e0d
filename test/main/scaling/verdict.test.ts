import { describe, expect, test } from 'vitest';
import { scalingVerdict } from '#softshard/main/scaling/verdict.js';
import { scalingWarnings } from '#softshard/main/scaling/warnings.js';
import { scalingResult, strongPoints } from './synthetic.js';

const verdictOf = (timesMs: readonly number[], work: { bytes?: number; flops?: number }) =>
  scalingVerdict(strongPoints(timesMs, work));

describe('the verdict of strong scaling', () => {
  test('names arithmetic where it is near its roof on all threads', () => {
    // 80 % of 50 GFLOP/s a thread.
    const verdict = verdictOf([100, 50, 26], { flops: 4e9 });
    expect(verdict).toMatchObject({ bound: 'arithmetic', scalesTo: 4, threads: 4 });
    expect(verdict.text).toBe('Scales to 4 threads at 96 %; bound by arithmetic: 77 % of the peak.');
  });

  test('names memory, and from which number of threads on it is reached', () => {
    // 6 GB/s on one thread, then all 20.
    const verdict = verdictOf([100, 32, 31], { bytes: 6e8 });
    expect(verdict).toMatchObject({ bound: 'memory', boundFrom: 2, scalesTo: 4, threads: 2 });
    expect(verdict.text).toContain('memory-bound from 2 threads on: 97 % of the bandwidth');
    expect(verdict.text).toContain('more than 2 threads gain nothing');
  });

  test('does not take arrays in caches for memory at its roof', () => {
    const verdict = verdictOf([100, 50, 25], { bytes: 4e9 });
    expect(verdict.bound).toBe('neither');
    expect(verdict.text).toContain('its arrays in caches');
  });

  test('says that a call is too small to share', () => {
    const verdict = verdictOf([0.2, 0.25, 0.4], { bytes: 1e6 });
    expect(verdict).toMatchObject({ bound: 'small', threads: 1, scalesTo: 1 });
    expect(verdict.text).toBe('Too small to share: a call takes 0.20 ms on 1 thread, and no less on more.');
  });

  test('says where nothing is gained, and how near the roofs are', () => {
    const verdict = verdictOf([100, 99, 101], { flops: 1e9, bytes: 1e8 });
    expect(verdict).toMatchObject({ bound: 'neither', threads: 1, scalesTo: 1 });
    expect(verdict.text).toMatch(
      /^Does not scale: 0.99 times as fast on 4 threads; at no roof: 20 % of the peak/,
    );
    expect(verdict.text).toMatch(/; more threads gain nothing\.$/);
  });

  test('of one number of threads claims no scaling', () => {
    expect(verdictOf([100], { flops: 4e9 }).text).toBe(
      'Measured on 1 thread only; bound by arithmetic: 80 % of the peak.',
    );
  });
});

describe('warnings', () => {
  const warningsOf = (result: ReturnType<typeof scalingResult>, threads = [1, 2, 4]) =>
    scalingWarnings(result.workloads, result.environment, { threads, quick: result.quick });

  test('are none of quiet figures', () => {
    expect(warningsOf(scalingResult([100, 50, 25]))).toEqual([]);
  });

  test('count the figures whose quartiles are more than 10 % apart', () => {
    const noisy = strongPoints([100, 50, 25], {}, 0.2);
    const [warning] = warningsOf(scalingResult([100, 50, 25], { strong: noisy }));
    expect(warning).toMatch(/^3 of 5 figures vary by more than 10 % between their quartiles, up to 20 %/);
  });

  test('name a workload whose bits differ, and others that use the cores', () => {
    const busy = strongPoints([100, 50, 25], {}).map((point) => ({ ...point, otherCores: 0.7 }));
    const warnings = warningsOf(scalingResult([1], { bitsEqual: false, strong: busy, weak: busy }));
    expect(warnings[0]).toMatch(/^softmax 1000 × 100: the bits differ/);
    expect(warnings[1]).toMatch(/^other processes kept 0.7 cores busy/);
  });

  test('tell of more threads than the process may use', () => {
    const [warning] = warningsOf(scalingResult([100, 50, 25]), [1, 8]);
    expect(warning).toMatch(/^8 threads are more than the 4/);
  });
});

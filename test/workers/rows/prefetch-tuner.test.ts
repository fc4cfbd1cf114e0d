// Rows are fetched ahead where that turns out faster, and otherwise not.
import { expect, test } from 'vitest';
import type { Kernels } from '#softshard/kernels/kernels.js';
import { PrefetchTuner } from '#softshard/workers/rows/prefetch-tuner.js';

/** For each run of three shards whether it fetched, when a run takes runMs(fetches, run). */
function fetchedRuns(runs: number, expected: number, runMs: (fetches: boolean, run: number) => number) {
  let now = 1000;
  let fetches = true;
  let expects = false;
  const kernels = {
    usePrefetch(on: number) {
      fetches = on === 1;
    },
    prefetchBeyond(more: number) {
      expects = more === 1;
    },
  } as Kernels;
  const tuner = new PrefetchTuner(kernels, expected, () => now);
  const fetched: boolean[] = [];
  for (let run = 0; run < runs; run++) {
    for (const hasNext of [true, true, false]) {
      tuner.beginShard(hasNext);
      expect(expects).toBe(hasNext);
    }
    fetched.push(fetches);
    now += runMs(fetches, run);
  }
  return fetched;
}

const TRIED = [false, true, false, true, false, true, false, true];

test.each([
  ['fetching is faster', 2, 1, true],
  ['fetching is slower', 1, 2, false],
  ['it makes no difference', 1, 1, true],
])('%s: both ways are tried, the faster one is kept', (_, without, withFetching, chosen) => {
  const fetched = fetchedRuns(40, 40, (fetches) => (fetches ? withFetching : without));
  expect(fetched).toEqual([...TRIED, ...Array(32).fill(chosen)]);
});

test('runs that were interrupted do not decide', () => {
  const slowOnce = (fetches: boolean, run: number) => (run === 5 ? 50 : fetches ? 1 : 2);
  expect(fetchedRuns(12, 40, slowOnce).slice(8)).toEqual([true, true, true, true]);
});

test('where few runs are to be expected nothing is tried', () => {
  expect(fetchedRuns(31, 31, (fetches) => (fetches ? 2 : 1))).toEqual(Array(31).fill(true));
});

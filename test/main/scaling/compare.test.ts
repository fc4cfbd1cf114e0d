import { expect, test } from 'vitest';
import { compareScaling, type Scaling } from '#softshard/main/index.js';
import { scalingResult, strongPoints } from './synthetic.js';

const changesOf = (before: readonly number[], after: readonly number[]) =>
  compareScaling(scalingResult(before), scalingResult(after))
    .points.filter(({ kind }) => kind === 'strong')
    .map(({ change }) => change);

test('what differs by less than two copies of a build do is the same', () => {
  expect(changesOf([100, 50, 25], [104, 48, 25])).toEqual(['same', 'same', 'same']);
});

test('slower and faster are told beyond that, with ratios by medians', () => {
  expect(changesOf([100, 50, 25], [120, 50, 20])).toEqual(['slower', 'same', 'faster']);
  const [first] = compareScaling(scalingResult([100]), scalingResult([120])).points;
  expect(first).toMatchObject({ threads: 1, beforeMs: 100, afterMs: 120, shape: '1000 × 100' });
  expect(first?.ratio).toBeCloseTo(100 / 120, 12);
});

test('a difference within the quartiles of both is noise', () => {
  const noisy = strongPoints([130], { bytes: 1e8 }, 0.5);
  const after = scalingResult([130], { strong: noisy, weak: noisy });
  const [point] = compareScaling(scalingResult([100]), after).points;
  expect(point?.change).toBe('same');
  expect(point!.low).toBeLessThan(1);
  expect(point!.high).toBeGreaterThan(1);
});

test('weak points are compared too, but for that of the most threads, which is the strong one', () => {
  const { points } = compareScaling(scalingResult([100, 50, 25]), scalingResult([100, 50, 25]));
  expect(points.map(({ kind, threads }) => `${kind} ${threads}`)).toEqual([
    'strong 1',
    'strong 2',
    'strong 4',
    'weak 1',
    'weak 2',
  ]);
});

test('other machines and settings are named, and figures without a match counted', () => {
  const before = scalingResult([100], {}, { cpu: 'another', wideSimd: true });
  const { differences, unmatched } = compareScaling(before, scalingResult([100, 50, 25]));
  expect(differences).toEqual(['cpu: another before, a processor now', 'wideSimd: true before, false now']);
  // On 2 and 4 threads, and weak on 2.
  expect(unmatched).toBe(3);
});

test.each([
  ['nothing', undefined],
  ['another object', { kind: 'softshard bench' }],
  ['one without figures', { ...scalingResult([1]), workloads: [{ strong: [{}], weak: [] }] }],
  ['one with a figure that is none', scalingResult([1], { rows: Number.NaN })],
  [
    'one that cannot be read',
    {
      get kind() {
        throw new Error('mine');
      },
    },
  ],
  ['one without workloads', { ...scalingResult([1]), workloads: null }],
])('%s is no measurement to compare with', (_, before) => {
  const compare = () => compareScaling(before as unknown as Scaling.ScalingResult, scalingResult([1]));
  expect(compare).toThrow(expect.objectContaining({ code: 'ERR_FORMAT', argument: 'before' }));
});

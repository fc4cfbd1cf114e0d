import { describe, expect, it } from 'vitest';
import { outcomes, outcomesMarkdown, outcomesSummary } from '../../bench/outcomes.js';
import type { By } from '../../bench/peers/turns.js';
import { TARGETS, type Target } from '../../bench/targets.js';

const work = { work: 'softmax', shape: '8 × 8' };
const row = (by: By, threads: number, medianMs: number) => ({ ...work, by, threads, medianMs });

const against = (target: Partial<Target> & Pick<Target, 'against'>): Target => ({
  ...work,
  threads: 2,
  goal: 2,
  unit: '×',
  ...target,
});

const ROWS = [
  row('softshard', 1, 8),
  row('softshard', 2, 5),
  row('softshard wide', 2, 2.5),
  row('PyTorch', 1, 9),
  row('PyTorch', 2, 12),
  row('PyTorch', 2, 11),
  row('C limit', 1, 4),
  row('C limit', 2, 2),
];

describe('a measured target', () => {
  it('is the best time of a peer over ours, on as many threads or on its best number', () => {
    const same = against({ against: { kind: 'peer', by: 'PyTorch', threads: 'same' }, wide: 3 });
    const best = against({ against: { kind: 'peer', by: 'PyTorch', threads: 'best' } });
    const [ofSame, ofBest] = outcomes([same, best], ROWS, {});
    expect([ofSame!.measured, ofSame!.wide]).toEqual([11 / 5, 11 / 2.5]);
    expect([ofBest!.measured, ofBest!.wide]).toEqual([9 / 5, null]);
  });

  it('is our speedup over that of another', () => {
    const [outcome] = outcomes([against({ against: { kind: 'scaling', by: 'C limit' } })], ROWS, {});
    expect(outcome!.measured).toBe(8 / 5 / 2);
  });

  it('is a quantity of npm run bench, which is to be small unless it is a ratio', () => {
    const target = against({ against: { kind: 'measured', name: 'step overhead' }, unit: 'µs', goal: 5 });
    const short = outcomesMarkdown(outcomes([target], [], { 'step overhead': 7 }));
    expect(short).toContain('7.00 µs (short)');
    expect(outcomesMarkdown(outcomes([target], [], { 'step overhead': 4 }))).not.toContain('short');
  });

  it('counts as not measured where either side is missing', () => {
    const target = against({ against: { kind: 'peer', by: 'BLAS', threads: 'same' } });
    const all = outcomes([target, { ...target, shape: '9 × 9' }], ROWS, {});
    expect(all.map(({ measured }) => measured)).toEqual([null, null]);
    expect(outcomesSummary(all)).toBe('0 of 0 measured targets are met; 2 of 2 were not measured.');
  });
});

it('no target is there twice', () => {
  const names = TARGETS.map((target) => JSON.stringify({ ...target, goal: 0, wide: 0 }));
  expect(new Set(names).size).toBe(names.length);
});

import { describe, expect, test } from 'vitest';
import { cosineOfHalfTurns } from '#softshard/workers/protocol/learning-rate.js';
import { type LearningRateSchedule, learningRateAt, power } from '#softshard/workers/protocol.js';

test('cosineOfHalfTurns(t) is within 1e-9 of cos(π t) on [0, 1]', () => {
  for (let i = 0; i <= 10_000; i++) {
    const t = i / 10_000;
    expect(Math.abs(cosineOfHalfTurns(t) - Math.cos(Math.PI * t)), `t = ${t}`).toBeLessThan(1e-9);
  }
});

test('power(b, n) is within n · 2^-52 of b ** n, relative to it, and exact for powers of two and small n', () => {
  for (const base of [0, 0.1, 0.5, 0.9, 0.999, 1 - 1e-9]) {
    for (const n of [0, 1, 2, 3, 7, 64, 1000, 2 ** 33 + 1]) {
      expect(Math.abs(power(base, n) - base ** n), `${base}^${n}`).toBeLessThanOrEqual(
        n * 2 ** -52 * base ** n,
      );
    }
  }
  expect([power(0.5, 20), power(0.9, 0), power(0.9, 1), power(0.9, 2)]).toEqual([
    2 ** -20,
    1,
    0.9,
    0.9 * 0.9,
  ]);
});

type WithoutWarmup<Schedule> = Schedule extends unknown ? Omit<Schedule, 'warmupSteps'> : never;
type Kind = WithoutWarmup<LearningRateSchedule>;
const rateAt = (schedule: Kind, step: number, steps: number, warmupSteps = 0): number =>
  learningRateAt(
    { learningRate: 0.3, schedule: { warmupSteps, ...schedule } as LearningRateSchedule },
    step,
    steps,
  );
const ratesOf = (schedule: Kind, steps: number, warmupSteps = 0): number[] =>
  Array.from({ length: steps }, (_, step) => rateAt(schedule, step, steps, warmupSteps));

function expectWithin(got: readonly number[], wanted: readonly number[], most = 1e-9): void {
  expect(got.length).toBe(wanted.length);
  for (const [i, rate] of wanted.entries()) expect(Math.abs(got[i]! - rate), `step ${i}`).toBeLessThan(most);
}

describe('learningRateAt', () => {
  test('constant stays', () => {
    for (const step of [0, 5, 99]) expect(rateAt({ kind: 'constant' }, step, 100)).toBe(0.3);
  });

  test('linear starts at the learning rate and would be 0 one step after the last', () => {
    const rates = [0, 25, 50, 100].map((step) => rateAt({ kind: 'linear' }, step, 100));
    expect(rates).toEqual([0.3, 0.3 * 0.75, 0.15, 0]);
  });

  test('cosine starts at the learning rate, has half of it in the middle and ends at 0, within 1e-9', () => {
    const rates = [0, 50, 100].map((step) => rateAt({ kind: 'cosine' }, step, 100));
    for (const [i, wanted] of [0.3, 0.15, 0].entries())
      expect(Math.abs(rates[i]! - wanted)).toBeLessThan(1e-9);
  });

  test('warm-up rises along a line to the rate of the schedule’s first step, which has the steps that are left', () => {
    const risen = [0.25, 0.5, 0.75].map((part) => 0.3 * part);
    expect(ratesOf({ kind: 'constant' }, 5, 3)).toEqual([...risen, 0.3, 0.3]);
    expectWithin(ratesOf({ kind: 'linear' }, 7, 3), [...risen, 0.3, 0.225, 0.15, 0.075]);
    const wave = [0, 1, 2, 3].map((step) => 0.15 * (1 + Math.cos((Math.PI * step) / 4)));
    expectWithin(ratesOf({ kind: 'cosine' }, 7, 3), [...risen, ...wave]);
  });

  test('step falls by the factor every so many steps, warm-up included, as StepLR', () => {
    const wanted = Array.from({ length: 10 }, (_, step) => 0.3 * 0.5 ** Math.floor(step / 3));
    expectWithin(ratesOf({ kind: 'step', everySteps: 3, factor: 0.5 }, 10), wanted, 1e-15);
    expectWithin(
      ratesOf({ kind: 'step', everySteps: 3, factor: 0.5 }, 10, 2),
      [0.1, 0.2, ...wanted.slice(2)],
      1e-15,
    );
    expect(ratesOf({ kind: 'step', everySteps: 1, factor: 0 }, 3)).toEqual([0.3, 0, 0]);
  });

  test.each([
    [10, 3, 25, 1e4],
    [100, 30, 25, 1e4],
    [7, 1, 10, 10],
    [5, 4, 1, 1],
  ])(
    'one-cycle of %i steps, %i of them rising: OneCycleLR within 1e-9',
    (steps, warmup, divFactor, finalDivFactor) => {
      // PyTorch's phases: up to step pct_start · total_steps - 1, then up to total_steps - 1.
      const [initial, most] = [0.3 / divFactor, 0.3];
      const annealed = (start: number, end: number, t: number) =>
        end + ((start - end) / 2) * (1 + Math.cos(Math.PI * t));
      const wanted = Array.from({ length: steps }, (_, step) =>
        step < warmup - 1
          ? annealed(initial, most, step / (warmup - 1))
          : annealed(most, initial / finalDivFactor, (step - warmup + 1) / (steps - warmup)),
      );
      expectWithin(ratesOf({ kind: 'one-cycle', divFactor, finalDivFactor }, steps, warmup), wanted);
      expect(Math.max(...wanted)).toBe(0.3);
    },
  );

  test('one-cycle of a single step has the full rate', () => {
    expectWithin(ratesOf({ kind: 'one-cycle', divFactor: 25, finalDivFactor: 1e4 }, 1, 1), [0.3]);
  });
});

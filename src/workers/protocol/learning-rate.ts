// The learning rate of a step: each worker computes it for itself from the step's number, and main for its reports.
import type { LearningRateSchedule, UpdateTerms } from './training.js';

/** step from 0, of `steps` in the whole training. */
export function learningRateAt(
  { learningRate, schedule }: Pick<UpdateTerms, 'learningRate' | 'schedule'>,
  step: number,
  steps: number,
): number {
  const { warmupSteps } = schedule;
  if (schedule.kind === 'one-cycle') return learningRate * cycleAt(schedule, step, steps);
  if (step < warmupSteps) return learningRate * ((step + 1) / (warmupSteps + 1));
  switch (schedule.kind) {
    case 'constant':
      return learningRate;
    case 'linear':
      return learningRate * (1 - (step - warmupSteps) / (steps - warmupSteps));
    case 'cosine':
      return learningRate * 0.5 * (1 + cosineOfHalfTurns((step - warmupSteps) / (steps - warmupSteps)));
    case 'step':
      return learningRate * power(schedule.factor, Math.floor(step / schedule.everySteps));
    default:
      return schedule satisfies never;
  }
}

type OneCycle = Extract<LearningRateSchedule, { readonly kind: 'one-cycle' }>;

/** As PyTorch's OneCycleLR: step warmupSteps - 1 has the full rate. */
function cycleAt({ warmupSteps, divFactor, finalDivFactor }: OneCycle, step: number, steps: number): number {
  const first = 1 / divFactor;
  const peak = warmupSteps - 1;
  if (step < peak) return halfWave(first, 1, step / peak);
  return halfWave(1, first / finalDivFactor, (step - peak) / Math.max(1, steps - 1 - peak));
}

/** From `begin` at t = 0 to `end` at t = 1 along half a cosine. */
const halfWave = (begin: number, end: number, t: number): number =>
  end + (begin - end) * 0.5 * (1 + cosineOfHalfTurns(t));

/**
 * cos(π t) for t in [0, 1], within 1e-9, from sums and products alone: the last bits of Math.cos may differ between Node
 * versions. cos(π t) = -sin(π (t - 1/2)), and the series of the sine (G. Hardy, "A Course of Pure Mathematics", 1908) is
 * cut after x^13 / 13!.
 */
export function cosineOfHalfTurns(t: number): number {
  const x = Math.PI * (t - 0.5);
  // Horner's scheme: sin x = x (1 - x²/(2·3) (1 - x²/(4·5) (…))).
  let series = 1;
  for (let n = 12; n >= 2; n -= 2) series = 1 - ((x * x) / (n * (n + 1))) * series;
  return -x * series;
}

/**
 * base^exponent, a whole number from 0, within a relative exponent · 2^-52: by products alone, as Math.pow may differ between
 * Node versions like the cosine.
 */
export function power(base: number, exponent: number): number {
  let result = 1;
  let square = base;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}

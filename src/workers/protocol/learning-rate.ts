// The learning rate of a step, which each worker computes for itself from the step's number.
import type { UpdateTerms } from '../protocol.js';

/** step from 0, of `steps` in the whole training. */
export function learningRateAt(
  { learningRate, schedule }: Pick<UpdateTerms, 'learningRate' | 'schedule'>,
  step: number,
  steps: number,
): number {
  switch (schedule) {
    case 'constant':
      return learningRate;
    case 'linear':
      return learningRate * (1 - step / steps);
    case 'cosine':
      return learningRate * 0.5 * (1 + cosineOfHalfTurns(step / steps));
    default:
      return schedule satisfies never;
  }
}

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

// What the cost model says of more threads than this machine has.
import { type Constants, timesOf, totalOf } from './fit.js';
import { type StepShape, TERMS, type Term, unitsOf } from './shapes.js';

export interface Prediction {
  readonly threads: number;
  readonly us: number;
  /** Over the model's own time on one thread. */
  readonly speedup: number;
  /** The term that takes most of what the step lasts beyond one thread's time shared evenly. */
  readonly limit: Term;
}

export function predict(shape: StepShape, threads: number, constants: Constants): Prediction {
  const alone = timesOf(unitsOf(shape, 1), constants);
  const times = timesOf(unitsOf(shape, threads), constants);
  const beyond = (term: Term): number => times[term] - alone[term] / threads;
  const limit = TERMS.reduce((most, term) => (beyond(term) > beyond(most) ? term : most));
  const us = totalOf(times);
  return { threads, us, speedup: totalOf(alone) / us, limit };
}

/** The most threads that are still at least half as good as the same number of single ones. */
export function halfEfficientUpTo(shape: StepShape, constants: Constants, most = 256): number {
  let last = 1;
  for (let threads = 1; threads <= most; threads++) {
    if (predict(shape, threads, constants).speedup >= threads / 2) last = threads;
  }
  return last;
}

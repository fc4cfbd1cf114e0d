// Which steps of a training have a line of metrics of their own, beside the lines of epochs.

/** Shorter epochs are told of by their own lines well enough. */
const LEAST_STEPS = 20;
const LINES_AN_EPOCH = 50;
/** Of longer trainings, each epoch has fewer. */
const MOST_LINES = 10_000;

/** One in how many steps, by the shape of the training alone, so that a run that goes on has the same lines. Infinity: none. */
export function stepsALine(stepsAnEpoch: number, epochs: number): number {
  if (stepsAnEpoch < LEAST_STEPS) return Number.POSITIVE_INFINITY;
  return Math.max(Math.ceil(stepsAnEpoch / LINES_AN_EPOCH), Math.ceil((stepsAnEpoch * epochs) / MOST_LINES));
}

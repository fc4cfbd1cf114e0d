// What a trained model predicts of the rows it was trained on, from the logits that the solver has kept of them.
import type { Head } from './passes.js';

export interface KeptPredictions {
  /** Of the rows, each counted once. */
  readonly accuracy: number;
  /** The only class that is predicted, if there is only one. */
  readonly prediction: number | undefined;
}

/** As predict: of equal logits the lowest class. */
export function mostProbable(logits: Float32Array, begin: number, classes: number): number {
  let predicted = 0;
  for (let column = 1; column < classes; column++) {
    if (logits[begin + column]! > logits[begin + predicted]!) predicted = column;
  }
  return predicted;
}

/**
 * `rows`: the numbers of the head's rows, those left out whose `parts` are 0; `targets`: classes by row number.
 */
export function keptPredictions(
  { logits: { values, stride } }: Head,
  targets: Int32Array,
  rows: Uint32Array,
  classes: number,
  parts: ArrayLike<number> | undefined,
): KeptPredictions {
  let correct = 0;
  let first = -1;
  let isOnly = true;
  let position = 0;
  for (const row of rows) {
    while (parts?.[position] === 0) position++;
    const predicted = mostProbable(values, position++ * stride, classes);
    if (predicted === targets[row]) correct++;
    if (first === -1) first = predicted;
    else if (predicted !== first) isOnly = false;
  }
  return { accuracy: correct / rows.length, prediction: isOnly ? first : undefined };
}

// What a trained model predicts of the rows it was trained on, from the logits that the solver has kept of them.
import type { Head } from './passes.js';

export interface KeptPredictions {
  /** Of the rows, each counted once. */
  readonly accuracy: number;
  /** The only class that is predicted, if there is only one. */
  readonly prediction: number | undefined;
}

/** `rows`: the numbers of the head's rows; `targets`: classes by row number. As predict: of equal logits the lowest class. */
export function keptPredictions(
  { logits: { values, stride } }: Head,
  targets: Int32Array,
  rows: Uint32Array,
  classes: number,
): KeptPredictions {
  let correct = 0;
  let first = -1;
  let isOnly = true;
  for (const [i, row] of rows.entries()) {
    const begin = i * stride;
    let predicted = 0;
    for (let column = 1; column < classes; column++) {
      if (values[begin + column]! > values[begin + predicted]!) predicted = column;
    }
    if (predicted === targets[row]) correct++;
    if (i === 0) first = predicted;
    else if (predicted !== first) isOnly = false;
  }
  return { accuracy: correct / rows.length, prediction: isOnly ? first : undefined };
}

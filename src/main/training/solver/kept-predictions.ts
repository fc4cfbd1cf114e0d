// What a trained model predicts of the rows it was trained on, from the logits that the solver has kept of them.
import type { Head } from './head.js';

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

/** The class that is predicted of the rows at these positions of the problem, ascending. */
export async function predictionsOf(
  head: Head,
  positions: ArrayLike<number>,
  classes: number,
): Promise<Float64Array> {
  const { values, stride, rows } = head.logits;
  const own: number[] = [];
  for (let i = 0; i < positions.length; i++) {
    const position = positions[i]!;
    if (position < rows.begin || position >= rows.end) continue;
    own.push(mostProbable(values, (position - rows.begin) * stride, classes));
  }
  return head.together(Float64Array.from(own));
}

/**
 * `rows`: the numbers of the head's rows, those left out whose `parts` are 0; `targets`: classes by row number.
 */
export async function keptPredictions(
  head: Head,
  targets: Int32Array,
  rows: Uint32Array,
  classes: number,
  parts: ArrayLike<number> | undefined,
): Promise<KeptPredictions> {
  const positions = parts === undefined ? rows.map((_, i) => i) : Uint32Array.from(positionsWithPart(parts));
  const predicted = await predictionsOf(head, positions, classes);
  const correct = rows.reduce((sum, row, i) => sum + (predicted[i] === targets[row] ? 1 : 0), 0);
  const [first] = predicted;
  const isOnly = predicted.every((one) => one === first);
  return { accuracy: correct / rows.length, prediction: isOnly ? first : undefined };
}

function positionsWithPart(parts: ArrayLike<number>): number[] {
  const positions: number[] = [];
  for (let i = 0; i < parts.length; i++) if (parts[i] !== 0) positions.push(i);
  return positions;
}

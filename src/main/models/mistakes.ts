// Where a model is most wrong: the rows of the largest losses, and the classes that it takes for others most often.
import type { RowPredictions } from '../metrics/row-predictions.js';

export interface WorstRow {
  /** Its number among all rows, from 0. */
  readonly row: number;
  readonly target: number;
  readonly prediction: number;
  /** The plain cross-entropy, in nats. */
  readonly loss: number;
  /** The probability of the prediction. */
  readonly confidence: number;
}

export interface Confusion {
  readonly target: number;
  readonly prediction: number;
  /** Rows of the target that are predicted so. */
  readonly rows: number;
}

const MOST_ROWS = 20;
const MOST_CONFUSIONS = 20;

/** The largest losses first, equal ones by row number. Ignored rows are left out, as are losses that are NaN. */
export function worstRows(
  { ranks, losses, predictions, confidences }: RowPredictions,
  targets: Int32Array,
): readonly WorstRow[] {
  const worst = first(
    MOST_ROWS,
    ranks.length,
    (later, earlier) => losses[later]! > losses[earlier]!,
    (row) => ranks[row]! >= 0 && !Number.isNaN(losses[row]),
  );
  return worst.map((row) => ({
    row,
    target: targets[row]!,
    prediction: predictions[row]!,
    loss: losses[row]!,
    confidence: confidences[row]!,
  }));
}

/** The first of the worst rows of several parts of the rows, part after part. */
export function firstOfWorst(rows: readonly WorstRow[]): readonly WorstRow[] {
  const isWorse = (later: number, earlier: number) => rows[later]!.loss > rows[earlier]!.loss;
  return first(MOST_ROWS, rows.length, isWorse).map((at) => rows[at]!);
}

/** How many rows of a target have a prediction: the pair is target · classes + prediction. */
export interface ConfusedPair {
  readonly pair: number;
  readonly rows: number;
}

/** All mistakes, by ascending pair. Ignored rows are left out. */
export function confusedPairs(
  { ranks, predictions }: RowPredictions,
  targets: Int32Array,
  classes: number,
): readonly ConfusedPair[] {
  const pairs = new Float64Array(ranks.length);
  let mistakes = 0;
  for (let row = 0; row < ranks.length; row++) {
    if (ranks[row]! < 0 || predictions[row] === targets[row]) continue;
    pairs[mistakes++] = targets[row]! * classes + predictions[row]!;
  }
  // Equal pairs side by side: there may be far more pairs than fit a table.
  return counted(pairs.subarray(0, mistakes).sort(), (pair) => ({ pair, rows: 1 }));
}

/** Adds up equal pairs, which lie side by side. */
function counted<Of>(sorted: Iterable<Of>, pairOf: (one: Of) => ConfusedPair): ConfusedPair[] {
  const runs: { pair: number; rows: number }[] = [];
  for (const one of sorted) {
    const { pair, rows } = pairOf(one);
    const last = runs.at(-1);
    if (last?.pair === pair) last.rows += rows;
    else runs.push({ pair, rows });
  }
  return runs;
}

/** Of the pairs of several parts of the rows: the most frequent first, equal ones by target and prediction. */
export function topOfPairs(parts: readonly ConfusedPair[], classes: number): readonly Confusion[] {
  const runs = counted(
    [...parts].sort((a, b) => a.pair - b.pair),
    (one) => one,
  );
  const isMore = (later: number, earlier: number) => runs[later]!.rows > runs[earlier]!.rows;
  return first(MOST_CONFUSIONS, runs.length, isMore).map((at) => {
    const { pair, rows } = runs[at]!;
    return { target: Math.floor(pair / classes), prediction: pair % classes, rows };
  });
}

/** The most frequent mistakes first, equal ones by target and prediction. */
export const topConfusions = (
  results: RowPredictions,
  targets: Int32Array,
  classes: number,
): readonly Confusion[] => topOfPairs(confusedPairs(results, targets, classes), classes);

/** The numbers below `count` that come first, `isBefore(b, a)` telling whether b comes before an earlier a. */
function first(
  most: number,
  count: number,
  isBefore: (later: number, earlier: number) => boolean,
  counts = (_: number): boolean => true,
): readonly number[] {
  const chosen: number[] = [];
  for (let i = 0; i < count; i++) {
    if (!counts(i) || (chosen.length === most && !isBefore(i, chosen[most - 1]!))) continue;
    let place = chosen.length;
    while (place > 0 && isBefore(i, chosen[place - 1]!)) place--;
    chosen.splice(place, 0, i);
    if (chosen.length > most) chosen.pop();
  }
  return chosen;
}

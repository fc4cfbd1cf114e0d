// Metrics of a classifier from what it says of each row.
import type { Tensor } from '../tensor.js';
import type { RowResults } from './linear-model.js';

/** A confusion matrix has classes² entries; beyond this many classes it is left out. */
const MAX_CONFUSION_CLASSES = 1024;

export interface Evaluation {
  readonly rows: number;
  /** Mean cross-entropy over the rows, in nats. */
  readonly loss: number;
  readonly lossSum: number;
  /** The fraction of rows whose largest logit is the target's; ties go to the lowest class. */
  readonly accuracy: number;
  readonly correct: number;
  readonly topK: number;
  /** The fraction of rows whose target is among the topK largest logits. */
  readonly topKAccuracy: number;
  /** Uint32 [classes × classes], counts of [target, prediction]; absent beyond 1024 classes. */
  readonly confusion?: Tensor<'uint32'>;
}

export function evaluationOf(
  { predictions, ranks, losses }: RowResults,
  targets: Int32Array,
  classes: number,
  topK: number,
): Evaluation {
  const rows = predictions.length;
  let lossSum = 0;
  let correct = 0;
  let topKCorrect = 0;
  for (let row = 0; row < rows; row++) {
    lossSum += losses[row]!;
    if (ranks[row]! === 0) correct++;
    if (ranks[row]! < topK) topKCorrect++;
  }
  const evaluation = {
    rows,
    loss: lossSum / rows,
    lossSum,
    accuracy: correct / rows,
    correct,
    topK,
    topKAccuracy: topKCorrect / rows,
  };
  if (classes > MAX_CONFUSION_CLASSES) return evaluation;
  const counts = new Uint32Array(classes * classes);
  for (let row = 0; row < rows; row++) counts[targets[row]! * classes + predictions[row]!]!++;
  return { ...evaluation, confusion: { type: 'uint32', dims: [classes, classes], data: counts } };
}

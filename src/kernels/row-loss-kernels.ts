// The contract of the row losses (all but softmax cross-entropy), and of what metrics keep of each row.
import type { Ptr } from './ptr.js';

/**
 * Rows [rows × columns] of T without gaps: `type` is TYPE_FLOAT32 or TYPE_FLOAT64 (loss-layout.ts).
 * `gradient` has the shape of the rows, may be the rows themselves, or 0 for losses alone; losses [rows] of T
 * or 0. `sums`: float64 cells, to the first of which the losses are added row by row. The gradient is scale ·
 * gradOutput_i · d loss_i; gradOutput [rows] of T or 0 for ones. Targets are Int32 [rows]; where the text
 * says so, one that is no class marks an ignored row: loss 0 and gradient 0 whatever the row holds.
 *
 * A status is STATUS_OK or the first row (from 0 in this call) with invalid targets; nothing is written for
 * that row and later ones.
 */
export interface RowLossKernels {
  /**
   * loss = -sampleWeight_i · weight_t · logProbabilities_t; weight [columns] and sampleWeight [rows] of T or 0. Ignored:
   * rows whose target is no class.
   */
  nllRows(
    gradient: Ptr,
    gradOutput: Ptr,
    losses: Ptr,
    sums: Ptr,
    logProbabilities: Ptr,
    targets: Ptr,
    weight: Ptr,
    sampleWeight: Ptr,
    type: number,
    rows: number,
    columns: number,
    scale: number,
  ): void;

  /**
   * loss = -Σ y log max(a, floor), gradient = -scale · y / a, and 0 where a is below the floor. Either targets (y one-hot; only the
   * target's probability is looked at) or targetProbabilities [rows × columns], the other 0. A term with y = 0 is 0 also
   * where a is 0; NaN anywhere in the row makes a dense row's loss NaN. Status: a target is no class,
   * or a target probability is negative, NaN or infinite.
   */
  probabilityLossRows(
    gradient: Ptr,
    gradOutput: Ptr,
    losses: Ptr,
    sums: Ptr,
    probabilities: Ptr,
    targets: Ptr,
    targetProbabilities: Ptr,
    type: number,
    rows: number,
    columns: number,
    floor: number,
    scale: number,
  ): number;

  /**
   * loss = Σ_j (a_j - y_j)² with a the outputs, or with fromLogits 1 their softmax; the gradient is that by the
   * outputs. Either targets (y one-hot) or targetValues [rows × columns], the other 0. scratch: one row (scratchRowBytes in loss-scratch.ts),
   * needed fromLogits.
   */
  squaredErrorRows(
    gradient: Ptr,
    gradOutput: Ptr,
    losses: Ptr,
    sums: Ptr,
    outputs: Ptr,
    targets: Ptr,
    targetValues: Ptr,
    type: number,
    rows: number,
    columns: number,
    fromLogits: number,
    scale: number,
    scratch: Ptr,
  ): void;

  /**
   * loss = divergenceFactor · KL + crossEntropyFactor · CE with
   *   KL = Σ q log(q / p), p = softmax(logits / temperature), q = softmax(teacher / temperature) or, with
   *   teacherIsProbabilities 1, teacher as it is; CE = -log softmax(logits)_target.
   * targets may be 0: no CE (crossEntropyFactor is then 0). Ignored: rows whose target is no class. Three cells of sums: loss, KL, CE. A part
   * whose factor is 0 adds nothing to loss and gradient, even NaN. teacher [rows × columns]. scratch: three rows
   * (scratchRowBytes). Status: a probability of the teacher is negative, NaN or infinite.
   */
  divergenceRows(
    gradLogits: Ptr,
    gradOutput: Ptr,
    losses: Ptr,
    sums: Ptr,
    logits: Ptr,
    teacher: Ptr,
    teacherIsProbabilities: number,
    targets: Ptr,
    type: number,
    rows: number,
    columns: number,
    temperature: number,
    divergenceFactor: number,
    crossEntropyFactor: number,
    scale: number,
    scratch: Ptr,
  ): number;

  /**
   * loss = -Σ_j weight_j (posWeight_j y_j log σ(z_j) + (1 - y_j) log(1 - σ(z_j))). targets [rows × columns] of T;
   * weight [columns] with weightStride 0, or [rows × columns] with weightStride = columns, or 0; posWeight [columns]
   * or 0. Status: a target is not in [0, 1].
   */
  binaryCrossEntropyRows(
    gradLogits: Ptr,
    gradOutput: Ptr,
    losses: Ptr,
    sums: Ptr,
    logits: Ptr,
    targets: Ptr,
    weight: Ptr,
    weightStride: number,
    posWeight: Ptr,
    type: number,
    rows: number,
    columns: number,
    scale: number,
  ): number;

  /**
   * For each row of float32 logits [rows × stride]: predictions and ranks Int32 as evaluateRows has them, losses float64,
   * confidences float32 (the largest probability; NaN where the softmax is). Ignored, where the target is no class: -1,
   * -1, 0 and 0.
   */
  predictRows(
    predictions: Ptr,
    ranks: Ptr,
    losses: Ptr,
    confidences: Ptr,
    logits: Ptr,
    targets: Ptr,
    rows: number,
    columns: number,
    stride: number,
  ): void;

  /** The same of float64 logits [rows × columns]; confidences float64. */
  predictRows64(
    predictions: Ptr,
    ranks: Ptr,
    losses: Ptr,
    confidences: Ptr,
    logits: Ptr,
    targets: Ptr,
    rows: number,
    columns: number,
  ): void;
}

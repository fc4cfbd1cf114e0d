// The contract of the general loss kernels: every option, any element type, the class axis anywhere.
import type { Ptr } from './kernels.js';

export interface LossKernels {
  /**
   * Losses and gradient of rows [rows × columns] without gaps, float32, with every option that the block `call`
   * (loss-layout.ts) holds. For one row of logits z with target t:
   *
   *   u = softcap(z) / temperature, -Infinity where mask is 0        p = softmax(u)
   *   q = (1 - labelSmoothing) · target + labelSmoothing / classes   target: one-hot(t) or the row of softTargets;
   *                                                                  with a mask the smoothing goes to kept classes only
   *   loss = sampleWeight · (Σ_j weight_j q_j (1 - p_j)^gamma (-log p_j) + zLoss · logSumExp(u)²)
   *
   * A term with q_j = 0 (or weight_j = 0) is 0, also where p_j is 0. gradLogits = scale · gradLoss · d loss / d z; it may
   * be the logits, or 0 for losses alone. softTargets [rows × columns] float32, or 0; mask [rows × columns] bytes, or 0.
   * Ignored rows have loss 0, gradient 0 and statistics NaN (or -1), whatever their logits. Rows of NaN and infinities
   * as in crossEntropyGradientRows; a scale of 0 gives a gradient of 0 for any row.
   *
   * rowBegin: where the rows stand in the arrays of `call`. sums: two float64, to which the sums of the losses (z-loss
   * included) and of the z-losses are added row by row. scratch: lossScratchBytes(columns, 4) bytes, 16-byte aligned,
   * whatever they hold.
   * Status: STATUS_OK or the first row (from 0 in this call) whose target is out of range and not the ignoreIndex.
   */
  lossRows(
    call: Ptr,
    sums: Ptr,
    gradLogits: Ptr,
    logits: Ptr,
    softTargets: Ptr,
    mask: Ptr,
    rowBegin: number,
    rows: number,
    columns: number,
    scratch: Ptr,
  ): number;
  /**
   * The same in float64: logits, gradLogits, softTargets and the arrays T of `call` are float64; scratch is
   * lossScratchBytes(columns, 8).
   */
  lossRows64(
    call: Ptr,
    sums: Ptr,
    gradLogits: Ptr,
    logits: Ptr,
    softTargets: Ptr,
    mask: Ptr,
    rowBegin: number,
    rows: number,
    columns: number,
    scratch: Ptr,
  ): number;

  /** As softmaxRows, logSoftmaxRows and logSumExpRows, for float64 without gaps. */
  softmaxRows64(output: Ptr, logits: Ptr, rows: number, columns: number): void;
  logSoftmaxRows64(output: Ptr, logits: Ptr, rows: number, columns: number): void;
  logSumExpRows64(output: Ptr, logits: Ptr, rows: number, columns: number): void;

  /**
   * tile [rows × columns] without gaps from an array [outer × columns × inner] of `type` (loss-layout.ts): row r of the
   * array, r = o · inner + i, has its columns `inner` elements apart. float64 gives a float64 tile, the others float32.
   * Takes rows [rowBegin, rowBegin + rows), which may lie in several o.
   */
  loadTile(
    tile: Ptr,
    source: Ptr,
    type: number,
    rowBegin: number,
    rows: number,
    columns: number,
    inner: number,
  ): void;
  /** The reverse of loadTile; bfloat16 and float16 are rounded to nearest, ties to even. */
  storeTile(
    target: Ptr,
    tile: Ptr,
    type: number,
    rowBegin: number,
    rows: number,
    columns: number,
    inner: number,
  ): void;
}

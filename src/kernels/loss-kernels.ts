// The contract of cross-entropy with options, and of rows of any element type with the class axis anywhere.
import type { Ptr } from './ptr.js';

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
   * A term with q_j = 0 (or weight_j = 0) is 0, also where p_j is 0 (but see LOSS_ZERO_IS_NAN). gradLogits = scale · gradLoss · d loss / d z; it may
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
   * As lossRows, for rows of logits `stride` elements apart (what lies between is left alone). Row i of the call is row
   * indices[rowBegin + i] (Uint32), or with indices 0 row rowBegin + i, of the arrays of `call`, and here of softTargets
   * and mask too. The bits are those of lossRows.
   */
  lossRowsAt(
    call: Ptr,
    sums: Ptr,
    gradLogits: Ptr,
    logits: Ptr,
    softTargets: Ptr,
    mask: Ptr,
    indices: Ptr,
    rowBegin: number,
    rows: number,
    columns: number,
    stride: number,
    scratch: Ptr,
  ): number;
  /**
   * lossRows in float64: logits, gradLogits, softTargets and the arrays T of `call` are float64; scratch is
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

  /**
   * As softmaxRows, logSoftmaxRows and logSumExpRows, for float64 without gaps. Relative error of softmax below
   * 1e-15 + |z - max| · 2^-53, and so of log(sum of exp(z - max)), with the |z - max| of the terms that count there: it
   * is made by log1p, and keeps its digits where one logit dominates. Then one rounding for each difference.
   */
  softmaxRows64(output: Ptr, logits: Ptr, rows: number, columns: number): void;
  logSoftmaxRows64(output: Ptr, logits: Ptr, rows: number, columns: number): void;
  logSumExpRows64(output: Ptr, logits: Ptr, rows: number, columns: number): void;

  /**
   * Softmax of rows [rowBegin, rowBegin + rows) of an array [outer × columns × inner], rows and `type` as in loadTile,
   * into the same places of an array of the same shape and type, which may be the logits. For few columns far faster
   * than loadTile, softmaxRows and storeTile (see COLUMN_KERNELS_MAX), with other bits: those of a row depend on its
   * logits and the number of columns alone, not on inner, rows or addresses. Any inner, any number of columns; the
   * half types are computed in float32. Error bounds and edge rows as softmaxRows, for float64 as softmaxRows64.
   * scratch: columnScratchBytes(columns) bytes, 16-byte aligned for speed.
   */
  softmaxColumns(
    output: Ptr,
    logits: Ptr,
    type: number,
    rowBegin: number,
    rows: number,
    columns: number,
    inner: number,
    scratch: Ptr,
  ): void;
  /** As softmaxColumns, the logarithm; a confident row keeps the digits of its small results (log1p). */
  logSoftmaxColumns(
    output: Ptr,
    logits: Ptr,
    type: number,
    rowBegin: number,
    rows: number,
    columns: number,
    inner: number,
    scratch: Ptr,
  ): void;
  /** As softmaxColumns; output [rows] without gaps, from this call's first row: float64 for float64, else float32. */
  logSumExpColumns(
    output: Ptr,
    logits: Ptr,
    type: number,
    rowBegin: number,
    rows: number,
    columns: number,
    inner: number,
    scratch: Ptr,
  ): void;

  /**
   * tile [rows × columns] without gaps from an array [outer × columns × inner] of `type` (loss-layout.ts): row r of the
   * array, r = o · inner + i, has its columns `inner` elements apart. float64 gives a float64 tile, the others float32.
   * Takes rows [rowBegin, rowBegin + rows), which may lie in several o. The half types are widened exactly, NaN with its
   * sign and payload. tile and source do not overlap.
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
  /**
   * The reverse of loadTile; bfloat16 and float16 are rounded to nearest, ties to even, beyond their range to Infinity.
   * Every NaN becomes the quiet one (0x7fc0, 0x7e00); float32 and float64 are copied bit for bit.
   */
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

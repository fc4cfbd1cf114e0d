// What the kernels say about each row of a batch: prediction, rank, loss and confidence.
import { type AxisRows, computeType, needTiles } from '../arguments/axis-rows.js';
import { newFloatArray } from '../arguments/numeric-vectors.js';
import type { CheckedTargets } from '../arguments/targets.js';
import type { Cancellation } from '../cancellation.js';
import { writeOperand } from '../dispatch/operands.js';
import type { Resources } from '../dispatch/resources.js';
import { runRowOperation } from '../dispatch/row-operation.js';
import type { Operand } from '../dispatch/windows.js';
import { keptTargets } from '../losses/row-loss-operands.js';
import { type ElementType, elementBytes, type TensorData } from '../memory/element-types.js';

/** All [rows]. An ignored row has prediction and rank -1. */
export interface RowPredictions {
  readonly predictions: Int32Array;
  /** How many classes come before the target; the number of classes where its logit is NaN. */
  readonly ranks: Int32Array;
  readonly losses: Float64Array;
  /** The largest probability of each row; NaN where the softmax is. Float64 for float64 logits. */
  readonly confidences: Float32Array | Float64Array;
}

export async function predictRows(
  resources: Resources,
  logits: AxisRows,
  targets: CheckedTargets,
  ignoreIndex: number,
  signal: Cancellation | undefined,
): Promise<RowPredictions> {
  const { rows, inner } = logits;
  const type = computeType(logits);
  const results: RowPredictions = {
    predictions: new Int32Array(rows),
    ranks: new Int32Array(rows),
    losses: new Float64Array(rows),
    confidences: newFloatArray(type, rows),
  };
  const result = <Type extends ElementType>(what: string, its: Type, elements: TensorData[Type]): Operand =>
    writeOperand(what, { elements, columns: inner, type: its, ptr: undefined });
  const targetRows = keptTargets(targets, { ignoreIndex }, logits).operand;
  const predictions = result('predictions', 'int32', results.predictions);
  const ranks = result('ranks', 'int32', results.ranks);
  const losses = result('losses', 'float64', results.losses);
  const confidences = result('confidences', type, results.confidences);
  await runRowOperation(resources, {
    input: logits,
    inputName: 'logits',
    operands: [targetRows, predictions, ranks, losses, confidences],
    scratchBytes: ({ tileRows, columns }) =>
      needTiles(logits) ? tileRows * columns * elementBytes(type) : 0,
    signal,
    operation: (ptrOf) => ({
      kind: 'rowPredictions',
      targets: ptrOf(targetRows),
      predictions: ptrOf(predictions),
      ranks: ptrOf(ranks),
      losses: ptrOf(losses),
      confidences: ptrOf(confidences),
    }),
  });
  return results;
}

// What the kernels say of each row of a batch: prediction, rank, loss and confidence.

import type { OutcomesTask } from '../../workers/protocol.js';
import { computeType, isPlain, type Logits } from '../arguments/axis-rows.js';
import { newFloatArray } from '../arguments/numeric-vectors.js';
import type { CheckedTargets } from '../arguments/targets.js';
import type { Cancellation } from '../dispatch/cancellation.js';
import { readOperand, writeOperand } from '../dispatch/operands.js';
import type { Resources } from '../dispatch/resources.js';
import { inWindows, type Operand, type Window } from '../dispatch/windows.js';
import { asRows } from '../losses/general-loss.js';
import { keptTargets } from '../losses/other-loss-operands.js';
import { ELEMENTS, type ElementType, elementBytes, type TensorData } from '../memory/element-types.js';
import { aligned } from '../plans/parts.js';
import { planSlices } from '../plans/rows.js';

/** All [rows]. An ignored row has prediction and rank -1. */
export interface RowOutcomes {
  readonly predictions: Int32Array;
  /** How many classes come before the target; the number of classes where its logit is NaN. */
  readonly ranks: Int32Array;
  readonly losses: Float64Array;
  /** The largest probability of each row; NaN where the softmax is. Float64 for float64 logits. */
  readonly confidences: Float32Array | Float64Array;
}

export async function rowOutcomes(
  { arena, callMemory, pool }: Resources,
  logits: Logits,
  targets: CheckedTargets,
  ignoreIndex: number,
  signal: Cancellation | undefined,
): Promise<RowOutcomes> {
  const { rows, columns, outer, inner } = logits;
  const type = computeType(logits);
  const outcomes: RowOutcomes = {
    predictions: new Int32Array(rows),
    ranks: new Int32Array(rows),
    losses: new Float64Array(rows),
    confidences: newFloatArray(type, rows),
  };
  const result = <Type extends ElementType>(what: string, its: Type, elements: TensorData[Type]): Operand =>
    writeOperand(what, { elements, columns: inner, type: its, ptr: undefined });
  const plan = planSlices(outer, columns, inner);
  const { shardOuters, shardInner, tileRows } = plan;
  const operands = [
    readOperand('logits', asRows(logits)),
    keptTargets(targets, { ignoreIndex }, logits).operand,
    result('predictions', 'int32', outcomes.predictions),
    result('ranks', 'int32', outcomes.ranks),
    result('losses', 'float64', outcomes.losses),
    result('confidences', type, outcomes.confidences),
  ];
  const tileBytes = isPlain(logits) ? 0 : tileRows * columns * elementBytes(type);
  const scratchBytes = aligned(tileBytes);
  const windows = { shardRows: shardOuters, shards: Math.ceil(outer / shardOuters) };
  const held = operands.map(({ ptr }) => ptr);
  return callMemory.use(held, signal, async (scope) => {
    // Gangs run one at a time, so windows can share it.
    const scratch = scope.allocate(pool.threads * scratchBytes, 'scratch memory for rows');
    const compute = async ({ rowBegin, rowEnd, ptrs }: Window) => {
      const [logitsPtr, targetsPtr, predictions, ranks, losses, confidences] = ptrs;
      const job: Omit<OutcomesTask, 'member' | 'members'> = {
        kind: 'outcomes',
        logits: logitsPtr!,
        targets: targetsPtr!,
        predictions: predictions!,
        ranks: ranks!,
        losses: losses!,
        confidences: confidences!,
        outer: rowEnd - rowBegin,
        columns,
        inner,
        shardOuters,
        shardInner,
        tileRows,
        type: ELEMENTS[logits.type].code,
        scratch,
        scratchBytes,
      };
      const shards = Math.ceil(job.outer / shardOuters) * Math.ceil(inner / shardInner);
      await pool.run(job, { members: Math.min(pool.threads, shards), signal });
    };
    await inWindows(arena, outer, windows, operands, signal, compute);
    return outcomes;
  });
}

// What the kernels say of each row of a batch: prediction, rank, loss and confidence.
import type { OutcomesTask } from '../../workers/protocol.js';
import { asRows } from '../losses/general-loss.js';
import type { Logits } from '../losses/logits.js';
import { keptTargetsOperand } from '../losses/other-loss-operands.js';
import { classesOperand, readOperand, valueOperand, writeOperand } from '../operands.js';
import { planRows } from '../plans/rows.js';
import type { Resources } from '../resources.js';
import type { CheckedTargets } from '../targets.js';
import { inWindows, type Window } from '../windows.js';

/** All [rows]. An ignored row has prediction and rank -1. */
export interface RowOutcomes {
  readonly predictions: Int32Array;
  /** How many classes come before the target; the number of classes where its logit is NaN. */
  readonly ranks: Int32Array;
  readonly losses: Float64Array;
  /** The largest probability of each row; NaN where the softmax is. */
  readonly confidences: Float32Array;
}

export async function rowOutcomes(
  { arena, callMemory, pool }: Resources,
  logits: Logits,
  targets: CheckedTargets,
  ignoreIndex: number,
  signal: AbortSignal | undefined,
): Promise<RowOutcomes> {
  const { rows, columns } = logits;
  const outcomes: RowOutcomes = {
    predictions: new Int32Array(rows),
    ranks: new Int32Array(rows),
    losses: new Float64Array(rows),
    confidences: new Float32Array(rows),
  };
  const plan = planRows(rows, columns);
  const lossRows = { elements: outcomes.losses, columns: 1, type: 'float64', ptr: undefined } as const;
  const operands = [
    readOperand('logits', asRows(logits)),
    keptTargetsOperand(targets, ignoreIndex, logits),
    classesOperand('predictions', outcomes.predictions),
    classesOperand('ranks', outcomes.ranks),
    writeOperand('losses', lossRows),
    valueOperand('confidences', outcomes.confidences),
  ];
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
      rows: rowEnd - rowBegin,
      columns,
      shardRows: plan.shardRows,
    };
    const members = Math.min(pool.threads, Math.ceil(job.rows / plan.shardRows));
    await pool.run(job, { members, signal });
  };
  const held = operands.map(({ ptr }) => ptr);
  await callMemory.use(held, signal, () => inWindows(arena, rows, plan, operands, compute));
  return outcomes;
}

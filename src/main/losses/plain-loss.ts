// Softmax cross-entropy of float32 rows without options: the fastest kernels.
import { treeSum } from '../../kernels/tree-sum.js';
import type { CrossEntropyTask } from '../../workers/protocol.js';
import type { Logits } from '../arguments/axis-rows.js';
import { type CheckedTargets, changedTargetError, refusedRow } from '../arguments/targets.js';
import { mapOperands, readOperand, targetsOperand, valueOperand } from '../dispatch/operands.js';
import type { Resources } from '../dispatch/resources.js';
import { inWindows } from '../dispatch/windows.js';
import { planRows } from '../plans/rows.js';
import { asRows, type LossSums } from './general-loss.js';
import { type CheckedLossOptions, emptyError, reduceLoss } from './loss-options.js';

/** The losses, and the gradient where there is an output for it. */
export async function plainLoss(
  { arena, callMemory, pool }: Resources,
  logits: Logits,
  targets: CheckedTargets,
  options: CheckedLossOptions,
  output: Logits | undefined,
): Promise<LossSums> {
  const { rows, columns } = logits;
  const { reduction, gradScale, signal } = options;
  const weightSum = rows - targets.ignored;
  if (weightSum === 0 && options.onEmpty === 'throw') throw emptyError(rows);
  const plan = planRows(rows, columns);
  const losses = reduction === 'none' ? new Float32Array(rows) : undefined;
  const source = asRows(logits);
  const maps = output === undefined ? [readOperand('logits', source)] : mapOperands(source, asRows(output));
  const operands = [
    ...maps,
    targetsOperand(targets),
    ...(losses === undefined ? [] : [valueOperand('losses', losses)]),
  ];
  const { ignoreIndex: index, onInvalidTarget } = options;
  const ignore = targets.ignored === 0 ? undefined : { index, invalid: onInvalidTarget === 'ignore' };
  const held = operands.map(({ ptr }) => ptr);
  return callMemory.use(held, signal, async (scope) => {
    const lossSums = scope.allocate(plan.shards * 8, 'partial losses');
    await inWindows(arena, rows, plan, operands, signal, async ({ rowBegin, rowEnd, firstShard, ptrs }) => {
      const windowRows = rowEnd - rowBegin;
      const job: Omit<CrossEntropyTask, 'member' | 'members'> = {
        kind: 'crossEntropy',
        gradLogits: output === undefined ? 0 : ptrs[maps.length - 1]!,
        losses: losses === undefined ? 0 : ptrs[maps.length + 1]!,
        lossSums: lossSums + firstShard * 8,
        logits: ptrs[0]!,
        targets: ptrs[maps.length]!,
        rows: windowRows,
        columns,
        shardRows: plan.shardRows,
        scale: reduction === 'mean' && weightSum > 0 ? gradScale / weightSum : gradScale,
        ignore,
        buffer: arena.memory.buffer,
      };
      const members = Math.min(pool.threads, Math.ceil(windowRows / plan.shardRows));
      const refused = refusedRow(await pool.run(job, { members, signal }));
      if (refused !== undefined) throw changedTargetError(rowBegin + refused, columns);
    });
    const lossSum = treeSum(arena.view('float64', lossSums, plan.shards));
    return { loss: reduceLoss(options, lossSum, weightSum), lossSum, weightSum, zLoss: 0, losses };
  });
}

// Softmax cross-entropy with every option, on logits of any type and axis: the block that describes the call to the
// kernels, the operands of its windows, and what comes back.

import * as layout from '../../kernels/loss-layout.js';
import { lossScratch } from '../../kernels/loss-scratch.js';
import { treeSum } from '../../kernels/tree-sum.js';
import type { LossTask } from '../../workers/protocol.js';
import { computeType, type Logits } from '../arguments/axis-rows.js';
import { type FloatArray, newFloatArray } from '../arguments/numeric-vectors.js';
import { type CheckedTargets, changedTargetError, refusedRow } from '../arguments/targets.js';
import type { Cancellation } from '../dispatch/cancellation.js';
import { mapOperands, readOperand, targetsOperand, writeOperand } from '../dispatch/operands.js';
import type { Resources } from '../dispatch/resources.js';
import type { ArrayRows } from '../dispatch/row-source.js';
import { inWindows, type Operand, SLOTS } from '../dispatch/windows.js';
import { ELEMENTS } from '../memory/element-types.js';
import { aligned } from '../plans/parts.js';
import { planSlices, type SlicesPlan } from '../plans/rows.js';
import { placeNumbers, writeLossOptions } from './loss-call.js';
import { type CheckedLossOptions, emptyError, reduceLoss } from './loss-options.js';
import type { RowStatistics } from './statistics.js';
import { sumWeights } from './weight-sum.js';

export interface LossCall {
  readonly logits: Logits;
  /** Class indices, or undefined with soft targets. */
  readonly targets: CheckedTargets | undefined;
  readonly softTargets: Operand | undefined;
  readonly mask: Operand | undefined;
  readonly options: CheckedLossOptions;
  readonly statistics: RowStatistics;
}

export interface LossSums {
  readonly loss: number;
  readonly lossSum: number;
  readonly weightSum: number;
  /** The z-losses' part of `loss`. */
  readonly zLoss: number;
  readonly losses: Float32Array | Float64Array | undefined;
}

/** Which operand of a window an address in the block belongs to. */
interface PlacedOperand {
  readonly offset: number;
  readonly operand: Operand;
}

export async function generalLoss(
  resources: Resources,
  call: LossCall,
  output: Logits | undefined,
): Promise<LossSums> {
  const { arena, callMemory } = resources;
  const { logits, options } = call;
  const plan = planSlices(logits.outer, logits.columns, logits.inner);
  const weightSum = sumWeights(logits, plan, call.targets, options);
  if (weightSum === 0 && options.onEmpty === 'throw') throw emptyError(logits.rows);
  const type = computeType(logits);
  const losses = options.reduction === 'none' ? newFloatArray(type, logits.rows) : undefined;
  const placed = rowOperands(call, losses, type);
  const others = [call.softTargets, call.mask].filter((operand) => operand !== undefined);
  const source = asRows(logits);
  const maps = output === undefined ? [readOperand('logits', source)] : mapOperands(source, asRows(output));
  const operands = [...maps, ...others, ...placed.map(({ operand }) => operand)];

  const held = operands.map(({ ptr }) => ptr);
  return callMemory.use(held, options.signal, async (scope) => {
    const sums = scope.allocate(plan.shards * 16, 'partial losses');
    const weight = placeNumbers(arena, scope, 'weight', options.weight, type);
    const windows = { shardRows: plan.shardOuters, shards: Math.ceil(logits.outer / plan.shardOuters) };
    const innerShards = Math.ceil(logits.inner / plan.shardInner);
    const blocks = Array.from({ length: SLOTS }, () => scope.allocate(layout.LOSS_CALL_BYTES, 'a loss call'));
    const scratchBytes = scratchBytesOf(logits, plan.tileRows);
    // Gangs run one at a time, so windows can share it.
    const scratch = scope.allocate(resources.pool.threads * scratchBytes, 'scratch memory for rows');
    await inWindows(arena, logits.outer, windows, operands, options.signal, async (window) => {
      const { rowBegin, rowEnd, firstShard, slot, ptrs } = window;
      const ptrOf = (operand: Operand | undefined) =>
        operand === undefined ? 0 : ptrs[operands.indexOf(operand)]!;
      const block = blocks[slot]!;
      writeLossOptions(arena, block, options, weightSum);
      const words = arena.view('uint32', block, layout.LOSS_CALL_BYTES / 4);
      words[layout.LOSS_WEIGHT / 4] = weight;
      for (const { offset, operand } of placed) words[offset / 4] = ptrOf(operand);
      await runLoss(resources, plan, logits, options.signal, rowBegin * logits.inner, {
        outer: rowEnd - rowBegin,
        call: block,
        sums: sums + firstShard * innerShards * 16,
        gradLogits: output === undefined ? 0 : ptrs[maps.length - 1]!,
        logits: ptrs[0]!,
        softTargets: ptrOf(call.softTargets),
        mask: ptrOf(call.mask),
        scratch,
        scratchBytes,
      });
    });
    const pairs = arena.view('float64', sums, plan.shards * 2);
    const lossSum = treeSum(pairs.filter((_, i) => i % 2 === 0));
    const zLossSum = treeSum(pairs.filter((_, i) => i % 2 === 1));
    return {
      loss: reduceLoss(options, lossSum, weightSum),
      lossSum,
      weightSum,
      zLoss: reduceLoss(options, zLossSum, weightSum),
      losses,
    };
  });
}

/** One window row is a whole outer: its elements lie together. */
export const asRows = ({ columns, inner, type, elements, ptr }: Logits): ArrayRows => ({
  columns: columns * inner,
  type,
  elements,
  ptr,
});

/** The arrays with one entry a row, and where their addresses go in the block. */
function rowOperands(
  { logits, targets, options, statistics }: LossCall,
  losses: Float32Array | Float64Array | undefined,
  type: 'float32' | 'float64',
): PlacedOperand[] {
  const columns = logits.inner;
  const read = (what: string, elements: FloatArray): Operand =>
    readOperand(what, { elements, columns, type, ptr: undefined });
  const placed: PlacedOperand[] = [];
  if (targets !== undefined) {
    placed.push({ offset: layout.LOSS_TARGETS, operand: targetsOperand(targets, columns) });
  }
  if (options.sampleWeight !== undefined) {
    placed.push({ offset: layout.LOSS_SAMPLE_WEIGHT, operand: read('sampleWeight', options.sampleWeight) });
  }
  if (options.gradOutput !== undefined) {
    placed.push({ offset: layout.LOSS_GRAD_LOSSES, operand: read('gradOutput', options.gradOutput) });
  }
  if (losses !== undefined) {
    const operand = writeOperand('losses', { elements: losses, columns, type, ptr: undefined });
    placed.push({ offset: layout.LOSS_LOSSES, operand });
  }
  for (const array of statistics.arrays) {
    const rows = { elements: array.values, columns, type: array.type, ptr: undefined };
    placed.push({ offset: array.offset, operand: writeOperand('statistics', rows) });
  }
  return placed;
}

type WindowFields =
  | 'outer'
  | 'call'
  | 'sums'
  | 'gradLogits'
  | 'logits'
  | 'softTargets'
  | 'mask'
  | 'scratch'
  | 'scratchBytes';

async function runLoss(
  { arena, pool }: Resources,
  { shardOuters, shardInner, tileRows }: SlicesPlan,
  { columns, inner, type }: Logits,
  signal: Cancellation | undefined,
  firstRow: number,
  window: Pick<LossTask, WindowFields>,
): Promise<void> {
  const shards = Math.ceil(window.outer / shardOuters) * Math.ceil(inner / shardInner);
  const job: Omit<LossTask, 'member' | 'members'> = {
    kind: 'loss',
    ...window,
    columns,
    inner,
    shardOuters,
    shardInner,
    tileRows,
    type: ELEMENTS[type].code,
    buffer: arena.memory.buffer,
  };
  const refused = refusedRow(await pool.run(job, { members: Math.min(pool.threads, shards), signal }));
  if (refused !== undefined) throw changedTargetError(firstRow + refused, columns);
}

/** Scratch memory of one member; members do not share a cache line. */
export function scratchBytesOf({ columns, type }: Logits, tileRows: number): number {
  const bytes = Math.max(
    lossScratch(0, { columns, tileRows, type: ELEMENTS[type].code }).end,
    layout.columnScratchBytes(columns),
  );
  return aligned(bytes);
}

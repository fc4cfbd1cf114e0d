// The way of a loss beside crossEntropy through windows and workers, with its gradient where one is asked for.
import type { SoftshardError } from '../../errors.js';
import { otherLossScratch } from '../../kernels/loss-scratch.js';
import type { Ptr } from '../../kernels/ptr.js';
import { treeSum } from '../../kernels/tree-sum.js';
import { type LossParameters, type OtherLossTask, SUMS_A_SHARD } from '../../workers/protocol.js';
import { computeType, type FloatInput, type FloatType, type Logits } from '../arguments/axis-rows.js';
import { checkApart } from '../arguments/matrices.js';
import { type FloatArray, newFloatArray } from '../arguments/numeric-vectors.js';
import { changedTargetError, refusedRow } from '../arguments/targets.js';
import { mapOperands, readOperand, writeOperand } from '../dispatch/operands.js';
import type { Resources } from '../dispatch/resources.js';
import { inWindows, type Operand } from '../dispatch/windows.js';
import { dataOf } from '../memory/arrays.js';
import { ELEMENTS, holdsBits } from '../memory/element-types.js';
import type { Tensor } from '../memory/tensor.js';
import { aligned } from '../plans/parts.js';
import { planSlices, type SlicesPlan } from '../plans/rows.js';
import { asRows } from './general-loss.js';
import { placeNumbers } from './loss-call.js';
import { emptyError, reduceLoss } from './loss-options.js';
import { numbersOperand } from './other-loss-operands.js';
import type { CheckedRowOptions, RowLossResult } from './other-loss-options.js';
import { withOutput } from './row-maps.js';

/** A loss as its checked arguments describe it. */
export interface RowLoss {
  readonly outputs: Logits;
  readonly options: CheckedRowOptions;
  readonly weightSum: number;
  /** Arrays that pass in windows with the outputs; undefined where one is not given: its address is then 0. */
  readonly operands: readonly (Operand | undefined)[];
  /** Arrays that every shard reads as a whole, likewise. */
  readonly constants?: readonly (FloatArray | undefined)[];
  /** Rows of scratch memory that each worker needs. */
  readonly scratchRows?: number;
  /** What else is read while the gradient is written, by its name: it must not lie where the gradient goes. */
  readonly reads: Readonly<Record<string, unknown>>;
  /** From the addresses of the operands in the window, and of the constants. */
  parameters(operands: readonly Ptr[], constants: readonly Ptr[]): LossParameters;
  /** The error for a row whose targets the kernel refuses; default: that of a class that changed. */
  refuse?(row: number): SoftshardError;
}

export type RowLossSums = readonly [lossSum: number, second: number, third: number];

export interface RowLossOutcome {
  readonly result: RowLossResult;
  readonly sums: RowLossSums;
}

/** The losses, and the gradient where there is an output for it. */
export async function computeRowLoss(
  resources: Resources,
  loss: RowLoss,
  output: Logits | undefined,
): Promise<RowLossOutcome> {
  const { arena, callMemory, pool } = resources;
  const { outputs, options, weightSum } = loss;
  if (weightSum === 0 && options.onEmpty === 'throw') throw emptyError(outputs.rows);
  const plan = planSlices(outputs.outer, outputs.columns, outputs.inner);
  const type = computeType(outputs);
  const losses = options.reduction === 'none' ? newFloatArray(type, outputs.rows) : undefined;
  const source = asRows(outputs);
  const maps = output === undefined ? [readOperand('outputs', source)] : mapOperands(source, asRows(output));
  const others = [
    losses && writeOperand('losses', { elements: losses, columns: outputs.inner, type, ptr: undefined }),
    numbersOperand('options.gradOutput', options.gradOutput, outputs),
    ...loss.operands,
  ];
  const operands = [...maps, ...others.filter((operand) => operand !== undefined)];
  const held = operands.map(({ ptr }) => ptr);
  return callMemory.use(held, options.signal, async (scope) => {
    const sums = scope.allocate(Math.max(1, plan.shards) * SUMS_A_SHARD * 8, 'partial losses');
    const scratchBytes = scratchBytesFor(loss, plan, operands);
    const members = Math.min(pool.threads, plan.shards);
    // Gangs run one at a time, so windows can share it.
    const scratch = scope.allocate(scratchBytes * members, 'scratch memory for rows');
    const constants = (loss.constants ?? []).map((numbers) =>
      placeNumbers(arena, scope, 'weights of the classes', numbers, type),
    );
    const windows = { shardRows: plan.shardOuters, shards: Math.ceil(outputs.outer / plan.shardOuters) };
    const innerShards = Math.ceil(outputs.inner / plan.shardInner);
    await inWindows(arena, outputs.outer, windows, operands, options.signal, async (window) => {
      const { rowBegin, rowEnd, firstShard, ptrs } = window;
      let next = maps.length;
      const [lossesPtr, gradOutput, ...rest] = others.map((operand) =>
        operand === undefined ? 0 : ptrs[next++]!,
      );
      await runWindow(resources, loss, plan, rowBegin, {
        parameters: loss.parameters(rest, constants),
        outputs: ptrs[0]!,
        gradient: output === undefined ? 0 : ptrs[maps.length - 1]!,
        gradOutput: gradOutput!,
        losses: lossesPtr!,
        sums: sums + firstShard * innerShards * SUMS_A_SHARD * 8,
        outer: rowEnd - rowBegin,
        scratch,
        scratchBytes,
      });
    });
    const cells = arena.view('float64', sums, plan.shards * SUMS_A_SHARD);
    const sumOf = (cell: number) =>
      treeSum(Float64Array.from({ length: plan.shards }, (_, shard) => cells[shard * SUMS_A_SHARD + cell]!));
    const all: RowLossSums = [sumOf(0), sumOf(1), sumOf(2)];
    const result = {
      loss: reduceLoss(options, all[0], weightSum),
      lossSum: all[0],
      weightSum,
      ...(losses === undefined ? {} : { losses }),
    };
    return { result, sums: all };
  });
}

type WindowFields =
  | 'parameters'
  | 'outputs'
  | 'gradient'
  | 'gradOutput'
  | 'losses'
  | 'sums'
  | 'outer'
  | 'scratch'
  | 'scratchBytes';

async function runWindow(
  { arena, pool }: Resources,
  loss: RowLoss,
  { shardOuters, shardInner, tileRows }: SlicesPlan,
  outerBegin: number,
  window: Pick<OtherLossTask, WindowFields>,
): Promise<void> {
  const { options, outputs, weightSum, scratchRows = 0 } = loss;
  const { columns, inner } = outputs;
  const isMean = options.reduction === 'mean' && weightSum !== 0;
  const job: Omit<OtherLossTask, 'member' | 'members'> = {
    kind: 'otherLoss',
    ...window,
    columns,
    inner,
    shardOuters,
    shardInner,
    tileRows,
    type: ELEMENTS[outputs.type].code,
    scale: isMean ? options.gradScale / weightSum : options.gradScale,
    scratchRows,
    buffer: arena.memory.buffer,
  };
  const shards = Math.ceil(window.outer / shardOuters) * Math.ceil(inner / shardInner);
  const members = Math.min(pool.threads, shards);
  const refused = refusedRow(await pool.run(job, { members, signal: options.signal }));
  if (refused === undefined) return;
  const row = outerBegin * inner + refused;
  throw loss.refuse?.(row) ?? changedTargetError(row, columns);
}

/** Scratch memory of one member: tiles only where kernels cannot take rows as they lie. Members share no cache line. */
function scratchBytesFor(
  { outputs, scratchRows = 0 }: RowLoss,
  { tileRows }: SlicesPlan,
  operands: readonly Operand[],
): number {
  const shape = { columns: outputs.columns, tileRows, type: ELEMENTS[outputs.type].code };
  const { rows, outputs: tiles, end } = otherLossScratch(0, shape, scratchRows);
  const bytes = outputs.inner > 1 || operands.some(({ type }) => holdsBits(type)) ? end : tiles - rows;
  return aligned(bytes);
}

/** The loss and its gradient, in `into` or a new tensor beside the outputs, whose type must be Type. */
export async function computeRowGradient<Type extends FloatType>(
  resources: Resources,
  loss: RowLoss,
  into: FloatInput | undefined,
): Promise<RowLossOutcome & { readonly gradient: Tensor<Type> }> {
  let outcome: RowLossOutcome | undefined;
  const gradient = await withOutput(resources.arena, loss.outputs, into, async (output) => {
    for (const [name, value] of Object.entries(loss.reads)) {
      const elements = dataOf(value);
      if (ArrayBuffer.isView(elements)) checkApart(output, elements, name);
    }
    outcome = await computeRowLoss(resources, loss, output);
  });
  return { ...outcome!, gradient: gradient as Tensor<Type> };
}

// What the losses beside crossEntropy share: options and results, and the way of a loss through windows and workers.
import { SoftshardError } from '../../errors.js';
import type { Ptr } from '../../kernels/kernels.js';
import { scratchRowBytes } from '../../kernels/other-loss-kernels.js';
import { treeSum } from '../../kernels/tree-sum.js';
import { type LossParameters, type OtherLossTask, SUMS_A_SHARD } from '../../workers/protocol.js';
import type { Arena } from '../arena.js';
import { checkApart } from '../batches.js';
import { mapOperands, readOperand, targetsOperand, valueOperand } from '../operands.js';
import { checkOneOf, checkSignal } from '../options.js';
import { planRows } from '../plan.js';
import type { Resources } from '../resources.js';
import type { CheckedTargets } from '../targets.js';
import type { Tensor } from '../tensor.js';
import { inWindows, type Operand } from '../windows.js';
import { asRows } from './general-loss.js';
import { checkLogits, isPlain, type Logits } from './logits.js';
import {
  checkFinite,
  checkNumbers,
  emptyError,
  type Numbers,
  type OnEmpty,
  reduceLoss,
} from './loss-options.js';
import { withOutput } from './row-maps.js';

/** Rows of float32: a tensor whose last dimension is the columns, or a bare array with the option `columns`. */
export type Float32RowsInput = Tensor<'float32'> | Float32Array;

export interface RowLossOptions {
  /** How many columns a row has: needed for a bare Float32Array, else left out. */
  columns?: number;
  /** 'mean' (default), 'sum', or 'none': the loss of each row in `losses`. */
  reduction?: 'none' | 'mean' | 'sum';
  /** What a mean over nothing is: NaN (default, as PyTorch), 0, or ERR_EMPTY. */
  onEmpty?: OnEmpty;
  /** Aborts the call: it rejects with signal.reason within milliseconds; what is in `into` is then undefined. */
  signal?: AbortSignal;
}

export interface RowGradientOptions {
  /** Where to write the gradient: a matrix, a tensor or a Float32Array; the outputs themselves for in-place work. */
  into?: Float32RowsInput;
  /** [rows], with reduction 'none' only: the upstream gradient of each row's loss. Default: ones. */
  gradLosses?: Numbers;
  /** Multiplies the gradient. Default 1. */
  gradScale?: number;
}

/** The sums are float64, so that means over batches, accumulation or machines can be made exact. */
export interface RowLossResult {
  /** lossSum / weightSum, or with reduction 'sum' lossSum. */
  readonly loss: number;
  readonly lossSum: number;
  /** What the mean divides by. */
  readonly weightSum: number;
  /** [rows], with reduction 'none' only. */
  readonly losses?: Float32Array;
}

export const ROW_LOSS_OPTIONS: readonly (keyof RowLossOptions)[] = [
  'columns',
  'reduction',
  'onEmpty',
  'signal',
];
export const ROW_GRADIENT_OPTIONS: readonly (keyof RowGradientOptions)[] = [
  'into',
  'gradLosses',
  'gradScale',
];

export interface CheckedRowOptions {
  readonly reduction: 'none' | 'mean' | 'sum';
  readonly onEmpty: OnEmpty;
  readonly signal: AbortSignal | undefined;
  readonly gradLosses: Numbers | undefined;
  readonly gradScale: number;
}

export function checkRowOptions(
  options: RowLossOptions & RowGradientOptions,
  rows: number,
): CheckedRowOptions {
  const reduction = checkOneOf('options.reduction', options.reduction ?? 'mean', ['none', 'mean', 'sum']);
  if (options.gradLosses !== undefined && reduction !== 'none') {
    const message = `options.gradLosses is given with reduction '${reduction}': it needs 'none' (gradScale scales a mean or sum)`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.gradLosses' });
  }
  const signal = checkSignal('options.signal', options.signal);
  signal?.throwIfAborted();
  return {
    reduction,
    onEmpty: checkOneOf('options.onEmpty', options.onEmpty ?? 'nan', ['nan', 'zero', 'throw']),
    signal,
    gradLosses: checkNumbers('options.gradLosses', options.gradLosses, rows, 'rows', -Infinity),
    gradScale: checkFinite('options.gradScale', options.gradScale ?? 1),
  };
}

/** Rows of float32 with the columns last: all that these losses take. */
export function checkRows(
  arena: Arena,
  argument: string,
  value: unknown,
  columns: number | undefined,
): Logits {
  const rows = checkLogits(arena, argument, value, columns === undefined ? {} : { columns });
  if (isPlain(rows)) return rows;
  const message = `${argument} is ${rows.type}: this loss takes float32 (Float32Array.from(…) converts)`;
  throw new SoftshardError('ERR_TYPE', message, { argument, value: rows.type });
}

/** Rows of the same shape as others. */
export function checkSameRows(arena: Arena, argument: string, value: unknown, like: Logits): Logits {
  const bare = value instanceof Float32Array && value.length === like.elements.length;
  const rows = checkRows(arena, argument, value, bare ? like.columns : undefined);
  if (rows.rows === like.rows && rows.columns === like.columns) return rows;
  const message = `${argument} has dims [${rows.dims.join(', ')}], but the rows have [${like.dims.join(', ')}]: they must be the same`;
  throw new SoftshardError('ERR_SHAPE', message, { argument, value: rows.dims });
}

/** Targets for kernels that ignore rows whose target is no class. */
export function keptTargetsOperand(
  targets: CheckedTargets,
  ignoreIndex: number,
  { columns }: Logits,
): Operand {
  // The kernels see by themselves that an index out of range is none; only one that is a class must be replaced.
  if (targets.ignored === 0 || ignoreIndex < 0 || ignoreIndex >= columns) return targetsOperand(targets);
  return {
    what: 'targets',
    columns: 1,
    ptr: undefined,
    load: ({ int32 }, rowBegin, rowEnd) => {
      for (let row = rowBegin; row < rowEnd; row++) int32[row - rowBegin] = targets.classOf(row);
    },
  };
}

/** One number a row, read by the kernels as float32. */
export function numbersOperand(what: string, numbers: Numbers | undefined): Operand | undefined {
  if (numbers === undefined) return undefined;
  return readOperand(what, { elements: Float32Array.from(numbers), columns: 1, ptr: undefined });
}

/** A loss as its checked arguments describe it. */
export interface RowLoss {
  readonly outputs: Logits;
  readonly options: CheckedRowOptions;
  readonly weightSum: number;
  /** Arrays that pass in windows with the outputs; undefined where one is not given: its address is then 0. */
  readonly operands: readonly (Operand | undefined)[];
  /** Arrays that every shard reads as a whole, likewise. */
  readonly constants?: readonly (Numbers | undefined)[];
  /** Rows of scratch memory that each worker needs. */
  readonly scratchRows?: number;
  /** What else is read while the gradient is written, by its name: it must not lie where the gradient goes. */
  readonly reads: Readonly<Record<string, unknown>>;
  /** From the addresses of the operands in the window, and of the constants. */
  parameters(operands: readonly Ptr[], constants: readonly Ptr[]): LossParameters;
  /** The error for a row whose targets the kernel refuses. */
  refuse?(row: number): SoftshardError;
}

export type RowLossSums = readonly [lossSum: number, second: number, third: number];

export interface RowLossOutcome {
  readonly result: RowLossResult;
  readonly sums: RowLossSums;
}

/** The losses, and the gradient where there is an output for it. */
export async function computeRowLoss(
  { arena, pool }: Resources,
  loss: RowLoss,
  output: Logits | undefined,
): Promise<RowLossOutcome> {
  const { outputs, options, weightSum } = loss;
  const { rows, columns } = outputs;
  const { reduction, signal } = options;
  if (weightSum === 0 && options.onEmpty === 'throw') throw emptyError(rows);
  const plan = planRows(rows, columns);
  const losses = reduction === 'none' ? new Float32Array(rows) : undefined;
  const maps =
    output === undefined
      ? [readOperand('outputs', asRows(outputs))]
      : mapOperands(asRows(outputs), asRows(output));
  const others = [
    losses === undefined ? undefined : valueOperand('losses', losses),
    numbersOperand('options.gradLosses', options.gradLosses),
    ...loss.operands,
  ];
  const operands = [...maps, ...others.filter((operand) => operand !== undefined)];
  const scope = arena.scope();
  try {
    const sums = scope.allocate(Math.max(1, plan.shards) * SUMS_A_SHARD * 8, 'partial losses');
    const scratchBytes = (loss.scratchRows ?? 0) * scratchRowBytes(columns);
    const members = Math.min(pool.threads, plan.shards);
    const scratch =
      scratchBytes === 0 ? 0 : scope.allocate(scratchBytes * members, 'scratch memory for rows');
    const constants = (loss.constants ?? []).map((numbers) => {
      if (numbers === undefined) return 0;
      const ptr = scope.allocate(numbers.length * 4, 'weights of the classes');
      arena.view('float32', ptr, numbers.length).set(numbers);
      return ptr;
    });
    await inWindows(arena, rows, plan, operands, async ({ rowBegin, rowEnd, firstShard, ptrs }) => {
      let next = maps.length;
      const [lossesPtr, gradLosses, ...rest] = others.map((operand) =>
        operand === undefined ? 0 : ptrs[next++]!,
      );
      const windowRows = rowEnd - rowBegin;
      const job: Omit<OtherLossTask, 'member' | 'members'> = {
        kind: 'otherLoss',
        parameters: loss.parameters(rest, constants),
        outputs: ptrs[0]!,
        gradient: output === undefined ? 0 : ptrs[maps.length - 1]!,
        gradLosses: gradLosses!,
        losses: lossesPtr!,
        sums: sums + firstShard * SUMS_A_SHARD * 8,
        rows: windowRows,
        columns,
        shardRows: plan.shardRows,
        scale: reduction === 'mean' && weightSum !== 0 ? options.gradScale / weightSum : options.gradScale,
        scratch,
        scratchBytes,
      };
      const workers = Math.min(members, Math.ceil(windowRows / plan.shardRows));
      const results = await pool.run(job, { members: workers, signal });
      const refused = results.flatMap((result) => (result.state === 'invalidTarget' ? [result.row] : []));
      if (refused.length > 0) throw loss.refuse!(rowBegin + Math.min(...refused));
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
  } finally {
    scope.release();
  }
}

/** The loss and its gradient, in `into` or a new tensor beside the outputs. */
export async function computeRowGradient(
  resources: Resources,
  loss: RowLoss,
  into: Float32RowsInput | undefined,
): Promise<RowLossOutcome & { readonly gradient: Tensor<'float32'> }> {
  let outcome: RowLossOutcome | undefined;
  const gradient = await withOutput(resources.arena, loss.outputs, into, async (output) => {
    for (const [name, value] of Object.entries(loss.reads)) {
      const elements = typeof value === 'object' && value !== null && 'data' in value ? value.data : value;
      if (ArrayBuffer.isView(elements)) checkApart(output, elements, name);
    }
    outcome = await computeRowLoss(resources, loss, output);
  });
  return { ...outcome!, gradient: gradient as Tensor<'float32'> };
}

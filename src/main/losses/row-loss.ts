// What the row losses (all but softmax cross-entropy) have in common: their options and results, and how a loss and its gradient
// are made of a definition, which says what is special about one.
import type { SoftshardError } from '../../errors.js';
import { rowLossScratch } from '../../kernels/loss-scratch.js';
import { ROW_LOSS_SUMS, type RowLossParameters } from '../../workers/protocol.js';
import {
  type AxisOptions,
  type AxisRows,
  checkLogits,
  computeType,
  type FloatInput,
  needTiles,
} from '../arguments/axis-rows.js';
import { checkApart } from '../arguments/matrices.js';
import { type FloatArray, newFloatArray } from '../arguments/numeric-vectors.js';
import { checkOptionNames } from '../checks.js';
import { writeOperand } from '../dispatch/operands.js';
import { type Gradient, withGradient } from '../dispatch/output.js';
import type { Resources } from '../dispatch/resources.js';
import { type PtrOf, runRowOperation } from '../dispatch/row-operation.js';
import type { Operand } from '../dispatch/windows.js';
import { dataOf } from '../memory/arrays.js';
import { type ComputeType, holdsBits } from '../memory/element-types.js';
import {
  type CheckedReduction,
  checkReduction,
  emptyError,
  type OnEmpty,
  type Reduction,
  ROW_GRADIENT_OPTION_NAMES,
  type RowGradientOptions,
  type RowReduction,
  reduceLoss,
} from './loss-options.js';
import { numbersOperand } from './row-loss-operands.js';

export interface RowLossOptions extends AxisOptions {
  /** 'mean' (default), 'sum', or 'none': the loss of each row in `losses`. */
  reduction?: Reduction | undefined;
  /** The mean of no rows: NaN (default, as PyTorch), 0, or ERR_EMPTY. */
  onEmpty?: OnEmpty | undefined;
  /** Aborts the call: it rejects with signal.reason within milliseconds, and the contents of `into` are undefined. */
  signal?: AbortSignal | undefined;
}

/** The sums are float64, so that means over batches, accumulation or machines can be made exact. */
export interface RowLossResult {
  /** lossSum / weightSum, or with reduction 'sum' lossSum. */
  readonly loss: number;
  readonly lossSum: number;
  /** What the mean divides by. */
  readonly weightSum: number;
  /** [rows], with reduction 'none' only; float64 for float64 input. */
  readonly losses?: Float32Array | Float64Array;
}

/** A call of a loss whose options have been checked as far as all losses share them. */
export interface RowLossCall<Options, Others> {
  readonly resources: Resources;
  readonly input: AxisRows;
  /** What is computed in. */
  readonly type: ComputeType;
  /** The arguments after the input: targets, a teacher. */
  readonly others: Others;
  readonly options: Options;
}

/** A call as the loss's own checks describe it. */
export interface CheckedRowLoss {
  /** What a mean divides by. */
  readonly weightSum: number;
  /** Arrays that pass in windows with the input; undefined where an optional one is not given. */
  readonly operands: readonly (Operand | undefined)[];
  /** Arrays that every shard reads as a whole. */
  readonly constants?: readonly (FloatArray | undefined)[];
  /** Rows of scratch memory that each worker needs. */
  readonly scratchRows?: number;
  /** The caller's arrays that are read while the gradient is written, which must not lie over them. */
  readonly reads: Readonly<Record<string, unknown>>;
  parameters(ptrOf: PtrOf): RowLossParameters;
  /** The error for a row whose targets the kernel refuses. Default: its class has changed during the call. */
  refuse?(row: number): SoftshardError;
}

type AnyRowLossOptions = Omit<RowLossOptions, 'reduction'> & { reduction?: RowReduction | undefined };

export interface RowLossDefinition<Options, Others, Name extends string, More extends object> {
  /** What errors call the first argument. */
  readonly inputName: string;
  readonly gradientName: Name;
  /** The names of its own options. */
  readonly options: readonly (string & Exclude<keyof Options, keyof RowLossOptions>)[];
  /** Default: none, mean and sum. */
  readonly reductions?: readonly RowReduction[];
  check(call: RowLossCall<Options & RowGradientOptions, Others>): CheckedRowLoss;
  /** Further parts of the result, from the kernel's sums. */
  moreOf?(sums: readonly number[]): More;
}

const SHARED_OPTIONS = ['columns', 'axis', 'reduction', 'onEmpty', 'signal'];

/** A loss and its gradient, as the engine's methods call them. */
export function defineRowLoss<
  Options extends AnyRowLossOptions,
  Others extends readonly unknown[],
  Name extends string,
  More extends object = object,
>(definition: RowLossDefinition<Options, Others, Name, More>) {
  const names = [...SHARED_OPTIONS, ...definition.options];
  const open = (
    resources: Resources,
    input: FloatInput,
    others: Others,
    options: Options & RowGradientOptions,
  ) => {
    const rows = checkLogits(resources.arena, definition.inputName, input, options);
    const type = computeType(rows);
    const shared = checkReduction(options, rows.rows, type, definition.reductions);
    shared.signal?.throwIfAborted();
    const checked = definition.check({ resources, input: rows, type, others, options });
    const run = async (output: AxisRows | undefined): Promise<RowLossResult & More> => {
      if (output !== undefined) checkReads(output, checked.reads);
      const inputName = definition.inputName;
      const { sums, result } = await computeRowLoss(resources, rows, inputName, shared, checked, output);
      return { ...result, ...(definition.moreOf?.(sums) as More) };
    };
    return { rows, run };
  };
  return {
    async loss(
      resources: Resources,
      input: FloatInput,
      others: Others,
      options: Options,
    ): Promise<RowLossResult & More> {
      checkOptionNames('options', options, names);
      return open(resources, input, others, options).run(undefined);
    },
    async gradient<Input extends FloatInput>(
      resources: Resources,
      input: Input,
      others: Others,
      options: Options & RowGradientOptions,
    ): Promise<RowLossResult & More & Gradient<Name, Input>> {
      checkOptionNames('options', options, [...names, ...ROW_GRADIENT_OPTION_NAMES]);
      const { rows, run } = open(resources, input, others, options);
      return withGradient(resources.arena, rows, options.into, definition.gradientName, run);
    },
  };
}

function checkReads(output: AxisRows, reads: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(reads)) {
    const elements = dataOf(value);
    if (ArrayBuffer.isView(elements)) checkApart(output, elements, name);
  }
}

async function computeRowLoss(
  resources: Resources,
  input: AxisRows,
  inputName: string,
  options: CheckedReduction,
  loss: CheckedRowLoss,
  output: AxisRows | undefined,
): Promise<{ readonly result: RowLossResult; readonly sums: readonly number[] }> {
  const { weightSum, operands, constants, scratchRows = 0, refuse } = loss;
  const { reduction, gradScale, signal } = options;
  if (weightSum === 0 && options.onEmpty === 'throw') throw emptyError(input.rows);
  const type = computeType(input);
  const { inner, rows } = input;
  const losses = reduction === 'none' ? newFloatArray(type, rows) : undefined;
  const lossesRows =
    losses && writeOperand('losses', { elements: losses, columns: inner, type, ptr: undefined });
  const gradOutput = numbersOperand('options.gradOutput', options.gradOutput, input);
  const usesTiles = needTiles(input) || operands.some((operand) => holdsBits(operand?.type));
  const sums = await runRowOperation(resources, {
    input,
    inputName,
    output,
    operands: [lossesRows, gradOutput, ...operands],
    ...(constants !== undefined && { constants }),
    sumsAShard: ROW_LOSS_SUMS,
    scratchBytes: (shape) => {
      const scratch = rowLossScratch(0, shape, scratchRows);
      return usesTiles ? scratch.end : scratch.outputs;
    },
    signal,
    operation: (ptrOf) => ({
      kind: 'rowLoss',
      parameters: loss.parameters(ptrOf),
      gradOutput: ptrOf(gradOutput),
      losses: ptrOf(lossesRows),
      scale: reduction === 'mean' && weightSum !== 0 ? gradScale / weightSum : gradScale,
      scratchRows,
      buffer: resources.arena.memory.buffer,
    }),
    ...(refuse !== undefined && { refuse }),
  });
  const [lossSum = 0] = sums;
  return {
    result: {
      loss: reduceLoss(options, lossSum, weightSum),
      lossSum,
      weightSum,
      ...(losses !== undefined && { losses }),
    },
    sums,
  };
}

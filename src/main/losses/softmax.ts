// Softmax, log-softmax and log-sum-exp of rows of any element type and class axis.

import { COLUMN_KERNELS_MAX, columnScratchBytes } from '../../kernels/loss-layout.js';
import { computeBytes, type TileShape } from '../../kernels/loss-scratch.js';
import {
  type AxisOptions,
  checkLogits,
  computeType,
  type FloatInput,
  type FloatType,
  needTiles,
  rowDimsOf,
  type TypeOf,
} from '../arguments/axis-rows.js';
import { newFloatArray } from '../arguments/numeric-vectors.js';
import { checkOptionNames, checkSignal } from '../checks.js';
import { writeOperand } from '../dispatch/operands.js';
import { withOutput } from '../dispatch/output.js';
import type { Resources } from '../dispatch/resources.js';
import { runRowOperation } from '../dispatch/row-operation.js';
import type { ArenaTensor, Matrix, Tensor } from '../memory/tensor.js';

export interface RowOptions extends AxisOptions {
  /** Aborts the call: it rejects with signal.reason within milliseconds, and the contents of `into` are undefined. */
  signal?: AbortSignal | undefined;
}

export interface SoftmaxOptions<Into extends FloatInput | undefined = FloatInput | undefined>
  extends RowOptions {
  /** Where to write the result, of the type and dims of the logits; the logits themselves for in-place work. */
  into?: Into | undefined;
}

/** `into`, or a new tensor that lies where the input does. */
export type SoftmaxOutput<Input extends FloatInput, Into = undefined> = Into extends FloatInput
  ? Into extends Tensor<FloatType>
    ? Into
    : Tensor<TypeOf<Into>>
  : Input extends Matrix
    ? Matrix
    : Input extends ArenaTensor<infer Type>
      ? ArenaTensor<Type>
      : Tensor<TypeOf<Input>>;

type Computed<Type> = Type extends 'float64' ? 'float64' : 'float32';

/** With the dimensions of the input but for that of the classes; float64 for float64, else float32. */
export type LogSumExpOutput<Input extends FloatInput> = Tensor<Computed<TypeOf<Input>>>;

export async function softmax<Input extends FloatInput, Into extends FloatInput | undefined>(
  resources: Resources,
  kind: 'softmax' | 'logSoftmax',
  input: Input,
  options: SoftmaxOptions<Into>,
): Promise<SoftmaxOutput<Input, Into>> {
  checkOptionNames('options', options, ['axis', 'columns', 'into', 'signal']);
  const { logits, signal, scratchBytes } = checkCall(resources, input, options);
  const output = await withOutput(resources.arena, logits, options.into, async (output) => {
    await runRowOperation(resources, {
      input: logits,
      inputName: 'logits',
      output,
      operands: [],
      scratchBytes,
      signal,
      operation: () => ({ kind }),
    });
  });
  return output as SoftmaxOutput<Input, Into>;
}

export async function logSumExp<Input extends FloatInput>(
  resources: Resources,
  input: Input,
  options: RowOptions,
): Promise<LogSumExpOutput<Input>> {
  checkOptionNames('options', options, ['axis', 'columns', 'signal']);
  const { logits, signal, scratchBytes } = checkCall(resources, input, options);
  const type = computeType(logits);
  const data = newFloatArray(type, logits.rows);
  const values = writeOperand('log-sum-exp', { elements: data, columns: logits.inner, type, ptr: undefined });
  await runRowOperation(resources, {
    input: logits,
    inputName: 'logits',
    operands: [values],
    scratchBytes,
    signal,
    operation: (ptrOf) => ({ kind: 'logSumExp', values: ptrOf(values) }),
  });
  return { type, dims: rowDimsOf(logits), data } as LogSumExpOutput<Input>;
}

function checkCall({ arena }: Resources, input: FloatInput, options: RowOptions) {
  const logits = checkLogits(arena, 'logits', input, options);
  const signal = checkSignal('options.signal', options.signal);
  signal?.throwIfAborted();
  const scratchBytes = ({ columns, tileRows, type }: TileShape) => {
    if (!needTiles(logits)) return 0;
    const byColumns = logits.inner > 1 && columns <= COLUMN_KERNELS_MAX;
    return byColumns ? columnScratchBytes(columns) : tileRows * columns * computeBytes(type);
  };
  return { logits, signal, scratchBytes };
}

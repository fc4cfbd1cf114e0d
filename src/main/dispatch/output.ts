// Where a result of the shape and type of its input goes: into an array of the caller's, or a new one that lies where the input does.
import {
  type AxisRows,
  checkLogits,
  checkLogitsInto,
  type FloatInput,
  type FloatType,
  type TypeOf,
} from '../arguments/axis-rows.js';
import type { Arena } from '../memory/arena.js';
import { unclearedTensor } from '../memory/arena-tensor.js';
import { isFloats } from '../memory/arrays.js';
import type { Tensor } from '../memory/tensor.js';

/** Runs work on the output that `into` names, or on a new one: in the arena where the input is, else a plain array. */
export async function withOutput(
  arena: Arena,
  input: AxisRows,
  into: FloatInput | undefined,
  work: (output: AxisRows) => Promise<void>,
): Promise<Tensor<FloatType>> {
  const { dims, type } = input;
  if (into !== undefined) {
    await work(checkLogitsInto(arena, into, input));
    const bare = isFloats(into);
    return bare ? ({ type, dims, data: into } as Tensor<FloatType>) : into;
  }
  if (input.ptr === undefined) {
    const data = newElements(input);
    await work({ ...input, elements: data });
    return { type, dims, data } as Tensor<FloatType>;
  }
  const tensor = unclearedTensor(arena, type, dims);
  try {
    await work(checkLogits(arena, 'into', tensor, { axis: input.axis }));
    return tensor;
  } catch (cause) {
    tensor.free();
    throw cause;
  }
}

/** A gradient by its name: the derivative of `loss` (with reduction 'none': of Σ gradOutput · losses). */
export type Gradient<Name extends string, Input extends FloatInput> = {
  readonly [name in Name]: Tensor<TypeOf<Input>>;
};

/** The result of run, with the gradient that it writes. */
export async function withGradient<Name extends string, Input extends FloatInput, Result extends object>(
  arena: Arena,
  input: AxisRows,
  into: FloatInput | undefined,
  name: Name,
  run: (output: AxisRows) => Promise<Result>,
): Promise<Result & Gradient<Name, Input>> {
  let result: Result | undefined;
  const gradient = await withOutput(arena, input, into, async (output) => {
    result = await run(output);
  });
  return { ...result, [name]: gradient } as Result & Gradient<Name, Input>;
}

function newElements({ type, elements: { length } }: AxisRows): AxisRows['elements'] {
  if (type === 'float32') return new Float32Array(length);
  return type === 'float64' ? new Float64Array(length) : new Uint16Array(length);
}

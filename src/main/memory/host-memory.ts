// Ordinary memory for what does not fit into the arena: readers fill it in the same way.
import { messageOf, SoftshardError } from '../../errors.js';
import { checkArray, checkInteger, checkOneOf } from '../checks.js';
import { arrayClass, ELEMENT_TYPES, type ElementType, type TensorData } from './element-types.js';
import type { Allocator, ArenaTensor, Matrix, Vector } from './tensor.js';

/**
 * Hands out plain arrays, as large as the machine's memory allows: for files beyond the arena, whose rows every operation
 * takes through the arena in parts. free() does nothing: the memory goes when nobody refers to it.
 */
export const hostMemory: Allocator = {
  matrix: (rows: number, columns: number) => hostTensor('float32', [rows, columns]) as Matrix,
  vector: <Type extends ElementType>(type: Type, length: number) =>
    hostTensor(type, [length]) as Vector<Type>,
  tensor: hostTensor,
};

function hostTensor<Type extends ElementType>(type: Type, dims: readonly number[]): ArenaTensor<Type> {
  checkOneOf('type', type, ELEMENT_TYPES, 'ERR_TYPE');
  checkArray('dims', dims, 'whole numbers');
  for (const [i, dim] of dims.entries()) checkInteger(`dims[${i}]`, dim, 0, Number.MAX_SAFE_INTEGER);
  const length = dims.reduce((product, dim) => product * dim, 1);
  return { type, dims: [...dims], data: allocate(type, dims, length), free() {}, [Symbol.dispose]() {} };
}

function allocate<Type extends ElementType>(
  type: Type,
  dims: readonly number[],
  length: number,
): TensorData[Type] {
  try {
    return new (arrayClass(type))(length);
  } catch (cause) {
    const message =
      `there is no memory for ${type} [${dims.join(' × ')}], ${length} elements (${messageOf(cause)}): work on fewer rows at a ` +
      'time, or keep features as bytes';
    throw new SoftshardError('ERR_ARENA_FULL', message, { value: length, cause });
  }
}

// The tensor shape that operations take and give: { type, dims, data }, as onnxruntime has it.

import type { ElementType, TensorData } from './element-types.js';

/** `data` holds the elements in C order (last dimension fastest). */
export interface Tensor<Type extends ElementType = ElementType> {
  readonly type: Type;
  readonly dims: readonly number[];
  readonly data: TensorData[Type];
}

/** A tensor of another library, such as onnxruntime's: elements of any type, int64 as bigints, float16 as bits or as numbers. */
export interface TensorLike {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: ArrayBufferView | readonly unknown[];
}

/** A tensor in the engine's shared memory, released by free() or `using`. */
export interface ArenaTensor<Type extends ElementType = ElementType> extends Tensor<Type> {
  /**
   * Releases the memory once the last call that uses it has ended. Do not use `data` after this; a second call does
   * nothing.
   */
  free(): void;
  [Symbol.dispose](): void;
}

/** Rows of float32 in shared memory: dims [rows, columns]. */
export interface Matrix extends ArenaTensor<'float32'> {
  readonly dims: readonly [rows: number, columns: number];
}

/** Rows of bytes in shared memory: dims [rows, columns]. */
export interface ByteMatrix extends ArenaTensor<'uint8'> {
  readonly dims: readonly [rows: number, columns: number];
}

/** dims [length]. */
export interface Vector<Type extends ElementType = ElementType> extends ArenaTensor<Type> {
  readonly dims: readonly [length: number];
}

/** Allocates tensors: the engine in shared memory, hostMemory elsewhere. Readers fill them without a second copy. */
export interface Allocator {
  matrix(rows: number, columns: number): Matrix;
  vector<Type extends ElementType>(type: Type, length: number): Vector<Type>;
  tensor<Type extends ElementType>(type: Type, dims: readonly number[]): ArenaTensor<Type>;
}

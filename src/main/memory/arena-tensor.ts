// Matrices and vectors in the arena, as users hold them.

import { SoftshardError } from '../../errors.js';
import type { Ptr } from '../../kernels/ptr.js';
import type { Arena } from './arena.js';
import { type ElementType, elementBytes, type TensorData } from './element-types.js';
import type { ArenaTensor, Matrix, Vector } from './tensor.js';

class ArenaArray<Type extends ElementType> implements ArenaTensor<Type> {
  readonly type: Type;
  readonly dims: readonly number[];
  readonly #arena: Arena;
  readonly #ptr: Ptr;
  #view: TensorData[Type] | undefined;

  constructor(
    arena: Arena,
    type: Type,
    dims: readonly number[],
    allocate: (bytes: number, what: string) => Ptr,
  ) {
    const length = dims.reduce((product, dim) => product * dim, 1);
    this.type = type;
    this.dims = dims;
    this.#arena = arena;
    this.#ptr = allocate(length * elementBytes(type), `${type} [${dims.join(' × ')}]`);
    this.#view = arena.view(type, this.#ptr, length);
  }

  get data(): TensorData[Type] {
    if (this.#view === undefined) {
      const what = this.dims.length === 2 ? 'matrix' : 'vector';
      const message = `this ${what} [${this.dims.join(' × ')}] has been freed: keep it until its last use`;
      throw new SoftshardError('ERR_FREED', message);
    }
    return this.#view;
  }

  get isFreed(): boolean {
    return this.#view === undefined;
  }

  /** The address of the elements in that arena, or undefined when they lie elsewhere. */
  ptrIn(arena: Arena): Ptr | undefined {
    return arena === this.#arena ? this.#ptr : undefined;
  }

  free(): void {
    if (this.#view === undefined) return;
    this.#view = undefined;
    this.#arena.release(this.#ptr);
  }

  [Symbol.dispose](): void {
    this.free();
  }
}

const clearedIn =
  (arena: Arena) =>
  (bytes: number, what: string): Ptr =>
    arena.allocate(bytes, what);

export function arenaMatrix(arena: Arena, rows: number, columns: number): Matrix {
  return new ArenaArray(arena, 'float32', [rows, columns], clearedIn(arena)) as ArenaArray<'float32'> &
    Matrix;
}

export function arenaTensor<Type extends ElementType>(
  arena: Arena,
  type: Type,
  dims: readonly number[],
): ArenaTensor<Type> {
  return new ArenaArray(arena, type, dims, clearedIn(arena));
}

/** For a result that is written as a whole. */
export function unclearedTensor<Type extends ElementType>(
  arena: Arena,
  type: Type,
  dims: readonly number[],
): ArenaTensor<Type> {
  return new ArenaArray(arena, type, dims, (bytes, what) => arena.allocateUncleared(bytes, what));
}

/** Takes over an allocation of that many elements: its free() releases it. */
export function tensorAt<Type extends ElementType>(
  arena: Arena,
  type: Type,
  dims: readonly number[],
  ptr: Ptr,
): ArenaTensor<Type> {
  return new ArenaArray(arena, type, dims, () => ptr);
}

export function arenaVector<Type extends ElementType>(
  arena: Arena,
  type: Type,
  length: number,
): Vector<Type> {
  return new ArenaArray(arena, type, [length], clearedIn(arena)) as ArenaArray<Type> & Vector<Type>;
}

/** Throws ERR_FREED where an argument is a matrix or vector that has been given back. */
export function checkNotFreed(argument: string, value: unknown): void {
  if (!(value instanceof ArenaArray && value.isFreed)) return;
  const message = `${argument} [${value.dims.join(' × ')}] has been freed: keep it until its last use`;
  throw new SoftshardError('ERR_FREED', message, { argument });
}

/** Where a tensor's elements lie in that arena; undefined for tensors that are elsewhere. */
export function residentPtr(arena: Arena, tensor: unknown): Ptr | undefined {
  return tensor instanceof ArenaArray ? tensor.ptrIn(arena) : undefined;
}

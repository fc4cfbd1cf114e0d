// Where a command keeps the rows it reads: in the arena, where threads work on them in place, or, if they would fill it, in
// ordinary memory, from which they pass through the arena in parts.
import {
  type Allocator,
  type ArenaTensor,
  type ElementType,
  type Engine,
  hostMemory,
  type Matrix,
  type Vector,
} from '../index.js';

/** Of the arena's free memory: the rest is for training and its weights. */
const MOST_FOR_ROWS = 0.75;
/** Of an element. */
const MOST_BYTES = 8;

export class RowMemory implements Allocator {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  matrix(rows: number, columns: number): Matrix {
    return this.#for(rows * columns * 4).matrix(rows, columns);
  }

  vector<Type extends ElementType>(type: Type, length: number): Vector<Type> {
    return this.#for(length * MOST_BYTES).vector(type, length);
  }

  tensor<Type extends ElementType>(type: Type, dims: readonly number[]): ArenaTensor<Type> {
    const elements = dims.reduce((product, dim) => product * dim, 1);
    return this.#for(type === 'uint8' ? elements : elements * MOST_BYTES).tensor(type, dims);
  }

  #for(bytes: number): Allocator {
    return bytes <= this.#engine.memoryUsage().freeBytes * MOST_FOR_ROWS ? this.#engine : hostMemory;
  }
}

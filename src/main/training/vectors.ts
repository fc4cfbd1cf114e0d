// What solvers do with whole vectors of one length: float32 in the arena, such as gradients. The plan cuts them into
// shards, whose results are combined along a fixed tree: the same bits for any number of threads.
import { NULL_PTR, type Ptr } from '../../kernels/ptr.js';
import { treeSum } from '../../kernels/tree-sum.js';
import type { VectorTask } from '../../workers/protocol.js';
import type { Cancellation } from '../cancellation.js';
import type { Resources } from '../dispatch/resources.js';
import type { ArenaScope } from '../memory/arena.js';
import { planRows, type RowsPlan } from '../plans/rows.js';

/** One operation at a time. */
export class Vectors {
  readonly #resources: Resources;
  readonly #length: number;
  readonly #signal: Cancellation | undefined;
  readonly #plan: RowsPlan;
  readonly #results: Ptr;

  constructor(resources: Resources, scope: ArenaScope, length: number, signal?: Cancellation) {
    this.#resources = resources;
    this.#length = length;
    this.#signal = signal;
    this.#plan = planRows(length, 1);
    this.#results = scope.allocate(this.#plan.shards * 8, 'results of vectors');
  }

  /** In float64. */
  async dot(x: Ptr, y: Ptr): Promise<number> {
    return treeSum(await this.#run('dot', x, y));
  }

  /** √(x · x) */
  async norm(x: Ptr): Promise<number> {
    return Math.sqrt(await this.dot(x, x));
  }

  /** The largest |x[i]|; NaN if one is. */
  async maxNorm(x: Ptr): Promise<number> {
    return (await this.#run('maxMagnitude', x)).reduce((most, value) => Math.max(most, value), 0);
  }

  /** y += alpha · x */
  async axpy(y: Ptr, alpha: number, x: Ptr): Promise<void> {
    await this.#run('axpy', x, y, alpha);
  }

  /** x *= alpha */
  async scale(x: Ptr, alpha: number): Promise<void> {
    await this.#run('scale', x, NULL_PTR, alpha);
  }

  async #run(operation: VectorTask['operation'], x: Ptr, y = NULL_PTR, alpha = 1): Promise<Float64Array> {
    const { arena, pool } = this.#resources;
    const { shards, shardRows: shardLength } = this.#plan;
    const { buffer } = arena.memory;
    const terms = {
      operation,
      buffer,
      x,
      y,
      alpha,
      length: this.#length,
      shardLength,
      results: this.#results,
    };
    const members = Math.max(1, Math.min(pool.threads, shards));
    await pool.run({ kind: 'vector', ...terms }, { members, signal: this.#signal });
    return arena.view('float64', this.#results, shards);
  }
}

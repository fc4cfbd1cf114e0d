// What an optimizer keeps from call to call of partialFit, and in checkpoints: its vectors, and how far it has come.
import type { Resources } from '../dispatch/resources.js';
import type { LinearModel } from '../models/linear-model.js';
import { type PlacedHead, packVector, type TrainJob, takeVector } from './training-memory.js';

/** Calls and steps. */
export interface PassesDone {
  readonly passes: number;
  readonly steps: number;
}

const NONE: PassesDone = { passes: 0, steps: 0 };

export class OptimizerMemory {
  #kind: string | undefined;
  #done = NONE;
  /** By name, in the layout of a model's parameters, as that of the kernels depends on the size of a step. */
  readonly #vectors = new Map<string, Pick<LinearModel, 'weights' | 'bias'>>();

  /** What this kind of optimizer has behind it: what another one left is of no use to it. */
  of(kind: string | undefined): PassesDone {
    return kind === this.#kind ? this.#done : NONE;
  }

  /** Gives the optimizer of a job the vectors that it had at the end of the last call; others stay zero. */
  place(resources: Resources, job: TrainJob, { update }: PlacedHead, model: LinearModel): void {
    if (update === undefined || update.optimizer.kind !== this.#kind) return;
    for (const [name, ptr] of Object.entries(update.state)) {
      const vector = this.#vectors.get(name);
      if (vector !== undefined) packVector(resources, job, model, ptr, vector);
    }
  }

  /** Keeps those that the job has after `steps` steps of a call. */
  take(resources: Resources, job: TrainJob, { update }: PlacedHead, model: LinearModel, steps: number): void {
    if (update === undefined || steps === 0) return;
    const { optimizer, state } = update;
    if (optimizer.kind !== this.#kind) this.clear();
    this.#kind = optimizer.kind;
    this.#done = { passes: this.#done.passes + 1, steps: this.#done.steps + steps };
    for (const [name, ptr] of Object.entries(state)) {
      const vector = this.#vectors.get(name) ?? {
        weights: new Float32Array(model.weights.length),
        bias: new Float32Array(model.bias.length),
      };
      takeVector(resources, job, model, ptr, vector, 'float32');
      this.#vectors.set(name, vector);
    }
  }

  snapshot() {
    const vectors = [...this.#vectors].map(([name, { weights, bias }]) => ({
      name,
      weights: weights.slice(),
      bias: bias.slice(),
    }));
    return { kind: this.#kind, ...this.#done, vectors };
  }

  restore({ kind, passes, steps, vectors }: ReturnType<OptimizerMemory['snapshot']>): void {
    this.clear();
    this.#kind = kind;
    this.#done = { passes, steps };
    for (const { name, weights, bias } of vectors) {
      this.#vectors.set(name, { weights: weights.slice(), bias: bias.slice() });
    }
  }

  clear(): void {
    this.#kind = undefined;
    this.#done = NONE;
    this.#vectors.clear();
  }
}

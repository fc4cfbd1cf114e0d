// A head of training step by step, as main sees it: its parameters and losses in the arena, and the model that they go to.
import type { Resources } from '../dispatch/resources.js';
import { type LinearModel, zeroModel } from '../models/linear-model.js';
import { OptimizerMemory } from './optimizer-memory.js';
import { areFinite, type PlacedHead, type TrainJob, takeParameters } from './training-memory.js';

export class TrainedHead {
  readonly #resources: Resources;
  readonly #job: TrainJob;
  readonly #head: PlacedHead;
  readonly #model: LinearModel;

  constructor(resources: Resources, job: TrainJob, head: PlacedHead, model: LinearModel) {
    this.#resources = resources;
    this.#job = job;
    this.#head = head;
    this.#model = model;
  }

  /** Of the running residency: a view. */
  stepLosses(begin: number, end: number): Float64Array {
    return this.#resources.arena.view('float64', this.#head.stepLosses, end).subarray(begin);
  }

  get areFinite(): boolean {
    return areFinite(this.#resources, this.#job, this.#head);
  }

  /** Gives the model the present parameters. */
  publish(): void {
    takeParameters(this.#resources, this.#job, this.#head, this.#model);
  }

  /** Gives the memory of an optimizer its vectors, after so many steps more. */
  remember(memory: OptimizerMemory | undefined, steps: number): void {
    memory?.take(this.#resources, this.#job, this.#head, this.#model, steps);
  }

  /** Copies of the present parameters, and of what the optimizer keeps. */
  snapshot() {
    const model = { ...this.#model, ...zeroModel(this.#model) };
    const memory = new OptimizerMemory();
    takeParameters(this.#resources, this.#job, this.#head, model);
    memory.take(this.#resources, this.#job, this.#head, model, 1);
    return { weights: model.weights, bias: model.bias, optimizer: memory.snapshot() };
  }
}

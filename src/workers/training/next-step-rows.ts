// Fetches the rows of the next step while a worker waits for others: shuffled rows come from memory slowly, and nothing of
// what they are read for depends on the parameters.
import type { Kernels } from '../../kernels/kernels.js';
import { FETCHED_ROWS } from '../../kernels/layout.js';
import type { TrainTask } from '../protocol.js';
import { stepOf } from './train-step.js';

export class NextStepRows {
  readonly #kernels: Kernels;
  readonly #task: TrainTask;
  /** Positions in indices. */
  #begin = 0;
  #end = 0;
  #next = 0;
  #left = 0;

  constructor(kernels: Kernels, task: TrainTask) {
    this.#kernels = kernels;
    this.#task = task;
  }

  /** Members begin apart from each other, so that those who wait together fetch different rows. */
  beginStep(step: number): void {
    const { member, members, stepEnd } = this.#task;
    this.#left = 0;
    if (step >= stepEnd) return;
    const { rowBegin, shape } = stepOf(this.#task, step);
    this.#begin = rowBegin;
    this.#end = rowBegin + shape.rows;
    this.#next = rowBegin + Math.floor((shape.rows / members) * member);
    this.#left = shape.rows;
  }

  /** The next few rows, some microseconds; nothing once all have been fetched. */
  readonly fetch = (): void => {
    if (this.#left <= 0) return;
    const { inputs, inputsType, indices, features } = this.#task;
    this.#kernels.fetchInputs(inputs, inputsType, indices, this.#next, this.#end - 1, features);
    const fetched = Math.min(FETCHED_ROWS, this.#end - this.#next);
    this.#left -= fetched;
    this.#next += fetched;
    if (this.#next === this.#end) this.#next = this.#begin;
  };
}

// Prefetches the rows of the next step while a worker waits for others: shuffled rows come slowly from memory, and their
// loads do not depend on the parameters.
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

  /** Members begin at different rows, so that those who wait together do not fetch the same. */
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

  /** Fetches a few rows, for some microseconds; nothing once all rows are fetched. */
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

// Predictions of many rows. Calls for few rows that are made in one turn of the event loop become one batch; a batch that takes
// long goes to the threads of an engine, or is computed in slices between which other events have their turn.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Cancellation } from '../cancellation.js';
import type { Resources } from '../dispatch/resources.js';
import { isArrayOf } from '../memory/arrays.js';
import { checkAttached } from '../memory/attached.js';
import { checkInputs, type Inputs } from '../models/inputs.js';
import { type LinearModel, predictClasses, predictClassValues } from '../models/linear-model.js';
import { type Answers, Coalescer } from './coalescer.js';
import type { PackedModel } from './packed-model.js';
import { invalidRowError, type RowElements } from './rows.js';

/** What is asked of each row. The first element of the answer is negative or NaN where the row's logits are not finite. */
export interface Question<Kind extends Answers> {
  newAnswers(rows: number, classes: number): Kind;
  /** Of the model's first rows, in its memory. */
  ofTile(model: PackedModel, count: number): Kind;
  onThreads(resources: Resources, model: LinearModel, inputs: Inputs, stop: Cancellation): Promise<Kind>;
}

export const CLASS: Question<Int32Array> = {
  newAnswers: (rows) => new Int32Array(rows),
  ofTile: (model, count) => model.predictClasses(count),
  onThreads: predictClasses,
};

export const PROBABILITIES: Question<Float32Array> = {
  newAnswers: (rows, classes) => new Float32Array(rows * classes),
  ofTile: (model, count) => model.predictProbabilities(count),
  onThreads: async (resources, model, inputs, stop) => {
    const { rows } = inputs;
    const { classes } = model;
    const elements = new Float32Array(rows * classes);
    const output = { dims: [rows, classes], rows, columns: classes, elements, ptr: undefined };
    await predictClassValues(resources, model, inputs, output, 'probabilities', stop);
    return elements;
  },
};

/** Products of features and weights that are computed at one go: some 0.3 ms. */
const SLICE_PRODUCTS = 2 ** 22;
/** Rows that are computed at one go however large the model is: one alone takes up to three times as long as each of two. */
const LEAST_ROWS = 2;

/** A predictor, to its batches. */
export interface ServedModel {
  /** Throws ERR_CLOSED. */
  readonly packed: () => PackedModel;
  /** For the threads. */
  readonly linear: LinearModel | undefined;
  /** Those of the engine, if there is one and it is open. */
  readonly threads: () => Resources | undefined;
  /** Aborted when the predictor is closed. */
  readonly closing: Cancellation;
  /** Whether a row without an answer is no error. */
  readonly ignoresInvalid: boolean;
}

export class Batches<Kind extends Answers> {
  readonly #model: ServedModel;
  readonly #question: Question<Kind>;
  readonly #few: Coalescer<Kind>;

  constructor(model: ServedModel, question: Question<Kind>) {
    this.#model = model;
    this.#question = question;
    this.#few = new Coalescer(
      (rows) => this.#compute(rows, model.closing),
      (answers, rows) => this.#check(answers, rows),
    );
  }

  /** The answers for rows [any × features]. Throws ERR_NOT_FINITE. */
  async predict(rows: RowElements, signal: Cancellation | undefined): Promise<Kind> {
    signal?.throwIfAborted();
    const stop = new Cancellation();
    const leave = [this.#model.closing, signal].map((source) => follow(stop, source));
    try {
      if (rows.length > 0 && !this.#isLong(rows)) return await this.#few.add(rows, stop);
      const answers = await this.#compute(rows, stop);
      this.#check(answers, rows);
      return answers;
    } finally {
      for (const each of leave) each();
    }
  }

  /** Throws ERR_NOT_FINITE for the first row without an answer. */
  #check(answers: Kind, elements: RowElements): void {
    if (this.#model.ignoresInvalid) return;
    const { features } = this.#model.packed();
    const rows = elements.length / features;
    for (let row = 0; row < rows; row++) {
      if (answers[(row * answers.length) / rows]! >= 0) continue;
      throw invalidRowError('rows', elements.subarray(row * features, (row + 1) * features), row);
    }
  }

  #isLong(rows: RowElements): boolean {
    return rows.length * this.#model.packed().classes > SLICE_PRODUCTS;
  }

  async #compute(rows: RowElements, stop: Cancellation): Promise<Kind> {
    const { linear, threads } = this.#model;
    const resources = linear && this.#isLong(rows) ? threads() : undefined;
    if (linear === undefined || resources === undefined) return this.#inSlices(rows, stop);
    // Not by a BLAS, whose last bits are others than those of a row alone.
    const withKernels: Resources = { ...resources, blas: undefined };
    const areRead = isArrayOf('float32', rows) || isArrayOf('uint8', rows);
    const elements = areRead ? rows : new Float32Array(rows);
    const inputs = checkInputs(withKernels, 'rows', elements, undefined, linear, stop);
    return this.#question.onThreads(withKernels, linear, inputs, stop);
  }

  async #inSlices(elements: RowElements, stop: Cancellation): Promise<Kind> {
    const packed = this.#model.packed();
    const { features, classes, tileRows } = packed;
    const rows = elements.length / features;
    const sliceRows = Math.max(LEAST_ROWS, Math.floor(SLICE_PRODUCTS / (features * classes)));
    const step = Math.min(tileRows, sliceRows);
    const answers = this.#question.newAnswers(rows, classes);
    const width = answers.length / rows;
    for (let begin = 0, sliceEnd = sliceRows; begin < rows; begin += step) {
      if (begin >= sliceEnd) {
        await nextTurn();
        stop.throwIfAborted();
        checkAttached('rows', elements);
        sliceEnd = begin + sliceRows;
      }
      const count = Math.min(step, rows - begin);
      packed.rows.set(elements.subarray(begin * features, (begin + count) * features));
      answers.set(this.#question.ofTile(packed, count).subarray(0, count * width), begin * width);
    }
    return answers;
  }
}

/** Aborts `stop` with `source`, until the function that it returns is called. */
function follow(stop: Cancellation, source: Cancellation | undefined): () => void {
  const listener = () => stop.abort(source?.reason);
  source?.addListener(listener);
  return () => source?.removeListener(listener);
}

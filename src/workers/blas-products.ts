// The matrix products of a linear layer by the machine's BLAS, in place of kernels. Addresses, sizes and strides of every
// call come from the plan, so a library that computes alike for like calls gives the same bits whoever makes them.
import type { Operand, Sgemm } from '../kernels/blas/library.js';
import type { Ptr } from '../kernels/kernels.js';
import { paddedClasses } from '../kernels/layout.js';
import { extendedStride, type PanelShape } from '../kernels/panels.js';
import type { LinearLossTask } from './protocol.js';

const FLOAT32_BYTES = 4;

/** Half-open. */
export interface Range {
  readonly begin: number;
  readonly end: number;
}

/**
 * A linear model whose parameters are one panel: weights [features × stride] and the bias behind them as one more row, so
 * that for extended inputs [X 1] one product gives the logits, and one the gradient of weights and bias.
 */
export class BlasModel {
  readonly #sgemm: Sgemm;
  readonly #shape: PanelShape;
  readonly #floats: Float32Array;
  readonly #addresses: Uint32Array;
  readonly #inputsStride: number;
  readonly #stride: number;

  constructor(sgemm: Sgemm, buffer: SharedArrayBuffer, shape: PanelShape) {
    this.#sgemm = sgemm;
    this.#shape = shape;
    this.#floats = new Float32Array(buffer);
    this.#addresses = new Uint32Array(buffer);
    this.#inputsStride = extendedStride(shape.features);
    this.#stride = paddedClasses(shape.classes);
  }

  /** extended [rows × extendedStride] = [X 1] of the rows whose addresses are at rowPtrs. */
  extend(extended: Ptr, rowPtrs: Ptr, rows: number): void {
    const { features } = this.#shape;
    for (let row = 0; row < rows; row++) {
      const source = this.#addresses[rowPtrs / FLOAT32_BYTES + row]! / FLOAT32_BYTES;
      const target = extended / FLOAT32_BYTES + row * this.#inputsStride;
      this.#floats.copyWithin(target, source, source + features);
      this.#floats[target + features] = 1;
    }
  }

  /** logits [rows × paddedClasses]; the padding stays as it is. */
  forward(logits: Ptr, extended: Ptr, parameters: Ptr, rows: number): void {
    const { features, classes } = this.#shape;
    this.#sgemm(
      { ptr: logits, stride: this.#stride },
      { ptr: extended, stride: this.#inputsStride },
      { ptr: parameters, stride: this.#stride },
      { rows, columns: classes, depth: features + 1 },
      false,
    );
  }

  /** A tile of the parameters' gradient, of which row `features` is the bias: [X 1]ᵀ dZ, or with `adds` plus that. */
  addGradient(
    gradient: Ptr,
    extended: Ptr,
    gradLogits: Ptr,
    rows: number,
    tile: { readonly features: Range; readonly classes: Range },
    adds: boolean,
  ): void {
    const { features, classes } = tile;
    this.#sgemm(
      at(gradient, this.#stride, features.begin, classes.begin),
      { ...at(extended, this.#inputsStride, 0, features.begin), transposed: true },
      at(gradLogits, this.#stride, 0, classes.begin),
      { rows: features.end - features.begin, columns: classes.end - classes.begin, depth: rows },
      adds,
    );
  }
}

/**
 * The products of linearCrossEntropy, for one block of classes at a time. Logits and their gradient are rows paddedClasses
 * apart, as a BLAS reads and writes any stride; what is beyond the last class stays as it is.
 */
export class BlasLayer {
  readonly stride: number;
  readonly #sgemm: Sgemm;
  readonly #task: LinearLossTask;
  readonly #floats: Float32Array;

  constructor(sgemm: Sgemm, task: LinearLossTask) {
    this.stride = paddedClasses(task.classes);
    this.#sgemm = sgemm;
    this.#task = task;
    this.#floats = new Float32Array(task.buffer);
  }

  /** logits [rows × classes of the block] = X W + b. */
  forward(logits: Ptr, inputs: Ptr, rows: number, { begin, end }: Range): void {
    const { features, weights, bias, classes } = this.#task;
    if (bias !== 0) {
      const source = bias / FLOAT32_BYTES;
      for (let row = 0; row < rows; row++) {
        this.#floats.copyWithin(logits / FLOAT32_BYTES + row * this.stride, source + begin, source + end);
      }
    }
    this.#sgemm(
      { ptr: logits, stride: this.stride },
      { ptr: inputs, stride: features },
      at(weights, classes, 0, begin),
      { rows, columns: end - begin, depth: features },
      bias !== 0,
    );
  }

  /** gradInputs [rows × features], columns of the tile, = dZ Wᵀ over the block's classes, or with `adds` plus that. */
  addGradInputs(
    gradInputs: Ptr,
    gradLogits: Ptr,
    rows: number,
    block: Range,
    tile: Range,
    adds: boolean,
  ): void {
    const { features, weights, classes } = this.#task;
    this.#sgemm(
      at(gradInputs, features, 0, tile.begin),
      { ptr: gradLogits, stride: this.stride },
      { ...at(weights, classes, tile.begin, block.begin), transposed: true },
      { rows, columns: tile.end - tile.begin, depth: block.end - block.begin },
      adds,
    );
  }

  /** gradWeights [features × classes], rows of the tile and columns of the block, = Xᵀ dZ, or with `adds` plus that. */
  addGradWeights(inputs: Ptr, gradLogits: Ptr, rows: number, block: Range, tile: Range, adds: boolean): void {
    const { features, gradWeights, classes } = this.#task;
    this.#sgemm(
      at(gradWeights, classes, tile.begin, block.begin),
      { ...at(inputs, features, 0, tile.begin), transposed: true },
      { ptr: gradLogits, stride: this.stride },
      { rows: tile.end - tile.begin, columns: block.end - block.begin, depth: rows },
      adds,
    );
  }
}

/** The part of a matrix that begins with an element. */
const at = (matrix: Ptr, stride: number, row: number, column: number): Operand => ({
  ptr: matrix + (row * stride + column) * FLOAT32_BYTES,
  stride,
});

// The matrix products of a linear layer by the machine's BLAS, in place of kernels. Addresses, sizes and strides of every
// call come from the plan, so a library that computes alike for like calls gives the same bits whoever makes them.
import type { Operand, Sgemm } from '../../kernels/blas/library.js';
import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES, paddedClasses, tileStride } from '../../kernels/layout.js';
import { TYPE_FLOAT32 } from '../../kernels/loss-layout.js';
import { NULL_PTR, offsetBy, type Ptr } from '../../kernels/ptr.js';
import type { LinearLossTask, PredictTask } from '../protocol.js';

type ModelOfTask = Pick<PredictTask, 'buffer' | 'features' | 'classes' | 'weights' | 'bias'>;

const HALF_BYTES = 2;

/** Half-open. */
export interface Range {
  readonly begin: number;
  readonly end: number;
}

/** A linear model, its weights in one panel [features × paddedClasses], and tiles of inputs as gatherInputs makes them. */
export class BlasModel {
  readonly #sgemm: Sgemm;
  readonly #model: ModelOfTask;
  readonly #floats: Float32Array;
  readonly #stride: number;
  readonly #inputsStride: number;

  constructor(sgemm: Sgemm, model: ModelOfTask) {
    this.#sgemm = sgemm;
    this.#model = model;
    this.#floats = new Float32Array(model.buffer);
    this.#stride = paddedClasses(model.classes);
    this.#inputsStride = tileStride(model.features);
  }

  /** logits [rows × classes] = X W + b, rows `logitsStride` elements apart; what is between them stays as it is. */
  forward(logits: Ptr, logitsStride: number, inputs: Ptr, rows: number): void {
    const { features, classes, weights, bias } = this.#model;
    repeatRow(this.#floats, logits, logitsStride, bias, rows, classes);
    this.#sgemm(
      { ptr: logits, stride: logitsStride },
      { ptr: inputs, stride: this.#inputsStride },
      { ptr: weights, stride: this.#stride },
      { rows, columns: classes, depth: features },
      true,
    );
  }

  /** A tile of the weights' gradient: Xᵀ dZ, or with `adds` plus that. gradLogits are rows paddedClasses apart. */
  addGradient(
    gradient: Ptr,
    inputs: Ptr,
    gradLogits: Ptr,
    rows: number,
    tile: { readonly features: Range; readonly classes: Range },
    adds: boolean,
  ): void {
    const { features, classes } = tile;
    this.#sgemm(
      at(gradient, this.#stride, features.begin, classes.begin),
      { ...at(inputs, this.#inputsStride, 0, features.begin), transposed: true },
      at(gradLogits, this.#stride, 0, classes.begin),
      { rows: features.end - features.begin, columns: classes.end - classes.begin, depth: rows },
      adds,
    );
  }
}

/**
 * The products of linearCrossEntropy, for one block of classes at a time. Logits and their gradient are rows paddedClasses
 * apart, as a BLAS reads and writes any stride; what is beyond the last class stays as it is. Weights in a half type are
 * widened into scratch, a tile of inputsFeatures × the block's classes at a time.
 */
export class BlasLayer {
  readonly stride: number;
  readonly #sgemm: Sgemm;
  readonly #kernels: Kernels;
  readonly #task: LinearLossTask;
  readonly #scratch: Ptr;
  readonly #floats: Float32Array;

  constructor(sgemm: Sgemm, kernels: Kernels, task: LinearLossTask, scratch: Ptr) {
    this.stride = paddedClasses(task.classes);
    this.#sgemm = sgemm;
    this.#kernels = kernels;
    this.#task = task;
    this.#scratch = scratch;
    this.#floats = new Float32Array(task.buffer);
  }

  /** logits [rows × classes of the block] = X W + b. */
  forward(logits: Ptr, inputs: Ptr, rows: number, block: Range): void {
    const { features, weightsType, bias, inputsFeatures } = this.#task;
    const columns = block.end - block.begin;
    if (bias !== NULL_PTR) {
      const biasRow = offsetBy(bias, block.begin * FLOAT32_BYTES);
      repeatRow(this.#floats, logits, this.stride, biasRow, rows, columns);
    }
    const step = weightsType === TYPE_FLOAT32 ? features : inputsFeatures;
    for (let begin = 0; begin < features; begin += step) {
      const part = { begin, end: Math.min(features, begin + step) };
      this.#sgemm(
        { ptr: logits, stride: this.stride },
        at(inputs, features, 0, begin),
        this.#weights(part, block),
        { rows, columns, depth: part.end - begin },
        bias !== NULL_PTR || begin > 0,
      );
    }
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
    this.#sgemm(
      at(gradInputs, this.#task.features, 0, tile.begin),
      { ptr: gradLogits, stride: this.stride },
      { ...this.#weights(tile, block), transposed: true },
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

  /** The weights of some features and the block's classes, as float32. */
  #weights(features: Range, block: Range): Operand {
    const { weights, weightsType, classes } = this.#task;
    if (weightsType === TYPE_FLOAT32) return at(weights, classes, features.begin, block.begin);
    const columns = block.end - block.begin;
    let to = this.#scratch;
    for (let feature = features.begin; feature < features.end; feature++) {
      const from = offsetBy(weights, (feature * classes + block.begin) * HALF_BYTES);
      this.#kernels.loadTile(to, from, weightsType, 0, 1, columns, 1);
      to = offsetBy(to, columns * FLOAT32_BYTES);
    }
    return { ptr: this.#scratch, stride: columns };
  }
}

/** matrix [rows × columns], rows `stride` elements apart: each a copy of `row`. */
function repeatRow(
  floats: Float32Array,
  matrix: Ptr,
  stride: number,
  row: Ptr,
  rows: number,
  columns: number,
): void {
  const source = row / FLOAT32_BYTES;
  for (let i = 0; i < rows; i++) {
    floats.copyWithin(matrix / FLOAT32_BYTES + i * stride, source, source + columns);
  }
}

/** The part of a matrix that begins with an element. */
const at = (matrix: Ptr, stride: number, row: number, column: number): Operand => ({
  ptr: offsetBy(matrix, (row * stride + column) * FLOAT32_BYTES),
  stride,
});

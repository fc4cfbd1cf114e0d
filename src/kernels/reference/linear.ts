// The linear layer in float64: Z = XW + b and its three gradients.
import { checkLength, checkMatrix } from './checks.js';

/** left [rows × inner] · right [inner × columns], each element summed from the first term on. Throws ERR_SHAPE. */
export function matrixProduct(
  left: ArrayLike<number>,
  right: ArrayLike<number>,
  rows: number,
  inner: number,
  columns: number,
): Float64Array {
  checkMatrix('left', left, rows, inner, 'rows × inner');
  checkMatrix('right', right, inner, columns, 'inner × columns');
  const product = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < inner; k++) {
      for (let j = 0; j < columns; j++) {
        product[i * columns + j]! += left[i * inner + k]! * right[k * columns + j]!;
      }
    }
  }
  return product;
}

/** matrix [rows × columns] as [columns × rows]. Throws ERR_SHAPE. */
export function transpose(matrix: ArrayLike<number>, rows: number, columns: number): Float64Array {
  checkMatrix('matrix', matrix, rows, columns, 'rows × columns');
  const transposed = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) transposed[j * rows + i] = matrix[i * columns + j]!;
  }
  return transposed;
}

/**
 * Z = X W + b: inputs [rows × features], weights [features × classes], bias [classes], logits [rows × classes].
 * Throws ERR_SHAPE.
 */
export function linearForward(
  inputs: ArrayLike<number>,
  weights: ArrayLike<number>,
  bias: ArrayLike<number>,
  rows: number,
  features: number,
  classes: number,
): Float64Array {
  checkMatrix('inputs', inputs, rows, features, 'rows × features');
  checkMatrix('weights', weights, features, classes, 'features × classes');
  checkLength('bias', bias, classes, 'classes');
  const product = matrixProduct(inputs, weights, rows, features, classes);
  return product.map((element, index) => element + bias[index % classes]!);
}

/**
 * ∂L/∂W = Xᵀ ∂L/∂Z: inputs [rows × features], gradLogits [rows × classes], result [features × classes]. It is a
 * sum over the rows: a mean over them comes with gradLogits, not here. Throws ERR_SHAPE.
 */
export function linearGradWeights(
  inputs: ArrayLike<number>,
  gradLogits: ArrayLike<number>,
  rows: number,
  features: number,
  classes: number,
): Float64Array {
  checkMatrix('inputs', inputs, rows, features, 'rows × features');
  checkMatrix('gradLogits', gradLogits, rows, classes, 'rows × classes');
  return matrixProduct(transpose(inputs, rows, features), gradLogits, features, rows, classes);
}

/** ∂L/∂b_j = Σ_i ∂L/∂Z_ij, the column sums of gradLogits [rows × classes]. Throws ERR_SHAPE. */
export function linearGradBias(gradLogits: ArrayLike<number>, rows: number, classes: number): Float64Array {
  checkMatrix('gradLogits', gradLogits, rows, classes, 'rows × classes');
  const gradBias = new Float64Array(classes);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < classes; j++) gradBias[j]! += gradLogits[i * classes + j]!;
  }
  return gradBias;
}

/**
 * ∂L/∂X = ∂L/∂Z Wᵀ: gradLogits [rows × classes], weights [features × classes], result [rows × features]: what goes
 * back to the layer below, since ∂z/∂x = Wᵀ for every row z = xW + b. Throws ERR_SHAPE.
 */
export function linearGradInputs(
  gradLogits: ArrayLike<number>,
  weights: ArrayLike<number>,
  rows: number,
  features: number,
  classes: number,
): Float64Array {
  checkMatrix('gradLogits', gradLogits, rows, classes, 'rows × classes');
  checkMatrix('weights', weights, features, classes, 'features × classes');
  return matrixProduct(gradLogits, transpose(weights, features, classes), rows, classes, features);
}

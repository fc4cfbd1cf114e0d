// The package's `softshard/reference` entry: softmax, cross-entropy and their gradients as plain float64 formulas.

export {
  crossEntropy,
  crossEntropyOfProbabilities,
  oneHot,
  type Reduction,
} from './cross-entropy.js';
export {
  type Evaluation,
  evaluateRows,
  predictedClass,
  rankOfTarget,
  topKAccuracy,
} from './evaluation.js';
export {
  crossEntropyGradient,
  crossEntropyGradientOfLogits,
  crossEntropyGradientOfProbabilities,
  softmaxBackward,
  softmaxBackwardByJacobian,
  softmaxJacobian,
} from './gradients.js';
export {
  linearForward,
  linearGradBias,
  linearGradInputs,
  linearGradWeights,
  matrixProduct,
  transpose,
} from './linear.js';
export {
  meanSquaredError,
  meanSquaredErrorGradientOfLogits,
  meanSquaredErrorGradientOfProbabilities,
} from './mean-squared-error.js';
export { type SgdOptions, type SgdState, sgdStep } from './sgd.js';
export { logSoftmax, logSumExp, mapRows, softmax, softmaxNaive } from './softmax.js';

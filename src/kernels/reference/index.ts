// The package's `softshard/reference` entry: softmax, all losses, their gradients and metrics as plain float64 formulas.

export { type AdamwOptions, type AdamwState, adamwStep } from './adamw.js';
export {
  type BinaryOptions,
  binaryCrossEntropyWithLogits,
  binaryCrossEntropyWithLogitsGradient,
  sigmoid,
  softplus,
} from './binary-cross-entropy.js';
export {
  type ClassAxis,
  classAxis,
  mapAxis,
  reduceAxis,
  rowBegins,
  rowsAlongAxis,
  rowsIntoAxis,
} from './class-axis.js';
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
export { type GeneralLoss, generalLoss, generalLossGradient, type WeightedLosses } from './general-loss.js';
export {
  crossEntropyGradient,
  crossEntropyGradientOfLogits,
  crossEntropyGradientOfProbabilities,
  softmaxBackward,
  softmaxBackwardByJacobian,
  softmaxJacobian,
} from './gradients.js';
export {
  type DistillationOptions,
  distillation,
  distillationGradient,
  type KlOptions,
  type KlReduction,
  klDivergence,
  klDivergenceGradient,
} from './kl-divergence.js';
export {
  linearForward,
  linearGradBias,
  linearGradInputs,
  linearGradWeights,
  matrixProduct,
  transpose,
} from './linear.js';
export type { LossGradientOptions, LossOptions, LossTargets } from './loss-options.js';
export {
  meanSquaredError,
  meanSquaredErrorGradientOfLogits,
  meanSquaredErrorGradientOfProbabilities,
} from './mean-squared-error.js';
export {
  type CalibrationBins,
  type ClassScores,
  calibrationBins,
  classScores,
  confusionMatrix,
  expectedCalibrationError,
  type Perplexity,
  perplexity,
} from './metrics.js';
export { type NllGradientOptions, type NllOptions, nllLoss, nllLossGradient } from './nll-loss.js';
export {
  classWeighted,
  crossEntropyOfRow,
  crossEntropySlopes,
  focalSlope,
  focalTerm,
  scores,
  smoothed,
  softcapped,
  softcapSlope,
  zLossOfRow,
  zLossSlopes,
} from './row-loss.js';
export { type SgdOptions, type SgdState, sgdStep } from './sgd.js';
export { logSoftmax, logSumExp, mapRows, softmax, softmaxNaive } from './softmax.js';

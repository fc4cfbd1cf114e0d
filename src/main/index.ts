// The public API of softshard: what programs name often, and the types of everything else in five groups (types/).

export { type ErrorCode, type ErrorDetails, SoftshardError } from '../errors.js';
export { type BlasLibrary, type BlasSearch, findBlas } from '../kernels/blas/library.js';
export { NUMERICS, type Numerics, supportsNumerics } from '../kernels/load.js';
export { supportsWideSimd } from '../kernels/wide-simd.js';
export type { FloatInput, FloatType } from './arguments/axis-rows.js';
export type { NumericVector } from './arguments/numeric-vectors.js';
export type { TargetArray, Targets } from './arguments/targets.js';
export {
  checkInput,
  createNpyWriter,
  csvBlocks,
  detectFormat,
  fileFormats,
  formatCsvRecord,
  matchLabels,
  openFeatures,
  openNpy,
  readCsv,
  readFeatures,
  readIdxLabels,
  readIdxMatrix,
  readLabels,
  readMatrix,
  readNpyLabels,
  readNpyMatrix,
  registerFileFormat,
  writeCsv,
  writeNpy,
} from './data/index.js';
export { Engine } from './engine.js';
export type { EngineOptions } from './engine-options.js';
export type { DenseTargets, Mask } from './losses/dense-targets.js';
export { mergeLosses, partSize } from './losses/merging.js';
export { availableMemory } from './machine/available-memory.js';
export { availableThreads } from './machine/available-threads.js';
export { defaultBlas } from './machine/blas.js';
export type { ElementType, TensorData } from './memory/element-types.js';
export { hostMemory } from './memory/host-memory.js';
export type { Allocator, ArenaTensor, Matrix, Tensor, Vector } from './memory/tensor.js';
export { ClassificationMetrics } from './metrics/classification-metrics.js';
export { readModelFile } from './models/model-file.js';
export { scaleFeatures, standardScaling } from './models/scaling.js';
export { checkOutput } from './outputs/write-atomically.js';
export { Predictor } from './serving/predictor.js';
export { SoftmaxClassifier } from './training/classifier.js';
export { fitMany } from './training/many/fit-many.js';
export { splitRows } from './training/rows/row-order.js';
export type * as Files from './types/files.js';
export type * as Losses from './types/losses.js';
export type * as Metrics from './types/metrics.js';
export type * as Serving from './types/serving.js';
export type * as Training from './types/training.js';
export { version } from './version.js';

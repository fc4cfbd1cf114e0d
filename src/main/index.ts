// The public API of softshard: what programs name often, and the types of everything else in five groups (types/).

import './jobs/engine-jobs.js';

export { type ErrorCode, type ErrorDetails, SoftshardError } from '../errors.js';
export { type BlasLibrary, type BlasSearch, findBlas } from '../kernels/blas/library.js';
export { NUMERICS, type Numerics, supportsNumerics } from '../kernels/load.js';
export { supportsWideSimd, trustsWideSimd } from '../kernels/wide-simd.js';
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
  hashFiles,
  listDataFiles,
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
  shortestFloat,
  tableBlocks,
  tableFormatOf,
  writeCsv,
  writeNpy,
  writeTable,
} from './data/index.js';
export { inProcessTransports } from './distributed/in-process.js';
export { findLaunch, type Launch } from './distributed/launcher.js';
export type { MpiOptions } from './distributed/mpi.js';
export { openMpi } from './distributed/open.js';
export type { OwnBranches, Transport } from './distributed/transport.js';
export { Engine } from './engine.js';
export type { EngineOptions } from './engine-options.js';
export type { DenseTargets, Mask } from './losses/dense-targets.js';
export { mergeLosses, partSize } from './losses/merging.js';
export { availableMemory } from './machine/available-memory.js';
export { availableThreads } from './machine/available-threads.js';
export { defaultBlas } from './machine/blas.js';
export { type HugePages, hugePages } from './machine/huge-pages.js';
export type { ElementType, TensorData } from './memory/element-types.js';
export { hostMemory } from './memory/host-memory.js';
export type { Allocator, ArenaTensor, Matrix, Tensor, Vector } from './memory/tensor.js';
export { ClassificationMetrics } from './metrics/classification-metrics.js';
export { modelCard } from './models/export/model-card.js';
export { exportOnnx } from './models/export/onnx.js';
export { exportSklearn } from './models/export/sklearn.js';
export { importSklearn } from './models/import/sklearn.js';
export { readModelFile } from './models/model-file.js';
export { scaleFeatures } from './models/scaling.js';
export { standardScaling } from './models/standard-scaling.js';
export { checkOutput } from './outputs/write-atomically.js';
export { writeTextFile } from './outputs/write-text-file.js';
export { lossOfFiles } from './pipelines/loss-of-files.js';
export { softmaxOfFile } from './pipelines/softmax-of-file.js';
export { evaluationFacts } from './report/evaluation-facts.js';
export { readRun } from './report/read-run.js';
export { renderReport } from './report/render-report.js';
export { scalingReport } from './report/scaling/scaling-report.js';
export { hparamsOf, TensorBoard } from './report/tensorboard/tensorboard.js';
export { writeReport } from './report/write-report.js';
export { compareRuns } from './runs/compare-runs.js';
export { openRun } from './runs/open-run.js';
export type { RunDirectory } from './runs/run-directory.js';
export { compareScaling } from './scaling/compare.js';
export { measureScaling } from './scaling/measure-scaling.js';
export { measureRankScaling } from './scaling/ranks/measure-ranks.js';
export { Predictor } from './serving/predictor.js';
export { decodeCheckpoint, encodeCheckpoint } from './training/checkpoint/checkpoint-bytes.js';
export { SoftmaxClassifier } from './training/classifier.js';
export { fitMany } from './training/many/fit-many.js';
export { allGatherRows } from './training/rows/all-gather-rows.js';
export { selectRows } from './training/rows/select-rows.js';
export { splitRows } from './training/split-rows.js';
export type * as Files from './types/files.js';
export type * as Jobs from './types/jobs.js';
export type * as Losses from './types/losses.js';
export type * as Metrics from './types/metrics.js';
export type * as Reports from './types/reports.js';
export type * as Runs from './types/runs.js';
export type * as Scaling from './types/scaling.js';
export type * as Serving from './types/serving.js';
export type * as Training from './types/training.js';
export { version } from './version.js';

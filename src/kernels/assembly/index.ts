// What the WASM builds export; src/kernels/kernels.ts is the same list as the host sees it.

export { logSoftmaxColumns, logSumExpColumns, softmaxColumns } from './columns/column-softmax';
export { loadTile, storeTile } from './columns/tiles';
export {
  blockBackward,
  blockBackwardInputs,
  blockForward,
  gatherClasses,
  scatterClasses,
} from './gemm/class-blocks';
export { addColumnSums, gatherRows, linearBackward, linearForward } from './gemm/linear';
export { binaryCrossEntropyRows } from './losses/binary';
export { divergenceRows } from './losses/divergence';
export { lossRows, lossRows64, lossRowsAt } from './losses/loss-rows';
export { nllRows } from './losses/nll';
export { probabilityLossRows } from './losses/probability-loss';
export { squaredErrorRows } from './losses/squared-error';
export { fetchInputs, gatherInputs } from './narrow-model/input-tile';
export { tileBackward, tileForward } from './narrow-model/tile-products';
export { multiplyAdd } from './probes/arithmetic';
export { copyMemory, readMemory, writeMemory } from './probes/memory';
export { crossEntropyGradientRows, crossEntropyRows } from './rows/cross-entropy';
export { evaluateRows } from './rows/evaluate';
export { useScratch } from './rows/narrow/group-scratch';
export { predictRows, predictRows64 } from './rows/predictions';
export { prefetchBeyond, usePrefetch } from './rows/prefetch';
export { logSoftmaxRows, logSumExpRows, softmaxRows } from './rows/softmax';
export { logSoftmaxRows64, logSumExpRows64, softmaxRows64 } from './rows/softmax64';
export { findInvalidTarget } from './rows/targets';
export { adamwUpdate, clear, sgdUpdate, treeAdd } from './training/parameters';
export {
  addCurvatureDiagonals,
  addCurvatureProducts,
  addCurvatures,
  addScaled,
  addToFloat64,
  addToRows,
  curvatureRows,
  scaleRows,
} from './training/solver';
export { axpy, dot, scale } from './training/vectors';
export { useWideSimd } from './vectors/wide-simd';

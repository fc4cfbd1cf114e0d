// What the WASM builds export; src/kernels/kernels.ts is the same list as the host sees it.
export { blockBackward, blockBackwardInputs, blockForward, gatherClasses, scatterClasses } from "./class-blocks";
export { logSoftmaxColumns, logSumExpColumns, softmaxColumns } from "./column-softmax";
export { crossEntropyGradientRows, crossEntropyRows } from "./cross-entropy";
export { evaluateRows } from "./evaluate";
export { addColumnSums, gatherRows, linearBackward, linearForward } from "./linear";
export { lossRows, lossRows64, lossRowsAt } from "./loss-rows";
export { clear, sgdUpdate, treeAdd } from "./parameters";
export { logSoftmaxRows, logSumExpRows, softmaxRows } from "./softmax";
export { logSoftmaxRows64, logSumExpRows64, softmaxRows64 } from "./softmax64";
export { findInvalidTarget } from "./targets";
export { loadTile, storeTile } from "./tiles";
export { trainTile } from "./train-tile";
export { binaryCrossEntropyRows } from "./binary";
export { divergenceRows } from "./divergence";
export { nllRows } from "./nll";
export { outcomeRows } from "./outcomes";
export { probabilityLossRows } from "./probability-loss";
export { squaredErrorRows } from "./squared-error";

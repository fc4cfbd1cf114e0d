// The types of the WASM builds' exports, and what each kernel promises.
import type { LossKernels } from './loss-kernels.js';
import type { Ptr } from './ptr.js';
import type { RowLossKernels } from './row-loss-kernels.js';

/**
 * Every kernel works in place on the arena: matrices are row-major float32 unless said, targets Int32 class
 * indices. Counts are in elements. Addresses need only the alignment of their element type.
 * "Adds to" means that the caller clears the cell first. A status is STATUS_OK or the first row (counted from
 * 0 within the call) whose target is not in [0, columns); nothing else is written for that row or later ones.
 */
export interface Kernels extends LossKernels, RowLossKernels {
  /**
   * wide = 1: this instance multiplies two panels of classes and takes eight vectors of exponentials at a
   * time, else one and four. Faster where V8 joins pairs of vectors into 256 bits, slower elsewhere. No bit
   * of a result depends on it.
   */
  useWideSimd(wide: number): void;
  /**
   * more = 1: one more row follows those of each call of the five kernels below, and the same thread takes it
   * next. They prefetch it like the rows of the call. It must lie in memory; no result depends on it.
   */
  prefetchBeyond(more: number): void;
  /**
   * on = 1, the initial state: the five kernels below prefetch the next row while they compute one. Which is
   * faster depends on the processor and its memory; no result depends on it.
   */
  usePrefetch(on: number): void;
  /**
   * Scratch for rows of few columns: GROUP_SCRATCH_BYTES at a multiple of 64, used by no other thread at the
   * same time. Until this call all instances of a memory share one place.
   */
  useScratch(ptr: Ptr): void;

  /** output, logits [rows × columns], rows `stride` elements apart in both; output may be logits. */
  softmaxRows(output: Ptr, logits: Ptr, rows: number, columns: number, stride: number): void;
  /** As softmaxRows, the logarithm. */
  logSoftmaxRows(output: Ptr, logits: Ptr, rows: number, columns: number, stride: number): void;
  /** output [rows], logits [rows × columns] without gaps. */
  logSumExpRows(output: Ptr, logits: Ptr, rows: number, columns: number): void;

  /** losses [rows] or 0; adds the sum of the losses to the float64 at lossSum. Status. */
  crossEntropyRows(
    losses: Ptr,
    lossSum: Ptr,
    logits: Ptr,
    targets: Ptr,
    rows: number,
    columns: number,
  ): number;
  /**
   * gradLogits [rows × columns] = scale · (softmax(logits) - one-hot(targets)); rows `stride` elements apart in
   * both, gradLogits may be logits. Also what crossEntropyRows gives. Status.
   */
  crossEntropyGradientRows(
    gradLogits: Ptr,
    losses: Ptr,
    lossSum: Ptr,
    logits: Ptr,
    targets: Ptr,
    rows: number,
    columns: number,
    stride: number,
    scale: number,
  ): number;
  /** Index of the first of targets [length] outside [0, classes), or STATUS_OK. */
  findInvalidTarget(targets: Ptr, length: number, classes: number): number;

  /**
   * Addresses of a tile of rows: rowPtrs [rows] addresses into inputs [any × features], tileTargets [rows].
   * Row i of the tile is row indices[rowBegin + i] of inputs and targets (indices Uint32), or rowBegin + i
   * when indices is 0. targets may be 0: then tileTargets is not written.
   */
  gatherRows(
    rowPtrs: Ptr,
    tileTargets: Ptr,
    inputs: Ptr,
    targets: Ptr,
    indices: Ptr,
    rowBegin: number,
    rows: number,
    features: number,
  ): void;
  /**
   * logits [rows × stride] = X W + b. weights in panels [panels][features][panelWidth], bias [stride], with
   * stride = paddedClasses(classes) = panels · panelWidth; padded columns become what the padding holds. The
   * bits of a row do not depend on the other rows of the call. scratch: linearScratchBytes.
   */
  linearForward(
    logits: Ptr,
    rowPtrs: Ptr,
    weights: Ptr,
    bias: Ptr,
    rows: number,
    features: number,
    classes: number,
    scratch: Ptr,
  ): void;
  /**
   * gradWeights (in panels) += Xᵀ dZ for panels [panelBegin, panelEnd) and features [featureBegin, featureEnd);
   * gradLogits [rows × stride]. Rows are summed in order, SUM_ROWS at a time from zero, and each such sum is added to
   * gradWeights: the bits depend on which rows form a call (the caller's plan), not on the ranges.
   * scratch: linearScratchBytes.
   */
  linearBackward(
    gradWeights: Ptr,
    rowPtrs: Ptr,
    gradLogits: Ptr,
    rows: number,
    features: number,
    classes: number,
    panelBegin: number,
    panelEnd: number,
    featureBegin: number,
    featureEnd: number,
    scratch: Ptr,
  ): void;
  /**
   * gradBias [columnEnd of stride] += column sums of gradLogits [rows × stride], columns [columnBegin, columnEnd). The
   * order of the sums is that of linearBackward.
   */
  addColumnSums(
    gradBias: Ptr,
    gradLogits: Ptr,
    rows: number,
    stride: number,
    columnBegin: number,
    columnEnd: number,
  ): void;
  /**
   * logits [rows × blockColumns] = X W + b for one block of classes (blockColumns in layout.ts), from
   * classBegin on; columns beyond the last class become 0 · x. X: rows at rowPtrs + beginBytes; weights
   * [features × classes] of weightsType (TYPE_… of loss-layout.ts; float32 or a half type, which is widened)
   * and bias [classes] or 0, as callers hold them. The bits are those of linearForward. scratch:
   * blockScratchBytes.
   */
  blockForward(
    logits: Ptr,
    rowPtrs: Ptr,
    beginBytes: number,
    weights: Ptr,
    weightsType: number,
    bias: Ptr,
    rows: number,
    features: number,
    classes: number,
    classBegin: number,
    scratch: Ptr,
  ): void;
  /**
   * gradWeights [features × classes] += Xᵀ dZ for one block of classes and features [featureBegin, featureEnd), at most
   * DEPTH_BLOCK of them; with fresh = 1 what it held before counts as 0. gradLogits [rows × blockColumns], X as in
   * blockForward. Sums as in linearBackward: the same rows in calls that start at multiples of SUM_ROWS give the same
   * bits. scratch: blockScratchBytes.
   */
  blockBackward(
    gradWeights: Ptr,
    rowPtrs: Ptr,
    beginBytes: number,
    gradLogits: Ptr,
    rows: number,
    classes: number,
    classBegin: number,
    featureBegin: number,
    featureEnd: number,
    fresh: number,
    scratch: Ptr,
  ): void;
  /**
   * gradInputs [rows × features], columns [featureBegin, featureEnd), += dZ Wᵀ over one block of classes; fresh as in
   * blockBackward, weights as in blockForward. gradLogitsPtrs: the addresses of at most BLOCK_ROWS rows, less beginBytes; at most BLOCK_FEATURES
   * features. A block is summed from zero in the order of its classes and then added; the bits do not depend on the other
   * rows and features of the call. scratch: blockScratchBytes.
   */
  blockBackwardInputs(
    gradInputs: Ptr,
    gradLogitsPtrs: Ptr,
    beginBytes: number,
    weights: Ptr,
    weightsType: number,
    rows: number,
    features: number,
    classes: number,
    classBegin: number,
    featureBegin: number,
    featureEnd: number,
    fresh: number,
    scratch: Ptr,
  ): void;
  /**
   * tile [rows × classes] = `rows` rows of logits [classBlocks][chunkRows][blockColumns]; logits is the address of the
   * first of them in the first block.
   */
  gatherClasses(tile: Ptr, logits: Ptr, rows: number, chunkRows: number, classes: number): void;
  /** The reverse of gatherClasses; what is beyond the last class stays as it is. */
  scatterClasses(logits: Ptr, tile: Ptr, rows: number, chunkRows: number, classes: number): void;

  /**
   * tile [rows × tileStride(features)]: rows gathered from inputs [any × features] as float32, zeros beyond
   * the features; tileTargets [rows]. Rows as in gatherRows; targets may be 0. inputsType is one of INPUTS_…;
   * what is scaled becomes (x - shift) · scale, scaling being [shift, scale] or, by feature, [tileStride]
   * shifts and as many scales.
   */
  gatherInputs(
    tile: Ptr,
    tileTargets: Ptr,
    inputs: Ptr,
    inputsType: number,
    scaling: Ptr,
    targets: Ptr,
    indices: Ptr,
    rowBegin: number,
    rows: number,
    features: number,
  ): void;
  /**
   * Prefetches the FETCHED_ROWS rows of inputs from `position` on, none beyond `last`, for gatherInputs. The
   * result means nothing.
   */
  fetchInputs(
    inputs: Ptr,
    inputsType: number,
    indices: Ptr,
    position: number,
    last: number,
    features: number,
  ): number;
  /**
   * logits [rows × classes] = X W + b for a tile of gatherInputs; weights in strips (strips.ts), bias [classes]. The bits
   * of a row do not depend on the other rows of the call. sums: FORWARD_SUMS_BYTES of scratch memory.
   */
  tileForward(
    logits: Ptr,
    tile: Ptr,
    weights: Ptr,
    bias: Ptr,
    rows: number,
    features: number,
    classes: number,
    sums: Ptr,
  ): void;
  /**
   * gradWeights (in strips) += Xᵀ dZ and gradBias [classes] += sum of dZ, gradLogits [rows × classes]; with fresh = 1 what
   * they held before counts as 0. Rows are summed from zero in order, and the sum is added.
   */
  tileBackward(
    gradWeights: Ptr,
    gradBias: Ptr,
    tile: Ptr,
    gradLogits: Ptr,
    rows: number,
    features: number,
    classes: number,
    fresh: number,
  ): void;

  /**
   * What a model predicts for rows of logits [rows × stride]: predictions [rows] Int32 (the lowest class of
   * the largest logit; -1 where the row's softmax is NaN), and where targets is not 0 also ranks [rows] Int32
   * (how many classes come before the target: larger logits, and equal ones of a lower class; `columns` when
   * the target's logit is NaN) and losses [rows]. Status.
   */
  evaluateRows(
    predictions: Ptr,
    ranks: Ptr,
    losses: Ptr,
    logits: Ptr,
    targets: Ptr,
    rows: number,
    columns: number,
    stride: number,
  ): number;

  /** Zeroes values [length]. */
  clear(values: Ptr, length: number): void;
  /**
   * partials: `count` vectors, strideBytes apart, of which `length` elements from each address are summed into the
   * first along a fixed binary tree: neighbours at distance 1, then 2, 4, … The others may be overwritten.
   */
  treeAdd(partials: Ptr, strideBytes: number, count: number, length: number): void;
  /**
   * v = momentum · v + (g + weightDecay · w); w -= learningRate · v, or with nesterov learningRate · (g' + momentum · v)
   * where g' = g + weightDecay · w. PyTorch's SGD with dampening 0, velocity starting at zeros. velocity may be 0 when
   * momentum is 0. The bits of an element do not depend on where the arrays are cut into calls.
   */
  sgdUpdate(
    parameters: Ptr,
    velocity: Ptr,
    gradient: Ptr,
    length: number,
    learningRate: number,
    momentum: number,
    weightDecay: number,
    nesterov: number,
  ): void;
  /**
   * mean = beta1 · mean + (1 - beta1) · g; square = beta2 · square + (1 - beta2) · g²; w -= learningRate · weightDecay · w;
   * w -= learningRate · (mean / correction1) / (sqrt(square / correction2) + epsilon). PyTorch's AdamW, where step t has the
   * corrections 1 - beta1^t and 1 - beta2^t; mean and square start at zeros. The bits of an element do not depend on where
   * the arrays are cut into calls.
   */
  adamwUpdate(
    parameters: Ptr,
    mean: Ptr,
    square: Ptr,
    gradient: Ptr,
    length: number,
    learningRate: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    weightDecay: number,
    correction1: number,
    correction2: number,
  ): void;

  /**
   * The sum of x[i] · y[i] in float64, whose order depends on length alone. Of this and the next two, both builds give
   * the same bits.
   */
  dot(x: Ptr, y: Ptr, length: number): number;
  /** y += alpha · x, alpha as float32, both operations rounded to it. y may be x. */
  axpy(y: Ptr, x: Ptr, length: number, alpha: number): void;
  /** x *= alpha, alpha as float32. */
  scale(x: Ptr, length: number, alpha: number): void;

  /** output = x + alpha · y [length], alpha as float32; output may be x or y. Of this and the next six, both builds give the same bits. */
  addScaled(output: Ptr, x: Ptr, y: Ptr, length: number, alpha: number): void;
  /** Each row of values [rows × columns] += addend [columns]. */
  addToRows(values: Ptr, addend: Ptr, rows: number, columns: number): void;
  /** Row i of values [rows × columns] *= factors[i]. */
  scaleRows(values: Ptr, factors: Ptr, rows: number, columns: number): void;
  /**
   * Each row u of values [rows × columns] becomes c (p ∘ u - p (p · u)) with its row p of probabilities [rows × columns] and
   * its c of curvatures [rows]: the Hessian of softmax cross-entropy by the row's logits, times u and c.
   */
  curvatureRows(values: Ptr, probabilities: Ptr, curvatures: Ptr, rows: number, columns: number): void;
  /**
   * matrix [columns × columns] += Σ c (diag(p) - p pᵀ) over rows of probabilities [rows × stride] with curvatures c [rows]: the
   * Hessian of softmax cross-entropy by what is added to the logits of all rows.
   */
  addCurvatures(
    matrix: Ptr,
    probabilities: Ptr,
    curvatures: Ptr,
    rows: number,
    columns: number,
    stride: number,
  ): void;
  /** sums [columns] += that matrix times vector [columns], without the matrix. */
  addCurvatureProducts(
    sums: Ptr,
    vector: Ptr,
    probabilities: Ptr,
    curvatures: Ptr,
    rows: number,
    columns: number,
    stride: number,
  ): void;
  /** sums [columns] += its diagonal. */
  addCurvatureDiagonals(
    sums: Ptr,
    probabilities: Ptr,
    curvatures: Ptr,
    rows: number,
    columns: number,
    stride: number,
  ): void;
  /** sums [length], float64, += values [length]. */
  addToFloat64(sums: Ptr, values: Ptr, length: number): void;

  /** What the machine gives: `rounds` of PROBE_FLOPS_A_ROUND operations on sums [PROBE_SUMS] at a multiple of 16, whatever they hold. */
  multiplyAdd(sums: Ptr, rounds: number): void;
  /** The largest of the floats at ptr. bytes is a multiple of 64, in the three probes of memory. */
  readMemory(ptr: Ptr, bytes: number): number;
  /** Floats at ptr become 1. */
  writeMemory(ptr: Ptr, bytes: number): void;
  /** output = 1 · input; output may be input. */
  copyMemory(output: Ptr, input: Ptr, bytes: number): void;
}

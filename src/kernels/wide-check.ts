// The self-test of wide SIMD, which is experimental in V8: kernels must give the same bits wide and plain.
import type { Kernels } from './kernels.js';
import {
  GROUP_SCRATCH_BYTES,
  HEAP_BASE,
  INPUTS_FLOAT32,
  INPUTS_SCALED_FLOAT32,
  linearScratchBytes,
  paddedClasses,
  tileStride,
} from './layout.js';
import { instantiateKernels } from './load.js';
import { alignUp, NULL_PTR, offsetBy, type Ptr } from './ptr.js';
import { type CompiledModule, type SharedMemory, WebAssembly } from './webassembly.js';

/** Ragged rows of logits: shorter than a vector, and with every rest after loops of one vector, of four, of eight, of blocks. */
const COLUMNS = [3, 10, 35, 67, 118, 535, 1003];
/** A whole group of few columns (assembly/rows/narrow/narrow-groups.ts) and a rest that is no quad. */
const ROWS = 23;
/** Panels of 4, 12 and 8 classes and of one panel more than pairs; rows and features that leave a rest in every micro-kernel. */
const CLASSES = [3, 10, 29, 120];
const MATRIX_ROWS = 47;
const FEATURES = 131;

const LOGITS = HEAP_BASE as Ptr;
const INPUTS = offsetBy(LOGITS, 4 * ROWS * 1003);
const WEIGHTS = offsetBy(INPUTS, 4 * MATRIX_ROWS * FEATURES);
const BIAS = offsetBy(WEIGHTS, 4 * (FEATURES + 5) * 120);
const TARGETS = offsetBy(BIAS, 4 * 120);
const ROW_PTRS = offsetBy(TARGETS, 4 * ROWS);
const LOSS_SUM = alignUp(offsetBy(ROW_PTRS, 4 * MATRIX_ROWS), 8);
const TILE = offsetBy(LOSS_SUM, 8);
const OUTPUT = offsetBy(TILE, 4 * MATRIX_ROWS * tileStride(FEATURES));
/** Of the matrix products, which pack differently where they are wide: not compared. */
const SCRATCH = offsetBy(OUTPUT, 4 * (MATRIX_ROWS + FEATURES + 6) * 120);
/** Of rows of few columns: wide code may compute more exponentials than there are. */
const GROUP_SCRATCH = alignUp(offsetBy(SCRATCH, linearScratchBytes(120)), 64);
const PAGES = Math.ceil((GROUP_SCRATCH + GROUP_SCRATCH_BYTES) / 65536);

interface Trial {
  readonly kernel: keyof Kernels;
  run(kernels: Kernels): void;
}

const rowTrials = (columns: number): Trial[] => [
  { kernel: 'softmaxRows', run: (it) => it.softmaxRows(OUTPUT, LOGITS, ROWS, columns, columns) },
  { kernel: 'logSoftmaxRows', run: (it) => it.logSoftmaxRows(OUTPUT, LOGITS, ROWS, columns, columns) },
  { kernel: 'logSumExpRows', run: (it) => it.logSumExpRows(OUTPUT, LOGITS, ROWS, columns) },
  {
    kernel: 'crossEntropyRows',
    run: (it) => it.crossEntropyRows(OUTPUT, LOSS_SUM, LOGITS, TARGETS, ROWS, columns),
  },
  {
    kernel: 'crossEntropyGradientRows',
    run: (it) =>
      it.crossEntropyGradientRows(OUTPUT, NULL_PTR, LOSS_SUM, LOGITS, TARGETS, ROWS, columns, columns, 0.1),
  },
];

const matrixTrials = (classes: number): Trial[] => [
  {
    kernel: 'linearForward',
    run: (it) => it.linearForward(OUTPUT, ROW_PTRS, WEIGHTS, BIAS, MATRIX_ROWS, FEATURES, classes, SCRATCH),
  },
  // Takes what linearForward left as the logits' gradient, and adds to gradients behind it.
  {
    kernel: 'linearBackward',
    run: (it) => {
      const gradWeights = offsetBy(OUTPUT, 4 * MATRIX_ROWS * paddedClasses(classes));
      it.linearBackward(
        gradWeights,
        ROW_PTRS,
        OUTPUT,
        MATRIX_ROWS,
        FEATURES,
        classes,
        0,
        1,
        0,
        FEATURES,
        SCRATCH,
      );
    },
  },
  {
    kernel: 'tileForward',
    run: (it) => {
      it.gatherInputs(
        TILE,
        NULL_PTR,
        INPUTS,
        INPUTS_FLOAT32,
        NULL_PTR,
        NULL_PTR,
        NULL_PTR,
        0,
        MATRIX_ROWS,
        FEATURES,
      );
      it.tileForward(OUTPUT, TILE, WEIGHTS, BIAS, MATRIX_ROWS, FEATURES, classes, SCRATCH);
    },
  },
  {
    kernel: 'tileBackward',
    run: (it) => {
      const gradWeights = offsetBy(OUTPUT, 4 * MATRIX_ROWS * classes);
      const gradBias = offsetBy(gradWeights, 4 * (FEATURES + 5) * classes);
      it.tileBackward(gradWeights, gradBias, TILE, OUTPUT, MATRIX_ROWS, FEATURES, classes, 0);
    },
  },
];

/** Scales by some of the weights. */
const scaledRows: Trial = {
  kernel: 'gatherInputs',
  run: (it) =>
    it.gatherInputs(
      TILE,
      NULL_PTR,
      INPUTS,
      INPUTS_SCALED_FLOAT32,
      WEIGHTS,
      NULL_PTR,
      NULL_PTR,
      0,
      MATRIX_ROWS,
      FEATURES,
    ),
};

const TRIALS: readonly Trial[] = [
  ...COLUMNS.flatMap(rowTrials),
  ...CLASSES.flatMap(matrixTrials),
  scaledRows,
];

/** The first kernel whose bits differ between two compilations of a build, or undefined. */
export function differingKernel(plain: CompiledModule, wide: CompiledModule): keyof Kernels | undefined {
  const instances = [plain, wide].map((module) => {
    const memory = trialMemory();
    const kernels = instantiateKernels(module, memory);
    kernels.useScratch(GROUP_SCRATCH);
    return { kernels, bytes: new Uint8Array(memory.buffer, 0, SCRATCH) };
  });
  const differs = ({ run }: Trial): boolean => {
    for (const { kernels } of instances) run(kernels);
    return Buffer.compare(instances[0]!.bytes, instances[1]!.bytes) !== 0;
  };
  return TRIALS.find(differs)?.kernel;
}

/** Logits from -30 to 30, one in some hundred -Infinity; a linear layer with logits of that order. */
function trialMemory(): SharedMemory {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  const { buffer } = memory;
  const values = new Float32Array(buffer, LOGITS, (TARGETS - LOGITS) / 4);
  // Knuth's linear congruential generator; its upper bits are good.
  let state = 1;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const uniform = state / 2 ** 31 - 1;
    const isLogit = i < (INPUTS - LOGITS) / 4;
    if (isLogit) values[i] = uniform < -0.99 ? Number.NEGATIVE_INFINITY : uniform * 30;
    else values[i] = uniform;
  }
  new Int32Array(buffer, TARGETS, ROWS).set(Array.from({ length: ROWS }, (_, row) => row % 3));
  const rowPtrs = Array.from({ length: MATRIX_ROWS }, (_, row) => INPUTS + row * FEATURES * 4);
  new Int32Array(buffer, ROW_PTRS, MATRIX_ROWS).set(rowPtrs);
  return memory;
}

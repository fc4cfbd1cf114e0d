// Training a softmax classifier through fit, its rows in the arena: steps of SGD, and passes of L-BFGS.

import {
  crossEntropy,
  crossEntropyGradient,
  linearForward,
  linearGradBias,
  linearGradWeights,
  sgdStep,
} from '../../../kernels/reference/index.js';
import type { Engine } from '../../engine.js';
import type { Matrix } from '../../memory/tensor.js';
import type { FeatureSource } from '../../models/feature-source.js';
import { SoftmaxClassifier } from '../../training/classifier.js';
import { checkClose, fillRandom } from './values.js';
import type { PreparedWorkload, Workload } from './workload.js';

const FLOAT32_BYTES = 4;
/**
 * The rows repeat after this many, so that the reference computes the exact gradient of a large batch from few rows; a
 * prime, so that copies of a row meet all positions within tiles and shards. Arithmetic takes no less time for it.
 */
const DISTINCT_ROWS = 61;
const CHECKED_STEPS = 2;
const SGD = { learningRate: 0.01, momentum: 0.9 };
/** The first is not timed. */
const PASSES = 7;
/** Of random weights that a check begins at. */
const WEIGHT_SCALE = 0.01;

export interface TrainingShape {
  readonly features: number;
  readonly classes: number;
  readonly batchSize: number;
  /** At least batchSize; steps of a part of it would take less time. */
  readonly rows: number;
  /** Of one call: enough steps to make its start (some 0.15 ms) small. */
  readonly epochs: number;
}

/** A step on batchSize of the rows. */
export function stepWorkload(shape: TrainingShape): Workload {
  const { features, classes, batchSize } = shape;
  const rowsFor = (batch: number) => Math.floor(shape.rows / batch) * batch;
  return {
    operation: 'trainingStep',
    rows: batchSize,
    columns: undefined,
    features,
    classes,
    work: (batch) => ({
      flops: productFlops(batch, shape),
      bytes: batch * features * FLOAT32_BYTES,
      pattern: 'read',
    }),
    bytes: (batch) => rowsFor(batch) * (features + 1) * FLOAT32_BYTES,
    prepare: (engine, batch) => prepareSteps(engine, { ...shape, batchSize: batch, rows: rowsFor(batch) }),
  };
}

/** A pass of L-BFGS over all rows: one product for the direction, one for the gradient. */
export function passWorkload(shape: Omit<TrainingShape, 'batchSize' | 'epochs'>): Workload {
  const { features, classes, rows } = shape;
  return {
    operation: 'fullBatchPass',
    rows,
    columns: undefined,
    features,
    classes,
    work: (count) => ({
      flops: productFlops(count, shape),
      bytes: 2 * count * features * FLOAT32_BYTES,
      pattern: 'read',
    }),
    bytes: (count) => count * (features + 2 * classes + 1) * FLOAT32_BYTES,
    prepare: (engine, count) => preparePasses(engine, { ...shape, rows: count }),
  };
}

/** Two products, each a multiplication and an addition for each row, feature and class. */
const productFlops = (
  rows: number,
  { features, classes }: Pick<TrainingShape, 'features' | 'classes'>,
): number => 4 * rows * features * classes;

interface Problem {
  readonly inputs: Matrix;
  readonly targets: Int32Array;
}

function createProblem(
  engine: Engine,
  { rows, features, classes }: Pick<TrainingShape, 'rows' | 'features' | 'classes'>,
): Problem {
  const inputs = engine.matrix(rows, features);
  const distinct = distinctRows(features);
  for (let row = 0; row < rows; row += DISTINCT_ROWS) {
    const count = Math.min(DISTINCT_ROWS, rows - row);
    inputs.data.set(distinct.subarray(0, count * features), row * features);
  }
  return { inputs, targets: targetsOf(rows, classes) };
}

/** The same rows, fetched when they are needed. */
function formulaProblem({ rows, features, classes }: Pick<TrainingShape, 'rows' | 'features' | 'classes'>) {
  const distinct = distinctRows(features);
  const inputs: FeatureSource<'float32'> = {
    rows,
    features,
    type: 'float32',
    gather(rowNumbers, into) {
      for (const [index, row] of rowNumbers.entries()) {
        const begin = (row % DISTINCT_ROWS) * features;
        into.set(distinct.subarray(begin, begin + features), index * features);
      }
    },
  };
  return { inputs, targets: targetsOf(rows, classes) };
}

/** [DISTINCT_ROWS × features]. */
function distinctRows(features: number): Float32Array {
  const distinct = new Float32Array(DISTINCT_ROWS * features);
  fillRandom(distinct);
  return distinct;
}

const targetsOf = (rows: number, classes: number): Int32Array =>
  Int32Array.from({ length: rows }, (_, row) => targetOf(row, classes));

const targetOf = (row: number, classes: number): number => ((row % DISTINCT_ROWS) * 7) % classes;

/** Steps of SGD with momentum; run gives the time of one. */
export function prepareSteps(engine: Engine, shape: TrainingShape): PreparedWorkload {
  const { features, classes, batchSize, epochs } = shape;
  const problem = createProblem(engine, shape);
  const { inputs, targets } = problem;
  const classifier = new SoftmaxClassifier(engine, { features, classes });
  return {
    check: () => checkSteps(engine, shape, problem),
    async run(signal) {
      clear(classifier);
      const options = { ...SGD, batchSize, epochs, signal };
      const { epochs: reports, steps } = await classifier.fit(inputs, targets, options);
      // The reports leave out what fit does once for a whole run: placing rows, and shuffling on the main thread.
      return reports.reduce((total, { durationMs }) => total + durationMs, 0) / steps;
    },
    results: () => [classifier.weights, classifier.bias],
    free: () => inputs.free(),
  };
}

export interface PassesWatch {
  /** Rows come from a formula, on each of several ranks its own: no process has all of them. */
  readonly byFormula: boolean;
  /** After a number of passes of a run. */
  readonly onPasses: (passes: number) => void;
}

/** L-BFGS for PASSES passes; run gives the time of one. */
export function preparePasses(
  engine: Engine,
  shape: Omit<TrainingShape, 'batchSize' | 'epochs'>,
  watch?: PassesWatch,
): PreparedWorkload {
  const { features, classes, rows } = shape;
  const { inputs, targets } = watch?.byFormula ? formulaProblem(shape) : createProblem(engine, shape);
  const classifier = new SoftmaxClassifier(engine, { features, classes });
  const train = async (signal?: AbortSignal) => {
    clear(classifier);
    const reports: { readonly passes: number; readonly ms: number }[] = [];
    const result = await classifier.fit(inputs, targets, {
      solver: 'lbfgs',
      C: 1,
      scale: 'none',
      tol: 0,
      maxPasses: PASSES,
      signal,
      onProgress: ({ passes }) => {
        reports.push({ passes, ms: performance.now() });
        watch?.onPasses(passes);
      },
    });
    return { result, reports };
  };
  return {
    async check() {
      const { result } = await train();
      const count = Math.min(DISTINCT_ROWS, rows);
      const distinct = distinctRows(features).subarray(0, count * features);
      const logits = linearForward(distinct, classifier.weights, classifier.bias, count, features, classes);
      const losses = crossEntropy(logits, targets.subarray(0, count), count, classes, 'none');
      const shares = sharesOf(rows, count);
      const expected = losses.reduce((total, loss, row) => total + shares[row]! * loss, 0);
      checkClose('loss after full-batch passes', [result.loss], [expected], {
        relative: 1e-4,
        absolute: 1e-6,
      });
    },
    async run(signal) {
      const begin = performance.now();
      const { result, reports } = await train(signal);
      const [first, last] = [reports[0], reports.at(-1)];
      if (first === undefined || last === undefined || last.passes === first.passes) {
        return (performance.now() - begin) / result.passes!;
      }
      // From one report to another: without placing rows.
      return (last.ms - first.ms) / (last.passes - first.passes);
    },
    results: () => [classifier.weights, classifier.bias],
    free: () => {
      if ('free' in inputs) inputs.free();
    },
  };
}

/** Every call trains the same. */
function clear({ weights, bias }: SoftmaxClassifier): void {
  weights.fill(0);
  bias.fill(0);
}

/** How often each distinct row is among `rows`, over `rows`. */
const sharesOf = (rows: number, distinct: number): number[] =>
  Array.from({ length: distinct }, (_, row) => Math.ceil((rows - row) / DISTINCT_ROWS) / rows);

/** Two steps from random weights, on a batch of the shape's size, against the same steps in float64. */
async function checkSteps(
  engine: Engine,
  { features, classes, batchSize }: TrainingShape,
  { inputs, targets }: Problem,
): Promise<void> {
  const classifier = new SoftmaxClassifier(engine, { features, classes });
  fillRandom(classifier.weights);
  for (let index = 0; index < classifier.weights.length; index++) classifier.weights[index]! *= WEIGHT_SCALE;
  const expected = referenceSteps(classifier.weights, inputs.data, { features, classes, batchSize });
  const batch = engine.matrix(batchSize, features);
  try {
    batch.data.set(inputs.data.subarray(0, batchSize * features));
    const options = { ...SGD, batchSize, epochs: CHECKED_STEPS };
    const { epochs } = await classifier.fit(batch, targets.subarray(0, batchSize), options);
    const losses = epochs.map(({ loss }) => loss);
    checkClose('losses of the steps', losses, expected.losses, { relative: 1e-5, absolute: 0 });
    const tolerance = { relative: 1e-4, absolute: 1e-6 };
    checkClose('weights', classifier.weights, expected.parameters.subarray(0, features * classes), tolerance);
    checkClose('bias', classifier.bias, expected.parameters.subarray(features * classes), tolerance);
  } finally {
    batch.free();
  }
}

function referenceSteps(
  weights: Float32Array,
  inputs: Float32Array,
  { features, classes, batchSize }: Pick<TrainingShape, 'features' | 'classes' | 'batchSize'>,
): { losses: number[]; parameters: Float64Array } {
  const rows = Math.min(DISTINCT_ROWS, batchSize);
  const distinct = inputs.subarray(0, rows * features);
  const targets = Array.from({ length: rows }, (_, row) => targetOf(row, classes));
  const shares = sharesOf(batchSize, rows);
  const weightsLength = features * classes;
  let parameters: Float64Array = new Float64Array(weightsLength + classes);
  parameters.set(weights);
  let velocity: Float64Array = new Float64Array(parameters.length);
  const losses: number[] = [];
  for (let step = 0; step < CHECKED_STEPS; step++) {
    const [W, b] = [parameters.subarray(0, weightsLength), parameters.subarray(weightsLength)];
    const logits = linearForward(distinct, W, b, rows, features, classes);
    const rowLosses = crossEntropy(logits, targets, rows, classes, 'none');
    losses.push(rowLosses.reduce((total, loss, row) => total + shares[row]! * loss, 0));
    const gradLogits = crossEntropyGradient(logits, targets, rows, classes).map(
      (element, index) => element * shares[Math.floor(index / classes)]!,
    );
    const gradient = new Float64Array(parameters.length);
    gradient.set(linearGradWeights(distinct, gradLogits, rows, features, classes));
    gradient.set(linearGradBias(gradLogits, rows, classes), weightsLength);
    ({ parameters, velocity } = sgdStep(parameters, velocity, gradient, SGD));
  }
  return { losses, parameters };
}

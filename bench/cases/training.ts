// Steps of training a classifier through fit, its rows in the arena and shuffled.

import {
  crossEntropy,
  crossEntropyGradient,
  linearForward,
  linearGradBias,
  linearGradWeights,
  sgdStep,
} from '#softshard/kernels/reference/index.js';
import { type Engine, SoftmaxClassifier, type Tensor } from '#softshard/main/index.js';
import type { BenchCase, PreparedCase } from './case.js';
import { checkClose, fillRandom } from './values.js';

interface TrainingShape {
  readonly features: number;
  readonly classes: number;
  readonly batchSize: number;
  /** A multiple of batchSize. */
  readonly rows: number;
  /** Of one timed call: enough steps to make its start (some 0.15 ms) small. */
  readonly epochs: number;
  readonly quick?: boolean;
}

const SHAPES: readonly TrainingShape[] = [
  { features: 784, classes: 10, batchSize: 128, rows: 16384, epochs: 1 },
  { features: 784, classes: 10, batchSize: 1024, rows: 16384, epochs: 1, quick: true },
  { features: 784, classes: 10, batchSize: 8192, rows: 16384, epochs: 2 },
  { features: 768, classes: 100, batchSize: 1024, rows: 8192, epochs: 1 },
  { features: 768, classes: 1000, batchSize: 8192, rows: 8192, epochs: 1 },
];

const SGD = { learningRate: 0.01, momentum: 0.9 };
/**
 * The rows repeat after this many, so that the reference computes the exact gradient of a large batch from few rows; a
 * prime, so that copies of a row meet all positions within tiles and shards. Arithmetic takes no less time for it.
 */
const DISTINCT_ROWS = 61;
const CHECKED_STEPS = 2;

export const trainingCases: readonly BenchCase[] = SHAPES.map((shape) => {
  const { features, classes, batchSize, rows, quick = false } = shape;
  return {
    name: 'training step',
    shape: `${features} × ${classes}, batch ${batchSize}`,
    quick,
    bytes: rows * (features + 1) * 4,
    // Two products, each a multiplication and an addition for each row, feature and class.
    work: (4 * batchSize * features * classes) / 1e9,
    rateUnit: 'GFLOP/s',
    prepare: (engine) => prepare(engine, shape),
  };
});

function prepare(engine: Engine, shape: TrainingShape): PreparedCase {
  const { features, classes, batchSize, rows, epochs } = shape;
  const inputs = engine.matrix(rows, features);
  const targets = Int32Array.from({ length: rows }, (_, row) => targetOf(row, classes));
  const distinct = inputs.data.subarray(0, DISTINCT_ROWS * features);
  fillRandom(distinct);
  for (let row = DISTINCT_ROWS; row < rows; row += DISTINCT_ROWS) {
    const count = Math.min(DISTINCT_ROWS, rows - row);
    inputs.data.set(distinct.subarray(0, count * features), row * features);
  }
  const classifier = new SoftmaxClassifier(engine, { features, classes });
  return {
    check: () => checkSteps(engine, shape, inputs, targets),
    async run() {
      // Every call trains the same steps.
      classifier.weights.fill(0);
      classifier.bias.fill(0);
      const begin = performance.now();
      const { epochs: reports, steps } = await classifier.fit(inputs, targets, { ...SGD, batchSize, epochs });
      const callMs = performance.now() - begin;
      // The report leaves out what fit does once for a whole run: placing rows, and shuffling on the main thread.
      const stepsMs = reports.reduce((total, { durationMs }) => total + durationMs, 0);
      return { overriddenDuration: stepsMs / steps, overriddenIterationCost: callMs };
    },
    free: () => inputs.free(),
  };
}

const targetOf = (row: number, classes: number): number => ((row % DISTINCT_ROWS) * 7) % classes;

/** Two steps from random weights, on a batch of the shape's size, against the same steps in float64. */
async function checkSteps(
  engine: Engine,
  { features, classes, batchSize }: TrainingShape,
  inputs: Tensor<'float32'>,
  targets: Int32Array,
): Promise<void> {
  const classifier = new SoftmaxClassifier(engine, { features, classes });
  fillRandom(classifier.weights);
  for (let index = 0; index < classifier.weights.length; index++) classifier.weights[index]! *= 0.01;
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
  // How often each distinct row is in the batch, over the batch.
  const shares = targets.map((_, row) => Math.ceil((batchSize - row) / DISTINCT_ROWS) / batchSize);
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

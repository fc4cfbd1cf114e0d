// The run behind docs/derivation.md: one softmax classifier, sure of the wrong classes, trained with either loss.
import {
  crossEntropy,
  crossEntropyGradient,
  evaluateRows,
  linearForward,
  linearGradBias,
  linearGradWeights,
  mapRows,
  meanSquaredError,
  meanSquaredErrorGradientOfLogits,
  oneHot,
  type SgdState,
  sgdStep,
  softmax,
  topKAccuracy,
} from '#softshard/kernels/reference/index.js';

export const CLASSES = 3;
export const FEATURES = 2;

export type Loss = 'cross-entropy' | 'squared error';

/** inputs [rows × FEATURES], targets [rows]. */
export interface Problem {
  readonly inputs: Float64Array;
  readonly targets: Int32Array;
  readonly rows: number;
}

export interface Evaluated {
  readonly value: number;
  readonly gradient: Float64Array;
  readonly accuracy: number;
}

/** The state of a run before its step `step`: the loss it trains, the Euclidean norm of ∂loss/∂(W, b), accuracy. */
export interface Progress {
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly accuracy: number;
}

/** Three Gaussian clouds of deviation 0.5 whose centers lie on the unit circle, 120 degrees apart. */
export function threeClouds(rowsOfClass: number, seed: number): Problem {
  const rows = CLASSES * rowsOfClass;
  const uniform = uniformNumbers(seed);
  const gaussian = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const targets = Int32Array.from({ length: rows }, (_, row) => row % CLASSES);
  const inputs = new Float64Array(rows * FEATURES);
  for (let row = 0; row < rows; row++) {
    const angle = (2 * Math.PI * targets[row]!) / CLASSES;
    inputs[row * FEATURES] = Math.cos(angle) + 0.5 * gaussian();
    inputs[row * FEATURES + 1] = Math.sin(angle) + 0.5 * gaussian();
  }
  return { inputs, targets, rows };
}

/**
 * Parameters W [FEATURES × CLASSES], then b [CLASSES], that give each cloud's center the class of the next cloud:
 * its logit is larger than the others by 1.5 · confidence.
 */
export function confidentlyWrongStart(confidence: number): Float64Array {
  const parameters = new Float64Array(FEATURES * CLASSES + CLASSES);
  for (let j = 0; j < CLASSES; j++) {
    const angleOfPrevious = (2 * Math.PI * (j + CLASSES - 1)) / CLASSES;
    parameters[j] = confidence * Math.cos(angleOfPrevious);
    parameters[CLASSES + j] = confidence * Math.sin(angleOfPrevious);
  }
  return parameters;
}

/** Loss, gradient [W, then b] and accuracy of one set of parameters over the whole problem. */
export function evaluate(problem: Problem, parameters: Float64Array, loss: Loss): Evaluated {
  const { inputs, targets, rows } = problem;
  const weights = parameters.subarray(0, FEATURES * CLASSES);
  const bias = parameters.subarray(FEATURES * CLASSES);
  const logits = linearForward(inputs, weights, bias, rows, FEATURES, CLASSES);
  const { value, gradLogits } =
    loss === 'cross-entropy' ? byCrossEntropy(logits, targets, rows) : bySquaredError(logits, targets, rows);
  const gradient = new Float64Array(parameters.length);
  gradient.set(linearGradWeights(inputs, gradLogits, rows, FEATURES, CLASSES));
  gradient.set(linearGradBias(gradLogits, rows, CLASSES), FEATURES * CLASSES);
  const { ranks } = evaluateRows(logits, rows, CLASSES, targets);
  return { value, gradient, accuracy: topKAccuracy(ranks, 1) };
}

/** Full-batch gradient descent; one Progress before each step and one after the last, steps + 1 in all. */
export function train(
  problem: Problem,
  start: Float64Array,
  loss: Loss,
  learningRate: number,
  steps: number,
): Progress[] {
  const progress: Progress[] = [];
  let state: SgdState = { parameters: start, velocity: new Float64Array(start.length) };
  for (let step = 0; step <= steps; step++) {
    const { value, gradient, accuracy } = evaluate(problem, state.parameters, loss);
    progress.push({ step, loss: value, gradientNorm: Math.hypot(...gradient), accuracy });
    state = sgdStep(state.parameters, state.velocity, gradient, { learningRate });
  }
  return progress;
}

/** The first step from which on accuracy has reached `wanted`, or undefined. */
export function firstStepAt(progress: readonly Progress[], wanted: number): number | undefined {
  return progress.find(({ accuracy }) => accuracy >= wanted)?.step;
}

/** A loss averaged over the rows, and its gradient by the logits [rows × CLASSES]. */
interface LossAndGradient {
  readonly value: number;
  readonly gradLogits: Float64Array;
}

function byCrossEntropy(logits: Float64Array, targets: Int32Array, rows: number): LossAndGradient {
  return {
    value: crossEntropy(logits, targets, rows, CLASSES, 'mean'),
    gradLogits: crossEntropyGradient(logits, targets, rows, CLASSES, 1 / rows),
  };
}

/**
 * The squares summed over a row's classes and averaged over the rows, as cross-entropy is: the mean over all
 * elements would make each gradient CLASSES times smaller still, for no other reason than that division.
 */
function bySquaredError(logits: Float64Array, targets: Int32Array, rows: number): LossAndGradient {
  const probabilities = mapRows(logits, rows, CLASSES, softmax);
  const wanted = oneHot(targets, CLASSES);
  const gradient = meanSquaredErrorGradientOfLogits(probabilities, wanted, rows, CLASSES);
  return {
    value: CLASSES * meanSquaredError(probabilities, wanted),
    gradLogits: gradient.map((element) => CLASSES * element),
  };
}

/** xorshift32 (G. Marsaglia, "Xorshift RNGs", 2003): numbers in [0, 1) that are the same everywhere. */
function uniformNumbers(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

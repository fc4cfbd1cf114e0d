// The minimum that full-batch solvers look for, in float64 by the plain formulas.
import { type Problem, type ReferenceLoss, referenceStep } from '../workbench.js';

/** Σ of the rows' losses and half the penalty times ‖weights‖², with the gradient by weights, then bias. */
export function objectiveAt(
  problem: Problem,
  loss: ReferenceLoss,
  penalty: number,
  weights: ArrayLike<number>,
  bias: ArrayLike<number>,
) {
  const rows = Array.from({ length: problem.rows }, (_, row) => row);
  const step = referenceStep(problem, { ...loss, reduction: 'sum' }, rows, weights, bias);
  const gradient = new Float64Array(weights.length + bias.length);
  gradient.set(step.gradWeights);
  gradient.set(step.gradBias, weights.length);
  let objective = step.loss;
  for (let i = 0; i < weights.length; i++) {
    objective += (penalty / 2) * weights[i]! ** 2;
    gradient[i]! += penalty * weights[i]!;
  }
  return { objective, gradient };
}

export interface Minimum {
  readonly objective: number;
  readonly weights: Float64Array;
  readonly bias: Float64Array;
  /** The length of the gradient there. */
  readonly slope: number;
}

const dot = (x: Float64Array, y: Float64Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);

const PAIRS = 60;
const MOST_ITERATIONS = 3000;

/** By L-BFGS from zero, until the gradient is this part of the first. */
export function minimumOf(problem: Problem, loss: ReferenceLoss, penalty: number, part = 1e-8): Minimum {
  const { features, classes } = problem;
  const split = features * classes;
  const at = (point: Float64Array) =>
    objectiveAt(problem, loss, penalty, point.subarray(0, split), point.subarray(split));
  let point = new Float64Array(split + classes);
  let { objective, gradient } = at(point);
  const first = Math.sqrt(dot(gradient, gradient));
  const pairs: { s: Float64Array; y: Float64Array; product: number }[] = [];
  for (let iteration = 0; iteration < MOST_ITERATIONS; iteration++) {
    if (Math.sqrt(dot(gradient, gradient)) <= part * first) break;
    const direction = gradient.map((value) => -value);
    const factors = pairs.map(() => 0);
    for (let i = pairs.length - 1; i >= 0; i--) {
      const { s, y, product } = pairs[i]!;
      factors[i] = dot(s, direction) / product;
      for (let j = 0; j < direction.length; j++) direction[j]! -= factors[i]! * y[j]!;
    }
    const last = pairs.at(-1);
    const scale = last ? last.product / dot(last.y, last.y) : 1 / first;
    for (let j = 0; j < direction.length; j++) direction[j]! *= scale;
    for (const [i, { s, y, product }] of pairs.entries()) {
      const factor = factors[i]! - dot(y, direction) / product;
      for (let j = 0; j < direction.length; j++) direction[j]! += factor * s[j]!;
    }
    // Until the slope at the end is a tenth of that at the beginning: differences of objectives would be rounded away.
    const slope = dot(gradient, direction);
    let [low, high, step] = [0, Number.POSITIVE_INFINITY, 1];
    let next = point;
    let found = { objective, gradient };
    for (let looks = 0; looks < 60; looks++) {
      next = point.map((value, i) => value + step * direction[i]!);
      found = at(next);
      const there = Number.isFinite(found.objective) ? dot(found.gradient, direction) : 1;
      if (Math.abs(there) <= 0.1 * Math.abs(slope)) break;
      if (there < 0) low = step;
      else high = step;
      step = Number.isFinite(high) ? (low + high) / 2 : step * 2;
    }
    const s = next.map((value, i) => value - point[i]!);
    const y = found.gradient.map((value, i) => value - gradient[i]!);
    const product = dot(s, y);
    if (product > 0) pairs.push({ s, y, product });
    if (pairs.length > PAIRS) pairs.shift();
    point = next;
    ({ objective, gradient } = found);
  }
  const slope = Math.sqrt(dot(gradient, gradient));
  return { objective, weights: point.slice(0, split), bias: point.slice(split), slope };
}

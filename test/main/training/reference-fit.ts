// Training in float64 with any optimizer, schedule and clipping, by the plain formulas.
import * as reference from '#softshard/kernels/reference/index.js';
import { orderEpoch, splitRows } from '#softshard/main/training/rows/row-order.js';
import { type Problem, referenceStep } from './workbench.js';

/** Weights, then bias. */
export interface ReferenceState {
  parameters: Float64Array;
  velocity: Float64Array;
  mean: Float64Array;
  square: Float64Array;
  /** Steps taken. */
  step: number;
}

export type Optimizer =
  | ({ readonly solver: 'sgd' } & Omit<reference.SgdOptions, 'learningRate'>)
  | ({ readonly solver: 'adamw' } & Omit<reference.AdamwOptions, 'learningRate'>);

export interface ReferenceFit {
  readonly epochs: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly optimizer: Optimizer;
  /** Of a step, from 0. */
  rateAt(step: number): number;
  readonly clipNorm?: number;
}

export function beginReference({ features, classes }: Problem): ReferenceState {
  const zeros = () => new Float64Array((features + 1) * classes);
  return { parameters: zeros(), velocity: zeros(), mean: zeros(), square: zeros(), step: 0 };
}

/** Goes on from `state`, which it changes; the loss of each step. */
export function goOn(state: ReferenceState, problem: Problem, fit: ReferenceFit, firstEpoch = 1): number[] {
  const { rows, features, classes } = problem;
  const split = features * classes;
  const losses: number[] = [];
  const order = new Uint32Array(rows);
  const { training } = splitRows(rows, 0, fit.seed);
  for (let epoch = firstEpoch; epoch < firstEpoch + fit.epochs; epoch++) {
    orderEpoch(order, training, epoch, { shuffle: true, seed: fit.seed });
    for (let begin = 0; begin < rows; begin += fit.batchSize) {
      const chosen = order.subarray(begin, begin + fit.batchSize);
      const { parameters } = state;
      const step = referenceStep(
        problem,
        {},
        chosen,
        parameters.subarray(0, split),
        parameters.subarray(split),
      );
      losses.push(step.loss);
      const gradient = clip(Float64Array.from([...step.gradWeights, ...step.gradBias]), fit.clipNorm);
      update(state, gradient, fit, split);
    }
  }
  return losses;
}

export function fitBy(problem: Problem, fit: ReferenceFit) {
  const state = beginReference(problem);
  const losses = goOn(state, problem, fit);
  const split = problem.features * problem.classes;
  return {
    losses,
    state,
    weights: state.parameters.subarray(0, split),
    bias: state.parameters.subarray(split),
  };
}

/** torch.nn.utils.clip_grad_norm_. */
function clip(gradient: Float64Array, clipNorm = Number.POSITIVE_INFINITY): Float64Array {
  const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
  const factor = Math.min(1, clipNorm / (norm + 1e-6));
  return gradient.map((g) => g * factor);
}

/** Biases are not decayed. */
function update(state: ReferenceState, gradient: Float64Array, fit: ReferenceFit, split: number): void {
  const learningRate = fit.rateAt(state.step++);
  for (const [begin, end, weightDecay] of [
    [0, split, fit.optimizer.weightDecay],
    [split, gradient.length, 0],
  ] as const) {
    const part = (vector: Float64Array) => vector.subarray(begin, end);
    const parameters = part(state.parameters);
    if (fit.optimizer.solver === 'sgd') {
      const options = { ...fit.optimizer, learningRate, weightDecay };
      const next = reference.sgdStep(parameters, part(state.velocity), part(gradient), options);
      state.parameters.set(next.parameters, begin);
      state.velocity.set(next.velocity, begin);
    } else {
      const options = { ...fit.optimizer, learningRate, weightDecay };
      const moments = { parameters, mean: part(state.mean), square: part(state.square) };
      const next = reference.adamwStep(moments, part(gradient), state.step, options);
      state.parameters.set(next.parameters, begin);
      state.mean.set(next.mean, begin);
      state.square.set(next.square, begin);
    }
  }
}

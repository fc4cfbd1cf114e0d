// One step of AdamW in float64, as PyTorch's.
import { checkLength } from './checks.js';

/** The defaults are PyTorch's, but for weightDecay, which is off. */
export interface AdamwOptions {
  readonly learningRate: number;
  readonly betas?: readonly [number, number] | undefined;
  readonly epsilon?: number | undefined;
  readonly weightDecay?: number | undefined;
}

/** The arrays after a step; what went in is left as it was. */
export interface AdamwState {
  readonly parameters: Float64Array;
  readonly mean: Float64Array;
  readonly square: Float64Array;
}

/**
 * m = beta1 · m + (1 - beta1) · g; v = beta2 · v + (1 - beta2) · g²; w = w - learningRate · weightDecay · w; then
 * w = w - learningRate · m' / (sqrt(v') + epsilon) with m' = m / (1 - beta1^step) and v' = v / (1 - beta2^step). `step` counts
 * from 1. All arrays have the same length (else ERR_SHAPE); mean and square start as zeros. PyTorch's torch.optim.AdamW;
 * I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization" (2019).
 */
export function adamwStep(
  { parameters, mean, square }: Readonly<Record<keyof AdamwState, ArrayLike<number>>>,
  gradient: ArrayLike<number>,
  step: number,
  options: AdamwOptions,
): AdamwState {
  checkLength('mean', mean, parameters.length, 'as parameters');
  checkLength('square', square, parameters.length, 'as parameters');
  checkLength('gradient', gradient, parameters.length, 'as parameters');
  const { learningRate, betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0 } = options;
  const [beta1, beta2] = betas;
  const next = {
    parameters: Float64Array.from(parameters),
    mean: new Float64Array(parameters.length),
    square: new Float64Array(parameters.length),
  };
  for (let index = 0; index < parameters.length; index++) {
    const g = gradient[index]!;
    const m = beta1 * mean[index]! + (1 - beta1) * g;
    const v = beta2 * square[index]! + (1 - beta2) * g * g;
    const corrected = m / (1 - beta1 ** step) / (Math.sqrt(v / (1 - beta2 ** step)) + epsilon);
    next.mean[index] = m;
    next.square[index] = v;
    next.parameters[index] = parameters[index]! * (1 - learningRate * weightDecay) - learningRate * corrected;
  }
  return next;
}

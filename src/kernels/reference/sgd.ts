// One step of stochastic gradient descent in float64, as PyTorch's SGD with dampening 0.
import { checkLength } from './checks.js';

/** What a step takes besides the arrays; all but the learning rate are off by default. */
export interface SgdOptions {
  readonly learningRate: number;
  readonly momentum?: number | undefined;
  readonly weightDecay?: number | undefined;
  readonly nesterov?: boolean | undefined;
}

/** The arrays after a step; what went in is left as it was. */
export interface SgdState {
  readonly parameters: Float64Array;
  readonly velocity: Float64Array;
}

/**
 * g = gradient + weightDecay · w; v = momentum · v + g; w = w - learningRate · v, or with nesterov
 * w - learningRate · (g + momentum · v). All arrays have the same length (else ERR_SHAPE); velocity starts as
 * zeros. PyTorch's torch.optim.SGD; I. Sutskever et al., "On the importance of initialization and momentum in
 * deep learning" (2013), there with the learning rate inside v. Where PyTorch refuses nesterov without momentum,
 * this is the plain step.
 */
export function sgdStep(
  parameters: ArrayLike<number>,
  velocity: ArrayLike<number>,
  gradient: ArrayLike<number>,
  options: SgdOptions,
): SgdState {
  checkLength('velocity', velocity, parameters.length, 'as parameters');
  checkLength('gradient', gradient, parameters.length, 'as parameters');
  const { learningRate, momentum = 0, weightDecay = 0, nesterov = false } = options;
  const nextParameters = Float64Array.from(parameters);
  const nextVelocity = new Float64Array(parameters.length);
  for (let index = 0; index < parameters.length; index++) {
    const decayed = gradient[index]! + weightDecay * parameters[index]!;
    const moved = momentum * velocity[index]! + decayed;
    nextVelocity[index] = moved;
    nextParameters[index]! -= learningRate * (nesterov ? decayed + momentum * moved : moved);
  }
  return { parameters: nextParameters, velocity: nextVelocity };
}

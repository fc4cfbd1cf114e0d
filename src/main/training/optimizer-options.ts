// The options of fit that say how weights follow from gradients, for solvers that take a step for each batch of rows.
import { SoftshardError } from '../../errors.js';
import type { AdamwSettings, OptimizerSettings, SgdSettings } from '../../workers/protocol.js';
import { checkBoolean, checkNumber, inspectValue } from '../checks.js';

/** Solvers that take a step for each batch of rows. */
export type StepSolver = 'sgd' | 'adamw';

export interface OptimizerOptions {
  /**
   * 'sgd' (default): stochastic gradient descent. 'adamw': Adam with decoupled weight decay, as PyTorch's AdamW, with steps of
   * a size of its own for each weight (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019).
   */
  solver?: StepSolver | undefined;
  /** Default 0.1, with 'adamw' 0.001. */
  learningRate?: number | undefined;
  /** Of 'sgd': in [0, 1), default 0. */
  momentum?: number | undefined;
  /** Of 'sgd': Nesterov's momentum; needs momentum. Default false. */
  nesterov?: boolean | undefined;
  /** Of 'adamw': how much of the gradient's mean and of its mean square is kept, each in [0, 1). Default [0.9, 0.999]. */
  betas?: readonly [number, number] | undefined;
  /** Of 'adamw': added to the root of the mean square; at least 1e-30, default 1e-8. */
  epsilon?: number | undefined;
  /**
   * 'sgd': adds weightDecay · weights to the gradient, default 0. 'adamw': takes learningRate · weightDecay · weights off the
   * weights, default 0.01. Both as in PyTorch, but the bias is not decayed.
   */
  weightDecay?: number | undefined;
  /**
   * The largest norm of a step's gradient, weights and bias together: a longer one is scaled down to it, as by PyTorch's
   * clip_grad_norm_. Default: none.
   */
  clipNorm?: number | undefined;
}

export const OPTIMIZER_OPTION_NAMES: readonly Exclude<keyof OptimizerOptions, 'solver'>[] = [
  'learningRate',
  'momentum',
  'nesterov',
  'betas',
  'epsilon',
  'weightDecay',
  'clipNorm',
];

export interface CheckedOptimizer {
  readonly optimizer: OptimizerSettings;
  readonly learningRate: number;
  readonly clipNorm: number | undefined;
}

/** Options that one solver alone has. */
const OF_ONE_SOLVER = {
  momentum: 'sgd',
  nesterov: 'sgd',
  betas: 'adamw',
  epsilon: 'adamw',
} as const satisfies { readonly [Name in keyof OptimizerOptions]: StepSolver };

/** float32 has it as a normal number. */
const LEAST_EPSILON = 1e-30;

export function checkOptimizer(
  options: Omit<OptimizerOptions, 'solver'>,
  solver: StepSolver,
): CheckedOptimizer {
  for (const [name, owner] of Object.entries(OF_ONE_SOLVER)) {
    const value = options[name as keyof typeof OF_ONE_SOLVER];
    if (value === undefined || owner === solver) continue;
    const argument = `options.${name}`;
    const message = `${argument} is ${inspectValue(value)}, but '${solver}' has no ${name}: leave it out, or choose options.solver '${owner}'`;
    throw new SoftshardError('ERR_OPTION', message, { argument, value });
  }
  const { learningRate = solver === 'adamw' ? 1e-3 : 0.1, clipNorm } = options;
  return {
    optimizer: solver === 'adamw' ? checkAdamw(options) : checkSgd(options),
    learningRate: checkNumber('options.learningRate', learningRate, 0),
    clipNorm: clipNorm === undefined ? undefined : checkClipNorm(clipNorm),
  };
}

function checkSgd(options: OptimizerOptions): SgdSettings {
  const momentum = checkNumber('options.momentum', options.momentum ?? 0, 0, 1);
  const nesterov = checkBoolean('options.nesterov', options.nesterov ?? false);
  if (nesterov && momentum === 0) {
    const message =
      'options.nesterov is true with a momentum of 0: give a momentum, 0.9 say, or leave nesterov out';
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.nesterov', value: true });
  }
  const weightDecay = checkNumber('options.weightDecay', options.weightDecay ?? 0, 0);
  const state = momentum === 0 ? [] : (['velocity'] as const);
  return { kind: 'sgd', state, momentum, nesterov, weightDecay };
}

function checkAdamw({
  betas = [0.9, 0.999],
  epsilon = 1e-8,
  weightDecay = 0.01,
}: OptimizerOptions): AdamwSettings {
  if (!Array.isArray(betas) || betas.length !== 2) {
    const message = `options.betas is ${inspectValue(betas)}: it must be an array of two numbers in [0, 1), [0.9, 0.999] say`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.betas', value: betas });
  }
  const [beta1, beta2] = betas;
  return {
    kind: 'adamw',
    state: ['mean', 'square'],
    beta1: checkNumber('options.betas[0]', beta1, 0, 1),
    beta2: checkNumber('options.betas[1]', beta2, 0, 1),
    epsilon: checkNumber('options.epsilon', epsilon, LEAST_EPSILON),
    weightDecay: checkNumber('options.weightDecay', weightDecay, 0),
  };
}

function checkClipNorm(value: number): number {
  const norm = checkNumber('options.clipNorm', value, 0);
  if (norm > 0) return norm;
  const message =
    'options.clipNorm is 0, which stops all learning: give a number above 0, 1 say, or leave it out';
  throw new SoftshardError('ERR_OPTION', message, { argument: 'options.clipNorm', value });
}

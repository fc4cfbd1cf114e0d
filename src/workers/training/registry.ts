// The losses and optimizers that training knows, by the kinds that tasks name.
import type { Kernels } from '../../kernels/kernels.js';
import type { HeadTask } from '../protocol.js';
import { crossEntropy } from './losses/cross-entropy.js';
import { crossEntropyWithOptions } from './losses/cross-entropy-with-options.js';
import { keptLogits } from './losses/kept-logits.js';
import type { LossKernel, LossType } from './losses/loss-kernel.js';
import { adamw } from './optimizers/adamw.js';
import { clipped } from './optimizers/clipped.js';
import { gradientSum } from './optimizers/gradient-sum.js';
import type { Optimizer, OptimizerType } from './optimizers/optimizer.js';
import { sgd } from './optimizers/sgd.js';

const losses = new Map<string, LossType>([
  ['crossEntropy', crossEntropy],
  ['crossEntropyWithOptions', crossEntropyWithOptions],
  ['keptLogits', keptLogits],
]);

const optimizers = new Map<string, OptimizerType>([
  ['sgd', sgd],
  ['adamw', adamw],
  ['gradientSum', gradientSum],
]);

export const registerLoss = (kind: string, type: LossType): void => register('loss', losses, kind, type);

export const registerOptimizer = (kind: string, type: OptimizerType): void =>
  register('optimizer', optimizers, kind, type);

/** What a module of WorkerSetup.extensions has as its default export. */
export type Extension = (registry: {
  readonly registerLoss: typeof registerLoss;
  readonly registerOptimizer: typeof registerOptimizer;
}) => void;

export const createLoss = (kernels: Kernels, task: HeadTask): LossKernel =>
  find('loss', losses, task.loss.kind).create(kernels, task, task.loss);

/** Undefined where the task updates nothing. */
export function createOptimizer(kernels: Kernels, task: HeadTask): Optimizer | undefined {
  const { buffer, parametersLength: length, weights: parameters, gradient, update } = task;
  if (update === undefined) return undefined;
  const { optimizer: settings, state, clipping } = update;
  const vectors = { buffer, length, parameters, gradient, state };
  const optimizer = find('optimizer', optimizers, settings.kind).create(kernels, vectors, settings);
  return clipping === undefined ? optimizer : clipped(kernels, vectors, optimizer, clipping);
}

function register<Type>(what: string, types: Map<string, Type>, kind: string, type: Type): void {
  if (types.has(kind)) throw new Error(`${what} '${kind}' is already registered`);
  types.set(kind, type);
}

function find<Type>(what: string, types: ReadonlyMap<string, Type>, kind: string): Type {
  const type = types.get(kind);
  if (type === undefined)
    throw new Error(`unknown ${what} '${kind}'; known: ${[...types.keys()].join(', ')}`);
  return type;
}

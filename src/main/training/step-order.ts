// Which rows each step of a residency takes, and how much they weigh together: known before the steps are taken, so that
// no worker has to wait for it.
import type { Ptr } from '../../kernels/kernels.js';
import type { Arena, ArenaScope } from '../arena.js';
import type { Reduction } from '../losses/loss-options.js';
import type { TrainingPlan } from '../plans/training.js';
import { orderEpoch } from './row-order.js';

export interface StepOrderShape {
  /** Epochs of a residency, at most. */
  readonly epochs: number;
  readonly training: Uint32Array;
  readonly plan: Pick<TrainingPlan, 'stepsAnEpoch' | 'fullStep'>;
  readonly shuffle: boolean;
  readonly seed: number;
  /** By row number, where rows weigh differently. */
  readonly rowWeights: Float64Array | undefined;
}

/** The loss of steps together, from the loss of each and the weight of its rows; 0 where nothing weighs anything. */
export function combineSteps(losses: Float64Array, weights: Float64Array, reduction: Reduction): number {
  let lossSum = 0;
  let weightSum = 0;
  for (const [step, loss] of losses.entries()) {
    lossSum += reduction === 'sum' ? loss : loss * weights[step]!;
    weightSum += weights[step]!;
  }
  return reduction === 'sum' || weightSum === 0 ? lossSum : lossSum / weightSum;
}

export class StepOrder {
  /** Row numbers, epoch after epoch. */
  readonly indices: Ptr;
  /** Float64, one a step: the sum of its rows' weights in their order; 0 without weights. */
  readonly weights: Ptr;
  /** The first step whose rows weigh nothing, from 0 in the residency. */
  emptyStep: number | undefined;
  readonly #arena: Arena;
  readonly #shape: StepOrderShape;

  constructor(arena: Arena, scope: ArenaScope, shape: StepOrderShape) {
    const { epochs, training, plan, rowWeights } = shape;
    this.#arena = arena;
    this.#shape = shape;
    this.indices = scope.allocate(epochs * training.length * 4, 'the order of the rows');
    this.weights = rowWeights
      ? scope.allocate(epochs * plan.stepsAnEpoch * 8, 'the weights of the steps')
      : 0;
  }

  /** The order of `count` epochs from `epoch` on. */
  fill(epoch: number, count: number): void {
    const { training, rowWeights } = this.#shape;
    const rows = training.length;
    const indices = this.#arena.view('uint32', this.indices, count * rows);
    for (let i = 0; i < count; i++) {
      orderEpoch(indices.subarray(i * rows, (i + 1) * rows), training, epoch + i, this.#shape);
    }
    if (rowWeights !== undefined) this.#weigh(indices, count, rowWeights);
  }

  /** The weights of the steps of the residency's epoch `index`. */
  weightsOf(index: number): Float64Array {
    const { stepsAnEpoch } = this.#shape.plan;
    return this.#arena.view('float64', this.weights + index * stepsAnEpoch * 8, stepsAnEpoch);
  }

  #weigh(indices: Uint32Array, count: number, rowWeights: Float64Array): void {
    const { training, plan } = this.#shape;
    this.emptyStep = undefined;
    for (let epoch = 0; epoch < count; epoch++) {
      const weights = this.weightsOf(epoch);
      const order = indices.subarray(epoch * training.length, (epoch + 1) * training.length);
      for (let step = 0; step < plan.stepsAnEpoch; step++) {
        const begin = step * plan.fullStep.rows;
        const end = Math.min(begin + plan.fullStep.rows, order.length);
        let sum = 0;
        for (let i = begin; i < end; i++) sum += rowWeights[order[i]!]!;
        weights[step] = sum;
        if (sum === 0) this.emptyStep ??= epoch * plan.stepsAnEpoch + step;
      }
    }
  }
}

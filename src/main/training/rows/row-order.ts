// Which rows are trained on, in which order, which are kept for validation, and what the rows of each step weigh. All of it is
// known in advance, so that no worker waits for it.
import { SoftshardError } from '../../../errors.js';
import { NULL_PTR, type Ptr } from '../../../kernels/ptr.js';
import { checkInteger, checkNumber } from '../../checks.js';
import type { Reduction } from '../../losses/loss-options.js';
import { MIXED_BLOCKS } from '../../plans/row-blocks.js';
import type { TrainingPlan } from '../../plans/training.js';
import { RandomStream } from '../random.js';

/** Stream 0 of a seed chooses the validation rows; stream e shuffles epoch e (from 1). */
const SPLIT_STREAM = 0;

export interface Split {
  /** Row numbers, ascending. */
  readonly training: Uint32Array;
  readonly validation: Uint32Array;
}

export function splitRows(rows: number, fraction: number, seed: number): Split {
  checkInteger('rows', rows, 0, 2 ** 32 - 1);
  checkNumber('fraction', fraction, 0, 1);
  checkInteger('seed', seed, 0, Number.MAX_SAFE_INTEGER);
  const [validation, , training] = cutAtRandom(rows, Math.floor(rows * fraction), 0, seed);
  return { training, validation };
}

/** The first rows of an order of chance, the next ones, and those that are left: each part ascending. */
export function cutAtRandom(
  rows: number,
  first: number,
  second: number,
  seed: number,
): readonly [Uint32Array, Uint32Array, Uint32Array] {
  const order = Uint32Array.from({ length: rows }, (_, row) => row);
  if (first + second > 0) new RandomStream(seed, SPLIT_STREAM).shuffle(order);
  const left = first + second;
  return [order.slice(0, first).sort(), order.slice(first, left).sort(), order.slice(left).sort()];
}

export function holdsOutNone(
  argument: string,
  fraction: number,
  rows: number,
  part: 'validation' | 'test' = 'validation',
): SoftshardError {
  const remedy = rows > 1 ? `take ${Math.ceil(1e6 / rows) / 1e6} or more` : 'give more rows';
  const message = `${argument} is ${fraction}, which keeps none of ${rows} row${rows === 1 ? '' : 's'} for ${part}: ${remedy}, or leave it out`;
  return new SoftshardError('ERR_OPTION', message, { argument, value: fraction });
}

export const noValidation = (rows: number, validationSplit: number): SoftshardError =>
  holdsOutNone('options.validationSplit', validationSplit, rows);

export function nothingToTrainOn(rows: number, validation: number): SoftshardError {
  const message = `inputs has ${rows} rows, of which ${validation} are kept for validation and no other counts: there is nothing to train on`;
  return new SoftshardError('ERR_SHAPE', message, { argument: 'inputs', value: rows });
}

/** How an epoch is ordered. */
interface Shuffling {
  readonly shuffle: boolean;
  readonly seed: number;
  /** Rows of a block (planShuffleBlocks); undefined: all rows are mixed. */
  readonly blockRows?: number | undefined;
}

/** Writes the order of epoch `epoch` (from 1) into `order`. `training` is ascending. */
export function orderEpoch(
  order: Uint32Array,
  training: Uint32Array,
  epoch: number,
  { shuffle, seed, blockRows }: Shuffling,
): void {
  if (shuffle && blockRows !== undefined) {
    shuffleByBlocks(order, training, blockRows, new RandomStream(seed, epoch));
    return;
  }
  order.set(training);
  if (shuffle) new RandomStream(seed, epoch).shuffle(order);
}

/**
 * Blocks are shuffled; then each row goes to the bucket of its block's place or to one of the next MIXED_BLOCKS - 1 (those
 * beyond the last to the last), and buckets are shuffled. So rows of MIXED_BLOCKS blocks are mixed, but for the first ones, of
 * the blocks so far, and a reader that keeps as many reads each block once.
 */
function shuffleByBlocks(
  order: Uint32Array,
  training: Uint32Array,
  blockRows: number,
  random: RandomStream,
): void {
  const begins = beginsOfBlocks(training, blockRows);
  const count = begins.length - 1;
  const blocks = Uint32Array.from({ length: count }, (_, block) => block);
  random.shuffle(blocks);
  const later = Uint8Array.from({ length: training.length }, () => random.below(MIXED_BLOCKS));
  const visit = (place: (row: number, bucket: number) => void) => {
    for (const [position, block] of blocks.entries()) {
      for (let i = begins[block]!; i < begins[block + 1]!; i++) {
        place(training[i]!, Math.min(position + later[i]!, count - 1));
      }
    }
  };
  const ends = new Uint32Array(count + 1);
  visit((_, bucket) => {
    ends[bucket + 1]!++;
  });
  for (let bucket = 0; bucket < count; bucket++) ends[bucket + 1]! += ends[bucket]!;
  const next = ends.slice();
  visit((row, bucket) => {
    order[next[bucket]!++] = row;
  });
  for (let bucket = 0; bucket < count; bucket++) {
    random.shuffle(order.subarray(ends[bucket]!, ends[bucket + 1]!));
  }
}

/** Where each block of the ascending rows begins that has any, and their end. */
function beginsOfBlocks(training: Uint32Array, blockRows: number): number[] {
  const begins: number[] = [];
  let block = -1;
  for (let i = 0; i < training.length; i++) {
    const own = Math.floor(training[i]! / blockRows);
    if (own === block) continue;
    block = own;
    begins.push(i);
  }
  return [...begins, training.length];
}

export interface StepOrderShape extends Shuffling {
  /** Epochs of a residency, at most. */
  readonly epochs: number;
  readonly training: Uint32Array;
  readonly plan: Pick<TrainingPlan, 'stepsAnEpoch' | 'fullStep'>;
  /** By row number; undefined: all rows weigh the same. */
  readonly rowWeights: Float64Array | undefined;
}

/** The loss of several steps from their losses and weights; 0 if the weights sum to 0. */
export function combineSteps(losses: Float64Array, weights: Float64Array, reduction: Reduction): number {
  let lossSum = 0;
  let weightSum = 0;
  for (const [step, loss] of losses.entries()) {
    lossSum += reduction === 'sum' ? loss : loss * weights[step]!;
    weightSum += weights[step]!;
  }
  return reduction === 'sum' || weightSum === 0 ? lossSum : lossSum / weightSum;
}

/** Memory of an order. */
export interface StepOrderArrays {
  /** Row numbers, epoch after epoch. */
  readonly rows: Uint32Array;
  /** For each step, the sum of its rows' weights in their order; empty if all rows weigh the same. */
  readonly weights: Float64Array;
  /** Their addresses; 0 outside the arena. */
  readonly indices: Ptr;
  readonly stepWeights: Ptr;
}

/** The lengths of these arrays. */
export const stepOrderLengths = ({ epochs, training, plan, rowWeights }: StepOrderShape) => ({
  rows: epochs * training.length,
  weights: rowWeights === undefined ? 0 : epochs * plan.stepsAnEpoch,
});

export class StepOrder implements StepOrderArrays {
  readonly rows: Uint32Array;
  readonly weights: Float64Array;
  readonly indices: Ptr;
  readonly stepWeights: Ptr;
  /** The first step of the residency (from 0) whose weights sum to 0. */
  emptyStep: number | undefined;
  readonly #shape: StepOrderShape;

  constructor({ rows, weights, indices, stepWeights }: StepOrderArrays, shape: StepOrderShape) {
    this.rows = rows;
    this.weights = weights;
    this.indices = indices;
    this.stepWeights = stepWeights;
    this.#shape = shape;
  }

  /** Writes the order of `count` epochs from `epoch` on. */
  fill(epoch: number, count: number): void {
    const { training, rowWeights } = this.#shape;
    const rows = training.length;
    for (let i = 0; i < count; i++) {
      orderEpoch(this.rows.subarray(i * rows, (i + 1) * rows), training, epoch + i, this.#shape);
    }
    if (rowWeights !== undefined) this.#weigh(count, rowWeights);
  }

  /** The weights of the steps of the residency's epoch `index`. */
  weightsOf(index: number): Float64Array {
    const { stepsAnEpoch } = this.#shape.plan;
    return this.weights.subarray(index * stepsAnEpoch, (index + 1) * stepsAnEpoch);
  }

  #weigh(count: number, rowWeights: Float64Array): void {
    const { training, plan } = this.#shape;
    this.emptyStep = undefined;
    for (let epoch = 0; epoch < count; epoch++) {
      const weights = this.weightsOf(epoch);
      const order = this.rows.subarray(epoch * training.length, (epoch + 1) * training.length);
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

/** An order whose rows workers do not look up themselves. */
export function orderElsewhere(shape: StepOrderShape): StepOrder {
  const lengths = stepOrderLengths(shape);
  const rows = new Uint32Array(lengths.rows);
  const weights = new Float64Array(lengths.weights);
  return new StepOrder({ rows, weights, indices: NULL_PTR, stepWeights: NULL_PTR }, shape);
}

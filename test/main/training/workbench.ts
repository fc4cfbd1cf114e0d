// What the tests of training share: problems to learn, and the same training in float64 by the plain formulas.
import * as reference from '#softshard/kernels/reference/index.js';
import type { Training } from '#softshard/main/index.js';
import { orderEpoch, splitRows } from '#softshard/main/training/rows/row-order.js';
import { randomTargets, randomValues } from '../../kernels/workbench.js';

/** Rows around a center for each class, so that there is something to learn. */
export function clusters(rows: number, features: number, classes: number, seed: number) {
  const targets = randomTargets(rows, classes, seed);
  const centers = randomValues(classes * features, 2, seed + 1);
  const inputs = randomValues(rows * features, 1, seed + 2);
  for (let i = 0; i < inputs.length; i++) {
    inputs[i]! += centers[targets[Math.floor(i / features)]! * features + (i % features)]!;
  }
  return { inputs, targets, rows, features, classes };
}
export type Problem = ReturnType<typeof clusters>;

type Given = 'epochs' | 'learningRate' | 'momentum' | 'nesterov' | 'weightDecay' | 'shuffle' | 'seed';

export interface ReferenceOptions
  extends Readonly<{ [Name in Given]: NonNullable<Training.FitOptions[Name]> }> {
  readonly batchSize: number;
}

/** Of all rows; the reduction is a mean unless said. */
export interface ReferenceLoss extends reference.LossOptions {
  readonly softTargets?: ArrayLike<number>;
  readonly reduction?: 'mean' | 'sum';
}

/** Rows of an array [any × columns]. */
export const rowsAt = (values: ArrayLike<number>, columns: number, rows: ArrayLike<number>): Float64Array =>
  Float64Array.from({ length: rows.length * columns }, (_, i) => {
    const row = rows[Math.floor(i / columns)]!;
    return values[row * columns + (i % columns)]!;
  });

/** Loss and gradient of some rows of a problem. */
export function referenceStep(
  { inputs, targets, features, classes }: Problem,
  { softTargets, reduction = 'mean', ...options }: ReferenceLoss,
  rows: ArrayLike<number>,
  weights: ArrayLike<number>,
  bias: ArrayLike<number>,
) {
  const count = rows.length;
  const x = rowsAt(inputs, features, rows);
  const z = reference.linearForward(x, weights, bias, count, features, classes);
  const { sampleWeight, mask } = options;
  const wanted = softTargets ? { softTargets: rowsAt(softTargets, classes, rows) } : rowsAt(targets, 1, rows);
  const lossOptions = {
    ...options,
    onEmpty: 'zero',
    ...(sampleWeight && { sampleWeight: rowsAt(sampleWeight, 1, rows) }),
    ...(mask && { mask: rowsAt(mask, classes, rows) }),
  } as const;
  const loss = reference.generalLoss(z, wanted, count, classes, lossOptions);
  const dz = reference.generalLossGradient(z, wanted, count, classes, { ...lossOptions, reduction });
  return {
    loss: reduction === 'mean' ? loss.mean : loss.lossSum,
    weightSum: loss.weightSum,
    gradWeights: reference.linearGradWeights(x, dz, count, features, classes),
    gradBias: reference.linearGradBias(dz, count, classes),
  };
}

/** Training from zero in float64. */
export function fitReference(problem: Problem, options: ReferenceOptions, loss: ReferenceLoss = {}) {
  const { rows, features, classes } = problem;
  let weights: Float64Array = new Float64Array(features * classes);
  let bias: Float64Array = new Float64Array(classes);
  let weightsVelocity: Float64Array = new Float64Array(weights.length);
  let biasVelocity: Float64Array = new Float64Array(classes);
  const losses: number[] = [];
  const weightSums: number[] = [];
  const order = new Uint32Array(rows);
  const { training } = splitRows(rows, 0, options.seed);
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    orderEpoch(order, training, epoch, options);
    for (let begin = 0; begin < rows; begin += options.batchSize) {
      const chosen = order.subarray(begin, begin + options.batchSize);
      const step = referenceStep(problem, loss, chosen, weights, bias);
      losses.push(step.loss);
      weightSums.push(step.weightSum);
      ({ parameters: weights, velocity: weightsVelocity } = reference.sgdStep(
        weights,
        weightsVelocity,
        step.gradWeights,
        options,
      ));
      ({ parameters: bias, velocity: biasVelocity } = reference.sgdStep(bias, biasVelocity, step.gradBias, {
        ...options,
        weightDecay: 0,
      }));
    }
  }
  return { weights, bias, losses, weightSums };
}

export const largestDifference = (got: ArrayLike<number>, wanted: ArrayLike<number>): number =>
  Array.from(wanted).reduce((most, value, i) => Math.max(most, Math.abs(got[i]! - value)), 0);

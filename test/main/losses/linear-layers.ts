// Linear layers with targets, and what linearCrossEntropy must make of them.
import { expect } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import type { Tensor } from '#softshard/main/index.js';
import { randomTargets, randomValues } from '../../kernels/workbench.js';

export interface Layer {
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
  readonly inputs: Float32Array;
  readonly weights: Tensor<'float32'>;
  readonly bias: Float32Array;
  readonly targets: Int32Array;
}

export function layerOf(rows: number, features: number, classes: number, seed = 1): Layer {
  const data = randomValues(features * classes, 2 / Math.sqrt(features), seed + 1);
  return {
    rows,
    features,
    classes,
    inputs: randomValues(rows * features, 2, seed),
    weights: { type: 'float32', dims: [features, classes], data },
    bias: randomValues(classes, 1, seed + 2),
    targets: randomTargets(rows, classes, seed + 3),
  };
}

export interface Expected {
  readonly loss: number;
  readonly lossSum: number;
  readonly weightSum: number;
  readonly zLossSum: number;
  readonly losses: Float64Array;
  readonly gradInputs: Float64Array;
  readonly gradWeights: Float64Array;
  readonly gradBias: Float64Array;
}

export type ReferenceOptions = reference.LossGradientOptions & { readonly gradients?: unknown };

/** The whole chain in float64. */
export function expectedOf(
  layer: Layer,
  options: ReferenceOptions = {},
  bias = layer.bias,
  softTargets?: ArrayLike<number>,
): Expected {
  const { rows, features, classes, inputs, weights } = layer;
  const targets = softTargets === undefined ? layer.targets : { softTargets };
  const { reduction = 'mean' } = options;
  const logits = reference.linearForward(inputs, weights.data, bias, rows, features, classes);
  const result = reference.generalLoss(logits, targets, rows, classes, options);
  const gradLogits = reference.generalLossGradient(logits, targets, rows, classes, options);
  return {
    ...result,
    loss: reduction === 'sum' ? result.lossSum : result.mean,
    gradInputs: reference.linearGradInputs(gradLogits, weights.data, rows, features, classes),
    gradWeights: reference.linearGradWeights(inputs, gradLogits, rows, features, classes),
    gradBias: reference.linearGradBias(gradLogits, rows, classes),
  };
}

/** Fails with index, expected and got; `bound` in units of the largest expected element. */
export function expectClose(
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
  bound: number,
  what: string,
): void {
  expect(got.length, what).toBe(wanted.length);
  let largest = 1e-30;
  for (let i = 0; i < wanted.length; i++) largest = Math.max(largest, Math.abs(wanted[i]!));
  for (let i = 0; i < got.length; i++) {
    if (Math.abs(got[i]! - wanted[i]!) <= bound * largest) continue;
    expect.fail(`${what}[${i}]: expected ${wanted[i]} ± ${bound * largest}, got ${got[i]}`);
  }
}

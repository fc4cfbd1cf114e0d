// The engine's row losses against PyTorch's own answers, on each kernel build, in float32 and float64.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { Engine, type Losses, type Tensor } from '#softshard/main/index.js';
import { builds } from '../kernels/workbench.js';
import { rowSums } from '../main/losses/workbench.js';
import { type TorchCase, torchCasesOf, torchTolerance } from './torch/vectors.js';

type Type = 'float32' | 'float64';
type FloatArray = Float32Array | Float64Array;
const TYPES: readonly Type[] = ['float32', 'float64'];

const as = (type: Type, values: Float32Array): FloatArray =>
  type === 'float64' ? Float64Array.from(values) : values;

/** Within what PyTorch's float32 is off in these cases and 4e-6; float64: 1e-13. Relative, absolute below 1. */
function expectAsTorch(
  each: TorchCase,
  output: string,
  type: Type,
  got: ArrayLike<number>,
  tolerance: number,
): void {
  const wanted = (each.expected as Record<string, Float64Array>)[output]!;
  expect(got.length, each.name).toBe(wanted.length);
  const relative = type === 'float64' ? 1e-13 : 4e-6 + 2 * tolerance;
  for (const [i, value] of wanted.entries()) {
    if (Object.is(got[i], value) || got[i] === value) continue;
    if (Math.abs(got[i]! - value) <= relative * Math.max(1, Math.abs(value))) continue;
    expect.fail(`${each.name}: ${output} at ${i}: expected ${value}, got ${got[i]}`);
  }
}

const lossOf = ({ loss, losses }: Losses.RowLossResult, reduction: string): ArrayLike<number> =>
  reduction === 'none' ? losses! : [loss];

describe.each(builds)('PyTorch (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const nll = torchCasesOf('nllLoss');
  test.each(TYPES)(`nllLoss and its gradient in %s: ${nll.length} cases`, async (type) => {
    const [ofLoss, ofGradient] = [torchTolerance(nll, 'loss'), torchTolerance(nll, 'gradInput')];
    for (const each of nll) {
      const { logProbabilities, targets, gradOutput, ...weights } = each.inputs;
      const result = await engine.nllLossGradient(as(type, logProbabilities), targets, {
        columns: each.dims[1]!,
        ...each.options,
        ...weights,
        ...(gradOutput && { gradOutput }),
      });
      expectAsTorch(each, 'loss', type, lossOf(result, each.options.reduction), ofLoss);
      const gradient = result.gradLogProbabilities.data as FloatArray;
      if (each.differs === undefined) expectAsTorch(each, 'gradInput', type, gradient, ofGradient);
      else expect(gradient.every((g) => g === 0)).toBe(true);
    }
  });

  const binary = torchCasesOf('binaryCrossEntropyWithLogits');
  test.each(TYPES)(
    `binaryCrossEntropyWithLogits and its gradient in %s: ${binary.length} cases`,
    async (type) => {
      const [ofLoss, ofGradient] = [torchTolerance(binary, 'loss'), torchTolerance(binary, 'gradLogits')];
      for (const each of binary) {
        const { logits, softTargets, weight, posWeight } = each.inputs;
        const { reduction } = each.options;
        const columns = each.dims[1]!;
        const result = await engine.binaryCrossEntropyWithLogitsGradient(
          as(type, logits),
          as(type, softTargets),
          {
            columns,
            reduction,
            ...(posWeight && { posWeight }),
            ...(weight && { weight: { type, dims: each.dims, data: as(type, weight) } as Tensor<Type> }),
          },
        );
        // Ours are those of rows.
        const wanted =
          reduction === 'none' ? Float64Array.from(rowSums(each.expected.loss, columns)) : each.expected.loss;
        const expected = { ...each, expected: { ...each.expected, loss: wanted } };
        expectAsTorch(expected, 'loss', type, lossOf(result, reduction), ofLoss);
        expectAsTorch(each, 'gradLogits', type, result.gradLogits.data as FloatArray, ofGradient);
      }
    },
  );

  // The engine takes logits, and normalizes them: of log-probabilities that sum to e^l in a row, PyTorch's loss is less by
  // l times the mass of the row's targets. PyTorch's gradient is by the log-probabilities, another one.
  const divergence = torchCasesOf('klDivergence');
  test.each(TYPES)(`klDivergence in %s: ${divergence.length} cases`, async (type) => {
    const tolerance = torchTolerance(divergence, 'loss');
    for (const each of divergence) {
      const { reduction, logTarget } = each.options;
      const [rows, columns] = [each.dims[0]!, each.dims[1]!];
      const { logProbabilities } = each.inputs;
      const targets = Float64Array.from(each.inputs.softTargets, (y) => (logTarget ? Math.exp(y) : y));
      const corrections = Array.from({ length: rows }, (_, row) => {
        const [begin, end] = [row * columns, (row + 1) * columns];
        const mass = targets.subarray(begin, end).reduce((sum, y) => sum + y, 0);
        return mass * reference.logSumExp(logProbabilities.subarray(begin, end));
      });
      const divisor = { mean: rows * columns, batchmean: rows, sum: 1, none: 1 }[reduction];
      const wanted =
        reduction === 'none'
          ? rowSums(each.expected.loss, columns).map((sum, row) => sum + corrections[row]!)
          : [each.expected.loss[0]! + corrections.reduce((sum, c) => sum + c, 0) / divisor];
      const targetProbabilities = type === 'float64' ? targets : Float32Array.from(targets);
      const result = await engine.klDivergence(
        as(type, logProbabilities),
        { targetProbabilities },
        { columns, reduction },
      );
      expectAsTorch(
        { ...each, expected: { ...each.expected, loss: Float64Array.from(wanted) } },
        'loss',
        type,
        lossOf(result, reduction),
        tolerance,
      );
    }
  });
});

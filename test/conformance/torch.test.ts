// The engine against PyTorch's own answers, on each kernel build, in float32 and in float64.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, type FloatType, type Tensor } from '#softshard/main/index.js';
import { builds } from '../kernels/workbench.js';
import { type TorchCase, torchCases, torchCasesOf } from './torch/vectors.js';

type Type = 'float32' | 'float64';
const TYPES: readonly Type[] = ['float32', 'float64'];

const tensor = (type: Type, dims: readonly number[], values: Float32Array): Tensor<FloatType> => ({
  type,
  dims,
  data: type === 'float64' ? Float64Array.from(values) : values,
});

/** The error that PyTorch's own float32 results have, at most, beside its float64 ones; infinities and NaN aside. */
function torchError(each: TorchCase, output: string): number {
  const exact = (each.expected as Record<string, Float64Array>)[output]!;
  const single = (each.torchFloat32 as Record<string, Float32Array>)[output]!;
  return exact.reduce((most, value, i) => {
    const error = Math.abs(single[i]! - value);
    return Number.isFinite(error) ? Math.max(most, error) : most;
  }, 0);
}

/**
 * float32: twice PyTorch's own float32 error in this case, and 4e-6 relative (absolute below 1, times `unit`); float64:
 * 1e-13 in the same way.
 */
function expectAsTorch(
  each: TorchCase,
  output: string,
  type: Type,
  got: ArrayLike<number>,
  unit: number,
): void {
  const wanted = (each.expected as Record<string, Float64Array>)[output]!;
  expect(got.length).toBe(wanted.length);
  const [slack, relative] = type === 'float64' ? [0, 1e-13] : [2 * torchError(each, output), 4e-6];
  for (const [i, value] of wanted.entries()) {
    const bound = slack + relative * Math.max(unit, Math.abs(value));
    if (Object.is(got[i], value) || Math.abs(got[i]! - value) <= bound) continue;
    if (Number.isNaN(value) && Number.isNaN(got[i])) continue;
    expect.fail(`${output} at ${i}: expected ${value}, got ${got[i]} (bound ${bound})`);
  }
}

test('there are vectors for each operation', () => {
  for (const op of ['crossEntropy', 'softmax', 'logSoftmax', 'logSumExp'] as const) {
    expect(torchCasesOf(op).length).toBeGreaterThan(10);
  }
  expect(torchCases().length).toBeGreaterThan(400);
});

describe.each(builds)('PyTorch (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  /** Those in which a share of 0 meets -Infinity too, which an option makes as PyTorch's. */
  const same = torchCasesOf('crossEntropy').filter(
    ({ differs }) => differs === undefined || differs === 'zero times Infinity',
  );
  test.each(TYPES)(`crossEntropy and its gradient in %s: ${same.length} cases`, async (type) => {
    for (const each of same) {
      const { inputs, options, dims, axis } = each;
      const logits = tensor(type, dims, inputs.logits);
      const targets = inputs.targets ?? tensor('float32', dims, inputs.softTargets!);
      const given = {
        axis,
        ...options,
        zeroTimesInfinity: 'nan' as const,
        ...(inputs.weight && { weight: inputs.weight }),
      };
      const gradOutput = inputs.gradOutput && { gradOutput: inputs.gradOutput };
      try {
        const { loss, losses } = await engine.crossEntropy(logits, targets as never, given);
        const results = options.reduction === 'none' ? losses! : [loss];
        expectAsTorch(each, 'loss', type, results, 1);
        const gradient = await engine.crossEntropyGradient(logits, targets as never, {
          ...given,
          ...gradOutput,
        });
        // Elements of the gradient of a mean are as small as the rows are many.
        const unit = options.reduction === 'mean' ? dims.reduce((all, dim) => all * dim, 1) ** -1 : 1;
        expectAsTorch(each, 'gradLogits', type, gradient.gradLogits.data, unit);
      } catch (cause) {
        throw new Error(`${each.name}: ${cause instanceof Error ? cause.message : cause}`, { cause });
      }
    }
  });

  test.each(TYPES)('softmax, logSoftmax and logSumExp along any axis in %s', async (type) => {
    for (const each of torchCases()) {
      if (each.op !== 'softmax' && each.op !== 'logSoftmax' && each.op !== 'logSumExp') continue;
      const logits = tensor(type, each.dims, each.inputs.logits);
      const { axis, op } = each;
      const { data } =
        op === 'logSumExp' ? await engine.logSumExp(logits, { axis }) : await engine[op](logits, { axis });
      expectAsTorch(each, 'output', type, data, each.op === 'softmax' ? 1e-3 : 1);
    }
  });
});

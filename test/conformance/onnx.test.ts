// The engine against the ONNX node tests, on each kernel build.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '#softshard/main/index.js';
import { builds } from '../kernels/workbench.js';
import { expectOnnx, type OnnxArray, type OnnxCase, onnxCases } from './onnx/vectors.js';

/**
 * Why the engine cannot run a case yet; the first reason that holds skips it. A reason that goes makes its cases run,
 * and the counts below go with it: when the list is empty, 66 of 66 run.
 */
const notYet: readonly { readonly reason: string; readonly holds: (onnx: OnnxCase) => boolean }[] = [
  { reason: 'no nllLoss', holds: ({ op }) => op === 'NegativeLogLikelihoodLoss' },
];
const SUPPORTED = 48;

/** The accuracy of float32 logits. */
const BOUND = 4e-6;

const cases = onnxCases();
const supported = cases.filter((onnx) => !notYet.some(({ holds }) => holds(onnx)));

const float32 = ({ dims, data }: OnnxArray) =>
  ({ type: 'float32', dims, data: Float32Array.from(data) }) as const;

test(`all 66 vectors are here, and the engine runs ${SUPPORTED} of them`, () => {
  expect(cases.length).toBe(66);
  expect(supported.length).toBe(SUPPORTED);
});

test('each reason to skip still skips something', () => {
  for (const { reason, holds } of notYet) expect(cases.some(holds), reason).toBe(true);
});

describe.each(builds)('ONNX node tests (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  test.each(supported.map((onnx) => [onnx.name, onnx] as const))(`%s within ${BOUND}`, async (_, onnx) => {
    const input = float32(onnx.input);
    if ('axis' in onnx) {
      const { axis } = onnx;
      const result =
        onnx.op === 'Softmax'
          ? await engine.softmax(input, { axis })
          : await engine.logSoftmax(input, { axis });
      expect(result.dims).toEqual(onnx.expected.dims);
      expectOnnx(result.data, onnx.expected, BOUND);
      return;
    }
    const { reduction, targets, expected, expectedLogProbabilities } = onnx;
    const { loss, losses } = await engine.crossEntropy(input, targets.data, {
      reduction,
      axis: 1,
      ...(onnx.weight && { weight: onnx.weight.data }),
      ...(onnx.ignoreIndex !== undefined && { ignoreIndex: onnx.ignoreIndex }),
    });
    expectOnnx(reduction === 'none' ? losses! : [loss], expected, BOUND);
    if (expectedLogProbabilities !== undefined) {
      expectOnnx((await engine.logSoftmax(input, { axis: 1 })).data, expectedLogProbabilities, BOUND);
    }
  });
});

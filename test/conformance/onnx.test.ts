// The engine against the ONNX node tests, on each kernel build.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '#softshard/main/index.js';
import { builds } from '../kernels/workbench.js';
import { expectOnnx, type OnnxArray, onnxCases } from './onnx/vectors.js';

/** The accuracy of float32 logits. */
const BOUND = 4e-6;

const cases = onnxCases();

const float32 = ({ dims, data }: OnnxArray) =>
  ({ type: 'float32', dims, data: Float32Array.from(data) }) as const;

test('all 66 vectors are here', () => {
  expect(cases.length).toBe(66);
});

describe.each(builds)('ONNX node tests (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  test.each(cases.map((onnx) => [onnx.name, onnx] as const))(`%s within ${BOUND}`, async (_, onnx) => {
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
    const options = {
      reduction,
      axis: 1,
      ...(onnx.weight && { weight: onnx.weight.data }),
      ...(onnx.ignoreIndex !== undefined && { ignoreIndex: onnx.ignoreIndex }),
    };
    const { loss, losses } =
      onnx.op === 'NegativeLogLikelihoodLoss'
        ? await engine.nllLoss(input, targets.data, options)
        : await engine.crossEntropy(input, targets.data, options);
    expectOnnx(reduction === 'none' ? losses! : [loss], expected, BOUND);
    if (expectedLogProbabilities !== undefined) {
      expectOnnx((await engine.logSoftmax(input, { axis: 1 })).data, expectedLogProbabilities, BOUND);
    }
  });
});

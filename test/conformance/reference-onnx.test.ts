// The float64 reference against all ONNX node tests.
import { describe, expect, test } from 'vitest';
import {
  classAxis,
  generalLoss,
  logSoftmax,
  mapAxis,
  nllLoss,
  rowsAlongAxis,
  softmax,
} from '#softshard/kernels/reference/index.js';
import { expectOnnx, onnxCases } from './onnx/vectors.js';

/** Half a unit in the last place of the float32 results, and NumPy's float32 arithmetic behind them. */
const BOUND = 2e-6;

const cases = onnxCases();

test('all 66 cases are here', () => {
  expect(cases.length).toBe(66);
});

describe('the reference agrees with the ONNX node tests', () => {
  test.each(cases.map((onnx) => [onnx.name, onnx] as const))(`%s within ${BOUND}`, (_, onnx) => {
    const { data: input, dims } = onnx.input;
    if ('axis' in onnx) {
      const operation = onnx.op === 'Softmax' ? softmax : logSoftmax;
      expectOnnx(mapAxis(input, dims, onnx.axis, operation), onnx.expected, BOUND);
      return;
    }
    const { rows, classes } = classAxis(dims, 1);
    const { reduction, targets, expected, expectedLogProbabilities } = onnx;
    const loss = onnx.op === 'SoftmaxCrossEntropyLoss' ? generalLoss : nllLoss;
    const result = loss(rowsAlongAxis(input, dims, 1), targets.data, rows, classes, {
      ...(onnx.weight === undefined ? {} : { weight: onnx.weight.data }),
      ...(onnx.ignoreIndex === undefined ? {} : { ignoreIndex: onnx.ignoreIndex }),
    });
    const reduced = reduction === 'sum' ? result.lossSum : result.mean;
    expectOnnx(reduction === 'none' ? result.losses : [reduced], expected, BOUND);
    if (expectedLogProbabilities !== undefined) {
      expectOnnx(mapAxis(input, dims, 1, logSoftmax), expectedLogProbabilities, BOUND);
    }
  });
});

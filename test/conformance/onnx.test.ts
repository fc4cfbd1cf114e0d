import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, type Reduction } from '#softshard/main/index.js';
import { builds } from '../kernels/workbench.js';

interface Vector {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface Case {
  readonly name: string;
  readonly op: 'Softmax' | 'LogSoftmax' | 'SoftmaxCrossEntropyLoss';
  readonly attributes: { readonly axis?: number; readonly reduction?: Reduction };
  readonly inputs: Readonly<Record<string, Vector>>;
  readonly outputs: Readonly<Record<string, Vector>>;
}

const folder = new URL('./onnx/', import.meta.url);
const cases = readdirSync(folder)
  .filter((name) => name.endsWith('.json.gz'))
  .map((name) => JSON.parse(gunzipSync(readFileSync(new URL(name, folder))).toString()) as Case);

const float32 = ({ shape, data }: Vector) =>
  ({ type: 'float32', dims: shape, data: Float32Array.from(data) }) as const;

/** 4e-6 relative, and as much absolute beside values below 1: the accuracy of float32 logits. */
function expectClose(got: ArrayLike<number>, { data }: Vector): void {
  expect(got.length).toBe(data.length);
  for (const [i, wanted] of data.entries()) {
    const difference = Math.abs(got[i]! - wanted);
    if (difference <= 4e-6 * Math.max(1, Math.abs(wanted))) continue;
    expect.fail(`at ${i}: expected ${wanted}, got ${got[i]}`);
  }
}

test('all 16 vectors are here', () => {
  expect(cases.length).toBe(16);
});

describe.each(builds)('ONNX node tests (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  test.each(cases.map((onnx) => [onnx.name, onnx] as const))(
    '%s',
    async (_, { op, attributes, inputs, outputs }) => {
      const expected = Object.values(outputs);
      const [first, second] = Object.values(inputs);
      const logits = float32(first!);
      if (op === 'SoftmaxCrossEntropyLoss') {
        const reduction = attributes.reduction ?? 'mean';
        const { loss, losses } = await engine.crossEntropy(logits, second!.data, { reduction });
        expectClose(reduction === 'none' ? losses! : [loss], expected[0]!);
        if (expected.length > 1) expectClose((await engine.logSoftmax(logits)).data, expected[1]!);
        return;
      }
      expect([-1, first!.shape.length - 1]).toContain(attributes.axis ?? -1);
      const result = op === 'Softmax' ? await engine.softmax(logits) : await engine.logSoftmax(logits);
      expect(result.dims).toEqual(expected[0]!.shape);
      expectClose(result.data, expected[0]!);
    },
  );
});

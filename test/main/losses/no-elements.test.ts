// Tensors with rows of no elements at all: results are as empty as they are, and no mean is a number.
import { expect, test } from 'vitest';
import { Engine } from '#softshard/main/index.js';

test.each(['float32', 'bfloat16'] as const)('%s [2 × 3 × 0] and [0 × 3]', async (type) => {
  await using engine = await Engine.create({ threads: 2, numerics: 'portable' });
  const data = type === 'float32' ? new Float32Array(0) : new Uint16Array(0);
  for (const [dims, rowDims] of [
    [
      [2, 3, 0],
      [2, 0],
    ],
    [[0, 3], [0]],
  ] as const) {
    const logits = { type, dims, data } as { type: 'float32'; dims: typeof dims; data: Float32Array };
    const axis = 1;
    expect(await engine.softmax(logits, { axis })).toMatchObject({ dims, data });
    expect((await engine.logSumExp(logits, { axis })).dims).toEqual(rowDims);
    const { loss, weightSum, gradLogits } = await engine.crossEntropyGradient(logits, [], { axis });
    expect([loss, weightSum, gradLogits.data.length]).toEqual([Number.NaN, 0, 0]);
    expect((await engine.nllLoss(logits, [], { axis, reduction: 'sum' })).loss).toBe(0);
    const metrics = engine.metrics({ classes: 3 });
    await metrics.add(logits, [], { axis });
    expect(metrics.report().rows).toBe(0);
  }
});

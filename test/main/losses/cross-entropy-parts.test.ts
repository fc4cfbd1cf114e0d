// Cross-entropy of batches in parts, which merged are the whole.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, mergeLosses, partSize } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';

describe.each(builds)('crossEntropy in parts (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  test('parts of partSize, merged, have the bits of the whole batch; of any size the exact mean', async () => {
    for (const [dims, axis] of [
      [[5000, 33], 1],
      [[700, 12, 9], 1],
      [[40, 3, 2000], 1],
    ] as const) {
      const size = dims.reduce((all, dim) => all * dim, 1);
      const data = randomValues(size, 8, 3);
      const entry = size / dims[0];
      const rowsAnEntry = entry / dims[1];
      const targets = randomTargets(dims[0] * rowsAnEntry, dims[1], 4);
      targets[3] = -100;
      const options = { axis, zLoss: 0.01, labelSmoothing: 0.1, reduction: 'sum' } as const;
      const whole = await engine.crossEntropy({ type: 'float32', dims, data }, targets, options);
      const inParts = async (part: number) => {
        const parts = [];
        for (let begin = 0; begin < dims[0]; begin += part) {
          const end = Math.min(dims[0], begin + part);
          const cut = {
            type: 'float32',
            dims: [end - begin, ...dims.slice(1)],
            data: data.subarray(begin * entry, end * entry),
          } as const;
          parts.push(
            await engine.crossEntropy(cut, targets.subarray(begin * rowsAnEntry, end * rowsAnEntry), options),
          );
        }
        return { merged: mergeLosses(parts, { reduction: 'sum' }), count: parts.length };
      };
      const exact = await inParts(partSize(dims, 1, { axis })!);
      expect(exact.count).toBeGreaterThan(1);
      expect(exact.merged).toEqual({
        loss: whole.loss,
        lossSum: whole.lossSum,
        weightSum: whole.weightSum,
        zLoss: whole.zLoss,
      });
      const uneven = await inParts(17);
      expect(Math.abs(uneven.merged.lossSum / whole.lossSum - 1)).toBeLessThan(1e-12);
    }
    expect(partSize([5, 6], 1, { axis: 0 })).toBeUndefined();
  });

  test('mergeLosses refuses parts whose z-loss is a mean', async () => {
    const logits = Float32Array.of(1, 2, 3, 4, 5, 7);
    const part = (begin: number, end: number, reduction: 'mean' | 'sum' | 'none') =>
      engine.crossEntropy(logits.subarray(begin * 2, end * 2), [0, 1, 1].slice(begin, end), {
        columns: 2,
        zLoss: 0.1,
        reduction,
      });
    const whole = await part(0, 3, 'mean');
    // The mean of one row is its sum.
    const { loss, zLoss } = mergeLosses([await part(0, 2, 'sum'), await part(2, 3, 'mean')]);
    expect(loss).toBeCloseTo(whole.loss, 12);
    expect(zLoss).toBeCloseTo(whole.zLoss!, 12);
    for (const reduction of ['mean', 'none'] as const) {
      const parts = [await part(2, 3, 'sum'), await part(0, 2, reduction)];
      const error = await failure(async () => mergeLosses(parts));
      expect(error).toMatchObject({ code: 'ERR_OPTION', argument: 'parts[1].zLoss', value: parts[1]!.zLoss });
      expect(error.message).toMatch(/a mean, which does not add up.*reduction 'sum'$/);
    }
  });

  test('ignored rows in some parts only: the others keep their bits, so merged parts have those of the whole', async () => {
    const dims = [4000, 50];
    const data = randomValues(4000 * 50, 8, 11);
    const targets = randomTargets(4000, 50, 12);
    for (let row = 100; row < 140; row++) targets[row] = row % 3 === 0 ? 7 : -100;
    const whole = await engine.crossEntropyGradient({ type: 'float32', dims, data }, targets, {
      reduction: 'none',
    });
    const size = partSize(dims, 1)!;
    const parts = [];
    const gradients = [];
    for (let begin = 0; begin < 4000; begin += size) {
      const end = Math.min(4000, begin + size);
      const part = {
        type: 'float32',
        dims: [end - begin, 50],
        data: data.subarray(begin * 50, end * 50),
      } as const;
      const result = await engine.crossEntropyGradient(part, targets.subarray(begin, end), {
        reduction: 'none',
      });
      parts.push(result);
      gradients.push(...result.gradLogits.data);
    }
    expect(mergeLosses(parts)).toEqual({
      loss: whole.loss,
      lossSum: whole.lossSum,
      weightSum: whole.weightSum,
    });
    expect(bitsOf(Float32Array.from(gradients))).toBe(bitsOf(whole.gradLogits.data));
    for (let row = 100; row < 140; row++) {
      if (targets[row]! >= 0) continue;
      expect(whole.losses![row]).toBe(0);
      expect(whole.gradLogits.data.subarray(row * 50, row * 50 + 50).every((g) => Object.is(g, 0))).toBe(
        true,
      );
    }
  });
});

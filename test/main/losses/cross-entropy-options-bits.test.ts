import { describe, expect, test } from 'vitest';
import { Engine } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';
import { coarse, tensorOf } from './typed-rows.js';

const TYPES = ['float32', 'float64', 'bfloat16', 'float16'] as const;
const SHAPES: readonly number[][] = [
  [900, 70],
  [30, 21, 100],
  [4, 100, 30],
  [2, 40, 500],
];

/** Calls along axis 1, made once for all engines. */
const CALLS = TYPES.flatMap((type) =>
  SHAPES.map((dims) => {
    const size = dims.reduce((all, dim) => all * dim, 1);
    const columns = dims[1]!;
    const rows = size / columns;
    const targets = randomTargets(rows, columns, 6);
    targets[7] = -100;
    const options = {
      axis: 1,
      reduction: 'none',
      labelSmoothing: 0.1,
      temperature: 1.5,
      softcap: 20,
      zLoss: 0.01,
      focalGamma: 2,
      weight: randomValues(columns, 1, 7).map(Math.abs),
      sampleWeight: randomValues(rows, 1, 8).map(Math.abs),
      mask: Uint8Array.from({ length: size }, (_, i) => (i % 11 === 3 ? 0 : 1)),
      gradOutput: randomValues(rows, 1, 10),
      gradScale: 3,
      topK: 4,
      statistics: ['logSumExp', 'argMax', 'correct', 'topKCorrect', 'entropy', 'margin', 'targetProbability'],
    } as const;
    const logits = tensorOf(type, dims, coarse(randomValues(size, 9, 5)));
    const shares = { type: 'float32', dims, data: randomValues(size, 1, 9).map(Math.abs) } as const;
    return { logits, targets, options, shares };
  }),
);

describe.each(builds)('the same bits with options (%s)', (numerics) => {
  async function digests(threads: number, arenaBytes: number): Promise<string[]> {
    await using engine = await Engine.create({ threads, numerics, arenaBytes });
    const found: string[] = [];
    for (const { logits, targets, options, shares } of CALLS) {
      const result = await engine.crossEntropyGradient(logits, targets, options);
      const { statistics } = result;
      found.push(
        bitsOf(
          result.lossSum,
          result.weightSum,
          result.zLoss!,
          result.losses!,
          result.gradLogits.data,
          ...Object.values(statistics!),
        ),
      );
      for (const soft of [
        await engine.crossEntropyGradient(logits, shares, { axis: 1 }),
        await engine.crossEntropyGradient(logits, shares, {
          ...options,
          statistics: ['logSumExp', 'argMax', 'entropy'],
          zeroTimesInfinity: 'nan',
        }),
      ]) {
        const ofRows = Object.values(soft.statistics ?? {});
        found.push(
          bitsOf(soft.lossSum, ...(soft.losses ? [soft.losses] : []), soft.gradLogits.data, ...ofRows),
        );
      }
      found.push(
        bitsOf(
          (await engine.softmax(logits, { axis: 1 })).data,
          (await engine.logSoftmax(logits, { axis: 1 })).data,
          (await engine.logSumExp(logits, { axis: 1 })).data,
        ),
      );
    }
    return found;
  }

  test('for 1, 2, 3 and 8 threads, and in windows of a small arena', async () => {
    const one = await digests(1, 64 * 1024 * 1024);
    for (const threads of [2, 3, 8]) expect(await digests(threads, 64 * 1024 * 1024)).toEqual(one);
    expect(await digests(2, 2 * 1024 * 1024)).toEqual(one);
  });
});

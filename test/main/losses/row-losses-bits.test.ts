// The row losses have the same bits for any number of threads and in windows.
import { describe, expect, test } from 'vitest';
import { Engine } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { builds, randomTargets } from '../../kernels/workbench.js';
import { uniform } from './workbench.js';

describe.each(builds)('the same bits in every loss beside crossEntropy (%s)', (numerics) => {
  const [rows, columns] = [4000, 101];
  const x = uniform(rows * columns, 40);
  const y = uniform(rows * columns, 41);
  const targets = randomTargets(rows, columns, 42);
  const sampleWeight = uniform(rows, 43);

  async function allResults(threads: number, arenaBytes: number): Promise<Record<string, string>> {
    await using engine = await Engine.create({ threads, numerics, arenaBytes });
    const options = { columns, reduction: 'none' } as const;
    const nll = await engine.nllLossGradient(x, targets, { ...options, sampleWeight, ignoreIndex: 3 });
    const probability = await engine.crossEntropyOfProbabilitiesGradient(x, y, options);
    const squared = await engine.meanSquaredErrorGradient(x, targets, { ...options, fromLogits: true });
    const divergence = await engine.klDivergenceGradient(x, { targetProbabilities: y }, options);
    const distilled = await engine.distillationGradient(x, y, targets, { ...options, temperature: 2 });
    const binary = await engine.binaryCrossEntropyWithLogitsGradient(x, y, options);
    return {
      nll: bitsOf(nll.lossSum, nll.weightSum, nll.losses!, nll.gradLogProbabilities.data),
      probability: bitsOf(probability.lossSum, probability.losses!, probability.gradProbabilities.data),
      squared: bitsOf(squared.lossSum, squared.losses!, squared.gradPredictions.data),
      divergence: bitsOf(divergence.lossSum, divergence.losses!, divergence.gradLogits.data),
      distilled: bitsOf(
        distilled.divergenceSum,
        distilled.crossEntropySum,
        distilled.losses!,
        distilled.gradLogits.data,
      ),
      binary: bitsOf(binary.lossSum, binary.losses!, binary.gradLogits.data),
    };
  }

  test('for 1, 2, 3 and 8 threads', async () => {
    const one = await allResults(1, 64 * 1024 * 1024);
    for (const threads of [2, 3, 8]) expect(await allResults(threads, 64 * 1024 * 1024)).toEqual(one);
  });

  test('when the arrays are larger than the arena and pass in windows', async () => {
    const whole = await allResults(2, 64 * 1024 * 1024);
    for (const threads of [1, 3]) expect(await allResults(threads, 1024 * 1024)).toEqual(whole);
  });
});

// Memory that results are staged in, or given in, is not cleared first: nothing of what lay there may show.
import { describe, expect, test } from 'vitest';
import { Engine, type Matrix } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';

const ARENA_BYTES = 8 * 1024 * 1024;
/** Of 10 columns rows are computed in groups, of 300 one by one. */
const SHAPES = [
  [203, 10],
  [203, 300],
] as const;

/** Leaves NaN in all of the arena that an allocation may get. */
function fillWithNaN(engine: Engine): void {
  const whole: Matrix[] = [];
  for (let rows = 2 ** 20; rows >= 1; rows /= 2) {
    while (engine.memoryUsage().freeBytes >= rows * 1024) {
      const matrix = engine.matrix(rows, 256);
      matrix.data.fill(Number.NaN);
      whole.push(matrix);
    }
  }
  expect(whole.length).toBeGreaterThan(3);
  for (const matrix of whole) matrix.free();
}

describe.each(builds)('used memory (%s)', (numerics) => {
  async function allResults(rows: number, columns: number, used: boolean): Promise<Record<string, string>> {
    await using engine = await Engine.create({ threads: 2, numerics, arenaBytes: ARENA_BYTES });
    if (used) fillWithNaN(engine);
    const values = randomValues(rows * columns, 4, 1);
    const shares = randomValues(rows * columns, 0.5, 2).map((value) => Math.abs(value));
    const targets = randomTargets(rows, columns, 3);
    for (let row = 0; row < rows; row += 7) targets[row] = -100;
    const found: Record<string, string> = {};
    for (const where of ['inside', 'outside'] as const) {
      const logits = where === 'inside' ? engine.matrix(rows, columns) : values;
      if (!(logits instanceof Float32Array)) logits.data.set(values);
      const shape = where === 'inside' ? {} : { columns };
      const each = { ...shape, reduction: 'none' } as const;
      const note = (name: string, ...results: (ArrayBufferView | number)[]) => {
        found[`${name}, ${where}`] = bitsOf(...results);
      };
      note('softmax', (await engine.softmax(logits, shape)).data);
      note('logSoftmax', (await engine.logSoftmax(logits, shape)).data);
      note('logSumExp', (await engine.logSumExp(logits, shape)).data);
      const plain = await engine.crossEntropyGradient(logits, targets, each);
      note('crossEntropy', plain.lossSum, plain.losses!, plain.gradLogits.data);
      const general = await engine.crossEntropyGradient(logits, targets, {
        ...each,
        labelSmoothing: 0.1,
        zLoss: 0.01,
        statistics: [
          'logSumExp',
          'argMax',
          'correct',
          'topKCorrect',
          'entropy',
          'margin',
          'targetProbability',
        ],
      });
      const statistics = Object.values(general.statistics!);
      note('options', general.lossSum, general.losses!, general.gradLogits.data, ...statistics);
      const still = await engine.crossEntropyGradient(logits, targets, { ...shape, zLoss: 1, gradScale: 0 });
      note('gradScale 0', still.loss, still.gradLogits.data);
      const nll = await engine.nllLossGradient(logits, targets, each);
      note('nll', nll.lossSum, nll.losses!, nll.gradLogProbabilities.data);
      const classes = targets.map((target) => Math.max(target, 0));
      const squared = await engine.meanSquaredErrorGradient(logits, classes, each);
      note('squared', squared.lossSum, squared.losses!, squared.gradPredictions.data);
      const kl = await engine.klDivergenceGradient(logits, { targetProbabilities: shares }, each);
      note('divergence', kl.lossSum, kl.losses!, kl.gradLogits.data);
      const distilled = await engine.distillationGradient(logits, shares, targets, each);
      note('distillation', distilled.loss, distilled.losses!, distilled.gradLogits.data);
      const binary = await engine.binaryCrossEntropyWithLogitsGradient(logits, shares, each);
      note('binary', binary.lossSum, binary.losses!, binary.gradLogits.data);
      const metrics = engine.metrics({ classes: columns });
      await metrics.add({ type: 'float32', dims: [rows, columns], data: values }, targets);
      note('metrics', Buffer.from(JSON.stringify(metrics.report())));
    }
    return found;
  }

  test.each(SHAPES)(
    '%i × %i: no bit of any result is another where memory holds NaN',
    async (rows, columns) => {
      expect(await allResults(rows, columns, true)).toEqual(await allResults(rows, columns, false));
    },
  );
});

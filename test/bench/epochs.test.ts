import { expect, it } from 'vitest';
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import { EpochTurns } from '../../bench/peers/epochs.js';

it('trains one epoch a turn, waits in between, and arrives at the weights of an undivided fit', async () => {
  await using engine = await Engine.create({ threads: 2, numerics: 'portable' });
  const inputs = engine.matrix(40, 6);
  for (let index = 0; index < inputs.data.length; index++) inputs.data[index] = Math.sin(index);
  const targets = Int32Array.from({ length: 40 }, (_, row) => row % 3);
  const options = { epochs: 3, batchSize: 16, momentum: 0.9 };

  const whole = new SoftmaxClassifier(engine, { features: 6, classes: 3 });
  await whole.fit(inputs, targets, options);

  const divided = new SoftmaxClassifier(engine, { features: 6, classes: 3 });
  const ended: number[] = [];
  const turns = new EpochTurns((onEpochEnd) =>
    divided.fit(inputs, targets, {
      ...options,
      onEpochEnd(report) {
        ended.push(report.epoch);
        return onEpochEnd(report);
      },
    }),
  );
  for (let epoch = 1; epoch <= options.epochs; epoch++) {
    await turns.turn();
    // Long enough for an epoch that nobody asked for.
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(ended.at(-1)).toBe(epoch);
  }
  await turns.finish();
  expect(divided.weights).toEqual(whole.weights);
  await expect(turns.turn()).rejects.toThrow('no epochs left');
});

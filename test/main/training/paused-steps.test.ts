// Steps that take long are left on the way for calls that wait, and gone on with: not a bit differs from a fit that nobody disturbs.
import { expect, test } from 'vitest';
import { Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { randomValues } from '../../kernels/workbench.js';

interface Case {
  readonly name: string;
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
  readonly options: Training.FitOptions;
}

const cases: readonly Case[] = [
  {
    name: 'data-parallel steps of all rows',
    ...{ rows: 60_000, features: 64, classes: 10 },
    options: { epochs: 4, batchSize: 'full', momentum: 0.9 },
  },
  {
    name: 'parameter-sharded steps, in chunks',
    ...{ rows: 6000, features: 200, classes: 400 },
    options: { epochs: 2, batchSize: 'full', solver: 'adamw', clipNorm: 1 },
  },
  {
    name: 'full-batch passes',
    ...{ rows: 3000, features: 200, classes: 300 },
    options: { C: 1, scale: 'none', maxPasses: 2 },
  },
];

test.each(cases)(`$name have the same bits with calls beside them, on 1, 2 and 3 threads`, async (given) => {
  const { rows, features, classes, options } = given;
  const inputs = randomValues(rows * features, 1, 51);
  const targets = Int32Array.from(
    { length: rows },
    (_, row) => (row * 7 + (inputs[row * features]! > 0 ? 1 : 0)) % classes,
  );
  const logits = randomValues(400 * 1000, 3, 52);
  const bits: string[] = [];
  let calls = 0;
  for (const threads of [1, 2, 3]) {
    await using engine = await Engine.create({ threads });
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    let isOver = threads === 1;
    const others = (async () => {
      for (; !isOver; calls++) {
        await engine.softmax(logits, { columns: 1000 });
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    await classifier.fit(inputs, targets, options);
    isOver = true;
    await others;
    bits.push(bitsOf(classifier.weights) + bitsOf(classifier.bias));
  }
  expect(calls).toBeGreaterThan(4);
  expect(new Set(bits).size).toBe(1);
});

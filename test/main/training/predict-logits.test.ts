import { describe, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import { bitsOf, expectSameBits } from '../../bits.js';
import { sharedEngines } from '../../engines.js';
import { builds } from '../../kernels/workbench.js';
import { randomNumbers } from '../cli/npy-workbench.js';

const [rows, features] = [7000, 6];
const inputs = randomNumbers(rows * features, 1);

function classifierOn(engine: Engine, classes: number, classNames?: readonly string[]): SoftmaxClassifier {
  const classifier = new SoftmaxClassifier(engine, {
    ...{ features, classes, classNames },
    featureScaling: { shift: 0.5, scale: 2 },
  });
  classifier.weights.set(randomNumbers(features * classes, 2));
  classifier.bias.set(randomNumbers(classes, 3));
  return classifier;
}

const ENGINES = [
  { threads: 1 },
  { threads: 2 },
  { threads: 3 },
  { threads: 8 },
  { threads: 2, arenaBytes: 2 ** 20 },
];

describe.each(builds)('logits (%s)', (numerics) => {
  const engineWith = sharedEngines();

  test.each([3, 70])(
    'of %d classes are X W + b within 1e-5, with the same bits for 1, 2, 3 and 8 threads and in windows of a small arena',
    async (classes) => {
      const names = Array.from({ length: classes }, (_, index) => `class ${index}`);
      const results: Float32Array[] = [];
      const labels: string[][] = [];
      for (const options of ENGINES) {
        const engine = await engineWith({ numerics, ...options });
        const classifier = classifierOn(engine, classes, names);
        const { dims, data } = await classifier.predictLogits(inputs);
        expect(dims).toEqual([rows, classes]);
        results.push(data);
        const { data: probabilities } = await classifier.predictProbabilities(inputs);
        expectSameBits([
          bitsOf((await engine.softmax({ type: 'float32', dims, data })).data),
          bitsOf(probabilities),
        ]);
        const predicted = await classifier.predict(inputs);
        labels.push(await classifier.predictLabels(inputs));
        expect(labels.at(-1)).toEqual(Array.from(predicted, (index) => names[index]));
      }
      expectSameBits(results.map((data) => bitsOf(data)));
      expect(new Set(labels.map((each) => each.join())).size).toBe(1);
      const { weights, bias } = classifierOn(await engineWith({ numerics, threads: 1 }), classes, names);
      for (const row of [0, 333, rows - 1]) {
        for (let index = 0; index < classes; index++) {
          let logit = bias[index]!;
          for (let i = 0; i < features; i++) {
            logit += (inputs[row * features + i]! - 0.5) * 2 * weights[i * classes + index]!;
          }
          expect(results[0]![row * classes + index]! / logit).toBeCloseTo(1, 4);
        }
      }
    },
  );
});

test('an invalid row is named, or NaN, wherever its logits overflow', async () => {
  await using engine = await Engine.create({ threads: 1 });
  const classifier = classifierOn(engine, 3);
  const broken = inputs.slice();
  broken[2 * features] = Number.NaN;
  broken.fill(3e38, 5 * features, 6 * features);
  await expect(classifier.predictLogits(broken)).rejects.toThrow(/^inputs\[2, 0\] is NaN/);
  const into = new Float32Array(rows * 3);
  const { data } = await classifier.predictLogits(broken, { onInvalidInput: 'ignore', into });
  expect(data).toBe(into);
  const invalid = await classifier.predict(broken, { onInvalidInput: 'ignore' });
  const isNaNRow = Array.from(invalid, (_, row) => data.subarray(3 * row, 3 * row + 3).every(Number.isNaN));
  expect(isNaNRow).toEqual(Array.from(invalid, (index) => index === -1));
  expect(isNaNRow.filter(Boolean).length).toBe(2);
});

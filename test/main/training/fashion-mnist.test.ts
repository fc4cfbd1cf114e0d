import { describe, expect, test } from 'vitest';
import {
  Engine,
  readIdxLabels,
  readIdxMatrix,
  SoftmaxClassifier,
  scaleFeatures,
} from '#softshard/main/index.js';
import { bitsOf, expectSameBits } from '../../bits.js';
import { builds } from '../../kernels/workbench.js';
import { FULL_FASHION_MNIST, hasFullFashionMnist } from '../../optional.js';

const THREADS = [1, 2, 3, 8];
const OPTIONS = { batchSize: 256, learningRate: 0.1, schedule: 'cosine', momentum: 0.9, seed: 1 } as const;

const BUNDLED = new URL('../../../examples/fashion-mnist/', import.meta.url).pathname;

async function read(engine: Engine, folder: string, part: 'train' | 't10k') {
  const { matrix } = await readIdxMatrix(engine, `${folder}${part}-images-idx3-ubyte.gz`);
  scaleFeatures(matrix, { shift: 0, scale: 1 / 255 });
  return { inputs: matrix, targets: await readIdxLabels(`${folder}${part}-labels-idx1-ubyte.gz`) };
}

describe.each(builds)('Fashion-MNIST (%s)', (numerics) => {
  test('8,000 bundled images: 10 epochs reach 0.80 on the other 2,000, the same bits for 1, 2, 3 and 8 threads', async () => {
    const digests = [];
    for (const threads of THREADS) {
      await using engine = await Engine.create({ threads, numerics });
      const { inputs, targets } = await read(engine, BUNDLED, 't10k');
      const classifier = new SoftmaxClassifier(engine, { features: 784, classes: 10 });
      const { epochs } = await classifier.fit(inputs, targets, {
        ...OPTIONS,
        epochs: 10,
        validationSplit: 0.2,
      });
      expect(epochs.at(-1)!.validationAccuracy).toBeGreaterThanOrEqual(0.8);
      digests.push(bitsOf(classifier.weights, classifier.bias, ...epochs.map(({ loss }) => loss)));
    }
    expectSameBits(digests);
  });

  test.runIf(hasFullFashionMnist)(
    'all 60,000 images: 10 epochs reach 0.84 on the test images, the same bits for 1, 2, 3 and 8 threads',
    async () => {
      const digests = [];
      for (const threads of THREADS) {
        await using engine = await Engine.create({ threads, numerics });
        const train = await read(engine, FULL_FASHION_MNIST, 'train');
        const held = await read(engine, FULL_FASHION_MNIST, 't10k');
        const classifier = new SoftmaxClassifier(engine, { features: 784, classes: 10 });
        const { epochs } = await classifier.fit(train.inputs, train.targets, { ...OPTIONS, epochs: 10 });
        const { accuracy, loss } = await classifier.evaluate(held.inputs, held.targets);
        expect(accuracy).toBeGreaterThanOrEqual(0.84);
        digests.push(bitsOf(classifier.weights, classifier.bias, loss, ...epochs.map((epoch) => epoch.loss)));
      }
      expectSameBits(digests);
    },
    300_000,
  );
});

// softshard's side of fashion-mnist.ts and logistic-regression.ts: softmax regression on Fashion-MNIST.

import { readFeatures, readLabels, readMatrix } from '#softshard/main/data/index.js';
import {
  type Engine,
  type Files,
  SoftmaxClassifier,
  scaleFeatures,
  type Training,
} from '#softshard/main/index.js';
import { EpochTurns } from './epochs.js';
import { type OpenEngine, serveOurs } from './ours.js';

const [FEATURES, CLASSES] = [784, 10];
const FEATURE_SCALING = { shift: 0, scale: 1 / 255 };

/** The images as the bytes they are, or as float32. */
export type ImageType = 'bytes' | 'float32';

interface Loaded {
  readonly engine: Engine;
  readonly inputs: Readonly<Record<ImageType, Files.FeatureMatrix>>;
}

interface Model {
  readonly inputs: Files.FeatureMatrix;
  readonly ended: AbortController;
  readonly classifier: SoftmaxClassifier;
  readonly turns: EpochTurns;
}

interface CreateRequest {
  readonly model: string;
  readonly threads: number;
  readonly images: ImageType;
  readonly fit: Training.FitOptions;
}

await serveOurs((open: OpenEngine) => {
  const loadedBy = new Map<number, Loaded>();
  const models = new Map<string, Model>();
  let targets: Int32Array = new Int32Array();

  /** Before its last epoch. */
  async function abandon(model: string): Promise<void> {
    const { ended, turns } = models.get(model)!;
    models.delete(model);
    ended.abort();
    await turns.finish().catch(() => {});
  }

  return {
    async load({ images, labels, threads }: { images: string; labels: string; threads: number[] }) {
      targets = (await readLabels(labels)).targets;
      for (const count of threads) {
        const engine = await open(count);
        const { matrix: bytes } = await readFeatures(engine, images);
        const { matrix: float32 } = await readMatrix(engine, images);
        scaleFeatures(float32, FEATURE_SCALING);
        loadedBy.set(count, { engine, inputs: { bytes, float32 } });
      }
      return undefined;
    },
    /** Starts from zeros. */
    async create({ model, threads, images, fit }: CreateRequest) {
      // One of a case that is done again.
      if (models.has(model)) await abandon(model);
      const { engine, inputs: inputsBy } = loadedBy.get(threads)!;
      const inputs = inputsBy[images];
      const shape = { features: FEATURES, classes: CLASSES };
      // Float32 has been scaled when it was loaded, as the peers' has.
      const scaling = images === 'bytes' && { featureScaling: FEATURE_SCALING };
      const classifier = new SoftmaxClassifier(engine, { ...shape, ...scaling });
      const ended = new AbortController();
      const options = { ...fit, signal: ended.signal };
      const turns = new EpochTurns((onEpochEnd) =>
        classifier.fit(inputs, targets, { ...options, onEpochEnd }),
      );
      models.set(model, { inputs, ended, classifier, turns });
      return undefined;
    },
    async epoch({ model }: { model: string }) {
      return models.get(model)!.turns.turn();
    },
    /** After the last epoch. */
    async finish({ model }: { model: string }) {
      await models.get(model)!.turns.finish();
      return undefined;
    },
    async abandon({ model }: { model: string }) {
      await abandon(model);
      return undefined;
    },
    /** Mean loss and accuracy over all rows, and the weights' sum of squares. */
    async evaluate({ model }: { model: string }) {
      const { classifier, inputs } = models.get(model)!;
      const { loss, accuracy } = await classifier.evaluate(inputs, targets);
      const squares = classifier.weights.reduce((sum, weight) => sum + weight * weight, 0);
      return { loss, accuracy, squares };
    },
  };
});

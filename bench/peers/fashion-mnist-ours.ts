// softshard's side of fashion-mnist.ts and logistic-regression.ts: softmax regression on Fashion-MNIST.

import { type Engine, type FitOptions, type Matrix, SoftmaxClassifier } from '#softshard/main/index.js';
import { readLabels, readMatrix } from '#softshard/main/readers/index.js';
import { EpochTurns } from './epochs.js';
import { type OpenEngine, serveOurs } from './ours.js';

const [FEATURES, CLASSES] = [784, 10];

interface Loaded {
  readonly engine: Engine;
  readonly inputs: Matrix;
}

interface Model {
  readonly loaded: Loaded;
  readonly ended: AbortController;
  readonly classifier: SoftmaxClassifier;
  readonly turns: EpochTurns;
}

interface CreateRequest {
  readonly model: string;
  readonly threads: number;
  readonly fit: FitOptions;
}

await serveOurs((open: OpenEngine) => {
  const loadedBy = new Map<number, Loaded>();
  const models = new Map<string, Model>();
  let targets: Int32Array = new Int32Array();
  return {
    async load({ images, labels, threads }: { images: string; labels: string; threads: number[] }) {
      targets = (await readLabels(labels)).targets;
      for (const count of threads) {
        const engine = await open(count);
        const { matrix: inputs } = await readMatrix(engine, images);
        for (let index = 0; index < inputs.data.length; index++) inputs.data[index]! /= 255;
        loadedBy.set(count, { engine, inputs });
      }
      return undefined;
    },
    /** Starts from zeros. */
    async create({ model, threads, fit }: CreateRequest) {
      const loaded = loadedBy.get(threads)!;
      const classifier = new SoftmaxClassifier(loaded.engine, { features: FEATURES, classes: CLASSES });
      const ended = new AbortController();
      const options = { ...fit, signal: ended.signal };
      const turns = new EpochTurns((onEpochEnd) =>
        classifier.fit(loaded.inputs, targets, { ...options, onEpochEnd }),
      );
      models.set(model, { loaded, ended, classifier, turns });
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
    /** Before the last epoch. */
    async abandon({ model }: { model: string }) {
      const { ended, turns } = models.get(model)!;
      ended.abort();
      await turns.finish().catch(() => {});
      return undefined;
    },
    /** Mean loss and accuracy over all rows, and the weights' sum of squares. */
    async evaluate({ model }: { model: string }) {
      const { classifier, loaded } = models.get(model)!;
      const { loss, accuracy } = await classifier.evaluate(loaded.inputs, targets);
      const squares = classifier.weights.reduce((sum, weight) => sum + weight * weight, 0);
      return { loss, accuracy, squares };
    },
  };
});

// softshard's side of step.ts: one step of training by SGD with momentum, of many parameters.

import { type Engine, type Matrix, SoftmaxClassifier } from '#softshard/main/index.js';
import { fillTargets } from '../cases/values.js';
import { type OpenEngine, serveOurs } from './ours.js';

interface PrepareRequest {
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
  readonly sgd: { readonly learningRate: number; readonly momentum: number };
  readonly threads: number[];
}

interface Prepared {
  readonly engine: Engine;
  readonly inputs: Matrix;
}

await serveOurs((open: OpenEngine) => {
  const prepared = new Map<number, Prepared>();
  let targets = new Int32Array();
  let shape: PrepareRequest;

  async function train(threads: number, epochs: number) {
    const { engine, inputs } = prepared.get(threads)!;
    const { features, classes, sgd } = shape;
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    const options = { ...sgd, batchSize: 'full', epochs, shuffle: false } as const;
    const report = await classifier.fit(inputs, targets, options);
    return { classifier, epochs: report.epochs };
  }

  return {
    async prepare(request: PrepareRequest) {
      shape = request;
      targets = new Int32Array(shape.rows);
      fillTargets(targets, shape.classes);
      for (const count of shape.threads) {
        const engine = await open(count);
        const inputs = engine.matrix(shape.rows, shape.features);
        const { data } = inputs;
        // Weyl's sequence in [-1, 1): easy to make in any language.
        for (let index = 0; index < data.length; index++) {
          data[index] = ((Math.imul(index, 0x9e3779b1) >>> 0) / 2 ** 32) * 2 - 1;
        }
        prepared.set(count, { engine, inputs });
      }
      return undefined;
    },
    /** The last of the steps' losses, and elements of the weights at flat indices. */
    async check({
      threads,
      steps,
      weights_at: at,
    }: {
      threads: number;
      steps: number;
      weights_at: number[];
    }) {
      const { classifier, epochs } = await train(threads, steps);
      return { loss: epochs.at(-1)!.loss, weights: at.map((index) => classifier.weights[index]!) };
    },
    async run({ threads }: { threads: number }) {
      const { epochs } = await train(threads, 1);
      return { ms: epochs[0]!.durationMs };
    },
  };
});

// softshard's side of first-model.ts, logistic-regression.ts and penalties.ts: fits that end by themselves.
import { readLabels, readMatrix } from '#softshard/main/data/index.js';
import { type Engine, SoftmaxClassifier, scaleFeatures, type Training } from '#softshard/main/index.js';
import { type OpenEngine, serveOurs } from './ours.js';

interface Loaded {
  readonly engine: Engine;
  /** [rows × features], in the arena. */
  readonly inputs: Float32Array;
  readonly targets: Int32Array;
  readonly features: number;
  readonly classes: number;
}

interface LoadRequest {
  readonly name: string;
  readonly x: string;
  readonly y: string;
  /** Of the features. */
  readonly divisor?: number;
  /** The first so many; default all. */
  readonly rows?: number;
  readonly threads: number;
}

interface FitRequest {
  readonly name: string;
  readonly options: Training.FitOptions;
  /** The name of rows to evaluate the model on. */
  readonly test?: string;
}

await serveOurs((open: OpenEngine) => {
  const loaded = new Map<string, Loaded>();

  return {
    async load({ name, x, y, divisor = 1, rows, threads }: LoadRequest) {
      const engine = await open(threads);
      const { matrix } = await readMatrix(engine, x);
      if (divisor !== 1) scaleFeatures(matrix, { shift: 0, scale: 1 / divisor });
      const [all, features] = matrix.dims;
      const count = Math.min(all, rows ?? all);
      const targets = (await readLabels(y)).targets.slice(0, count);
      const inputs = matrix.data.subarray(0, count * features);
      loaded.set(name, { engine, inputs, targets, features, classes: Math.max(...targets) + 1 });
      return undefined;
    },
    /** From zeros; the time is that of fit. */
    async fit({ name, options, test }: FitRequest) {
      const { engine, inputs, targets, features, classes } = loaded.get(name)!;
      const classifier = new SoftmaxClassifier(engine, { features, classes });
      const begin = performance.now();
      const result = await classifier.fit(inputs, targets, options);
      const ms = performance.now() - begin;
      const { solver, objective, gapRelative, passes, stopReason, C, scale } = result;
      const fitted = { ms, solver, objective, gapRelative, passes, stopReason, C, scale };
      if (test === undefined) return fitted;
      const { inputs: testInputs, targets: testTargets } = loaded.get(test)!;
      const { accuracy, loss } = await classifier.evaluate(testInputs, testTargets);
      return { ...fitted, accuracy, loss };
    },
    /** Sum of losses + sum of squares / 2C of a fit without scaling, by evaluation of its model. */
    async objective({ name, options }: FitRequest & { options: { C: number } }) {
      const { engine, inputs, targets, features, classes } = loaded.get(name)!;
      const classifier = new SoftmaxClassifier(engine, { features, classes });
      await classifier.fit(inputs, targets, options);
      const { lossSum } = await classifier.evaluate(inputs, targets);
      const squares = classifier.weights.reduce((sum, weight) => sum + weight * weight, 0);
      return { objective: lossSum + squares / (2 * options.C) };
    },
  };
});

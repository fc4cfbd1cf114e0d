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

interface PathRequest {
  readonly name: string;
  readonly Cs: readonly number[];
  readonly tol: number;
}

interface CrossValidateRequest {
  readonly name: string;
  readonly Cs: readonly number[];
  readonly folds: number;
}

/** Of a row that does not count. */
const IGNORED = -1;

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
    /** A model for each C, from strong penalties to weak ones, each beginning where the one before ended. */
    async path({ name, Cs, tol }: PathRequest) {
      const { engine, inputs, targets, features, classes } = loaded.get(name)!;
      const classifier = new SoftmaxClassifier(engine, { features, classes });
      const begin = performance.now();
      const fits: Training.FitResult[] = [];
      for (const C of Cs) fits.push(await classifier.fit(inputs, targets, { C, scale: 'none', tol }));
      return {
        ms: performance.now() - begin,
        passes: fits.reduce((sum, { passes = 0 }) => sum + passes, 0),
        objectives: fits.map(({ objective }) => objective),
        gapsRelative: fits.map(({ gapRelative }) => gapRelative),
      };
    },
    /** The C of the least mean loss of held-out rows; a path for each fold. */
    async crossValidate({ name, Cs, folds }: CrossValidateRequest) {
      const { engine, inputs, targets, features, classes } = loaded.get(name)!;
      const begin = performance.now();
      const foldOf = dealtFolds(targets, folds);
      const foldLosses: number[][] = [];
      for (let fold = 0; fold < folds; fold++) {
        const classifier = new SoftmaxClassifier(engine, { features, classes });
        const [kept, heldOut] = [targets.slice(), targets.slice()];
        for (const [row, own] of foldOf.entries()) (own === fold ? kept : heldOut)[row] = IGNORED;
        const losses: number[] = [];
        for (const C of Cs) {
          await classifier.fit(inputs, kept, { C, scale: 'none', ignoreIndex: IGNORED });
          losses.push((await classifier.evaluate(inputs, heldOut, { ignoreIndex: IGNORED })).loss);
        }
        foldLosses.push(losses);
      }
      const losses = Cs.map((_, index) => mean(foldLosses.map((fold) => fold[index]!)));
      const errors = Cs.map((_, index) => standardError(foldLosses.map((fold) => fold[index]!)));
      const best = losses.indexOf(Math.min(...losses));
      return { ms: performance.now() - begin, C: Cs[best], losses, errors };
    },
  };
});

// Functions, not constants: the process serves before its last lines have run.

/** As many rows of each class in each fold, by turns. */
function dealtFolds(targets: Int32Array, folds: number): Int32Array {
  const seen = new Map<number, number>();
  return targets.map((target) => {
    const count = seen.get(target) ?? 0;
    seen.set(target, count + 1);
    return count % folds;
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function standardError(values: readonly number[]): number {
  const middle = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
  return Math.sqrt(variance / values.length);
}

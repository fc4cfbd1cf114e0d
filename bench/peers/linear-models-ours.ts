// softshard's side of first-model.ts, logistic-regression.ts and penalties.ts: fits that end by themselves.
import { readLabels, readMatrix } from '#softshard/main/data/index.js';
import {
  type Engine,
  fitMany,
  SoftmaxClassifier,
  scaleFeatures,
  type Training,
} from '#softshard/main/index.js';
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

interface ReachRequest {
  readonly name: string;
  readonly C: number;
  readonly objective: number;
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
    /** How many passes bring the objective down to another. */
    async reach({ name, C, objective }: ReachRequest) {
      const { engine, inputs, targets, features, classes } = loaded.get(name)!;
      const classifier = new SoftmaxClassifier(engine, { features, classes });
      let reached: Training.SolverReport | undefined;
      const onProgress = (report: Training.SolverReport) => {
        if (report.objective <= objective) reached ??= report;
      };
      await classifier.fit(inputs, targets, { C, scale: 'none', onProgress });
      if (reached === undefined) throw new Error(`no fit comes down to ${objective}`);
      return { passes: Math.ceil(reached.passes), objective: reached.objective };
    },
    /** A model for each C, from strong penalties to weak ones. */
    async path({ name, Cs, tol }: PathRequest) {
      const { engine, inputs, targets, features, classes } = loaded.get(name)!;
      const begin = performance.now();
      const options = { features, classes, scale: 'none', tol, path: true } as const;
      const { heads } = await fitMany(engine, inputs, targets, penaltyHeads(Cs), options);
      const ms = performance.now() - begin;
      const fits = heads.flatMap((head) => head.fits);
      if (fits.length < Cs.length) throw heads.find(({ error }) => error !== undefined)?.error;
      return {
        ms,
        passes: fits.reduce((sum, { passes = 0 }) => sum + passes, 0),
        objectives: fits.map(({ objective }) => objective),
        gapsRelative: fits.map(({ gapRelative }) => gapRelative),
      };
    },
    /** The C of the least mean loss of held-out rows, and a model of all rows with it. */
    async crossValidate({ name, Cs, folds }: CrossValidateRequest) {
      const { engine, inputs, targets, features, classes } = loaded.get(name)!;
      const begin = performance.now();
      const options = { features, classes, scale: 'none', cv: folds, path: true } as const;
      const { heads, fit } = await fitMany(engine, inputs, targets, penaltyHeads(Cs), options);
      const ms = performance.now() - begin;
      const losses = heads.map(({ score }) => score?.loss);
      return { ms, C: fit?.C, losses, errors: heads.map(({ score }) => score?.lossError) };
    },
  };
});

// A function, not a constant: the process serves before its last lines have run.
function penaltyHeads(Cs: readonly number[]): { readonly C: number }[] {
  return Cs.map((C) => ({ C }));
}

// Full-batch fits: of every solver and penalty, with C and the scaling given or chosen.
import { SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { type Case, float64, type Values } from '../case.js';
import { OPTION_GROUPS } from './cross-entropy-options.js';
import { type ProblemShape, problemName, problemOf } from './problems.js';

interface SolverCase extends ProblemShape {
  readonly what: string;
  readonly options: Training.FitOptions;
  readonly room?: number;
}

/** What the memory of L-BFGS, parameters, logits and scratch memory take. */
const ROOM = 4_000_000;

function solverCase(fit: SolverCase): Case {
  const { what, options, features, classes, room = ROOM } = fit;
  return {
    name: `solver: ${what}, ${problemName(fit)}`,
    room,
    run: async (place) => {
      const { inputs, targets, featureScaling, options: own } = problemOf(place, fit);
      const classifier = new SoftmaxClassifier(place.engine, {
        features,
        classes,
        ...(featureScaling && { featureScaling }),
      });
      const { objective, gap, passes, loss, C, choice } = await classifier.fit(inputs, targets, {
        ...own,
        ...options,
      });
      const tried = choice?.tried.flatMap((setting) => [setting.C, setting.loss, setting.accuracy]);
      return {
        'objective, gap, passes, loss, C': float64([objective!, gap ?? -1, passes!, loss, C ?? -1]),
        tried: tried && float64(tried),
        weights: classifier.weights.slice(),
        bias: classifier.bias.slice(),
      } satisfies Values;
    },
  };
}

const small = { rows: 211, features: 13, classes: 5 };
const groups = (...names: string[]) => names.map((name) => OPTION_GROUPS[name]!);

export const solverCases: readonly Case[] = [
  solverCase({ what: 'no options', ...small, options: {} }),
  solverCase({ what: 'no options', rows: 1301, features: 6, classes: 3, options: {} }),
  solverCase({ what: 'lbfgs', ...small, options: { C: 1 } }),
  solverCase({ what: 'lbfgs, standardised', ...small, options: { C: 10, scale: 'standard', tol: 1e-5 } }),
  solverCase({ what: 'lbfgs, two classes', ...small, classes: 2, options: { C: 1 } }),
  solverCase({ what: 'lbfgs, bytes', ...small, type: 'uint8', options: { l2: 1e-3 } }),
  solverCase({
    what: 'lbfgs, weights',
    ...small,
    groups: groups('sampleWeight', 'weight', 'ignored rows'),
    options: { C: 1 },
  }),
  solverCase({ what: 'lbfgs, smoothing', ...small, groups: groups('labelSmoothing'), options: { C: 1 } }),
  solverCase({ what: 'lbfgs, without a penalty', ...small, options: { l2: 0, maxPasses: 8 } }),
  solverCase({
    what: 'lbfgs, many classes',
    rows: 400,
    features: 5,
    classes: 300,
    options: { C: 1, maxPasses: 6 },
  }),
  solverCase({ what: 'newton-cg', ...small, options: { solver: 'newton-cg', C: 1 } }),
  solverCase({ what: 'L1', ...small, options: { l1: 0.01 } }),
  solverCase({ what: 'elastic net', ...small, options: { l1: 0.005, l2: 0.01 } }),
];

// Heads of a full-batch training for tests of what is below the solvers.
import { checkInputs, type FeatureRows } from '#softshard/main/models/inputs.js';
import { checkRowTargets } from '#softshard/main/models/row-targets.js';
import { checkFitLoss } from '#softshard/main/training/fit-loss.js';
import { Head } from '#softshard/main/training/solver/head.js';
import { Problem as SolverProblem } from '#softshard/main/training/solver/problem.js';
import type { Case } from '../loss-cases.js';
import type { Insides } from '../steps.js';

/** A head of all rows that count, with logits of 0; of other inputs than the problem's where they are given. */
export function headFor(
  { resources, scope }: Insides,
  { problem, options, loss }: Case,
  inputs: FeatureRows = problem.inputs,
) {
  const { rows, features, classes, targets } = problem;
  const model = {
    features,
    classes,
    featureScaling: undefined,
    weights: new Float32Array(features * classes),
    bias: new Float32Array(classes),
  };
  const fitLoss = checkFitLoss(options, classes);
  const given =
    loss.softTargets === undefined
      ? targets
      : { type: 'float32' as const, dims: [rows, classes], data: Float32Array.from(loss.softTargets) };
  const rowTargets = checkRowTargets(resources, given, { rows, classes }, options, fitLoss);
  const counting = Uint32Array.from({ length: rows }, (_, row) => row).filter(
    (row) => rowTargets.classes[row] !== -1 && rowTargets.sampleWeight?.[row] !== 0,
  );
  const solver = new SolverProblem({
    resources,
    scope,
    model,
    inputs: checkInputs(resources, 'inputs', inputs, undefined, model, undefined),
    targets: rowTargets,
    loss: fitLoss,
    rows: counting,
    heads: 1,
    reserve: [],
    signal: undefined,
  });
  return {
    head: new Head(solver.passes, scope, solver.placeRows(scope)),
    sums: solver.sums(),
    rowWeights: solver.rowWeights,
    terms: { resources, model, targets: rowTargets, loss: fitLoss },
    rows: counting,
  };
}

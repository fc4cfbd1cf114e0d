// fit by a full-batch solver: rows to train and to validate on, scaling, penalty, and the training itself.
import { SoftshardError } from '../../../errors.js';
import type { Cancellation } from '../../cancellation.js';
import type { Resources } from '../../dispatch/resources.js';
import type { ArenaScope } from '../../memory/arena.js';
import { scalingOf } from '../../models/column-statistics.js';
import type { Inputs } from '../../models/inputs.js';
import type { LinearModel } from '../../models/linear-model.js';
import { TO_FIT, TO_VALIDATE } from '../../models/not-finite.js';
import { IGNORED, type RowTargets, weightSumOf } from '../../models/row-targets.js';
import type { FeatureScaling } from '../../models/scaling.js';
import type { Plain } from '../checkpoint/checkpoint.js';
import type { CheckpointPart, Checkpoints } from '../checkpoint/checkpoints.js';
import { countClasses } from '../class-counts.js';
import { type FitLoss, withClassWeights } from '../fit-loss.js';
import type { CheckedFitOptions } from '../fit-options.js';
import type { FullBatchFitResult } from '../fit-result.js';
import { nothingToTrainOn, noValidation, splitRows } from '../rows/row-order.js';
import { checkFinite, type ValidationResult, validateApart, validateInWindows } from '../validation.js';
import type { NamedClasses } from '../warnings.js';
import { type Choice, type ChoiceState, type Chosen, choose, type KeptChoice } from './choice.js';
import { columnStatistics } from './column-statistics.js';
import { trainFullBatch } from './full-batch.js';
import type { FullBatchHeadState, KeptHead } from './full-batch-head.js';
import type { CheckedSolverOptions, Scale, TriedSetting } from './solver-options.js';
import { type Solved, solverWarnings } from './solver-warnings.js';

export interface FitTerms {
  readonly resources: Resources;
  readonly model: LinearModel & NamedClasses;
  /** That of the classifier's constructor. */
  readonly ownScaling: FeatureScaling | undefined;
  readonly inputs: Inputs;
  readonly targets: RowTargets;
  readonly loss: FitLoss;
  /** Gives the model these parameters, which belong with this feature scaling: none of them without the others. */
  readonly publish: (solution: Solution) => void;
}

/** What a fit goes on from: the choice of C and scaling, or what came of it and the head. */
export type FullBatchState = {
  /** That the model had. */
  readonly weights: Float32Array;
  readonly bias: Float32Array;
  readonly choice: ChoiceState | undefined;
  readonly chosen:
    | {
        readonly scale: Scale;
        readonly C: number;
        readonly choice: Omit<Choice, 'tried'> & { readonly tried: readonly Plain<TriedSetting>[] };
      }
    | undefined;
  readonly head: FullBatchHeadState | undefined;
};

export type Solution = Pick<LinearModel, 'weights' | 'bias' | 'featureScaling'>;

/** Leaves the model as it was where it throws, but for an abort once training has begun: then it has what came of it. */
export async function fitFullBatch(
  terms: FitTerms,
  options: CheckedFitOptions,
  solver: CheckedSolverOptions,
  checkpoints: Checkpoints,
): Promise<FullBatchFitResult> {
  const scope = terms.resources.arena.scope();
  const part = checkpoints.enter('fit');
  try {
    return await fitWith(scope, terms, options, solver, new KeptFit(checkpoints, part));
  } finally {
    part.leave();
    scope.release();
  }
}

/** The point of view of one fit: what it has chosen goes with all that is kept later. */
class KeptFit {
  readonly from: FullBatchState | undefined;
  readonly hardSignal: Cancellation | undefined;
  readonly #part: CheckpointPart;

  constructor({ from, hardSignal }: Checkpoints, part: CheckpointPart) {
    this.from = from as FullBatchState | undefined;
    this.hardSignal = hardSignal;
    this.#part = part;
  }

  choice(given: Pick<FullBatchState, 'weights' | 'bias'>): KeptChoice {
    return {
      from: this.from?.choice,
      point: (tried, loss, state) =>
        this.#part.point(
          async () => ({
            position: { stage: 'choice', tried },
            state: { ...given, choice: await state(), chosen: undefined, head: undefined },
          }),
          loss,
        ),
    };
  }

  head(given: Pick<FullBatchState, 'weights' | 'bias'>, chosen: Chosen | undefined): KeptHead {
    const part = this.#part;
    const kept = chosen && {
      scale: chosen.scale,
      C: chosen.C,
      choice: { ...chosen.choice, tried: chosen.choice.tried.map((setting) => ({ ...setting })) },
    };
    return {
      from: this.from?.head,
      get isDue() {
        return part.isDue;
      },
      meet: (objective) => part.meet(objective),
      point: (position, objective, state) =>
        part.point(
          async () => ({
            position: { stage: 'solver', ...position },
            state: { ...given, choice: undefined, chosen: kept, head: await state() },
          }),
          objective,
        ),
    };
  }
}

/** The scope holds the rows of a separate validation. */
async function fitWith(
  scope: ArenaScope,
  { resources, model: given, ownScaling, inputs, targets, loss, publish }: FitTerms,
  options: CheckedFitOptions,
  solver: CheckedSolverOptions,
  kept: KeptFit,
): Promise<FullBatchFitResult> {
  const { signal, validationSplit, seed } = options;
  const { features, classes } = given;
  const begun = kept.from ?? given;
  const weights = begun.weights.slice();
  const bias = begun.bias.slice();
  const start = { weights: weights.slice(), bias: bias.slice() };
  const { training, validation } = options.split ?? splitRows(inputs.rows, validationSplit, seed);
  if (validationSplit > 0 && validation.length === 0) throw noValidation(inputs.rows, validationSplit);
  const rows = training.filter(
    (row) => targets.classes[row] !== IGNORED && targets.sampleWeight?.[row] !== 0,
  );
  if (rows.length === 0) throw nothingToTrainOn(inputs.rows, validation.length);
  const weighted = withClassWeights(loss, targets, rows, classes);
  if (weightSumOf(targets, weighted.weight, rows) === 0)
    throw nothingToTrainOn(inputs.rows, validation.length);
  // What an earlier fit has chosen is chosen anew where nothing of it is to stay.
  const featureScaling = options.warmStart ? given.featureScaling : ownScaling;
  const model = { features, classes, weights, bias, featureScaling };
  const apart =
    options.validation &&
    validateApart(resources, scope, model, weighted, options.validation, kept.hardSignal);
  const ofSplit = () => validateInWindows(resources, model, weighted, targets, inputs, validation);
  const validate = apart?.validate ?? (validation.length > 0 ? ofSplit() : undefined);
  const statistics = await columnStatistics(resources, inputs, rows);
  // Validation would find such rows only when all is done.
  if (apart === undefined) await checkFinite(inputs, targets, validation, TO_FIT);
  else await checkFinite(apart.inputs, apart.targets, allRows(apart.inputs), TO_VALIDATE);
  signal?.throwIfAborted();
  const trainTerms = {
    resources,
    model,
    inputs,
    targets,
    loss: weighted,
    rows,
    statistics,
    signal,
    hardSignal: kept.hardSignal,
  };
  const scales = scalesFor(model, solver);
  const isGiven = solver.C !== undefined || solver.l2 !== undefined || solver.l1 > 0;
  const chosen = isGiven
    ? undefined
    : (chosenBefore(kept.from) ??
      (await choose({ ...trainTerms, options: solver }, scales, kept.choice(start))));
  const scale = chosen?.scale ?? scales[0]!;
  if (!options.warmStart) {
    weights.fill(0);
    bias.fill(0);
  }
  const isFresh = [weights, bias].every((values) => values.every((value) => value === 0));
  if (scale === 'standard') rescale(model, scalingOf(statistics));
  if (isFresh && chosen?.start !== undefined) {
    weights.set(chosen.start.subarray(0, weights.length));
    bias.set(chosen.start.subarray(weights.length));
  }
  const withC = { ...solver, C: isGiven ? solver.C : (chosen?.C ?? 1) };
  const keptHead = kept.head(start, chosen);
  const trained = await trainFullBatch({ ...trainTerms, options: withC }, keptHead).catch((error) => {
    if (signal?.aborted) publish(model);
    throw error;
  });
  // Nothing of what is left can be kept.
  const evaluation = await validate?.(kept.hardSignal);
  publish(model);
  const solved = {
    result: trained,
    options: solver,
    model: { ...model, classNames: given.classNames },
    targets,
    loss: weighted,
    rows,
    variances: statistics.variances,
    chosen,
  };
  return { ...fullBatchFitResult(solved, scale, evaluation), choice: chosen?.choice };
}

/** Its start is not needed any more. */
const chosenBefore = (from: FullBatchState | undefined): Chosen | undefined =>
  from?.chosen && { ...from.chosen, start: undefined };

const allRows = ({ rows }: Inputs): Uint32Array => Uint32Array.from({ length: rows }, (_, row) => row);

/** Of given scaling and penalty. */
export function fullBatchFitResult(
  solved: Solved,
  scale: Scale,
  evaluation: ValidationResult | undefined,
): FullBatchFitResult {
  const { prediction: _, ...result } = solved.result;
  const counts = countClasses(solved.targets, solved.rows, solved.model.classes);
  return {
    solver: solved.options.solver,
    ...result,
    majority: counts.majority,
    scale,
    choice: undefined,
    calibration: undefined,
    validationLoss: evaluation?.loss,
    validationAccuracy: evaluation?.accuracy,
    validationMajority: evaluation?.counts.majority,
    epochs: [],
    steps: 0,
    warnings: solverWarnings(solved, counts),
  };
}

/** What may be chosen. A model's own scaling stays. */
export function scalesFor(
  { featureScaling }: Pick<LinearModel, 'featureScaling'>,
  { scale, C, l2, l1 }: CheckedSolverOptions,
): readonly Scale[] {
  if (featureScaling !== undefined && scale === 'standard') {
    const message = `options.scale is 'standard', but the classifier has a featureScaling already: leave one of them out`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.scale', value: scale });
  }
  if (scale !== undefined) return [scale];
  return featureScaling !== undefined || C !== undefined || l2 !== undefined || l1 > 0
    ? ['none']
    : ['none', 'standard'];
}

/** Gives a model without scaling one, and the parameters that say the same of scaled rows. */
function rescale(
  model: LinearModel & { featureScaling: FeatureScaling | undefined },
  scaling: FeatureScaling,
): void {
  const { classes, weights, bias } = model;
  const { shift, scale } = scaling;
  const of = (part: FeatureScaling['shift'], feature: number) =>
    typeof part === 'number' ? part : part[feature]!;
  for (let i = 0; i < weights.length; i++) {
    const feature = Math.floor(i / classes);
    bias[i % classes]! += of(shift, feature) * weights[i]!;
    weights[i]! /= of(scale, feature);
  }
  model.featureScaling = scaling;
}

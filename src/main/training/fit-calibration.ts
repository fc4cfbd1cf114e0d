// fit with `calibrate`: the temperature of a model that was just trained, by rows that it does not know. Where none are held out
// for validation, the rows are cut into folds, and each is asked of a model that is trained without it, by the same settings.
import { SoftshardError } from '../../errors.js';
import type { Resources } from '../dispatch/resources.js';
import { checkLossOptions } from '../losses/loss-options.js';
import { type Calibration, calibrateModels } from '../models/calibration.js';
import type { Inputs } from '../models/inputs.js';
import { checkInputs } from '../models/inputs.js';
import type { LinearModel } from '../models/linear-model.js';
import { checkRowTargets, IGNORED, type RowTargets } from '../models/row-targets.js';
import type { ModelOfRows } from '../models/rows-by-model.js';
import type { FitLoss } from './fit-loss.js';
import type { CheckedFitOptions } from './fit-options.js';
import type { FitCalibration, FitResult } from './fit-result.js';
import { trainFullBatchHeads } from './many/full-batch-heads.js';
import type { HeadsTerms } from './many/heads.js';
import { notKept } from './many/kept-heads.js';
import type { HeadPlan } from './many/many-options.js';
import { crossValidationSplits, type Splits } from './many/splits.js';
import { trainStepHeads } from './many/step-heads.js';
import { type Split, splitRows } from './rows/row-order.js';

export interface FitCalibrationTerms {
  readonly resources: Resources;
  /** As it was trained. */
  readonly model: LinearModel;
  readonly inputs: Inputs;
  readonly targets: RowTargets;
  readonly loss: FitLoss;
  readonly options: CheckedFitOptions;
}

const FOLDS = 5;
const LEAST_FOLDS = 2;
const SEED = 0;

const validates = ({ validation, validationSplit, split }: CheckedFitOptions): boolean =>
  validation !== undefined || validationSplit > 0 || (split?.validation.length ?? 0) > 0;

/** Before anything is trained. Steps that begin with these weights go on with a training whose rows nobody knows here. */
export function checkCalibrates(model: LinearModel, targets: RowTargets, options: CheckedFitOptions): void {
  if (validates(options)) return;
  const refuse = (message: string) => {
    const remedy = 'give rows to validate on (options.validationSplit or options.validation)';
    const details = { argument: 'options.calibrate', value: true };
    throw new SoftshardError('ERR_OPTION', `options.calibrate is true, but ${message}: ${remedy}`, details);
  };
  const isTrained = [model.weights, model.bias].some((values) => values.some((value) => value !== 0));
  if (options.fullBatch === undefined && options.warmStart && isTrained) {
    refuse('training step by step goes on from weights that may know any row');
  }
  if (foldsOf(knownRows(targets, options), model.classes).length < LEAST_FOLDS) {
    refuse('no class has two rows, one of which could be held out');
  }
}

/** Leaves the model as it is. Rejects with signal.reason. */
export async function calibrateFit(terms: FitCalibrationTerms, result: FitResult): Promise<FitCalibration> {
  const { resources, model, inputs, targets, options } = terms;
  const { signal, validation, validationSplit, seed } = options;
  const all = [{ model, rowNumbers: undefined }] as const;
  if (validation !== undefined) {
    const own = checkInputs(
      resources,
      'options.validation.inputs',
      validation.inputs,
      undefined,
      model,
      signal,
    );
    const shape = { rows: own.rows, classes: model.classes };
    const given = checkRowTargets(
      resources,
      validation.targets,
      shape,
      validation,
      terms.loss,
      'options.validation',
    );
    return { ...(await calibrationOf(terms, all, own, weighted(given))), folds: 0 };
  }
  if (validates(options)) {
    const { validation: rows } = options.split ?? splitRows(inputs.rows, validationSplit, seed);
    const models = [{ model, rowNumbers: rows }] as const;
    return { ...(await calibrationOf(terms, models, inputs, only(targets, rows))), folds: 0 };
  }
  const known = knownRows(targets, options);
  const splits = foldsOf(known, model.classes);
  const [first, ...others] = await trainFolds(terms, result, known, splits);
  if (first === undefined) throw new Error('a calibration without folds');
  const held = only(known, Uint32Array.from([first, ...others].flatMap(({ rowNumbers }) => [...rowNumbers])));
  return { ...(await calibrationOf(terms, [first, ...others], inputs, held)), folds: splits.length };
}

const calibrationOf = (
  { resources, model, options: { signal } }: FitCalibrationTerms,
  models: readonly [ModelOfRows, ...ModelOfRows[]],
  inputs: Inputs,
  targets: RowTargets,
): Promise<Calibration> => {
  // The loss that the model was trained by may want other probabilities: smooth ones, or of classes that weigh more.
  const loss = checkLossOptions({ onEmpty: 'throw' }, 0, model.classes);
  // Each rank has all rows.
  const alone = { ...resources, transport: undefined };
  return calibrateModels(alone, models, { inputs, targets, loss }, 'throw', signal);
};

/** All others are ignored ones. */
function only(targets: RowTargets, rows: Uint32Array): RowTargets {
  const classes = new Int32Array(targets.rows).fill(IGNORED);
  for (const row of rows) if (targets.sampleWeight?.[row] !== 0) classes[row] = targets.classes[row]!;
  const ignored = classes.reduce((sum, target) => sum + (target === IGNORED ? 1 : 0), 0);
  return { ...targets, classes, ignored };
}

const weighted = (targets: RowTargets): RowTargets => only(targets, Uint32Array.from(targets.classes.keys()));

/** Rows that were trained on. */
const knownRows = (targets: RowTargets, { split }: CheckedFitOptions): RowTargets =>
  split === undefined ? weighted(targets) : only(targets, split.training);

/** Those that hold any rows out: fewer where there are few rows. */
const foldsOf = (targets: RowTargets, classes: number): readonly Split[] =>
  crossValidationSplits(targets.classes, classes, FOLDS, SEED)
    .filter(({ validation }) => validation.length > 0)
    .map(({ training, validation }) => ({
      training: training.filter((row) => targets.classes[row] !== IGNORED),
      validation,
    }));

/** For each fold a model of the other rows, with what was chosen for all rows. */
async function trainFolds(
  { resources, model, inputs, loss, options }: FitCalibrationTerms,
  result: FitResult,
  targets: RowTargets,
  splits: readonly Split[],
): Promise<readonly (ModelOfRows & { readonly rowNumbers: Uint32Array })[]> {
  const { fullBatch, signal } = options;
  const isGiven = fullBatch?.l2 !== undefined || (fullBatch?.l1 ?? 0) > 0;
  const plan: HeadPlan = {
    index: 0,
    options: {},
    loss,
    checked: {
      ...options,
      // The model has the scaling that was chosen.
      fullBatch: fullBatch && {
        ...fullBatch,
        C: isGiven ? fullBatch.C : result.C,
        scale: 'none',
        onProgress: undefined,
        onTried: undefined,
      },
      warmStart: false,
      onEpochEnd: undefined,
      onStep: undefined,
    },
  };
  const { features, classes, featureScaling } = model;
  const models: (ModelOfRows & { readonly rowNumbers: Uint32Array })[] = [];
  const terms: HeadsTerms = {
    resources,
    shape: { features, classes, featureScaling },
    inputs,
    targets,
    splits: splits as Splits,
    validation: undefined,
    comparedBy: undefined,
    signal,
    hardSignal: signal,
    kept: notKept(),
    onProgress: undefined,
    report: (_, split, outcome) => {
      if ('error' in outcome) throw outcome.error;
      models[split] = { model: outcome.model, rowNumbers: splits[split]!.validation };
    },
  };
  if (fullBatch === undefined) await trainStepHeads(terms, [plan], () => undefined);
  else await trainFullBatchHeads(terms, [[plan]]);
  return models;
}

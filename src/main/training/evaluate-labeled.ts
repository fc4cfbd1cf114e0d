// What a classifier is asked of rows with their labels: how well it predicts them, and which temperature makes it as sure as it is
// right.
import type { Cancellation } from '../cancellation.js';
import { checkInteger } from '../checks.js';
import type { Resources } from '../dispatch/resources.js';
import { classTargets } from '../intake/class-targets.js';
import type { Classes } from '../intake/classes.js';
import { type CheckedLossOptions, checkLossOptions } from '../losses/loss-options.js';
import { type Calibration, calibrateModels } from '../models/calibration.js';
import { evaluateModels, type RowsWithTargets } from '../models/evaluate-model.js';
import type { Evaluation } from '../models/evaluation.js';
import type { Inputs } from '../models/inputs.js';
import type { LinearModel } from '../models/linear-model.js';
import { checkOnInvalidInput } from '../models/not-finite.js';
import { checkRowTargets } from '../models/row-targets.js';
import { weightsOf } from './class-weights.js';
import { withLabelRules } from './labeled-rows.js';
import type { CalibrateOptions, EvaluateOptions } from './predict-options.js';

export interface LabeledTerms {
  readonly resources: Resources;
  readonly model: LinearModel;
  /** Of the model, for labels. */
  readonly classes: Classes | undefined;
  readonly inputs: Inputs;
  /** The targets. */
  readonly given: unknown;
  readonly signal: Cancellation | undefined;
}

export async function evaluateLabeled(terms: LabeledTerms, options: EvaluateOptions): Promise<Evaluation> {
  const { resources, model, signal } = terms;
  const { classes } = model;
  const topK = checkInteger('options.topK', options.topK ?? Math.min(5, classes), 1, classes);
  const onInvalidInput = checkOnInvalidInput(options.onInvalidInput);
  const { sampleWeight: _, weight, ...lossOptions } = options;
  const weights = weightsOf(weight, classes, terms.classes?.names);
  const lossGiven = checkLossOptions({ ...lossOptions, weight: weights }, 0, classes);
  signal?.throwIfAborted();
  const rows = rowsWithTargets(terms, lossGiven, options);
  return evaluateModels(
    resources,
    [{ model, rowNumbers: undefined }],
    rows,
    { topK, onInvalidInput },
    signal,
  );
}

/** Leaves the model as it is. */
export async function calibrateLabeled(terms: LabeledTerms, options: CalibrateOptions): Promise<Calibration> {
  const { resources, model, signal } = terms;
  const onInvalidInput = checkOnInvalidInput(options.onInvalidInput);
  const { ignoreIndex, onInvalidTarget } = options;
  const loss = checkLossOptions({ ignoreIndex, onInvalidTarget, onEmpty: 'throw' }, 0, model.classes);
  signal?.throwIfAborted();
  const rows = rowsWithTargets(terms, loss, options);
  return calibrateModels(resources, [{ model, rowNumbers: undefined }], rows, onInvalidInput, signal);
}

/** With what their targets, labels or not, are to the loss. */
function rowsWithTargets(
  { resources, model, classes, inputs, given }: LabeledTerms,
  lossGiven: CheckedLossOptions,
  options: EvaluateOptions,
): RowsWithTargets {
  const { rows } = inputs;
  const terms = { argument: 'targets', rows, mayName: () => false, rules: options };
  const found = classTargets(given, { ...terms, classes });
  const loss = withLabelRules(lossGiven, found.areLabels);
  const shape = { rows, classes: model.classes };
  return { inputs, targets: checkRowTargets(resources, found.targets, shape, options, loss), loss };
}

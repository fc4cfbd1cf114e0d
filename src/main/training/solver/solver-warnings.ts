// What full-batch solvers warn of.
import type { FeatureModel } from '../../models/inputs.js';
import type { RowTargets } from '../../models/row-targets.js';
import { baselineLosses, type ClassCounts } from '../class-counts.js';
import { type FitLoss, isConvex } from '../fit-loss.js';
import {
  type FitWarning,
  labelWarnings,
  lossWarning,
  type NamedClasses,
  number,
  percent,
  predictionWarning,
  short,
} from '../warnings.js';
import type { Chosen } from './choice.js';
import type { FullBatchResult } from './full-batch-head.js';
import type { CheckedSolverOptions, TriedSetting } from './solver-options.js';

export interface Solved {
  readonly result: FullBatchResult;
  readonly options: CheckedSolverOptions;
  readonly model: NamedClasses & FeatureModel & { readonly classes: number };
  readonly targets: RowTargets;
  readonly loss: FitLoss;
  /** Numbers of the rows trained on. */
  readonly rows: Uint32Array;
  /** Of the features. */
  readonly variances: Float64Array;
  readonly chosen: Chosen | undefined;
}

/** `counts`: of the rows trained on. */
export function solverWarnings(solved: Solved, counts: ClassCounts): readonly FitWarning[] {
  const { result, model, targets, loss, rows, variances, chosen } = solved;
  const warnings = [
    ...(targets.softTargets === undefined ? labelWarnings(counts, model) : []),
    constantFeaturesWarning(variances),
    chosen && choiceWarning(chosen),
    certaintyWarning(solved),
    lossWarning(result.loss, baselineLosses(targets, rows, loss, model.classes), model.classes, REMEDY),
    predictionWarning(result.prediction, counts, model, {
      rows: 'trained on',
      remedy: weakerPenalty(solved),
    }),
  ];
  return warnings.filter((warning) => warning !== undefined);
}

/** Of one that is given. */
function weakerPenalty({ options: { l1, l2 } }: Solved): string {
  const which =
    l1 > 0 ? 'a smaller options.l1' : l2 !== undefined ? 'a smaller options.l2' : 'a larger options.C';
  return `Choose a weaker penalty (${which})`;
}

const REMEDY = "standardise the features (options.scale 'standard')";

const CONSTANT_SHARE = 1 / 4;

/** `variances`: of each feature, 0 of a constant one. */
function constantFeaturesWarning(variances: Float64Array): FitWarning | undefined {
  const constant = variances.reduce((count, variance) => count + (variance === 0 ? 1 : 0), 0);
  const { length } = variances;
  if (constant < CONSTANT_SHARE * length) return undefined;
  const many = constant === length ? `all ${number(length)}` : `${number(constant)} of ${number(length)}`;
  const message = `${many} features have the same value in all rows trained on, and tell nothing: check how they are made, or leave them out`;
  return { code: 'constant-features', message };
}

/** C at the end of what was tried, where going on might have been better. */
export function choiceWarning({ scale, C, choice: { tried } }: Chosen): FitWarning | undefined {
  const settings = tried.filter((setting) => setting.scale === scale).sort((a, b) => a.C - b.C);
  const at = settings.findIndex((setting) => setting.C === C);
  const best = settings[at];
  if (best === undefined || settings.length < 2) return undefined;
  const code = 'choice-at-end';
  if (at === 0) {
    const message =
      `of all C that were tried, the smallest was best for rows held out (${short(C)}): what the features tell of some rows hardly ` +
      'holds for others. Check that rows and labels belong together; give more rows or other features, or try a smaller options.C';
    return { code, message };
  }
  if (at < settings.length - 1 || !hasFallen(settings[at - 1], best)) return undefined;
  const message =
    `of all C that were tried, the largest was best for rows held out (${short(C)}), and their loss was still falling: try a larger ` +
    'options.C';
  return { code, message };
}

/** By more than chance, and enough to care. */
const hasFallen = (from: TriedSetting | undefined, to: TriedSetting): boolean =>
  from !== undefined && from.loss - to.loss > Math.max(to.standardError, 1e-3);

/** Says what is certain, why it is no more, and what to do. */
function certaintyWarning(solved: Solved): FitWarning | undefined {
  const { result, options } = solved;
  const { converged, stopReason, gapRelative, passes } = result;
  const isFloor = stopReason === 'floor';
  if (stopReason === 'worse') return undefined;
  // Who asks for 0 asks for what float32 gives.
  if (converged || (isFloor && options.tol === 0)) return undefined;
  const end = isFloor
    ? 'where float32 shows no further descent'
    : `after ${number(Math.ceil(passes))} passes`;
  const known =
    gapRelative === undefined
      ? `some parameter still changes the mean objective by more than options.tol (${options.tol}), and ${whyUncertain(solved)}`
      : gapRelative < 1
        ? `the objective is certain to be within ${percent(gapRelative)} of its minimum, not within options.tol (${percent(options.tol)})`
        : 'how far the objective is from its minimum is not certain yet';
  const message = `the solver stopped ${end}: ${known}. ${remedyOf(solved)}`;
  return { code: 'not-converged', message };
}

function whyUncertain({ loss, targets }: Solved): string {
  if (targets.mask !== undefined) return 'with a mask there is no certificate';
  if (!isConvex(loss)) return 'with softcap, zLoss or focalGamma there is no certificate';
  return 'without a penalty there is no certificate, and there may be no minimum';
}

/** A model this far from the best may do. */
const GAP_TO_TAKE = 0.01;

function remedyOf({ result, options, model }: Solved): string {
  const { stopReason, gapRelative, C, l2, l1 } = result;
  const remedies =
    stopReason === 'maxPasses' ? [`raise options.maxPasses (now ${number(options.maxPasses)})`] : [];
  if (gapRelative !== undefined && gapRelative < GAP_TO_TAKE && stopReason === 'floor') {
    remedies.push(`take that, with options.tol ${roundedUp(gapRelative)}`);
  }
  if (model.featureScaling === undefined)
    remedies.push("standardise the features (options.scale 'standard')");
  remedies.push(
    l1 > 0
      ? `choose a larger options.l1 (now ${short(l1)}): a stronger penalty takes fewer passes`
      : C !== undefined && options.l2 === undefined
        ? `choose a smaller options.C (now ${short(C)}): a stronger penalty takes fewer passes`
        : `choose a larger options.l2 (now ${short(l2)}): a stronger penalty takes fewer passes`,
  );
  const last = remedies.pop();
  const text = remedies.length === 0 ? `${last}` : `${remedies.join(', ')}, or ${last}`;
  return `${text[0]!.toUpperCase()}${text.slice(1)}`;
}

/** To two digits. */
function roundedUp(value: number): number {
  const rounded = Number(value.toPrecision(2));
  return rounded >= value ? rounded : Number((value * 1.05).toPrecision(2));
}

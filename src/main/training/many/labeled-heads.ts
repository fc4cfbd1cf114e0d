// Many heads with the targets that all of them have, and what these say of their classes.
import { SoftshardError } from '../../../errors.js';
import type { Targets } from '../../arguments/targets.js';
import type { Resources } from '../../dispatch/resources.js';
import type { DenseTargets } from '../../losses/dense-targets.js';
import type { Inputs } from '../../models/inputs.js';
import type { ClassifierShape } from '../classifier-shape.js';
import type { ReadyValidation, ValidationRows } from '../fit-options.js';
import { labelRows, type TakenTraining, withLabelRules } from '../labeled-rows.js';
import type { HeadsTerms } from './heads.js';
import { type CheckedManyOptions, type HeadPlan, type PlannedHead, withLosses } from './many-options.js';

export interface LabeledHeads {
  /** That all have. */
  readonly shape: HeadsTerms['shape'];
  readonly inputs: Inputs;
  readonly targets: Targets | DenseTargets;
  readonly options: Omit<CheckedManyOptions, 'heads'> & {
    readonly heads: readonly HeadPlan[];
    readonly validation: ReadyValidation | undefined;
  };
}

/** The heads with their losses, and the shape that all have. */
export function labeledHeads(
  resources: Resources,
  known: ClassifierShape,
  taken: TakenTraining,
  checked: CheckedManyOptions,
  given: ValidationRows | undefined,
): LabeledHeads {
  const { columns, signal } = checked;
  const { featureScaling } = known;
  const rules = checked.heads[0]?.options ?? {};
  const terms = { columns, signal, rules, featureScaling, validation: given };
  const labeled = labelRows(resources, known, taken, terms);
  const { inputs, targets, classes, areLabels, features, validation } = labeled;
  if (areLabels) checkLabelRules(checked.heads);
  const { count, names: classNames, labelType } = classes;
  const { featureNames } = known;
  const classifier = { ...checked.classifier, features, classes: count, classNames, labelType, featureNames };
  const heads = withLosses(checked.heads, count, classNames).map(({ loss, ...head }) => ({
    ...head,
    checked: { ...head.checked, validation },
    loss: withLabelRules(loss, areLabels),
  }));
  const shape = { features, featureScaling, classes: count, classNames };
  return { shape, inputs, targets, options: { ...checked, classifier, heads, validation } };
}

const LABEL_RULES = ['ignoreIndex', 'onInvalidTarget'] as const;

/** Labels have the same classes for all heads. */
function checkLabelRules([first, ...others]: readonly PlannedHead[]): void {
  const name = LABEL_RULES.find((rule) =>
    others.some(({ options }) => options[rule] !== first?.options[rule]),
  );
  if (name === undefined) return;
  const message = `heads differ in ${name}, and so would the classes that are found in the labels: give it to all heads (options.${name}), or pass class indices and options.classes`;
  throw new SoftshardError('ERR_OPTION', message, { argument: `options.${name}` });
}

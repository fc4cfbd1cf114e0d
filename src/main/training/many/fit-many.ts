// The public function that trains many heads on the same rows, compares them, and trains the best on all rows.
import { SoftshardError } from '../../../errors.js';
import type { Targets } from '../../arguments/targets.js';
import { Cancellation } from '../../cancellation.js';
import type { Resources } from '../../dispatch/resources.js';
import { resourcesOf } from '../../dispatch/resources.js';
import type { Engine } from '../../engine.js';
import type { AnyRows, AnyTargets } from '../../intake/take-rows.js';
import type { DenseTargets } from '../../losses/dense-targets.js';
import { isArrayOf } from '../../memory/arrays.js';
import { checkInputs, type Inputs } from '../../models/inputs.js';
import { checkRowTargets, type RowTargets } from '../../models/row-targets.js';
import { checkEngine, SoftmaxClassifier } from '../classifier.js';
import { ClassifierShape } from '../classifier-shape.js';
import { FIT_OPTION_NAMES, type ReadyValidation, type ValidationRows } from '../fit-options.js';
import type { FitResult } from '../fit-result.js';
import { labelRows, type TakenTraining, takeTraining, withLabelRules } from '../labeled-rows.js';
import { noValidation, type Split } from '../rows/row-order.js';
import {
  FULL_BATCH_HEAD_OPTIONS,
  type HeadsTerms,
  type Outcome,
  PATH_OPTIONS,
  trainFullBatchHeads,
} from './full-batch-heads.js';
import { RungStates, rungsOf, survivorsOf } from './halving.js';
import type { HeadOptions } from './head-options.js';
import {
  type CheckedManyOptions,
  checkManyOptions,
  type FitManyOptions,
  type HeadPlan,
  type PlannedHead,
  withLosses,
} from './many-options.js';
import type { FitManyResult, HeadReport, HeadResult } from './many-result.js';
import { bestOf, groupedBy, scoreOf } from './ranking.js';
import { crossValidationSplits, holdoutSplit, noSplit } from './splits.js';
import { type StateOf, trainStepHeads } from './step-heads.js';

/**
 * Trains many classifiers, each from zero, on inputs [rows × features] and a class for each row, or a share of each class (soft
 * targets [rows × classes]): the rows are read once for all heads that are at work. Each head has the bits that a fit with its
 * options alone has, for any number of threads and whatever heads are beside it, unless `path` is given. With cv, validationSplit
 * or validation it says which head is best, and trains that one on all rows.
 *
 * A head whose training fails (ERR_DIVERGED, say) is reported with its error; the others go on. Throws ERR_OPTION for wrong
 * options of any head, what a FeatureSource throws, and otherwise as fit does; rejects with signal.reason when aborted.
 */
export async function fitMany(
  engine: Engine,
  inputs: AnyRows,
  targets: AnyTargets | undefined,
  heads: readonly HeadOptions[],
  options: FitManyOptions = {},
): Promise<FitManyResult> {
  const checked = checkManyOptions(heads, options);
  checkEngine(engine);
  const known = new ClassifierShape(checked.classifier);
  const resources = resourcesOf(engine);
  const { features, featureNames } = known;
  const { columns, signal, records } = checked;
  const terms = { features, featureNames, columns, signal, options: records };
  const taken = await takeTraining(resources, inputs, targets, options.validation, terms);
  try {
    const { shape, ...labeled } = labeledHeads(engine, known, taken, checked, options.validation);
    const rows = checkInputs(resources, 'inputs', taken.rows.inputs, columns, shape, signal);
    signal?.throwIfAborted();
    const placed = placeOnce(engine, rows, checked);
    try {
      const there =
        placed === undefined ? rows : checkInputs(resources, 'inputs', placed, undefined, shape, signal);
      return await new ManyFits({ engine, resources, shape, inputs: there, ...labeled }).run();
    } finally {
      placed?.free();
    }
  } finally {
    taken.free();
  }
}

/** The heads with their losses, and the shape that all have. */
function labeledHeads(
  engine: Engine,
  known: ClassifierShape,
  taken: TakenTraining,
  checked: CheckedManyOptions,
  given: ValidationRows | undefined,
): Pick<ManyTerms, 'shape' | 'targets' | 'options'> {
  const { columns, signal } = checked;
  const { featureScaling } = known;
  const rules = checked.heads[0]?.options ?? {};
  const terms = { columns, signal, rules, featureScaling, validation: given };
  const labeled = labelRows(resourcesOf(engine), known, taken, terms);
  const { targets, classes, areLabels, features, validation } = labeled;
  if (areLabels) checkLabelRules(checked.heads);
  const { count, names: classNames, labelType } = classes;
  const { featureNames } = known;
  const classifier = { ...checked.classifier, features, classes: count, classNames, labelType, featureNames };
  const heads = withLosses(checked.heads, count).map(({ loss, ...head }) => ({
    ...head,
    checked: { ...head.checked, validation },
    loss: withLabelRules(loss, areLabels),
  }));
  const shape = { features, featureScaling, classes: count, classNames };
  return { shape, targets, options: { ...checked, classifier, heads, validation } };
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

/** Of the free memory, what rows may take that several trainings at a time read. */
const ROWS_SHARE = 1 / 2;

/** A copy of the rows in the arena, for heads that would each have one of their own. */
function placeOnce(engine: Engine, { elements, rows, columns, ptr }: Inputs, { heads }: CheckedManyOptions) {
  const isShared = heads.filter(({ checked }) => checked.fullBatch === undefined).length > 1;
  const type = isArrayOf('uint8', elements)
    ? 'uint8'
    : isArrayOf('float32', elements)
      ? 'float32'
      : undefined;
  if (!isShared || ptr !== undefined || type === undefined || elements === undefined) return undefined;
  const { arena } = resourcesOf(engine);
  if (elements.byteLength > ROWS_SHARE * arena.largestFreeBytes) return undefined;
  const copy = engine.tensor(type, [rows, columns]);
  if (isArrayOf('uint8', elements) && isArrayOf('uint8', copy.data)) copy.data.set(elements);
  if (isArrayOf('float32', elements) && isArrayOf('float32', copy.data)) copy.data.set(elements);
  return copy;
}

interface ManyTerms {
  readonly engine: Engine;
  readonly resources: Resources;
  /** Of the shape that all have. */
  readonly shape: HeadsTerms['shape'];
  readonly inputs: Inputs;
  readonly targets: Targets | DenseTargets;
  readonly options: Omit<CheckedManyOptions, 'heads'> & {
    readonly heads: readonly HeadPlan[];
    readonly validation: ReadyValidation | undefined;
  };
}

/** Options of the rows: heads that differ in them have problems of their own. */
const ROW_OPTIONS = ['sampleWeight', 'mask', 'ignoreIndex', 'onInvalidTarget'] as const;

const OTHER_OPTIONS: readonly string[] = FIT_OPTION_NAMES.filter(
  (name) => !ROW_OPTIONS.some((own) => own === name),
);

class ManyFits {
  readonly #terms: ManyTerms;
  readonly #targets: { readonly options: HeadOptions; readonly targets: RowTargets }[] = [];
  /** Of each head, by split. */
  readonly #outcomes: Map<number, Outcome>[];
  readonly #reports: (HeadReport | undefined)[];
  /** By the caller's signal, or by what its callback throws. */
  readonly #stop = new Cancellation();
  readonly #splits = new Map<RowTargets, HeadsTerms['splits']>();

  constructor(terms: ManyTerms) {
    this.#terms = terms;
    const { heads } = terms.options;
    this.#outcomes = heads.map(() => new Map());
    this.#reports = heads.map(() => undefined);
  }

  async run(): Promise<FitManyResult> {
    const { signal } = this.#terms.options;
    const onAbort = () => this.#stop.abort(signal?.reason);
    signal?.addListener(onAbort);
    try {
      const result = await this.#run();
      this.#stop.throwIfAborted();
      return result;
    } finally {
      signal?.removeListener(onAbort);
    }
  }

  async #run(): Promise<FitManyResult> {
    const { options } = this.#terms;
    // Before any is trained.
    for (const head of options.heads) this.#splitsOf(this.#targetsOf(head));
    if (options.halving === undefined) {
      await this.#train(
        options.heads,
        (targets) => this.#splitsOf(targets),
        (head, split, outcome) => this.#take(head, split, outcome),
      );
    } else {
      await this.#halve(options.halving);
    }
    const heads = options.heads.map((head) => this.#resultOf(head));
    const best = bestOf(heads, options);
    const isHeldOut = options.cv !== undefined || options.validationSplit > 0;
    const plan = best === undefined ? undefined : options.heads[best];
    const own = best === undefined ? undefined : heads[best];
    if (plan === undefined || own === undefined || !isHeldOut || !options.refit) {
      return {
        heads,
        best,
        classifier: own?.classifier,
        fit: own?.fits.length === 1 ? own.fits[0] : undefined,
      };
    }
    return { heads, best, ...(await this.#refit(plan, own.fits)) };
  }

  /** Trains heads rung by rung: each time, the best go on. */
  async #halve(eta: number): Promise<void> {
    const { shape, options } = this.#terms;
    const states = new RungStates(shape);
    let left = options.heads;
    for (const { epoch, keep } of rungsOf(left.length, left[0]?.checked.epochs ?? 1, eta)) {
      await this.#train(
        left,
        (targets) => this.#splitsOf(targets),
        (head, split, outcome) => this.#outcomes[head.index]?.set(split, outcome),
        { stateOf: states.upTo(epoch) },
      );
      const isLast = epoch === left[0]?.checked.epochs;
      const survivors = survivorsOf(
        left.map((head) => this.#newReport(head)),
        keep,
        options,
      );
      const goesOn = ({ index }: HeadPlan) => !isLast && survivors.has(index);
      for (const head of left.filter((each) => !goesOn(each))) {
        states.drop(head);
        this.#end(head, isLast ? undefined : epoch);
      }
      left = left.filter(goesOn);
      this.#stop.throwIfAborted();
    }
  }

  /** Heads that read the same rows at the same time, group by group. */
  async #train(
    heads: readonly HeadPlan[],
    splitsOf: (targets: RowTargets) => HeadsTerms['splits'],
    report: HeadsTerms['report'],
    { isRefit = false, stateOf = () => undefined }: { isRefit?: boolean; stateOf?: StateOf } = {},
  ): Promise<void> {
    const { resources, shape, inputs, options } = this.#terms;
    const { validation, cv, rankBy } = options;
    const comparedBy = cv === undefined || isRefit ? undefined : rankBy;
    const termsOf = (head: HeadPlan): HeadsTerms => {
      const targets = this.#targetsOf(head);
      return {
        resources,
        shape,
        inputs,
        targets,
        splits: splitsOf(targets),
        validation,
        comparedBy,
        signal: this.#stop,
        report,
      };
    };
    const isFullBatch = ({ checked }: HeadPlan) => checked.fullBatch !== undefined;
    for (const group of groupedBy(heads.filter(isFullBatch), FULL_BATCH_HEAD_OPTIONS)) {
      await trainFullBatchHeads(
        termsOf(group[0]),
        options.path ? pathsOf(group) : group.map((head) => [head]),
      );
    }
    for (const group of groupedBy(
      heads.filter((head) => !isFullBatch(head)),
      OTHER_OPTIONS,
    )) {
      await trainStepHeads(termsOf(group[0]), group, stateOf);
    }
  }

  async #refit(
    head: HeadPlan,
    fits: readonly FitResult[],
  ): Promise<Pick<FitManyResult, 'classifier' | 'fit'>> {
    let result: Outcome | undefined;
    const all = [noSplit(this.#terms.inputs.rows)] as const;
    await this.#train(
      [withoutStopping(head, fits)],
      () => all,
      (_, __, outcome) => {
        result = outcome;
      },
      { isRefit: true },
    );
    if (result === undefined) throw new Error('a refit without an outcome');
    if ('error' in result) throw result.error;
    return { classifier: this.#classifierOf(result), fit: result.result };
  }

  /** The checked targets of a head: one object for all heads whose row options are the same. */
  #targetsOf({ options, loss }: HeadPlan): RowTargets {
    const { resources, inputs, targets, shape: model } = this.#terms;
    const known = this.#targets.find((each) =>
      ROW_OPTIONS.every((name) => Object.is(each.options[name], options[name])),
    );
    if (known !== undefined) return known.targets;
    const shape = { rows: inputs.rows, classes: model.classes };
    const checked = checkRowTargets(resources, targets, shape, options, loss);
    this.#targets.push({ options, targets: checked });
    return checked;
  }

  #splitsOf(targets: RowTargets): HeadsTerms['splits'] {
    const known = this.#splits.get(targets);
    if (known !== undefined) return known;
    const splits = this.#newSplits(targets);
    this.#splits.set(targets, splits);
    return splits;
  }

  #newSplits(targets: RowTargets): HeadsTerms['splits'] {
    const { inputs, options, shape } = this.#terms;
    const { cv, validationSplit, splitSeed } = options;
    const { classes } = shape;
    if (cv === undefined) {
      if (validationSplit === 0) return [noSplit(inputs.rows)];
      const split = holdoutSplit(targets.classes, classes, validationSplit, splitSeed);
      if (split.validation.length === 0) throw noValidation(inputs.rows, validationSplit);
      return [split];
    }
    const [first, ...others] = crossValidationSplits(targets.classes, classes, cv, splitSeed);
    if (first === undefined || [first, ...others].some(({ validation }) => validation.length === 0)) {
      throw tooManyParts(cv, first);
    }
    return [first, ...others];
  }

  #take(head: HeadPlan, split: number, outcome: Outcome): void {
    const outcomes = this.#outcomes[head.index];
    outcomes?.set(split, outcome);
    if (outcomes?.size === (this.#terms.options.cv ?? 1)) this.#end(head);
  }

  #end(head: HeadPlan, droppedAfter?: number): void {
    const ended = this.#newReport(head);
    const report = ended.error === undefined ? { ...ended, droppedAfter } : ended;
    this.#reports[head.index] = report;
    try {
      this.#terms.options.onHeadEnd?.(report);
    } catch (error) {
      this.#stop.abort(error);
    }
  }

  #newReport({ index, options }: HeadPlan): HeadReport {
    const outcomes = this.#outcomes[index] ?? new Map<number, Outcome>();
    const all = [...outcomes].sort(([a], [b]) => a - b).map(([, outcome]) => outcome);
    const failure = all.find((outcome) => 'error' in outcome);
    const fits = failure
      ? []
      : all.flatMap((outcome): FitResult[] => ('result' in outcome ? [outcome.result] : []));
    const error = failure && 'error' in failure ? failure.error : undefined;
    return { head: index, options, error, fits, score: scoreOf(fits), droppedAfter: undefined };
  }

  #resultOf(head: HeadPlan): HeadResult {
    const report = this.#reports[head.index] ?? this.#newReport(head);
    const [outcome] = this.#outcomes[head.index]?.values() ?? [];
    const isOne = this.#terms.options.cv === undefined && outcome !== undefined && 'model' in outcome;
    return { ...report, classifier: isOne ? this.#classifierOf(outcome) : undefined };
  }

  #classifierOf({ model }: Extract<Outcome, { model: unknown }>): SoftmaxClassifier {
    const { engine, options } = this.#terms;
    const { featureScaling } = model;
    const classifier = new SoftmaxClassifier(engine, { ...options.classifier, featureScaling });
    classifier.weights.set(model.weights);
    classifier.bias.set(model.bias);
    return classifier;
  }
}

/** Where nothing is held out, there is nothing to stop by: as many epochs as were best. */
function withoutStopping(head: HeadPlan, fits: readonly FitResult[]): HeadPlan {
  const { earlyStopping } = head.checked;
  if (earlyStopping === undefined || earlyStopping.metric === 'loss') return head;
  const best = fits.map(({ bestEpoch, epochs }) => bestEpoch ?? epochs.length);
  const epochs = Math.max(1, Math.round(best.reduce((sum, epoch) => sum + epoch, 0) / best.length));
  return { ...head, checked: { ...head.checked, epochs, earlyStopping: undefined } };
}

/** From strong penalties to weak ones; those that are given in other units are another path. */
function pathsOf(heads: readonly HeadPlan[]): readonly (readonly HeadPlan[])[] {
  const paths = (own: readonly HeadPlan[], weakness: (options: HeadOptions) => number) =>
    groupedBy(own, PATH_OPTIONS).map((path) =>
      [...path].sort((a, b) => weakness(a.options) - weakness(b.options)),
    );
  return [
    ...paths(
      heads.filter(({ options }) => options.C !== undefined),
      ({ C = 0 }) => C,
    ),
    ...paths(
      heads.filter(({ options }) => options.C === undefined),
      ({ l2 = 0, l1 = 0 }) => -l1 - l2,
    ),
  ];
}

function tooManyParts(cv: number, part: Split | undefined): SoftshardError {
  const rows = part === undefined ? 0 : part.training.length + part.validation.length;
  const message = `options.cv is ${cv}, but of ${rows} rows fewer belong to classes of at least two: lower it, or give more rows`;
  return new SoftshardError('ERR_OPTION', message, { argument: 'options.cv', value: cv });
}

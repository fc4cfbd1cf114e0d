// The public function that trains many heads on the same rows, compares them, and trains the best on all rows.
import type { SoftshardError } from '../../../errors.js';
import { Cancellation } from '../../cancellation.js';
import type { Resources } from '../../dispatch/resources.js';
import { resourcesOf } from '../../dispatch/resources.js';
import { togetherAlone } from '../../distributed/together.js';
import type { Engine } from '../../engine.js';
import type { AnyRows, AnyTargets } from '../../intake/take-rows.js';
import { isArrayOf } from '../../memory/arrays.js';
import { checkInputs, type Inputs } from '../../models/inputs.js';
import { checkRowTargets, type RowTargets } from '../../models/row-targets.js';
import type { CheckpointState } from '../checkpoint/checkpoint.js';
import { Checkpoints, type KeptState, type PartStates } from '../checkpoint/checkpoints.js';
import { checkResult } from '../checkpoint/rank-agreement.js';
import { checkEngine, SoftmaxClassifier } from '../classifier.js';
import { ClassifierShape } from '../classifier-shape.js';
import { FIT_OPTION_NAMES } from '../fit-options.js';
import type { FitResult } from '../fit-result.js';
import { takeTraining } from '../labeled-rows.js';
import { FULL_BATCH_HEAD_OPTIONS, trainFullBatchHeads } from './full-batch-heads.js';
import { RungStates, rungsOf, survivorsOf } from './halving.js';
import type { HeadOptions } from './head-options.js';
import type { HeadProgress, HeadReport } from './head-report.js';
import type { HeadsTerms, Outcome } from './heads.js';
import { type KeptHeads, keyOf } from './kept-heads.js';
import { type LabeledHeads, labeledHeads } from './labeled-heads.js';
import { manyConditions } from './many-conditions.js';
import {
  type CheckedManyOptions,
  checkManyOptions,
  type FitManyOptions,
  type HeadPlan,
} from './many-options.js';
import type { FitManyResult, HeadResult } from './many-result.js';
import { type ManyState, outcomeOf, outcomeState } from './many-state.js';
import { pathsOf } from './paths.js';
import { bestOf, groupedBy, scoreOf } from './ranking.js';
import { noSplit, type Splits, splitsOf } from './splits.js';
import { type StateOf, trainStepHeads } from './step-heads.js';

/**
 * Trains many classifiers, each from zero, on inputs [rows × features] and a class for each row, or a share of each class (soft
 * targets [rows × classes]): the rows are read once for all heads that are at work. Each head has the bits that a fit with its
 * options alone has, for any number of threads and whatever heads are beside it, unless `path` is given, or cv, which solves heads
 * without a `tol` less far. Several ranks all pass all rows (docs/machines.md). With cv, validationSplit or validation it says which head is best, and trains that one on all rows.
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
  checkEngine(engine);
  return togetherAlone('fitMany', engine.transport, () =>
    fitAlone(engine, inputs, targets, checkManyOptions(heads, options), options.validation),
  );
}

async function fitAlone(
  engine: Engine,
  inputs: AnyRows,
  targets: AnyTargets | undefined,
  checked: CheckedManyOptions,
  validation: FitManyOptions['validation'],
): Promise<FitManyResult> {
  const known = new ClassifierShape(checked.classifier);
  const resources = resourcesOf(engine);
  const { features, featureNames } = known;
  const { columns, signal, records } = checked;
  const terms = { features, featureNames, columns, signal, options: records };
  const taken = await takeTraining(resources, inputs, targets, validation, terms);
  try {
    const labeled = labeledHeads(resources, known, taken, checked, validation);
    const placed = placeOnce(engine, labeled.inputs, checked);
    try {
      const inputs =
        placed === undefined
          ? labeled.inputs
          : checkInputs(resources, 'inputs', placed, undefined, labeled.shape, signal);
      return await new ManyFits({ ...labeled, engine, resources, inputs }).run();
    } finally {
      placed?.free();
    }
  } finally {
    taken.free();
  }
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

interface ManyTerms extends LabeledHeads {
  readonly engine: Engine;
  readonly resources: Resources;
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
  /** By the caller's signal, or by what its callback throws; the hard one: see Checkpoints. */
  readonly #stop = new Cancellation();
  readonly #hardStop = new Cancellation();
  readonly #checkpoints: Checkpoints;
  readonly #from: ManyState | undefined;
  #halving: Halving | undefined;
  /** Of parts of `from` that have not begun again, for want of memory say. */
  #waiting: Record<string, CheckpointState> = {};
  readonly #splits = new Map<RowTargets, Splits>();

  constructor(terms: ManyTerms) {
    this.#terms = terms;
    const { heads } = terms.options;
    this.#outcomes = heads.map(() => new Map());
    this.#reports = heads.map(() => undefined);
    this.#checkpoints = new Checkpoints({
      ...terms.options,
      kind: 'fitMany',
      conditions: () => manyConditions(terms.engine, terms),
      start: () => ({}),
      transport: terms.resources.transport,
      whole: (parts) => this.#snapshot(parts),
    });
    this.#from = this.#checkpoints.from as ManyState | undefined;
  }

  async run(): Promise<FitManyResult> {
    const { signal, hardSignal } = this.#checkpoints;
    const onAbort = () => this.#stop.abort(signal?.reason);
    const onHardAbort = () => this.#hardStop.abort(hardSignal?.reason);
    signal?.addListener(onAbort);
    hardSignal?.addListener(onHardAbort);
    try {
      return await this.#checkpoints.during(async () => {
        if (this.#from !== undefined) this.#goOn(this.#from);
        const result = await this.#run();
        this.#stop.throwIfAborted();
        await checkResult('fitMany', this.#terms.resources.transport, result.classifier);
        return result;
      });
    } finally {
      signal?.removeListener(onAbort);
      hardSignal?.removeListener(onHardAbort);
    }
  }

  #snapshot(parts: PartStates): KeptState {
    const { cv } = this.#terms.options;
    const outcomes = this.#outcomes.flatMap((own, head) =>
      [...own].map(([split, outcome]) => outcomeState(head, split, outcome, cv === undefined)),
    );
    const ended = this.#reports.flatMap((report) =>
      report === undefined ? [] : [{ head: report.head, droppedAfter: report.droppedAfter }],
    );
    const halvingDone = this.#halving?.done ?? new Set();
    const halving = this.#halving && {
      rung: this.#halving.rung,
      left: this.#halving.left.map(({ index }) => index),
      done: [...this.#halving.done],
      states: this.#halving.states.snapshot((head, split) => halvingDone.has(keyOf(head, split))),
    };
    const state: ManyState = {
      outcomes,
      ended,
      halving,
      parts: { ...this.#waiting, ...Object.fromEntries([...parts].map(([key, part]) => [key, part.state])) },
    };
    return { position: { stage: 'heads', headsEnded: ended.map(({ head }) => head) }, state };
  }

  #goOn({ outcomes, ended, parts }: ManyState): void {
    this.#waiting = { ...parts };
    const { shape, options } = this.#terms;
    for (const outcome of outcomes) {
      this.#outcomes[outcome.head]?.set(outcome.split, outcomeOf(shape, outcome));
    }
    for (const { head, droppedAfter } of ended) {
      const plan = options.heads[head];
      if (plan !== undefined) this.#reports[head] = { ...this.#newReport(plan), droppedAfter };
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
    const from = this.#from?.halving;
    const states = new RungStates(shape);
    if (from !== undefined) states.restore(options.heads, from.states);
    let left =
      from === undefined ? options.heads : options.heads.filter(({ index }) => from.left.includes(index));
    const rungs = rungsOf(options.heads.length, left[0]?.checked.epochs ?? 1, eta);
    for (const [rung, { epoch, keep }] of rungs.entries()) {
      if (from !== undefined && rung < from.rung) continue;
      const done = new Set(rung === from?.rung ? from.done : []);
      this.#halving = { rung, left, done, states };
      await this.#train(
        left,
        (targets) => this.#splitsOf(targets),
        (head, split, outcome) => {
          this.#outcomes[head.index]?.set(split, outcome);
          done.add(keyOf(head, split));
        },
        { stateOf: states.upTo(epoch), isDone: (head, split) => done.has(keyOf(head, split)) },
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
    splitsOf: (targets: RowTargets) => Splits,
    report: HeadsTerms['report'],
    {
      isRefit = false,
      stateOf = () => undefined,
      isDone = (head, split) => !isRefit && this.#outcomes[head.index]?.has(split) === true,
    }: TrainOptions = {},
  ): Promise<void> {
    const { resources, shape, inputs, options } = this.#terms;
    const { validation, cv, rankBy, onHeadProgress } = options;
    const comparedBy = cv === undefined || isRefit ? undefined : rankBy;
    const onProgress =
      onHeadProgress === undefined || isRefit
        ? undefined
        : (progress: HeadProgress) => this.#call(() => onHeadProgress(progress));
    const kept = this.#keptHeads(isDone, isRefit);
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
        hardSignal: this.#hardStop,
        kept,
        onProgress,
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

  #keptHeads(isDone: KeptHeads['isDone'], isRefit: boolean): KeptHeads {
    const checkpoints = this.#checkpoints;
    // Of another rung, they are of no use.
    const parts = this.#halving?.rung === this.#from?.halving?.rung ? (this.#from?.parts ?? {}) : {};
    const prefix = isRefit ? 'refit/' : '';
    return {
      isDone,
      from: (head, split) => parts[prefix + keyOf(head, split)],
      enter: (head, split) => {
        delete this.#waiting[prefix + keyOf(head, split)];
        return checkpoints.enter(prefix + keyOf(head, split));
      },
      get isStopping() {
        return checkpoints.isStopping;
      },
    };
  }

  async #refit(
    head: HeadPlan,
    fits: readonly FitResult[],
  ): Promise<Pick<FitManyResult, 'classifier' | 'fit'>> {
    let result: Outcome | undefined;
    await this.#train(
      [withoutStopping(head, fits)],
      ({ classes }) => [noSplit(classes)],
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

  #splitsOf(targets: RowTargets): Splits {
    const known = this.#splits.get(targets);
    if (known !== undefined) return known;
    const { options, shape } = this.#terms;
    const splits = splitsOf(targets.classes, shape.classes, options);
    this.#splits.set(targets, splits);
    return splits;
  }

  #take(head: HeadPlan, split: number, outcome: Outcome): void {
    const outcomes = this.#outcomes[head.index];
    // Solved anew on the way to others.
    if (outcomes?.has(split)) return;
    outcomes?.set(split, outcome);
    if (outcomes?.size === (this.#terms.options.cv ?? 1)) this.#end(head);
  }

  #end(head: HeadPlan, droppedAfter?: number): void {
    // Before the checkpoint that training goes on from.
    if (this.#reports[head.index] !== undefined) return;
    const ended = this.#newReport(head);
    const report = ended.error === undefined ? { ...ended, droppedAfter } : ended;
    this.#reports[head.index] = report;
    this.#call(() => this.#terms.options.onHeadEnd?.(report));
  }

  /** A callback of the caller: what it throws ends all. */
  #call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#stop.abort(error);
      this.#hardStop.abort(error);
    }
  }

  #newReport({ index, options }: HeadPlan): HeadReport {
    const outcomes = this.#outcomes[index] ?? new Map<number, Outcome>();
    const all = [...outcomes].sort(([a], [b]) => a - b).map(([, outcome]) => outcome);
    const failure = all.find((outcome) => 'error' in outcome);
    const fits = failure
      ? []
      : all.flatMap((outcome): FitResult[] => ('result' in outcome ? [outcome.result] : []));
    // Failures of heads are all of softshard's own: others end all heads.
    const error = failure && 'error' in failure ? (failure.error as SoftshardError) : undefined;
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

/** A rung of successive halving that is at work. */
interface Halving {
  readonly rung: number;
  readonly left: readonly HeadPlan[];
  /** See HalvingState. */
  readonly done: Set<string>;
  readonly states: RungStates;
}

interface TrainOptions {
  readonly isRefit?: boolean;
  readonly stateOf?: StateOf;
  readonly isDone?: KeptHeads['isDone'];
}

/** Where nothing is held out, there is nothing to stop by: as many epochs as were best. */
function withoutStopping(head: HeadPlan, fits: readonly FitResult[]): HeadPlan {
  const { earlyStopping } = head.checked;
  if (earlyStopping === undefined || earlyStopping.metric === 'loss') return head;
  const best = fits.map(({ bestEpoch, epochs }) => bestEpoch ?? epochs.length);
  const epochs = Math.max(1, Math.round(best.reduce((sum, epoch) => sum + epoch, 0) / best.length));
  return { ...head, checked: { ...head.checked, epochs, earlyStopping: undefined } };
}

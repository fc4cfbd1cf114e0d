// The options of fitMany and of its heads, their defaults and their checks.
import { SoftshardError } from '../../../errors.js';
import type { Cancellation } from '../../cancellation.js';
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptionNames,
  checkSignal,
  inspectValue,
} from '../../checks.js';
import { type CheckedRecordOptions, checkRecordOptions, type RecordOptions } from '../../intake/records.js';
import {
  type CheckedResume,
  checkResumeOptions,
  RESUME_OPTION_NAMES,
  type ResumeOptions,
} from '../checkpoint/checkpoint-options.js';
import { CLASSIFIER_OPTION_NAMES, type ClassifierOptions } from '../classifier-shape.js';
import { checkFitLoss, type FitLoss } from '../fit-loss.js';
import {
  type CheckedFitOptions,
  checkFitOptions,
  FIT_OPTION_NAMES,
  type ValidationRows,
} from '../fit-options.js';
import type { HeadOptions, SharedName } from './head-options.js';
import type { HeadProgress, HeadReport } from './head-report.js';

/** By what the best head is chosen, of rows that are held out. */
export type RankedBy = 'loss' | 'accuracy';

/** Options of the classifiers, those of fit that all heads have where they have no other, and what to compare heads by. */
export interface FitManyOptions
  extends Omit<ClassifierOptions, 'features'>,
    HeadOptions,
    ResumeOptions,
    Pick<RecordOptions, 'label'> {
  /** How many there are (default: as the rows have), or the fields of records that hold them. */
  features?: number | RecordOptions['features'];
  /** For inputs given as a bare array. */
  columns?: number | undefined;
  /**
   * Cross-validation: into how many parts the rows are cut, each of which is held out once; from 2 on. The parts are
   * stratified: each has its share of every class. Heads of full-batch solvers without a `tol` are solved to 1e-2 for that, and
   * of a path those that are clearly worse than a stronger penalty are left early (stopReason 'worse'; ranked by loss only). The
   * refit of the best has the `tol` of fit.
   */
  cv?: number | undefined;
  /** The fraction of rows to hold out instead, once; stratified too. */
  validationSplit?: number | undefined;
  /** Rows to evaluate on instead of holding any out. */
  validation?: ValidationRows | undefined;
  /** Of the rows that are held out, apart from the seed of a head, which orders the rows of its steps. Default 0. */
  splitSeed?: number | undefined;
  /** Default 'loss'. */
  rankBy?: RankedBy | undefined;
  /**
   * With cv: of heads that differ from the best in C or l2 alone, choose the one of the strongest penalty whose mean loss is at
   * most the best's plus its standard error (Breiman et al., "Classification and Regression Trees", 1984). Default false.
   */
  oneStandardError?: boolean | undefined;
  /**
   * Heads that differ in C or l2 alone are solved one after the other, from the strongest penalty to the weakest, each from the
   * solution before it: a fraction of the work, certified like any other. Their bits then depend on the heads before them.
   * Default false: each head has the bits of the head alone.
   */
  path?: boolean | undefined;
  /**
   * Successive halving of heads that are trained step by step: all are trained for a few of their epochs, the best 1 / halving of
   * them goes on for `halving` times as many, and so on until the last have all of them. From 2 on; 3 is usual. A head that is
   * never dropped has the bits of one that is trained without. Not with earlyStopping or 'reduce-on-plateau'.
   */
  halving?: number | undefined;
  /** Train the best head anew, on all rows, where some were held out. Default true. */
  refit?: boolean | undefined;
  /**
   * Called for each epoch of heads that are trained step by step, and each iteration of full-batch solvers, in order for each head
   * and part; not of the refit.
   */
  onHeadProgress?: ((progress: HeadProgress) => void) | undefined;
  /** Called for each head that ends, in order of their ends. */
  onHeadEnd?: ((report: HeadReport) => void) | undefined;
  /** Aborting rejects with signal.reason. */
  signal?: AbortSignal | undefined;
}

const SHARED_NAMES = {
  columns: 'all heads read the same rows',
  features: 'all heads read the same rows',
  label: 'all heads read the same rows',
  signal: 'it ends all heads',
  validationSplit: 'all heads are compared on the same rows',
  split: 'all heads are compared on the same rows',
  validation: 'all heads are compared on the same rows',
  calibrate: 'it is for the best head: fit one with its options and calibrate',
  onEpochEnd: 'onHeadProgress tells of heads',
  onStep: 'onHeadProgress tells of heads',
  onProgress: 'onHeadProgress tells of heads',
  onTried: 'nothing is chosen but the best head',
  oneStandardError: 'it says which head is the best',
  warmStart: 'all heads begin at zero',
  checkpoint: 'checkpoints are of all heads together',
  resumeFrom: 'checkpoints are of all heads together',
} as const satisfies Record<SharedName, string>;

const isShared = (name: string): name is SharedName => Object.hasOwn(SHARED_NAMES, name);

const HEAD_NAMES: readonly string[] = FIT_OPTION_NAMES.filter((name) => !isShared(name));

const OWN_NAMES: readonly (keyof FitManyOptions)[] = [
  'columns',
  'label',
  'cv',
  'validationSplit',
  'validation',
  'splitSeed',
  'rankBy',
  'oneStandardError',
  'path',
  'halving',
  'refit',
  'onHeadProgress',
  'onHeadEnd',
  'signal',
  ...RESUME_OPTION_NAMES,
];

/** A head, before its classes are known. */
export interface PlannedHead {
  readonly index: number;
  /** Those of all heads, and its own. */
  readonly options: HeadOptions;
  readonly checked: CheckedFitOptions;
}

/** A head as it is to be trained. */
export interface HeadPlan extends PlannedHead {
  readonly loss: FitLoss;
}

export interface CheckedManyOptions extends CheckedResume {
  readonly classifier: ClassifierOptions;
  readonly records: CheckedRecordOptions;
  readonly heads: readonly PlannedHead[];
  readonly columns: number | undefined;
  /** Undefined: no parts. */
  readonly cv: number | undefined;
  /** 0: none. */
  readonly validationSplit: number;
  readonly splitSeed: number;
  readonly rankBy: RankedBy;
  readonly oneStandardError: boolean;
  readonly path: boolean;
  readonly halving: number | undefined;
  readonly refit: boolean;
  readonly onHeadProgress: FitManyOptions['onHeadProgress'];
  readonly onHeadEnd: FitManyOptions['onHeadEnd'];
  readonly signal: Cancellation | undefined;
}

const MOST_FOLDS = 1000;

export function checkManyOptions(heads: readonly HeadOptions[], options: FitManyOptions): CheckedManyOptions {
  checkOptionNames('options', options, [...CLASSIFIER_OPTION_NAMES, ...HEAD_NAMES, ...OWN_NAMES]);
  const { cv, validationSplit = 0, splitSeed = 0, rankBy = 'loss' } = options;
  const { oneStandardError = false, path = false, refit = true } = options;
  checkOneValidation(options);
  if (checkBoolean('options.oneStandardError', oneStandardError) && cv === undefined) {
    const message =
      'options.oneStandardError is true without options.cv, whose parts the standard error is of: give cv, 5 say';
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.oneStandardError', value: true });
  }
  const { features, label, classes, classNames, labelType, featureNames, featureScaling } = options;
  const count = typeof features === 'number' ? { features } : {};
  const fields = typeof features === 'number' ? { label } : { features, label };
  const plans = checkHeads(heads, options);
  return {
    classifier: { ...count, classes, classNames, labelType, featureNames, featureScaling },
    records: checkRecordOptions(fields),
    heads: plans,
    columns: options.columns,
    cv: cv === undefined ? undefined : checkInteger('options.cv', cv, 2, MOST_FOLDS),
    validationSplit: checkNumber('options.validationSplit', validationSplit, 0, 1),
    splitSeed: checkInteger('options.splitSeed', splitSeed, 0, Number.MAX_SAFE_INTEGER),
    rankBy: checkOneOf('options.rankBy', rankBy, ['loss', 'accuracy']),
    oneStandardError,
    path: checkBoolean('options.path', path),
    halving: checkHalving(plans, options),
    refit: checkBoolean('options.refit', refit),
    onHeadProgress: checkFunction('options.onHeadProgress', options.onHeadProgress),
    onHeadEnd: checkFunction('options.onHeadEnd', options.onHeadEnd),
    signal: checkSignal('options.signal', options.signal),
    ...checkResumeOptions(options, 'fitMany'),
  };
}

const MOST_HALVING = 1000;

function checkHalving(heads: readonly PlannedHead[], options: FitManyOptions): number | undefined {
  if (options.halving === undefined) return undefined;
  const halving = checkInteger('options.halving', options.halving, 2, MOST_HALVING);
  const refuse = (message: string, argument: string, value?: unknown) =>
    new SoftshardError('ERR_OPTION', `options.halving is ${halving}, but ${message}`, { argument, value });
  if (options.cv === undefined && !options.validationSplit && options.validation === undefined) {
    throw refuse(
      'no rows are held out to tell which heads go on: give validationSplit, validation or cv',
      'options.halving',
      halving,
    );
  }
  const [first] = heads;
  for (const { index, checked } of heads) {
    const argument = `heads[${index}]`;
    if (checked.fullBatch !== undefined) {
      throw refuse(
        `${argument} has solver '${checked.fullBatch.solver}', which knows no epochs and needs no halving: a path of penalties costs ` +
          'little more than its weakest one (options.path)',
        argument,
      );
    }
    if (checked.earlyStopping !== undefined || checked.schedule.kind === 'reduce-on-plateau') {
      const name = checked.earlyStopping === undefined ? 'schedule' : 'earlyStopping';
      throw refuse(
        `${argument}.${name} goes by the losses of epochs, too, and would differ between rungs: leave one of them out`,
        `${argument}.${name}`,
      );
    }
    if (checked.epochs !== first?.checked.epochs) {
      throw refuse(
        `${argument}.epochs is ${checked.epochs} and that of heads[0] is ${first?.checked.epochs}: heads are compared after equally many, so give all the same`,
        `${argument}.epochs`,
        checked.epochs,
      );
    }
  }
  return halving;
}

function checkOneValidation(options: FitManyOptions): void {
  const names = (['cv', 'validationSplit', 'validation'] as const).filter(
    (name) => options[name] !== undefined && options[name] !== 0,
  );
  const [first, second] = names;
  if (second !== undefined) {
    const message = `options.${first} and options.${second} are both given, and heads are compared by one of them: leave the other out`;
    throw new SoftshardError('ERR_OPTION', message, { argument: `options.${second}` });
  }
  if (options.validation !== undefined) {
    checkOptionNames('options.validation', options.validation, ['inputs', 'targets', 'sampleWeight', 'mask']);
  }
}

function checkHeads(heads: readonly HeadOptions[], shared: FitManyOptions): readonly PlannedHead[] {
  if (!Array.isArray(heads) || heads.length === 0) {
    const message = `heads is ${inspectValue(heads)}: it must be an array of the options of each head, [{ C: 0.1 }, { C: 1 }] say`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'heads', value: heads });
  }
  const common = Object.fromEntries(
    Object.entries(shared).filter(([name, value]) => HEAD_NAMES.includes(name) && value !== undefined),
  );
  return Array.from(heads, (own: HeadOptions, index) => {
    const argument = `heads[${index}]`;
    checkNotShared(argument, own);
    checkOptionNames(argument, own, HEAD_NAMES);
    const options: HeadOptions = { ...common, ...withoutUndefined(own) };
    return inHead(argument, () => ({
      index,
      options,
      checked: checkHead(argument, options, shared),
    }));
  });
}

/** Checks what of the heads' options depends on the classes. */
export const withLosses = (
  heads: readonly PlannedHead[],
  classes: number,
  names: readonly string[] | undefined,
): readonly HeadPlan[] =>
  heads.map((head) => ({
    ...head,
    loss: inHead(`heads[${head.index}]`, () => checkFitLoss(head.options, classes, names)),
  }));

function checkHead(
  argument: string,
  options: HeadOptions,
  { validation, validationSplit = 0, cv }: FitManyOptions,
): CheckedFitOptions {
  const holdsOut = cv !== undefined || validationSplit > 0;
  const checked = checkFitOptions({ ...options, ...(validation && { validation }) }, holdsOut);
  const { C, l2, l1 } = options;
  if (checked.fullBatch !== undefined && C === undefined && l2 === undefined && l1 === undefined) {
    const message = `${argument} has neither C nor l2 nor l1: give one to each head, or to all (options.C)`;
    throw new SoftshardError('ERR_OPTION', message, { argument, value: options });
  }
  return checked;
}

function checkNotShared(argument: string, own: unknown): void {
  if (typeof own !== 'object' || own === null) return;
  const shared = Object.keys(own).find(isShared);
  if (shared === undefined) return;
  const orElse = [...CLASSIFIER_OPTION_NAMES, ...OWN_NAMES].some((name) => name === shared)
    ? `, or give it to all heads (options.${shared})`
    : '';
  const message = `${argument}.${shared} is given, but ${SHARED_NAMES[shared]}: leave it out${orElse}`;
  throw new SoftshardError('ERR_OPTION', message, { argument: `${argument}.${shared}` });
}

const withoutUndefined = (options: HeadOptions): HeadOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

/** Errors about options say whose they are. */
function inHead<Result>(argument: string, check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof SoftshardError) || error.argument?.startsWith('options') !== true) throw error;
    const { code, value, row } = error;
    const message = error.message.replaceAll('options.', `${argument}.`);
    const details = { value, row, argument: error.argument.replace('options', argument), cause: error };
    throw new SoftshardError(code, message, details);
  }
}

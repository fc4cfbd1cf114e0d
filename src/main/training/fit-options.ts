// The options of fit, their defaults and their checks.

import { SoftshardError } from '../../errors.js';
import type { Targets } from '../arguments/targets.js';
import type { Cancellation } from '../cancellation.js';
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptionNames,
  checkSignal,
  INT32_MAX,
  inspectValue,
} from '../checks.js';
import { RECORD_OPTION_NAMES, type RecordOptions } from '../intake/records.js';
import type { AnyRows, AnyTargets } from '../intake/take-rows.js';
import type { DenseTargets } from '../losses/dense-targets.js';
import type { FeatureRows } from '../models/inputs.js';
import type { RowTargetOptions } from '../models/row-targets.js';
import {
  type CheckedResume,
  checkResumeOptions,
  RESUME_OPTION_NAMES,
  type ResumeOptions,
} from './checkpoint/checkpoint-options.js';
import {
  type CheckedEarlyStopping,
  checkEarlyStopping,
  type EarlyStoppingOptions,
} from './early-stopping.js';
import type { EpochReport, StepReport } from './epoch-report.js';
import { FIT_LOSS_OPTION_NAMES, type FitLossOptions } from './fit-loss.js';
import type { OptimizerMemory } from './optimizer-memory.js';
import {
  type CheckedOptimizer,
  checkOptimizer,
  OPTIMIZER_OPTION_NAMES,
  type OptimizerOptions,
  type StepSolver,
} from './optimizer-options.js';
import type { Split } from './rows/row-order.js';
import type { RowSplit } from './rows/row-split.js';
import {
  type CheckedSchedule,
  checkSchedule,
  SCHEDULE_OPTION_NAMES,
  type ScheduleOptions,
} from './schedule-options.js';
import {
  type CheckedSolverOptions,
  checkSolverOptions,
  type FullBatchSolver,
  SOLVER_OPTION_NAMES,
  type SolverOptions,
} from './solver/solver-options.js';
import type { KeptSteps } from './steps-state.js';

export type { EpochReport, StepReport } from './epoch-report.js';

/** Rows to validate on. */
export interface ValidationRows extends RowTargetOptions {
  readonly inputs: AnyRows;
  /** May be left out where the inputs bring their labels along. */
  readonly targets?: AnyTargets | undefined;
}

/** The same as training takes them. */
export interface ReadyValidation extends RowTargetOptions {
  readonly inputs: FeatureRows;
  readonly targets: Targets | DenseTargets;
}

export interface FitOptions
  extends FitLossOptions,
    RecordOptions,
    Omit<OptimizerOptions, 'solver'>,
    ScheduleOptions,
    SolverOptions,
    ResumeOptions {
  /**
   * 'auto' (default): 'sgd' where an option of training step by step is given (epochs, batchSize, learningRate, …), else
   * 'lbfgs', which needs the fewest passes over the rows. 'adamw': Adam with decoupled weight decay.
   */
  solver?: 'auto' | FullBatchSolver | StepSolver | undefined;
  /** Default 10. */
  epochs?: number | undefined;
  /** Rows of a step; default 256; 'full' for all rows. The last step of an epoch takes what is left. */
  batchSize?: number | 'full' | undefined;
  /** Go on from the present weights (default), which are zero at first; false: begin at zero. */
  warmStart?: boolean | undefined;
  /** Shuffle the rows anew each epoch; default true. */
  shuffle?: boolean | undefined;
  /** Of shuffling and the validation split: a whole number from 0 to 2^53 - 1, default 0. */
  seed?: number | undefined;
  /** The fraction of rows, chosen by seed, to keep out of training and evaluate after each epoch. */
  validationSplit?: number | undefined;
  /**
   * Numbers of the rows to train on and to evaluate after each epoch, such as splitRows gives, instead of validationSplit. All
   * other rows are left out.
   */
  split?: RowSplit | undefined;
  /**
   * Ends training when the validation loss, or another metric, has not got better for some epochs, and restores the weights of
   * the best; true: with its defaults. Default false.
   */
  earlyStopping?: boolean | EarlyStoppingOptions | undefined;
  /** Rows to evaluate after each epoch instead of a split, with their own sampleWeight and mask. */
  validation?: ValidationRows | undefined;
  /**
   * Divides the trained weights and bias by the temperature that makes probabilities as sure as the model is right, as
   * `classifier.calibrate` does: by the rows of validation, if there are any, else by all rows, each of which a model is asked
   * about that was trained on four fifths of them without it, by the same settings: five more trainings, of which full-batch
   * solvers read the rows together. Default false.
   */
  calibrate?: boolean | undefined;
  /** Awaited after each epoch, when the classifier holds that epoch's weights. Abort `signal` to stop. */
  onEpochEnd?: ((report: EpochReport) => void | Promise<void>) | undefined;
  /** Called for each step in order, a few milliseconds later; training does not wait for it. */
  onStep?: ((report: StepReport) => void) | undefined;
  /** Aborting ends training: fit rejects with signal.reason, and the weights are those after the last whole step. */
  signal?: AbortSignal | undefined;
  /** For inputs given as a bare array. */
  columns?: number | undefined;
}

/** Epochs [first, last] of a training that goes on later, or has begun before, with the bits of one that is never interrupted. */
export interface EpochSpan {
  /** From 1. */
  readonly first: number;
  readonly last: number;
  /** The vectors of the optimizer between spans; the parameters are the model's. */
  readonly optimizer: OptimizerMemory;
  /** Of the epochs so far, to which those of the span are added. */
  readonly reports: EpochReport[];
}

export interface CheckedFitOptions extends CheckedOptimizer, CheckedResume {
  /** Undefined: training goes step by step. */
  readonly fullBatch: CheckedSolverOptions | undefined;
  readonly epochs: number;
  /** May exceed the number of rows. */
  readonly batchSize: number;
  readonly schedule: CheckedSchedule;
  readonly warmStart: boolean;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly validationSplit: number;
  /** Rows that are chosen already, instead of by validationSplit and seed: checked where their number is known. */
  readonly split?: Split;
  /** To be set where options.validation is given. */
  readonly validation?: ReadyValidation | undefined;
  /** Some of the epochs only; default all. */
  readonly span?: EpochSpan;
  /** Where checkpoints are made, or training goes on from one. */
  readonly kept?: KeptSteps | undefined;
  readonly earlyStopping: CheckedEarlyStopping | undefined;
  readonly calibrate: boolean;
  readonly onEpochEnd: FitOptions['onEpochEnd'];
  readonly onStep: FitOptions['onStep'];
  readonly signal: Cancellation | undefined;
}

const MAX_BATCH_SIZE = INT32_MAX;

const hasValidation = (split: RowSplit | undefined): boolean => (split?.validation?.length ?? 0) > 0;

function checkSplitNames(split: RowSplit, validationSplit: number, validation: unknown): void {
  // splitRows gives the rows of a test too, which are of no use here.
  checkOptionNames('options.split', split, ['training', 'validation', 'test']);
  const other =
    validationSplit > 0
      ? 'validationSplit'
      : validation !== undefined && hasValidation(split)
        ? 'validation'
        : undefined;
  if (other === undefined) return;
  const message = `options.${other} and options.split${other === 'validation' ? '.validation' : ''} are both given: leave one of them out`;
  throw new SoftshardError('ERR_OPTION', message, { argument: `options.${other}` });
}

export const FIT_OPTION_NAMES: readonly (keyof FitOptions)[] = [
  'epochs',
  'batchSize',
  ...OPTIMIZER_OPTION_NAMES,
  ...SCHEDULE_OPTION_NAMES,
  'warmStart',
  'shuffle',
  'seed',
  'validationSplit',
  'split',
  'validation',
  'earlyStopping',
  'calibrate',
  'onEpochEnd',
  'onStep',
  'signal',
  'columns',
  ...RESUME_OPTION_NAMES,
  ...RECORD_OPTION_NAMES,
  'solver',
  ...SOLVER_OPTION_NAMES,
  ...FIT_LOSS_OPTION_NAMES,
];

/** `holdsOut`: rows to validate on are held out by others than these options. */
export function checkFitOptions(options: FitOptions, holdsOut = false): CheckedFitOptions {
  checkOptionNames('options', options, FIT_OPTION_NAMES);
  const solver = chooseSolver(options);
  const optimizer = checkOptimizer(options, isStepSolver(solver) ? solver : 'sgd');
  const validationSplit = checkNumber('options.validationSplit', options.validationSplit ?? 0, 0, 1);
  if (validationSplit > 0 && options.validation !== undefined) {
    const message = 'options.validationSplit and options.validation are both given: leave one of them out';
    throw new SoftshardError('ERR_OPTION', message, { argument: 'options.validation' });
  }
  if (options.validation !== undefined) {
    checkOptionNames('options.validation', options.validation, ['inputs', 'targets', 'sampleWeight', 'mask']);
  }
  const { split } = options;
  if (split !== undefined) checkSplitNames(split, validationSplit, options.validation);
  const validates =
    holdsOut || validationSplit > 0 || options.validation !== undefined || hasValidation(split);
  return {
    fullBatch: isStepSolver(solver) ? undefined : checkSolverOptions(solver, options),
    epochs: checkInteger('options.epochs', options.epochs ?? 10, 1, Number.MAX_SAFE_INTEGER),
    batchSize: checkBatchSize(options.batchSize ?? 256),
    ...optimizer,
    schedule: checkSchedule(options),
    warmStart: checkBoolean('options.warmStart', options.warmStart ?? true),
    shuffle: checkBoolean('options.shuffle', options.shuffle ?? true),
    seed: checkInteger('options.seed', options.seed ?? 0, 0, Number.MAX_SAFE_INTEGER),
    validationSplit,
    earlyStopping: checkEarlyStopping(options.earlyStopping, validates),
    calibrate: checkBoolean('options.calibrate', options.calibrate ?? false),
    onEpochEnd: checkFunction('options.onEpochEnd', options.onEpochEnd),
    onStep: checkFunction('options.onStep', options.onStep),
    signal: checkSignal('options.signal', options.signal),
    ...checkResumeOptions(options, 'fit'),
  };
}

/** What only training step by step has. */
type StepName =
  | 'epochs'
  | 'batchSize'
  | Exclude<keyof OptimizerOptions, 'solver'>
  | keyof ScheduleOptions
  | 'shuffle'
  | 'earlyStopping'
  | 'onEpochEnd'
  | 'onStep'
  | 'reduction'
  | 'onEmpty';

/** What takes from the result of a full-batch solver that its gap and C are certain to be there. */
type UncertainName = 'l2' | 'l1' | 'softcap' | 'zLoss' | 'focalGamma' | 'mask';

type Without<Names extends keyof FitOptions> = Omit<FitOptions, Names> & { [Name in Names]?: undefined };

/** Options with which a full-batch solver trains. */
export type FullBatchFitOptions = Omit<Without<StepName>, 'solver'> & {
  solver?: 'auto' | FullBatchSolver | undefined;
};
export type CertainFitOptions = FullBatchFitOptions & Without<UncertainName>;

/** Options with which training goes step by step: its solver is named, or one of its options is given. */
export type StepFitOptions = FitOptions &
  (
    | { solver: StepSolver }
    | { [Name in StepName]: { [Given in Name]: NonNullable<FitOptions[Given]> } }[StepName]
  );

const STEP_NAMES: readonly StepName[] = [
  'epochs',
  'batchSize',
  ...OPTIMIZER_OPTION_NAMES,
  ...SCHEDULE_OPTION_NAMES,
  'shuffle',
  'earlyStopping',
  'onEpochEnd',
  'onStep',
  'reduction',
  'onEmpty',
];
const SOLVERS = ['auto', 'lbfgs', 'newton-cg', 'sgd', 'adamw'] as const;

const isStepSolver = (solver: FullBatchSolver | StepSolver): solver is StepSolver =>
  solver === 'sgd' || solver === 'adamw';

/** Whether training goes step by step with these options; wrong ones are found by checkFitOptions. */
export const asksForSteps = (options: FitOptions): boolean => {
  const { solver = 'auto' } = options;
  return solver === 'auto'
    ? STEP_NAMES.some((name) => options[name] !== undefined)
    : solver === 'sgd' || solver === 'adamw';
};

/** Throws where an option is given that the solver does not know. */
function chooseSolver(options: FitOptions): FullBatchSolver | StepSolver {
  const given = (names: readonly (keyof FitOptions)[]) => names.find((name) => options[name] !== undefined);
  const asked = checkOneOf('options.solver', options.solver ?? 'auto', SOLVERS);
  const ofSteps = given(STEP_NAMES);
  const ofSolvers = given(SOLVER_OPTION_NAMES);
  const solver = asked !== 'auto' ? asked : ofSteps !== undefined ? 'sgd' : 'lbfgs';
  const wrong = isStepSolver(solver) ? ofSolvers : ofSteps;
  if (wrong === undefined) return solver;
  const other = isStepSolver(solver) ? "'lbfgs'" : "'sgd'";
  const because = asked === 'auto' ? `options.${ofSteps} asks for solver 'sgd', which` : `solver '${solver}'`;
  const message = `options.${wrong} is given, but ${because} does not know it: leave one out, or choose solver ${other}`;
  throw new SoftshardError('ERR_OPTION', message, { argument: `options.${wrong}`, value: options[wrong] });
}

function checkBatchSize(value: unknown): number {
  if (value === 'full') return MAX_BATCH_SIZE;
  if (typeof value !== 'string') return checkInteger('options.batchSize', value, 1, MAX_BATCH_SIZE);
  const message = `options.batchSize is ${inspectValue(value)}: it must be a whole number from 1 to ${MAX_BATCH_SIZE}, or 'full'`;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'options.batchSize', value });
}

// The options of fit that say how the learning rate goes over the steps.
import { SoftshardError } from '../../errors.js';
import type { LearningRateSchedule as StepSchedule } from '../../workers/protocol.js';
import { checkInteger, checkNumber, checkOneOf, checkOptionNames, inspectValue } from '../checks.js';

export type ScheduleName = 'constant' | 'linear' | 'cosine' | 'one-cycle' | 'step' | 'reduce-on-plateau';

/** Multiplies the rate by `factor` every so many epochs, as PyTorch's StepLR. */
export interface StepDecay {
  readonly kind: 'step';
  readonly everyEpochs: number;
  /** In [0, 1), default 0.1. */
  readonly factor?: number | undefined;
}

/**
 * Rises from learningRate / divFactor to learningRate along half a cosine, then falls to learningRate / divFactor /
 * finalDivFactor along another, as PyTorch's OneCycleLR (Smith and Topin, "Super-Convergence", 2018; momentum stays). It
 * rises during `warmup`, by default 0.3 of the steps.
 */
export interface OneCycle {
  readonly kind: 'one-cycle';
  /** At least 1, default 25. */
  readonly divFactor?: number | undefined;
  /** At least 1, default 10 000. */
  readonly finalDivFactor?: number | undefined;
}

/**
 * Multiplies the rate by `factor` when the validation loss (without validation, the loss) has not got better for more than
 * `patience` epochs, as PyTorch's ReduceLROnPlateau.
 */
export interface ReduceOnPlateau {
  readonly kind: 'reduce-on-plateau';
  /** In [0, 1), default 0.1. */
  readonly factor?: number | undefined;
  /** Default 10. */
  readonly patience?: number | undefined;
  /** In [0, 1): better is less than (1 - threshold) · the least loss so far. Default 0.0001. */
  readonly threshold?: number | undefined;
  /** The rate never falls below; default 0. */
  readonly minLearningRate?: number | undefined;
}

/** By name with its defaults, or as an object with its settings. */
export type LearningRateSchedule =
  | Exclude<ScheduleName, 'step'>
  | { readonly kind: 'constant' | 'linear' | 'cosine' }
  | StepDecay
  | OneCycle
  | ReduceOnPlateau;

export interface ScheduleOptions {
  /**
   * The learning rate over all steps: 'constant' (default); 'linear' or 'cosine': falling to 0 along a line or half a cosine
   * (Loshchilov and Hutter, "SGDR", 2016, without restarts), which leaves less noise in the weights; 'one-cycle';
   * 'reduce-on-plateau'; or one of them with settings, { kind: 'step', everyEpochs: 3 }.
   */
  schedule?: LearningRateSchedule | undefined;
  /**
   * How long the learning rate rises along a line before the schedule begins: below 1 the fraction of all steps, else their
   * number. Default 0; with 'one-cycle', 0.3.
   */
  warmup?: number | undefined;
}

export const SCHEDULE_OPTION_NAMES: readonly (keyof ScheduleOptions)[] = ['schedule', 'warmup'];

type Checked<Kind> = { readonly [Name in keyof Kind]-?: Exclude<Kind[Name], undefined> };
type CheckedKind =
  | { readonly kind: 'constant' | 'linear' | 'cosine' }
  | Checked<StepDecay>
  | Checked<OneCycle>
  | Checked<ReduceOnPlateau>;
export type CheckedPlateau = Checked<ReduceOnPlateau>;
/** Warm-up as it is given. */
export type CheckedSchedule = CheckedKind & { readonly warmup: number };

const SETTINGS = {
  constant: [],
  linear: [],
  cosine: [],
  'one-cycle': ['divFactor', 'finalDivFactor'],
  step: ['everyEpochs', 'factor'],
  'reduce-on-plateau': ['factor', 'patience', 'threshold', 'minLearningRate'],
} as const satisfies Record<ScheduleName, readonly string[]>;
const SCHEDULES = Object.keys(SETTINGS) as readonly ScheduleName[];

const ARGUMENT = 'options.schedule';

export function checkSchedule({ schedule = 'constant', warmup }: ScheduleOptions): CheckedSchedule {
  const given = typeof schedule === 'object' && schedule !== null ? schedule : { kind: schedule };
  const argument = given === schedule ? `${ARGUMENT}.kind` : ARGUMENT;
  const kind = checkOneOf<ScheduleName>(argument, given.kind, SCHEDULES);
  checkOptionNames(ARGUMENT, given, ['kind', ...SETTINGS[kind]]);
  const byDefault = kind === 'one-cycle' ? 0.3 : 0;
  return { ...checkSettings({ ...given, kind }), warmup: checkWarmup(warmup ?? byDefault) };
}

/** Any of the settings: those of the kind are checked by then to be alone. */
type GivenSettings = { readonly kind: ScheduleName } & Readonly<
  Partial<Record<(typeof SETTINGS)[ScheduleName][number], unknown>>
>;

function checkSettings(given: GivenSettings): CheckedKind {
  const { kind } = given;
  const { factor = 0.1, patience = 10, threshold = 1e-4, minLearningRate = 0 } = given;
  switch (kind) {
    case 'constant':
    case 'linear':
    case 'cosine':
      return { kind };
    case 'step':
      return { kind, everyEpochs: checkEveryEpochs(given.everyEpochs), factor: checkFactor(factor) };
    case 'one-cycle': {
      const { divFactor = 25, finalDivFactor = 1e4 } = given;
      return {
        kind,
        divFactor: checkNumber(`${ARGUMENT}.divFactor`, divFactor, 1),
        finalDivFactor: checkNumber(`${ARGUMENT}.finalDivFactor`, finalDivFactor, 1),
      };
    }
    case 'reduce-on-plateau':
      return {
        kind,
        factor: checkFactor(factor),
        patience: checkInteger(`${ARGUMENT}.patience`, patience, 0, Number.MAX_SAFE_INTEGER),
        threshold: checkNumber(`${ARGUMENT}.threshold`, threshold, 0, 1),
        minLearningRate: checkNumber(`${ARGUMENT}.minLearningRate`, minLearningRate, 0),
      };
    default:
      return kind satisfies never;
  }
}

const checkFactor = (factor: unknown): number => checkNumber(`${ARGUMENT}.factor`, factor, 0, 1);

function checkEveryEpochs(value: unknown): number {
  if (value !== undefined) {
    return checkInteger(`${ARGUMENT}.everyEpochs`, value, 1, Number.MAX_SAFE_INTEGER);
  }
  const message = `${ARGUMENT} is 'step' without everyEpochs: pass { kind: 'step', everyEpochs: 3 }, say`;
  throw new SoftshardError('ERR_OPTION', message, { argument: `${ARGUMENT}.everyEpochs`, value });
}

function checkWarmup(value: unknown): number {
  const warmup = checkNumber('options.warmup', value, 0);
  if (warmup < 1 || Number.isSafeInteger(warmup)) return warmup;
  const message = `options.warmup is ${inspectValue(value)}: it must be a fraction of all steps below 1, or a whole number of steps`;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'options.warmup', value });
}

/** What the workers are told. A rate that is reduced on a plateau changes between their calls. */
export function stepScheduleOf(
  schedule: CheckedSchedule,
  { stepsAnEpoch, steps }: { readonly stepsAnEpoch: number; readonly steps: number },
): StepSchedule {
  const warmupSteps = warmupStepsOf(schedule, steps);
  switch (schedule.kind) {
    case 'constant':
    case 'reduce-on-plateau':
      return { kind: 'constant', warmupSteps };
    case 'linear':
    case 'cosine':
      return { kind: schedule.kind, warmupSteps };
    case 'step': {
      const { kind, everyEpochs, factor } = schedule;
      return { kind, everySteps: everyEpochs * stepsAnEpoch, factor, warmupSteps };
    }
    case 'one-cycle': {
      const { kind, divFactor, finalDivFactor } = schedule;
      return { kind, divFactor, finalDivFactor, warmupSteps: Math.max(1, warmupSteps) };
    }
    default:
      return schedule satisfies never;
  }
}

function warmupStepsOf({ warmup }: CheckedSchedule, steps: number): number {
  if (warmup < 1) return Math.min(Math.ceil(warmup * steps), steps - 1);
  if (warmup < steps) return warmup;
  const argument = 'options.warmup';
  const message = `${argument} is ${warmup} steps, and training has ${steps}: lower it (below 1 it is a fraction of all steps), or train for more epochs`;
  throw new SoftshardError('ERR_OPTION', message, { argument, value: warmup });
}

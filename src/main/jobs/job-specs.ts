// What jobs there are: what is submitted, the call that it is of, and what of it is progress.
import { SoftshardError } from '../../errors.js';
import type { Cancellation } from '../cancellation.js';
import {
  checkFunction,
  checkNumber,
  checkOneOf,
  checkOptionNames,
  checkSignal,
  inspectValue,
} from '../checks.js';
import { checkOneRank } from '../distributed/together.js';
import type { Engine } from '../engine.js';
import type { AnyRows, AnyTargets } from '../intake/take-rows.js';
import { SoftmaxClassifier } from '../training/classifier.js';
import { asksForSteps, type FitOptions } from '../training/fit-options.js';
import type { FitResult } from '../training/fit-result.js';
import { fitMany } from '../training/many/fit-many.js';
import type { HeadOptions } from '../training/many/head-options.js';
import type { FitManyOptions } from '../training/many/many-options.js';
import type { CalibrateOptions, EvaluateOptions, PredictOptions } from '../training/predict-options.js';
import type { Work } from './job.js';

/** What every job may have. */
export interface JobOptions {
  /** Jobs of a higher one begin earlier; of equals, those that were submitted earlier. Default 0. */
  priority?: number | undefined;
  /** Aborting cancels the job; its result rejects with signal.reason. */
  signal?: AbortSignal | undefined;
}

/** Rows and targets are read when the job begins: leave them as they are until it ends. */
interface OfClassifier extends JobOptions {
  /** Of this engine. */
  classifier: SoftmaxClassifier;
  inputs: AnyRows;
}

interface OfLabeled extends OfClassifier {
  /** May be left out where the inputs bring their labels along. */
  targets?: AnyTargets | undefined;
}

/** `classifier.fit`. Progress: epochs, or iterations and settings that are tried. */
export interface FitJob extends OfLabeled {
  kind: 'fit';
  options?: Omit<FitOptions, 'signal'> | undefined;
}

/** `fitMany` on this engine. Progress: heads that have ended. */
export interface FitManyJob extends JobOptions {
  kind: 'fitMany';
  inputs: AnyRows;
  targets?: AnyTargets | undefined;
  heads: readonly HeadOptions[];
  options?: Omit<FitManyOptions, 'signal'> | undefined;
}

export interface EvaluateJob extends OfLabeled {
  kind: 'evaluate';
  options?: Omit<EvaluateOptions, 'signal'> | undefined;
}

export interface CalibrateJob extends OfLabeled {
  kind: 'calibrate';
  options?: Omit<CalibrateOptions, 'signal'> | undefined;
}

export interface PredictJob extends OfClassifier {
  kind: 'predict';
  options?: Omit<PredictOptions, 'signal'> | undefined;
}

/** Calls of your own, in the line of the others. */
export interface TaskJob<Result> extends JobOptions {
  kind: 'task';
  /** Pass the signal on, and report what you like. */
  run: (terms: {
    readonly signal: AbortSignal;
    readonly report: (progress: unknown) => void;
  }) => Promise<Result>;
}

export type JobSpec = FitJob | FitManyJob | EvaluateJob | CalibrateJob | PredictJob | TaskJob<unknown>;

const KINDS = ['fit', 'fitMany', 'evaluate', 'calibrate', 'predict', 'task'] as const;

const NAMES: Readonly<Record<(typeof KINDS)[number], readonly string[]>> = {
  fit: ['classifier', 'inputs', 'targets', 'options'],
  fitMany: ['inputs', 'targets', 'heads', 'options'],
  evaluate: ['classifier', 'inputs', 'targets', 'options'],
  calibrate: ['classifier', 'inputs', 'targets', 'options'],
  predict: ['classifier', 'inputs', 'options'],
  task: ['run'],
};

export interface CheckedJob {
  readonly priority: number;
  readonly signal: Cancellation | undefined;
}

/** What a job is, but for its work: that is checked when it begins, as the call does. */
export function checkJob(spec: JobSpec): CheckedJob {
  const kind = checkOneOf('job.kind', Object(spec).kind, KINDS);
  checkOptionNames('job', spec, ['kind', 'priority', 'signal', ...NAMES[kind]]);
  if (spec.kind === 'task') {
    if (spec.run === undefined) throw missing('run', spec.run, 'it must be a function');
    checkFunction('job.run', spec.run);
  } else {
    const { options } = spec;
    if (options !== undefined && Object(options).signal !== undefined) {
      const message = 'job.options.signal is given, but a job is cancelled as a whole: give job.signal';
      throw new SoftshardError('ERR_OPTION', message, { argument: 'job.options.signal' });
    }
    if (spec.kind !== 'fitMany' && !(spec.classifier instanceof SoftmaxClassifier)) {
      throw missing('classifier', spec.classifier, 'it must be a SoftmaxClassifier of this engine');
    }
  }
  return {
    priority: checkNumber('job.priority', spec.priority ?? 0, -Number.MAX_VALUE),
    signal: checkSignal('job.signal', spec.signal),
  };
}

function missing(name: string, value: unknown, what: string): SoftshardError {
  const message = `job.${name} is ${inspectValue(value)}: ${what}`;
  return new SoftshardError('ERR_OPTION', message, { argument: `job.${name}`, value });
}

/** The call of a job. Callbacks that its options have are called, too. */
export function workOf(engine: Engine, spec: JobSpec): Work<unknown> {
  switch (spec.kind) {
    case 'fit':
      return fitWork(spec);
    case 'fitMany':
      return ({ signal, report }) =>
        fitMany(engine, spec.inputs, spec.targets, spec.heads, {
          ...spec.options,
          signal,
          onHeadEnd: (head) => {
            report({ kind: 'head', report: head });
            spec.options?.onHeadEnd?.(head);
          },
        });
    // Targets that are undefined are those that the inputs bring along.
    case 'evaluate':
      return ({ signal }) => {
        // Ranks make their calls in the same order, which jobs do not keep.
        checkOneRank('a job of evaluate', engine.transport);
        return spec.classifier.evaluate(spec.inputs, spec.targets as AnyTargets, { ...spec.options, signal });
      };
    case 'calibrate':
      return ({ signal }) =>
        spec.classifier.calibrate(spec.inputs, spec.targets as AnyTargets, { ...spec.options, signal });
    case 'predict':
      return ({ signal }) => spec.classifier.predict(spec.inputs, { ...spec.options, signal });
    case 'task':
      return ({ signal, report }) =>
        spec.run({ signal, report: (own) => report({ kind: 'task', report: own }) });
    default:
      return spec satisfies never;
  }
}

/** The callbacks of steps ask for training step by step: they are given where that is asked for otherwise. */
function fitWork({ classifier, inputs, targets, options = {} }: FitJob): Work<FitResult> {
  return ({ signal, report }) => {
    const { onEpochEnd, onProgress, onTried } = options;
    const bySteps: FitOptions = {
      onEpochEnd: (epoch) => {
        report({ kind: 'epoch', report: epoch });
        return onEpochEnd?.(epoch);
      },
    };
    const bySolver: FitOptions = {
      onProgress: (iteration) => {
        report({ kind: 'iteration', report: iteration });
        return onProgress?.(iteration);
      },
      onTried: (setting) => {
        report({ kind: 'tried', report: setting });
        onTried?.(setting);
      },
    };
    const own = { ...options, ...(asksForSteps(options) ? bySteps : bySolver), signal };
    return classifier.fit(inputs, targets as AnyTargets, own);
  };
}

// softshard train with a full-batch solver: its options, its progress, and what it says at the end.

import type { Command } from 'commander';
import type { SoftmaxClassifier, Training } from '../index.js';
import { given } from './command-options.js';
import { UsageError } from './failures.js';
import { Interrupted } from './interruption.js';
import { integer, numberBelow } from './option-values.js';
import { count, counted, duration, loss, percent, table } from './output.js';
import type { Progress } from './progress.js';
import { givenStepFlag, type StepFlags } from './train-options.js';

export interface SolverFlags {
  solver?: Training.FullBatchSolver | Training.StepSolver;
  C?: number | 'auto';
  oneStandardError?: true;
  l2?: number;
  tol?: number;
  maxPasses?: number;
}

const positive = numberBelow(Number.POSITIVE_INFINITY, { positive: true });

export function addSolverOptions(command: Command): Command {
  return command
    .option(
      '--C <number>',
      'the inverse of the L2 penalty, scikit-learn\'s, or "auto" (default): chosen by the loss of held-out rows, with --scale',
      (text: string): number | 'auto' => (text === 'auto' ? text : positive(text)),
    )
    .option(
      '--l2 <penalty>',
      'the L2 penalty of the mean loss, instead of --C',
      numberBelow(Number.POSITIVE_INFINITY),
    )
    .option(
      '--tol <fraction>',
      'end when the objective is certain to be within this fraction of its minimum (default: 0.0001)',
      numberBelow(1, { positive: true }),
    )
    .option('--max-passes <count>', 'end after so many passes over the rows (default: 1000)', integer(1));
}

const SOLVER_FLAGS = {
  C: '--C',
  l2: '--l2',
  tol: '--tol',
  maxPasses: '--max-passes',
  oneStandardError: '--one-standard-error',
} as const;

/** Whether a full-batch solver trains, for there is no flag of training step by step; finds contradicting flags. */
export function isFullBatch(
  flags: SolverFlags & StepFlags,
): flags is SolverFlags & StepFlags & { solver?: Training.FullBatchSolver } {
  const { solver, C, l2, oneStandardError } = flags;
  const ofSteps = givenStepFlag(flags);
  const ofSolver = Object.entries(SOLVER_FLAGS).find(
    ([name]) => flags[name as keyof SolverFlags] !== undefined,
  )?.[1];
  if (C !== undefined && l2 !== undefined) {
    throw new UsageError('--C and --l2 are the same penalty in other units: leave one out');
  }
  if (oneStandardError && (l2 !== undefined || typeof C === 'number')) {
    throw new UsageError('--one-standard-error says how C is chosen, which is given: leave one out');
  }
  const takesSteps = solver === undefined ? ofSteps !== undefined : solver === 'sgd' || solver === 'adamw';
  const wrong = takesSteps ? ofSolver : ofSteps;
  if (wrong === undefined) return !takesSteps;
  const because = solver === undefined ? `${ofSteps} asks for --solver sgd, which` : `--solver ${solver}`;
  throw new UsageError(
    `${wrong} is given, but ${because} does not know it: leave one out, or choose another --solver`,
  );
}

/** Options of fit. */
export const solverOptions = ({
  solver,
  C,
  oneStandardError,
  l2,
  tol,
  maxPasses,
  seed,
}: SolverFlags & StepFlags) => ({
  seed,
  ...given({ solver, C: C === 'auto' ? undefined : C, oneStandardError, l2, tol, maxPasses }),
});

export interface Solved {
  /** Undefined if interrupted. */
  readonly result: Training.FitResult | undefined;
  readonly last: Training.SolverReport | undefined;
  readonly interrupted: Interrupted | undefined;
  readonly trainingRows: number;
  readonly validationRows: number;
  readonly durationMs: number;
}

/** Throws if interrupted before the first iteration ends: then there is nothing to keep. */
export async function runSolver(
  classifier: SoftmaxClassifier,
  inputs: Training.FeatureRows,
  targets: Int32Array,
  options: Training.FitOptions & { validationSplit: number; signal: AbortSignal },
  progress: Progress,
): Promise<Solved> {
  const validationRows = Math.floor(targets.length * options.validationSplit);
  let last: Training.SolverReport | undefined;
  let result: Training.FitResult | undefined;
  let interrupted: Interrupted | undefined;
  const begin = performance.now();
  try {
    result = await classifier.fit(inputs, targets, {
      ...options,
      onTried: (setting) => progress.tried(setting),
      onProgress: (report) => {
        last = report;
        progress.solver(report, options.tol ?? 1e-4);
      },
    });
  } catch (error) {
    if (!(error instanceof Interrupted) || last === undefined) throw error;
    interrupted = error;
  } finally {
    progress.stop();
  }
  return {
    result,
    last,
    interrupted,
    trainingRows: targets.length - validationRows,
    validationRows,
    durationMs: performance.now() - begin,
  };
}

/** Call after saving: an interrupted run still fails, and its message says where the model is. */
export function throwIfSolverInterrupted({ interrupted, last }: Solved, out: string): void {
  if (interrupted === undefined) return;
  const { signalName } = interrupted;
  const done = counted(last?.passes ?? 0, 'pass', 'passes');
  throw new Interrupted(
    signalName,
    `interrupted by ${signalName} after ${done}: the model so far is in ${out}`,
  );
}

/** For --json. */
export function solverFacts({ result, last }: Solved) {
  const { solver, loss, objective, gap, gapRelative, passes, converged, stopReason, C, l2, scale, choice } = {
    ...last,
    ...result,
  } as Partial<Training.FitResult>;
  return {
    solver: solver ?? null,
    loss: loss ?? null,
    objective: objective ?? null,
    gap: gap ?? null,
    gapRelative: gapRelative ?? null,
    passes: passes ?? null,
    converged: converged ?? false,
    stopReason: stopReason ?? null,
    C: C ?? null,
    l2: l2 ?? null,
    scale: scale ?? null,
    choice: choice ?? null,
    validationLoss: result?.validationLoss ?? null,
    validationAccuracy: result?.validationAccuracy ?? null,
  };
}

/** For people: what was tried, the figures, and a sentence. */
export function solverText({ result, last, trainingRows, durationMs }: Solved, threads: number): string {
  if (result === undefined) return '';
  const { choice, C, scale, solver, passes = 0, objective, gapRelative } = result;
  const lines = [['loss', loss(result.loss)]];
  if (result.validationLoss !== undefined) lines.push(['validation loss', loss(result.validationLoss)]);
  if (result.validationAccuracy !== undefined) {
    lines.push(['validation accuracy', percent(result.validationAccuracy)]);
  }
  if (objective !== undefined) lines.push(['objective', objective.toPrecision(7)]);
  if (gapRelative !== undefined) lines.push(['above its minimum', `at most ${percentOf(gapRelative)}`]);
  const tried = choice === undefined ? '' : `${triedText(choice, scale, C)}\n`;
  const choosing =
    choice === undefined ? '' : ` and ${count(Math.ceil(choice.passes))} to choose C and scaling`;
  void last;
  return (
    `${tried}${table(lines)}\n` +
    `Trained by ${solver} with C ${figureOf(C)}${scale === 'standard' ? ' on standardised features' : ''}: ` +
    `${counted(Math.ceil(passes), 'pass', 'passes')} over ${counted(trainingRows, 'row')}${choosing}, ` +
    `${duration(durationMs)} with ${counted(threads, 'thread')}.`
  );
}

function triedText(
  { tried, folds, rows }: Training.Choice,
  scale: string | undefined,
  C: number | undefined,
): string {
  const held = folds === 1 ? 'a fifth of' : `${folds} folds of`;
  const lines = [...tried]
    .sort((a, b) => a.scale.localeCompare(b.scale) || a.C - b.C)
    .map((setting) => [
      setting.scale === 'none' ? 'as they are' : 'standardised',
      `C ${figureOf(setting.C)}`,
      `loss ${loss(setting.loss)} ± ${loss(setting.standardError)}`,
      `accuracy ${percent(setting.accuracy)}`,
      setting.scale === scale && setting.C === C ? '<- chosen' : '',
    ]);
  return `Features, C, and what they gave on ${held} ${counted(rows, 'row')} held out:\n${table(lines)}`;
}

const figureOf = (value: number | undefined): string =>
  value === undefined ? '-' : String(Number(value.toPrecision(3)));

/** 0.0000824 -> 0.0083 %. */
const percentOf = (fraction: number): string => `${Number((100 * fraction).toPrecision(2))} %`;

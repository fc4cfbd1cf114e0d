// softshard train with a full-batch solver: its options, its progress, and what it says at the end.

import type { Command } from 'commander';
import type { Runs, SoftmaxClassifier, Training } from '../index.js';
import { given } from './command-options.js';
import { inOptionNames, UsageError } from './failures.js';
import { type ReportKeepers, rowCounts } from './fitting.js';
import { Interrupted, interruptionOf } from './interruption.js';
import { integer, numberBelow } from './option-values.js';
import { count, counted, duration, loss, percent, table } from './output.js';
import type { Progress } from './progress.js';
import { columnsOf, wrapped } from './terminal.js';
import { givenStepFlag, type StepFlags } from './train-options.js';

export interface SolverFlags {
  solver?: Training.FullBatchSolver | Training.StepSolver;
  C?: number | 'auto';
  oneStandardError?: true;
  l2?: number;
  l1?: number;
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
      '--l1 <penalty>',
      'the L1 penalty of the mean loss, which leaves weights of exactly 0, alone or beside --C or --l2',
      numberBelow(Number.POSITIVE_INFINITY),
    )
    .option(
      '--tol <fraction>',
      'end when the objective is certain to be within this fraction of its minimum (default: 0.0001)',
      numberBelow(1, { positive: true }),
    )
    .option(
      '--max-passes <count>',
      'end with the iteration that reaches so many passes over the rows (default: 1000)',
      integer(1),
    );
}

const SOLVER_FLAGS = {
  C: '--C',
  l2: '--l2',
  l1: '--l1',
  tol: '--tol',
  maxPasses: '--max-passes',
  oneStandardError: '--one-standard-error',
} as const;

/** Whether a full-batch solver trains, for there is no flag of training step by step; finds contradicting flags. */
export function isFullBatch(
  flags: SolverFlags & StepFlags,
): flags is SolverFlags & StepFlags & { solver?: Training.FullBatchSolver } {
  const { solver, C, l2, l1, oneStandardError } = flags;
  const ofSteps = givenStepFlag(flags);
  const ofSolver = Object.entries(SOLVER_FLAGS).find(
    ([name]) => flags[name as keyof SolverFlags] !== undefined,
  )?.[1];
  if (C !== undefined && l2 !== undefined) {
    throw new UsageError('--C and --l2 are the same penalty in other units: leave one out');
  }
  if (oneStandardError && ((l2 ?? l1) !== undefined || typeof C === 'number')) {
    throw new UsageError('--one-standard-error says how C is chosen, which is given: leave one out');
  }
  if (l1 !== undefined && C === 'auto') {
    throw new UsageError('--C auto does not choose beside --l1: give --C a number, or leave it out');
  }
  if (l1 !== undefined && solver === 'newton-cg') {
    throw new UsageError(
      '--l1 is given, but --solver newton-cg does not know it: leave one out, or choose lbfgs',
    );
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
  l1,
  tol,
  maxPasses,
  seed,
}: SolverFlags & StepFlags) => ({
  seed,
  ...given({ solver, C: C === 'auto' ? undefined : C, oneStandardError, l2, l1, tol, maxPasses }),
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

/** Lines of the metrics of a run. */
const triedMetrics = ({
  scale,
  C,
  loss,
  standardError,
  accuracy,
}: Training.TriedSetting): Runs.RunMetrics => ({
  C,
  scale,
  score: loss,
  scoreError: standardError,
  accuracy,
});
const solverMetrics = ({
  iteration,
  passes,
  objective,
  loss,
  gap,
  gapRelative,
}: Training.SolverReport): Runs.RunMetrics => ({
  iteration,
  pass: passes,
  'train/loss': loss,
  objective,
  gap,
  gapRelative,
});

/** Throws if interrupted before the first iteration ends: then there is nothing to keep. */
export async function runSolver(
  classifier: SoftmaxClassifier,
  inputs: Training.FeatureRows,
  targets: Int32Array,
  options: Training.FitOptions & { signal: AbortSignal },
  progress: Progress,
  { board, run }: ReportKeepers = {},
): Promise<Solved> {
  let last: Training.SolverReport | undefined;
  let result: Training.FitResult | undefined;
  let interrupted: Interrupted | undefined;
  const begin = performance.now();
  try {
    result = await classifier.fit(inputs, targets, {
      ...options,
      onTried: (setting) => {
        progress.tried(setting);
        run?.log(triedMetrics(setting));
      },
      onProgress: (report) => {
        last = report;
        progress.solver(report, options.tol ?? 1e-4);
        board?.solver(report);
        run?.log(solverMetrics(report));
      },
    });
    progress.stop();
    progress.warnOf(result);
  } catch (error) {
    interrupted = interruptionOf(error);
    if (interrupted === undefined || last === undefined) throw interrupted ?? error;
  } finally {
    progress.stop();
    board?.end(result);
  }
  return {
    result,
    last,
    interrupted,
    ...rowCounts(options.split, targets.length),
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
    interrupted,
  );
}

/** For --json. */
export function solverFacts({ result, last }: Solved) {
  const {
    solver,
    loss,
    objective,
    gap,
    gapRelative,
    passes,
    converged,
    stopReason,
    C,
    l2,
    l1,
    zeroWeights,
    scale,
    choice,
  } = {
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
    l1: l1 ?? null,
    zeroWeights: zeroWeights ?? null,
    scale: scale ?? null,
    choice: choice ?? null,
    accuracy: result?.accuracy ?? null,
    majority: result?.majority ?? null,
    validationLoss: result?.validationLoss ?? null,
    validationAccuracy: result?.validationAccuracy ?? null,
    validationMajority: result?.validationMajority ?? null,
    warnings: warningFacts(result),
  };
}

/** For --json, in the words of the command line. */
export const warningFacts = (result: Training.FitResult | undefined): readonly Training.FitWarning[] =>
  (result?.warnings ?? []).map(({ code, message }) => ({ code, message: inOptionNames(message) }));

/** An accuracy beside what it compares with. */
export const withMajority = (accuracy: number, majority: number): string =>
  `${percent(accuracy)} (largest class: ${percent(majority)})`;

/** Lines of a table: how the model does on the rows of the test, if there are any. */
export const testLines = (test: Training.Evaluation | undefined): readonly string[][] =>
  test === undefined
    ? []
    : [
        ['test loss', loss(test.loss)],
        ['test accuracy', withMajority(test.accuracy, test.majority)],
      ];

/** Where columns differ much in size the bound may say nothing, however good the model. */
const minimumText = (gapRelative: number): string =>
  gapRelative < 1 ? `at most ${percentOf(gapRelative)}` : 'not known (the bound is above 100 %)';

/** For people: what was tried, the figures, and a sentence. */
export function solverText(
  { result, trainingRows, durationMs }: Solved,
  test: Training.Evaluation | undefined,
  workers: string,
): string {
  if (result === undefined) return '';
  const { choice, C, l1 = 0, zeroWeights = 0, scale, solver, passes = 0, objective, gapRelative } = result;
  const lines = [
    ['training loss', loss(result.loss)],
    ['training accuracy', withMajority(result.accuracy ?? Number.NaN, result.majority)],
  ];
  if (result.validationLoss !== undefined) lines.push(['validation loss', loss(result.validationLoss)]);
  if (result.validationAccuracy !== undefined) {
    const { validationMajority = Number.NaN } = result;
    lines.push(['validation accuracy', withMajority(result.validationAccuracy, validationMajority)]);
  }
  lines.push(...testLines(test));
  if (objective !== undefined) lines.push(['objective', objective.toPrecision(7)]);
  if (gapRelative !== undefined) lines.push(['above its minimum', minimumText(gapRelative)]);
  if (l1 > 0) lines.push(['weights of 0', count(zeroWeights)]);
  const penalties =
    [C !== undefined && `C ${figureOf(C)}`, l1 > 0 && `L1 ${figureOf(l1)}`].filter(Boolean).join(' and ') ||
    'no penalty';
  const tried = choice === undefined ? '' : `${triedText(choice, scale, C)}\n`;
  const choosing =
    choice === undefined ? '' : ` and ${count(Math.ceil(choice.passes))} to choose C and scaling`;
  return (
    `${tried}${table(lines)}\n` +
    `Trained by ${solver} with ${penalties}${scale === 'standard' ? ' on standardised features' : ''}:\n` +
    wrapped(
      `${counted(Math.ceil(passes), 'pass', 'passes')} over ${counted(trainingRows, 'row')}${choosing}, ` +
        `${duration(durationMs)} with ${workers}.`,
      columnsOf(process.stdout),
    )
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

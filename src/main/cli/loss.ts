// softshard loss: the cross-entropy of logits in a .npy file, or how far they are from a teacher's, and the gradient.

import { resolve } from 'node:path';
import { type Engine, type Files, type Losses, lossOfFiles } from '../index.js';
import {
  type EngineFlags,
  given,
  type LossShapeFlags,
  lossShapeOf,
  type ReportFlags,
} from './command-options.js';
import { UsageError } from './failures.js';
import { partBytes, workOf } from './file-parts.js';
import { checkInputs, checkOutputs, isStandardOutput } from './files.js';
import { count, duration, figure, printBeside, printJson, table } from './output.js';
import { withPipedInputs } from './piped-inputs.js';
import { runFacts, type Session, withSession } from './session.js';
import { shownPath } from './shown-paths.js';

export interface LossFlags extends EngineFlags, LossShapeFlags, ReportFlags {
  logits: string;
  targets?: string;
  teacher?: string;
  alpha?: number;
  weight?: string;
  sampleWeight?: string;
  mask?: string;
  ignoreIndex?: number;
  reduction: Losses.Reduction;
  onEmpty: Losses.OnEmpty;
  onInvalidTarget: Losses.OnInvalidTarget;
  axis: number;
  gradient?: string;
  losses?: string;
}

/** Most losses that --json prints; more need --losses. */
const MAX_LISTED_LOSSES = 100_000;

export async function loss(flags: LossFlags): Promise<void> {
  checkFlags(flags);
  await withPipedInputs(
    flags,
    ['logits', 'targets', 'teacher', 'weight', 'sampleWeight', 'mask'],
    lossOfInputs,
  );
}

async function lossOfInputs(flags: LossFlags): Promise<void> {
  const { logits, targets, teacher, weight, sampleWeight, mask, gradient, losses } = flags;
  const inputs = [logits, targets, teacher, weight, sampleWeight, mask];
  const sizes = partBytes();
  await checkInputs(inputs, flags);
  const outputs = await checkOutputs(
    { '--gradient': gradient, '--losses': losses, '--trace': flags.trace },
    inputs,
    flags.json,
  );
  await withSession(flags, async (session) => {
    const begin = performance.now();
    const result = await lossWith(session, flags, sizes);
    const durationMs = performance.now() - begin;
    if (flags.json) return printJson(jsonOf(flags, session.engine, result, durationMs));
    const text = textOf(flags, result, durationMs);
    return printBeside(text, outputs.some(isStandardOutput), flags.quiet);
  });
}

function checkFlags({ targets, teacher, reduction, json, losses }: LossFlags): void {
  if (targets === undefined && teacher === undefined) {
    throw new UsageError('targets are missing: give --targets, or the logits of a teacher with --teacher');
  }
  if (reduction === 'none' && losses === undefined && !json) {
    throw new UsageError(
      '--reduction none gives a loss for each row: name a file for them with --losses, or add --json',
    );
  }
}

async function lossWith(
  { engine, progress, signal }: Session,
  flags: LossFlags,
  sizes: Pick<Files.LossOfFilesOptions, 'partBytes'>,
): Promise<Files.FilesLoss> {
  const { logits, targets, teacher, alpha, weight, sampleWeight, mask, gradient, losses } = flags;
  const { reduction, onEmpty, ignoreIndex, axis } = flags;
  // The default, which is of no use without targets.
  const isThrow = flags.onInvalidTarget === 'throw' && targets === undefined;
  const onInvalidTarget = isThrow ? undefined : flags.onInvalidTarget;
  const paths = { targets, teacher, weight, sampleWeight, mask, gradient, losses };
  let advance: ((fraction: number) => void) | undefined;
  try {
    return await lossOfFiles(engine, {
      logits,
      ...given({ ...paths, alpha, onInvalidTarget, ignoreIndex }),
      ...lossShapeOf(flags),
      ...sizes,
      reduction,
      onEmpty,
      axis,
      onStart: (about) => {
        checkListed(flags, about);
        progress.note(workOf(operationOf(flags), about, engine));
        advance = progress.working('loss');
      },
      onProgress: (fraction) => advance?.(fraction),
      signal,
    });
  } finally {
    progress.stop();
  }
}

const operationOf = ({ targets, teacher }: LossFlags): string => {
  if (teacher === undefined) return 'loss';
  return targets === undefined ? 'divergence' : 'distillation';
};

function checkListed({ reduction, losses }: LossFlags, { rows }: Files.AboutLoss): void {
  if (reduction !== 'none' || losses !== undefined || rows <= MAX_LISTED_LOSSES) return;
  throw new UsageError(
    `--reduction none gives ${count(rows)} losses, of which JSON takes ${count(MAX_LISTED_LOSSES)}: name a file for them with --losses`,
  );
}

const writtenFiles = ({ gradient, losses }: LossFlags) => ({
  ...(gradient !== undefined && { gradient: resolve(gradient) }),
  ...(losses !== undefined && { losses: resolve(losses) }),
});

function jsonOf(flags: LossFlags, engine: Engine, result: Files.FilesLoss, durationMs: number): object {
  const { rows, classes, dims, axis, type, softTargets, losses, zLoss } = result;
  const { divergenceSum, crossEntropySum, perplexity, perplexityStandardError } = result;
  return {
    loss: result.loss,
    lossSum: result.lossSum,
    weightSum: result.weightSum,
    lossStandardError: result.lossStandardError ?? null,
    ...given({ perplexity, perplexityStandardError, divergenceSum, crossEntropySum }),
    ...(flags.zLoss !== undefined && { zLoss: zLoss ?? 0 }),
    ...(losses && { losses: [...losses] }),
    ...{ rows, classes, dims, axis, type },
    reduction: flags.reduction,
    softTargets,
    ...runFacts(engine, rows, durationMs),
    logits: shownPath(flags.logits),
    targets: flags.targets === undefined ? null : shownPath(flags.targets),
    ...(flags.teacher !== undefined && { teacher: shownPath(flags.teacher) }),
    files: writtenFiles(flags),
  };
}

function textOf(flags: LossFlags, result: Files.FilesLoss, durationMs: number): string {
  const { rows, classes, loss, lossSum, weightSum, zLoss, lossStandardError } = result;
  const { perplexity, perplexityStandardError, divergenceSum, crossEntropySum } = result;
  const written = Object.entries(writtenFiles(flags)).map(
    ([what, path]) => `The ${what} ${what === 'losses' ? 'are' : 'is'} in ${path}\n`,
  );
  const mean = (sum: number | undefined) => (sum === undefined ? '' : figure(sum / weightSum));
  const isMean = flags.reduction === 'mean';
  const figures = [
    [flags.teacher !== undefined && flags.targets === undefined ? 'divergence' : 'loss', figure(loss)],
    ...(isMean && lossStandardError !== undefined ? [['standard error', figure(lossStandardError)]] : []),
    ...(divergenceSum !== undefined ? [['divergence from the teacher', mean(divergenceSum)]] : []),
    ...(crossEntropySum !== undefined ? [['cross-entropy', mean(crossEntropySum)]] : []),
    ...(flags.zLoss !== undefined ? [['of it z-loss', figure(zLoss ?? 0)]] : []),
    ...(perplexity !== undefined ? [['perplexity', withError(perplexity, perplexityStandardError)]] : []),
    ['sum of losses', figure(lossSum)],
    ['sum of weights', figure(weightSum)],
    ['rows', count(rows)],
    ['classes', count(classes)],
    ['time', duration(durationMs)],
    ['rows/s', count((1000 * rows) / durationMs)],
  ];
  return `${table(figures)}${written.length > 0 ? '\n' : ''}${written.join('')}`;
}

/** 8.1234 ± 0.021: the error with two digits. */
function withError(value: number, error: number | undefined): string {
  const hasError = error !== undefined && Number.isFinite(error);
  return hasError ? `${figure(value)} ± ${Number(error.toPrecision(2))}` : figure(value);
}

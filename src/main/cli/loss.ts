// softshard loss: the cross-entropy of logits in a .npy file, with every option, and its gradient.

import { resolve } from 'node:path';
import { createNpyWriter, type Engine, type Files, type Losses } from '../index.js';
import { type EngineFlags, type LossShapeFlags, lossShapeOf, type ReportFlags } from './command-options.js';
import { UsageError } from './failures.js';
import { checkInputs, checkOutputs, isStandardOutput } from './files.js';
import { bytesAnElement, type LossJob, lossInParts, type PartOptions } from './loss-parts.js';
import {
  areSoftTargets,
  checkMask,
  checkSampleWeight,
  countIgnored,
  readClassWeight,
  shapeOf,
  withNpyFiles,
} from './npy-inputs.js';
import { count, duration, figure, printBeside, printJson, table } from './output.js';
import { withPipedInputs } from './piped-inputs.js';
import { planWindows, windowBytes, workOf } from './row-windows.js';
import { runFacts, type Session, withSession } from './session.js';
import { shownPath } from './shown-paths.js';

export interface LossFlags extends EngineFlags, LossShapeFlags, ReportFlags {
  logits: string;
  targets: string;
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
  await withPipedInputs(flags, ['logits', 'targets', 'weight', 'sampleWeight', 'mask'], lossOfFiles);
}

async function lossOfFiles(flags: LossFlags): Promise<void> {
  const { logits, targets, weight, sampleWeight, mask, gradient, losses } = flags;
  const inputs = [logits, targets, weight, sampleWeight, mask];
  const atMostBytes = windowBytes();
  await checkInputs(inputs);
  const outputs = await checkOutputs({ '--gradient': gradient, '--losses': losses }, inputs, flags.json);
  await withSession(flags, (session) =>
    withNpyFiles(session.signal, async (open) => {
      const files = await openInputs(flags, open);
      const begin = performance.now();
      const results = await run(flags, files, session, atMostBytes);
      const durationMs = performance.now() - begin;
      session.progress.stop();
      if (flags.json) return printJson(jsonOf(flags, files, session.engine, results, durationMs));
      const text = textOf(flags, files, results, durationMs);
      return printBeside(text, outputs.some(isStandardOutput), flags.quiet);
    }),
  );
}

function checkFlags({ reduction, json, losses }: LossFlags): void {
  if (reduction === 'none' && losses === undefined && !json) {
    throw new UsageError(
      '--reduction none gives a loss for each row: name a file for them with --losses, or add --json',
    );
  }
}

type InputFields = 'shape' | 'logits' | 'targets' | 'areSoft' | 'ignored' | 'sampleWeight' | 'mask';
type Inputs = Pick<LossJob, InputFields> & {
  readonly weight: Float32Array | Float64Array | undefined;
};

/** Opens and checks all inputs. */
async function openInputs(flags: LossFlags, open: (path: string) => Promise<Files.NpyFile>): Promise<Inputs> {
  const maybe = async (path: string | undefined) => (path === undefined ? undefined : open(path));
  const logits = await open(flags.logits);
  const shape = shapeOf(logits, flags.axis, 'logits');
  const targets = await open(flags.targets);
  const areSoft = areSoftTargets(targets, shape);
  const weight = await maybe(flags.weight);
  const sampleWeight = await maybe(flags.sampleWeight);
  if (sampleWeight) checkSampleWeight(sampleWeight, shape);
  const mask = await maybe(flags.mask);
  if (mask) checkMask(mask, shape);
  if (isListed(flags) && shape.rows > MAX_LISTED_LOSSES) {
    throw new UsageError(
      `--reduction none gives ${count(shape.rows)} losses, of which JSON takes ${count(MAX_LISTED_LOSSES)}: name a file for them with --losses`,
    );
  }
  return {
    shape,
    logits,
    targets,
    areSoft,
    sampleWeight,
    mask,
    weight: weight && (await readClassWeight(weight, shape)),
    ignored: areSoft ? 0 : await countIgnored(targets, shape, flags),
  };
}

const isListed = ({ reduction, losses }: LossFlags): boolean => reduction === 'none' && losses === undefined;

interface Results {
  readonly merged: Losses.MergedLoss;
  /** Losses to print as JSON. */
  readonly listed: readonly number[] | undefined;
}

/** Commits the outputs together, once both are complete. */
async function run(
  flags: LossFlags,
  { weight, ...inputs }: Inputs,
  { engine, signal, progress }: Session,
  atMostBytes: number,
): Promise<Results> {
  const { shape } = inputs;
  const plan = planWindows(shape, bytesAnElement(inputs), engine, atMostBytes);
  const listed: number[] | undefined = isListed(flags) ? [] : undefined;
  const writers: Files.NpyWriter[] = [];
  const create = async (path: string | undefined, dims: readonly number[]) => {
    if (path === undefined) return undefined;
    const writer = await createNpyWriter(path, { type: shape.type, dims, signal });
    writers.push(writer);
    return writer;
  };
  try {
    const lossDims = shape.dims.filter((_, dim) => dim !== shape.axis);
    const losses = await create(flags.losses, lossDims.length > 0 ? lossDims : [1]);
    const gradient = await create(flags.gradient, shape.dims);
    progress.note(workOf('loss', shape, plan, engine));
    const merged = await lossInParts(
      {
        ...inputs,
        engine,
        gradient,
        losses: losses
          ? (values) => losses.append(values)
          : listed && (async (values) => void listed.push(...values)),
        reduction: flags.reduction,
        onEmpty: flags.onEmpty,
        options: { ...partOptions(flags), ...(weight && { weight }), signal },
        advance: progress.working('loss'),
      },
      plan,
    );
    signal.throwIfAborted();
    for (const writer of writers) await writer.commit();
    return { merged, listed };
  } finally {
    for (const writer of writers) await writer.abort();
  }
}

function partOptions(flags: LossFlags): PartOptions {
  const { ignoreIndex, onInvalidTarget } = flags;
  return { onInvalidTarget, ...(ignoreIndex !== undefined && { ignoreIndex }), ...lossShapeOf(flags) };
}

const writtenFiles = ({ gradient, losses }: LossFlags) => ({
  ...(gradient !== undefined && { gradient: resolve(gradient) }),
  ...(losses !== undefined && { losses: resolve(losses) }),
});

function jsonOf(
  flags: LossFlags,
  { shape, areSoft }: Inputs,
  engine: Engine,
  { merged: { loss, lossSum, weightSum, zLoss }, listed }: Results,
  durationMs: number,
): object {
  const { rows, classes, dims, axis, type } = shape;
  return {
    loss,
    lossSum,
    weightSum,
    ...(flags.zLoss !== undefined && { zLoss: zLoss ?? 0 }),
    ...(listed && { losses: listed }),
    rows,
    classes,
    dims,
    axis,
    type,
    reduction: flags.reduction,
    softTargets: areSoft,
    ...runFacts(engine, rows, durationMs),
    logits: shownPath(resolve(flags.logits)),
    targets: shownPath(resolve(flags.targets)),
    files: writtenFiles(flags),
  };
}

function textOf(
  flags: LossFlags,
  { shape: { rows, classes } }: Inputs,
  { merged: { loss, lossSum, weightSum, zLoss } }: Results,
  durationMs: number,
): string {
  const written = Object.entries(writtenFiles(flags)).map(
    ([what, path]) => `The ${what} ${what === 'losses' ? 'are' : 'is'} in ${path}\n`,
  );
  const figures = [
    ['loss', figure(loss)],
    ...(flags.zLoss !== undefined ? [['of it z-loss', figure(zLoss ?? 0)]] : []),
    ['sum of losses', figure(lossSum)],
    ['sum of weights', figure(weightSum)],
    ['rows', count(rows)],
    ['classes', count(classes)],
    ['time', duration(durationMs)],
    ['rows/s', count((1000 * rows) / durationMs)],
  ];
  return `${table(figures)}${written.length > 0 ? '\n' : ''}${written.join('')}`;
}

// softshard sweep: trains a model with each combination of options, and ranks them by rows that are held out.

import { resolve } from 'node:path';
import { type Engine, type Files, fitMany, type SoftmaxClassifier, type Training } from '../index.js';
import { classesOf, readClassNames, targetsOf } from './classes.js';
import type { CsvFlags, EngineFlags, ReportFlags } from './command-options.js';
import { given } from './command-options.js';
import { type LabeledRows, namingFiles, readLabeledRows, type Scale, scalingOf } from './dataset.js';
import { UsageError } from './failures.js';
import { checkInputs, checkOutputs, isStandardOutput } from './files.js';
import { type Combination, combinationsOf, type GridValues } from './grid.js';
import { type ModelLossFlags, modelLossFiles, readTrainLoss } from './model-loss.js';
import { counted, duration, printBeside, printJson } from './output.js';
import { runFacts, type Session, withSession } from './session.js';
import { isFullBatch, type SolverFlags, solverOptions } from './solver-training.js';
import { headFacts, sweepText } from './sweep-report.js';
import { distinctNames, noteEmptyClasses, readValidation, type ValidationFlags } from './train.js';
import { checkStepFlags, type StepFlags, stepOptions } from './train-options.js';

export interface SweepFlags
  extends CsvFlags,
    EngineFlags,
    ReportFlags,
    ValidationFlags,
    Pick<ModelLossFlags, 'sampleWeight' | 'mask' | 'ignoreIndex'> {
  data: string;
  labels?: string;
  classNames?: string;
  cv?: number;
  splitSeed: number;
  rankBy: Training.RankedBy;
  oneStandardError?: true;
  path: boolean;
  count: number;
  out?: string;
  scale?: GridValues;
}

/** scikit-learn's, of LogisticRegressionCV. */
const DEFAULT_C = [1e-4, 1e4] as const;
const DEFAULT_FOLDS = 5;

type HeadFlags = SolverFlags & StepFlags & ModelLossFlags & { readonly scale?: Scale };

/** A head by its flags. */
interface PlannedHead {
  readonly combination: Combination;
  readonly flags: HeadFlags;
}

interface Plan {
  /** Names of the options that differ. */
  readonly varied: readonly string[];
  readonly heads: readonly PlannedHead[];
  /** What the classifiers have; undefined: it differs from head to head. */
  readonly scale: Scale | undefined;
}

export async function sweep(flags: SweepFlags): Promise<void> {
  const plan = planHeads(flags);
  const { data, labels, classNames, validationData, validationLabels, out } = flags;
  const lossFiles = plan.heads.flatMap(({ flags: own }) => modelLossFiles(own));
  const inputFiles = [data, labels, classNames, validationData, validationLabels, ...new Set(lossFiles)];
  await checkInputs(inputFiles);
  const [target] = await checkOutputs({ '--out': out }, inputFiles, flags.json);
  await withSession(flags, (session) => sweepWith(session, flags, plan, target));
}

/** Finds contradicting options before any file is read. */
function planHeads(flags: SweepFlags): Plan {
  const { labels, labelColumn, validationData, validationLabels, validationSplit, cv, count } = flags;
  if (labels === undefined && labelColumn === undefined) {
    throw new UsageError('labels are missing: give --labels, or --label-column for a CSV file');
  }
  if (validationLabels !== undefined && validationData === undefined) {
    throw new UsageError('--validation-labels needs --validation-data');
  }
  if (cv !== undefined && (validationSplit ?? validationData) !== undefined) {
    throw new UsageError('--cv holds rows out by itself: leave --validation-split and --validation-data out');
  }
  if (flags.oneStandardError && (validationSplit ?? validationData) !== undefined) {
    throw new UsageError('--one-standard-error needs the parts of --cv: leave the other validation out');
  }
  const first = combinationsOf({ ...flags }, count);
  if (first.combinations.some(({ C }) => C === 'auto')) {
    throw new UsageError(
      '--C auto is for train, which chooses by itself: name values or a range, 0.001..100 say',
    );
  }
  const isUnpenalised = first.combinations.some((combination) => {
    const own = headFlags(flags, combination);
    return isFullBatch(own) && own.C === undefined && own.l2 === undefined && own.l1 === undefined;
  });
  const range: GridValues = (many) =>
    Array.from({ length: many }, (_, index) =>
      Number(
        (DEFAULT_C[0] * (DEFAULT_C[1] / DEFAULT_C[0]) ** (many === 1 ? 0 : index / (many - 1))).toPrecision(
          6,
        ),
      ),
    );
  const { varied, combinations } = isUnpenalised ? combinationsOf({ ...flags, C: range }, count) : first;
  const heads = combinations.map((combination) => ({ combination, flags: headFlags(flags, combination) }));
  for (const { flags: own } of heads) if (!isFullBatch(own)) checkStepFlags(own, true);
  return { varied, heads, scale: checkScales(heads) };
}

const headFlags = (flags: SweepFlags, combination: Combination): HeadFlags => ({
  seed: 0,
  shuffle: true,
  ...given({ sampleWeight: flags.sampleWeight, mask: flags.mask, ignoreIndex: flags.ignoreIndex }),
  ...Object.fromEntries(
    Object.entries(flags).filter(
      ([name, value]) => typeof value !== 'function' && name !== 'oneStandardError',
    ),
  ),
  ...combination,
});

/** The scaling of all heads; undefined: 'none' and 'standard' side by side. */
function checkScales(heads: readonly PlannedHead[]): Scale | undefined {
  const scales = new Set(heads.map(({ flags }) => flags.scale ?? 'auto'));
  if (scales.size === 1) return [...scales][0];
  const other = [...scales].find((scale) => scale !== 'none' && scale !== 'standard');
  if (other !== undefined) {
    throw new UsageError(`--scale ${other} is for all models: give it alone, or compare none,standard`);
  }
  const steps = heads.find(({ flags }) => !isFullBatch(flags));
  if (steps !== undefined) {
    throw new UsageError(
      '--scale none,standard is for solvers that go over all rows: choose one for training step by step',
    );
  }
  return undefined;
}

async function sweepWith(
  session: Session,
  flags: SweepFlags,
  plan: Plan,
  target: Files.OutputTarget | undefined,
): Promise<void> {
  const { engine, progress, signal } = session;
  const named = flags.classNames === undefined ? undefined : await readClassNames(flags.classNames);
  const source = { data: flags.data, labels: flags.labels, labelsOption: '--labels' } as const;
  const rows = await readLabeledRows(session, source, flags, { classes: named !== undefined });
  const classes = named ?? classesOf(rows.labels, flags.ignoreIndex);
  const targets = targetsOf(rows.labels, classes, flags);
  const features = rows.inputs.dims[1];
  const featureNames = distinctNames(rows, progress);
  const validation = await readValidation(session, flags, { features, featureNames, classes });
  const losses = await readLosses(session, plan, {
    rows: targets.length,
    classes: classes.count,
    classNames: classes.names,
  });
  const scaling = await namingFiles(flags, async () => scalingOfPlan(rows, plan));
  const heads = plan.heads.map((head) => headOptions(head, plan, losses.get(lossKey(head))?.options ?? {}));
  noteEmptyClasses(targets, classes, progress);
  const { cv } = validationOf(flags);
  progress.note(
    `${counted(heads.length, 'model')} on ${counted(targets.length, 'row')} of ${counted(features, 'feature')} in ` +
      `${counted(classes.count, 'class', 'classes')}${cv === undefined ? '' : `, ${cv} parts`}, ${counted(engine.threads, 'thread')}`,
  );
  const told = progress.working('models');
  let ended = 0;
  const begin = performance.now();
  const result = await namingFiles(flags, () =>
    fitMany(engine, rows.inputs, targets, heads, {
      features,
      classes: classes.count,
      ...given({ classNames: classes.names, featureNames, featureScaling: scaling }),
      ...validationOf(flags),
      ...(validation && { validation }),
      splitSeed: flags.splitSeed,
      rankBy: flags.rankBy,
      oneStandardError: flags.oneStandardError ?? false,
      path: flags.path,
      refit: flags.out !== undefined,
      onHeadEnd: () => told(++ended / heads.length),
      signal,
    }),
  );
  progress.stop();
  const durationMs = performance.now() - begin;
  const { best, classifier } = result;
  if (best === undefined) throw result.heads[0]?.error ?? new Error('no model has a finite loss');
  const head = plan.heads[best];
  if (flags.out !== undefined && classifier !== undefined && head !== undefined) {
    const saved = losses.get(lossKey(head))?.saved ?? {};
    await save(
      classifier,
      flags.out,
      engine,
      { ...savedOptions(head, plan), ...saved },
      target?.kind === 'file' ? undefined : signal,
    );
  }
  await report({
    flags,
    plan,
    result,
    engine,
    rows: targets.length,
    features,
    classes: classes.count,
    durationMs,
    isOnOutput: target !== undefined && isStandardOutput(target),
  });
}

/** Parts, unless there are other rows to compare by. */
function validationOf({ cv, validationSplit, validationData }: SweepFlags) {
  if (validationData !== undefined) return {};
  if (validationSplit !== undefined) return { validationSplit };
  return { cv: cv ?? DEFAULT_FOLDS };
}

const scalingOfPlan = async (
  rows: LabeledRows,
  { scale, heads }: Plan,
): Promise<Training.FeatureScaling | undefined> => {
  if (scale === undefined) return undefined;
  // A full-batch solver standardises by itself.
  const isOwn = scale === 'standard' && heads.every(({ flags }) => isFullBatch(flags));
  return isOwn ? undefined : scalingOf(rows, scale);
};

/** Flags that options of a loss come from. */
const LOSS_FLAGS = [
  'classWeight',
  'labelSmoothing',
  'temperature',
  'softcap',
  'zLoss',
  'focalGamma',
  'zeroTimesInfinity',
] as const satisfies readonly (keyof ModelLossFlags)[];

const lossKey = ({ flags }: PlannedHead): string =>
  JSON.stringify(LOSS_FLAGS.map((name) => flags[name] ?? null));

/** Of each combination of loss flags, read once: heads that weigh rows alike share them. */
async function readLosses(
  session: Session,
  { heads }: Plan,
  shape: Parameters<typeof readTrainLoss>[2],
): Promise<ReadonlyMap<string, Awaited<ReturnType<typeof readTrainLoss>>>> {
  const losses = new Map<string, Awaited<ReturnType<typeof readTrainLoss>>>();
  let first: Training.FitLossOptions | undefined;
  for (const head of heads) {
    const key = lossKey(head);
    if (losses.has(key)) continue;
    const loss = await readTrainLoss(session, head.flags, shape);
    const { sampleWeight, mask } = first ?? loss.options;
    first ??= loss.options;
    losses.set(key, { ...loss, options: { ...loss.options, ...given({ sampleWeight, mask }) } });
  }
  return losses;
}

function headOptions(
  { flags }: PlannedHead,
  { scale }: Plan,
  loss: Training.FitLossOptions,
): Training.HeadOptions {
  const own = scale ?? flags.scale;
  if (!isFullBatch(flags)) return { ...stepOptions(flags), ...loss };
  return { ...solverOptions(flags), ...loss, ...(own === 'standard' && { scale: own }) };
}

const savedOptions = ({ flags }: PlannedHead, { scale }: Plan): Record<string, Training.Json> => ({
  scale: scale ?? flags.scale ?? 'auto',
  ...(isFullBatch(flags) ? solverOptions(flags) : stepOptions(flags)),
});

async function save(
  classifier: SoftmaxClassifier,
  out: string,
  { numerics, blas }: Engine,
  options: Record<string, Training.Json>,
  signal: AbortSignal | undefined,
): Promise<void> {
  await classifier.save(out, {
    ...(signal && { signal }),
    trainingOptions: { ...options, numerics, ...(blas && { blas: blas.version || blas.name }) },
  });
}

interface Report {
  readonly flags: SweepFlags;
  readonly plan: Plan;
  readonly result: Training.FitManyResult;
  readonly engine: Engine;
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
  readonly durationMs: number;
  /** The model takes standard output. */
  readonly isOnOutput: boolean;
}

async function report({
  flags,
  plan,
  result,
  engine,
  rows,
  features,
  classes,
  durationMs,
  isOnOutput,
}: Report): Promise<void> {
  const model = flags.out === undefined ? undefined : resolve(flags.out);
  const combinations = plan.heads.map(({ combination }) => combination);
  if (flags.json) {
    return printJson({
      best: result.best ?? null,
      heads: headFacts(result, combinations, flags.rankBy),
      loss: result.fit?.loss ?? null,
      rows,
      features,
      classes,
      cv: validationOf(flags).cv ?? null,
      splitSeed: flags.splitSeed,
      ...runFacts(engine, rows, durationMs),
      model: model ?? null,
    });
  }
  const where = model === undefined ? 'give --out to keep it' : `it is in ${model}`;
  const sentence =
    `${counted(combinations.length, 'model')} in ${duration(durationMs)} with ${counted(engine.threads, 'thread')}. ` +
    `The best is the first${model === undefined ? '' : ', trained on all rows'}: ${where}\n`;
  await printBeside(
    `${sweepText(result, combinations, plan.varied, flags.rankBy)}\n${sentence}`,
    isOnOutput,
    flags.quiet,
  );
}

// softshard sweep: trains a model with each combination of options, and ranks them by rows that are held out.

import { resolve } from 'node:path';
import { messageOf } from '../../errors.js';
import {
  type Engine,
  fitMany,
  type RunDirectory,
  type Runs,
  type SoftmaxClassifier,
  type Training,
} from '../index.js';
import { given } from './command-options.js';
import { type LabeledRows, namingFiles, requireLabels, scalingOf } from './dataset.js';
import { type ChosenOutput, checkInputs, checkOutputs, isStandardOutput, outputOfRank0 } from './files.js';
import { evaluateBest, readHeldOut } from './held-out.js';
import { type ModelLossFlags, modelLossFiles, readTrainLoss } from './model-loss.js';
import { counted, duration, printBeside, printJson } from './output.js';
import { withPipedInputs } from './piped-inputs.js';
import { fileFacts, filesOf } from './provenance.js';
import { onRank0 } from './ranks.js';
import { savedLabel } from './remembered-label.js';
import { checkRunFlags } from './run-options.js';
import { finishRun } from './run-results.js';
import { inRun, modelOfRun } from './runs.js';
import { runFacts, type Session, withSession, workersOf } from './session.js';
import { isFullBatch, solverOptions } from './solver-training.js';
import {
  type Plan,
  type PlannedHead,
  planHeads,
  type SweepFlags,
  validationOf,
  withScales,
} from './sweep-plan.js';
import { headFacts, rankedLines, sweepText } from './sweep-report.js';
import { SweepBoard } from './tensorboard.js';
import { columnsOf, wrapped } from './terminal.js';
import { stepOptions } from './train-options.js';
import { noteEmptyClasses, ROW_FILES, readTrainingRows } from './training-rows.js';

export async function sweep(flags: SweepFlags): Promise<void> {
  checkRunFlags(flags);
  await withPipedInputs(flags, ROW_FILES, sweepFiles);
}

async function sweepFiles(flags: SweepFlags): Promise<void> {
  const plan = planHeads(flags);
  const { data, labels, classNames, validationData, validationLabels, output } = flags;
  const lossFiles = plan.heads.flatMap(({ flags: own }) => modelLossFiles(own));
  const inputFiles = [data, labels, classNames, validationData, validationLabels, ...new Set(lossFiles)];
  await checkInputs(inputFiles, flags);
  await requireLabels({ data, labels, labelsOption: '--labels' }, flags);
  const [target] = await checkOutputs({ '--output': output, '--trace': flags.trace }, inputFiles, flags.json);
  const model = modelOfRun(flags) ?? (output === undefined ? undefined : outputAt(output, target));
  const weights = plan.heads.map(({ flags: own }) => own.classWeight);
  await withSession(flags, (session) =>
    inRun(session, 'sweep', flags, filesOf(flags, weights), (run, logged) =>
      sweepWith(logged, flags, plan, model, run),
    ),
  );
}

const outputAt = (path: string, target: ChosenOutput['target'] | undefined): ChosenOutput =>
  target === undefined ? outputOfRank0(path) : { path, target };

async function sweepWith(
  session: Session,
  flags: SweepFlags,
  planned: Plan,
  output: ChosenOutput | undefined,
  run: RunDirectory | undefined,
): Promise<void> {
  const { engine, progress, signal } = session;
  const { rows, targets, model } = await readTrainingRows(session, flags);
  const { features, featureNames, classes } = model;
  const plan = withScales(planned, rows);
  const validation = await readHeldOut(session, flags, model, 'validation');
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
      `${counted(classes.count, 'class', 'classes')}${cv === undefined ? '' : `, ${cv} parts`}, ${workersOf(engine)}`,
  );
  const ended: Training.HeadReport[] = [];
  const combinations = plan.heads.map(({ combination }) => combination);
  const board = new SweepBoard(flags.tensorboard, combinations, progress);
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
      halving: flags.halving,
      refit: output !== undefined,
      ...(flags.tensorboard !== undefined && {
        onHeadProgress: (report: Training.HeadProgress) => board.progress(report),
      }),
      onHeadEnd: (head) => {
        ended.push(head);
        board.head(head);
        // Which of them ends first depends on the threads.
        run?.log(headMetrics(head, plan), head.head);
        if (ended.length === heads.length && output !== undefined) {
          progress.note('training the best on all rows');
        }
        progress.ranked({
          total: heads.length,
          ended: ended.length,
          tableOf: (most, columns) =>
            rankedLines(ended, combinations, plan.varied, flags.rankBy, { most, columns }),
        });
      },
      signal,
      ...(run && board.flushing(run.trainingOptions)),
    }),
  ).finally(() => board.end());
  progress.stop();
  const durationMs = performance.now() - begin;
  const { best, classifier } = result;
  if (best === undefined) throw result.heads[0]?.error ?? new Error('no model has a finite loss');
  const head = plan.heads[best];
  if (output !== undefined && classifier !== undefined && head !== undefined) {
    const saved = losses.get(lossKey(head))?.saved ?? {};
    await onRank0(async () => {
      await run?.restore();
      await save(
        classifier,
        output.path,
        engine,
        {
          ...savedOptions(head, plan),
          ...savedLabel(flags),
          ...saved,
          data: await fileFacts(flags, signal, run?.environment.data),
        },
        output.target.kind === 'file' ? undefined : signal,
      );
    });
  }
  const { facts, text } = reportOf({
    flags,
    plan,
    result,
    engine,
    rows: targets.length,
    features,
    classes: classes.count,
    durationMs,
    output,
  });
  if (run !== undefined && classifier !== undefined) {
    const { mask } = (losses.get(lossKey(plan.heads[best]!))?.options ?? {}) as {
      readonly mask?: Uint8Array;
    };
    const all = { inputs: rows.inputs, targets, mask };
    const tested = { engine, classifier, signal, flags, rows: all, split: undefined, apart: undefined };
    const evaluated = await evaluateBest(tested, validation, undefined);
    await onRank0(() => finishRun(run, { facts, text, classifier, evaluated }, progress));
  }
  if (flags.isReplay) return;
  if (flags.json) await printJson(facts);
  else await printBeside(text, output !== undefined && isStandardOutput(output.target), flags.quiet);
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
  /** Where the model goes. */
  readonly output: ChosenOutput | undefined;
}

/** For --json and for people. */
function reportOf({ flags, plan, result, engine, rows, features, classes, durationMs, output }: Report): {
  readonly facts: object;
  readonly text: string;
} {
  const model = output && resolve(output.path);
  const combinations = plan.heads.map(({ combination }) => combination);
  const facts = {
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
  };
  const where = model === undefined ? 'give --output to keep it' : `it is in ${model}`;
  const sentence =
    `${counted(combinations.length, 'model')} in ${duration(durationMs)} with ${workersOf(engine)}. ` +
    `The best is the first${model === undefined ? '' : ', trained on all rows'}: ${where}\n`;
  const said = wrapped(sentence, columnsOf(process.stdout));
  return { facts, text: `${sweepText(result, combinations, plan.varied, flags.rankBy)}\n${said}` };
}

/** A line of the metrics of a run. */
function headMetrics({ head, score, error, droppedAfter }: Training.HeadReport, plan: Plan): Runs.RunMetrics {
  const { combination } = plan.heads[head]!;
  const varied = plan.varied.map((name) => [name, metricOf(combination[name])] as const);
  return {
    head,
    ...Object.fromEntries(varied),
    score: score?.loss,
    scoreError: score?.lossError,
    'validation/accuracy': score?.accuracy,
    droppedAfter,
    ...(error !== undefined && { error: messageOf(error) }),
  };
}

const metricOf = (value: unknown): string | number | boolean =>
  typeof value === 'number' || typeof value === 'boolean' ? value : String(value);

// softshard train: reads rows and labels, trains a classifier, writes the model.

import { resolve } from 'node:path';
import { listed, quoted } from '../../printable.js';
import { type Engine, SoftmaxClassifier, type Training } from '../index.js';
import { type Classes, classesOf, classesWithoutRows, readClassNames, targetsOf } from './classes.js';
import { type CsvFlags, type EngineFlags, given, type ReportFlags } from './command-options.js';
import {
  type LabeledRows,
  namingFiles,
  readLabeledRows,
  requireLabels,
  type Scale,
  scalingOf,
} from './dataset.js';
import { type ChosenOutput, checkInputs, chooseOutput, isStandardOutput, type OutFlags } from './files.js';
import { type Fitted, runFit, throwIfInterrupted } from './fitting.js';
import { evaluateTest, heldOutFacts, readTest, readValidation, savedSplit, splitOf } from './held-out.js';
import { checkHeldOutFlags, type HeldOutFlags } from './held-out-options.js';
import { type ModelLossFlags, modelLossFiles, readTrainLoss } from './model-loss.js';
import { count, counted, duration, loss, percent, printBeside, printJson, table } from './output.js';
import { withPipedInputs } from './piped-inputs.js';
import type { Progress } from './progress.js';
import { fileFacts, finiteOnly } from './provenance.js';
import { runFacts, type Session, withSession } from './session.js';
import {
  isFullBatch,
  runSolver,
  type Solved,
  type SolverFlags,
  solverFacts,
  solverOptions,
  solverText,
  testLines,
  throwIfSolverInterrupted,
  warningFacts,
  withMajority,
} from './solver-training.js';
import { checkStepFlags, type StepFlags, stepOptions } from './train-options.js';

export interface TrainFlags
  extends CsvFlags,
    HeldOutFlags,
    EngineFlags,
    ReportFlags,
    ModelLossFlags,
    OutFlags,
    StepFlags,
    Omit<SolverFlags, 'solver'> {
  data: string;
  labels?: string;
  classNames?: string;
  scale: Scale;
}

/** The options that name files of rows and of what says how they count. */
export const ROW_FILES = [
  'data',
  'labels',
  'classNames',
  'validationData',
  'validationLabels',
  'sampleWeight',
  'mask',
] as const;

export async function train(flags: TrainFlags): Promise<void> {
  checkFlags(flags);
  await withPipedInputs(flags, [...ROW_FILES, 'testData', 'testLabels', 'classWeight'], trainFromFiles);
}

async function trainFromFiles(flags: TrainFlags): Promise<void> {
  const { data, labels, classNames, validationData, validationLabels, testData, testLabels } = flags;
  const heldOutFiles = [validationData, validationLabels, testData, testLabels];
  const inputFiles = [data, labels, classNames, ...heldOutFiles, ...modelLossFiles(flags)];
  await checkInputs(inputFiles);
  await requireLabels({ data, labels, labelsOption: '--labels' }, flags);
  const output = await chooseOutput(flags, 'model.safetensors', inputFiles);
  await withSession(flags, (session) => trainWith(session, flags, output));
}

/** Finds contradicting options before any file is read. */
function checkFlags(flags: TrainFlags): void {
  checkHeldOutFlags(flags);
  if (!isFullBatch(flags))
    checkStepFlags(flags, flags.validationData !== undefined || Boolean(flags.validationSplit));
}

async function trainWith(session: Session, flags: TrainFlags, output: ChosenOutput): Promise<void> {
  const { engine, progress, signal } = session;
  const named = flags.classNames === undefined ? undefined : await readClassNames(flags.classNames);
  const source = { data: flags.data, labels: flags.labels, labelsOption: '--labels' } as const;
  const rows = await readLabeledRows(session, source, flags, { classes: named !== undefined });
  const classes = named ?? classesOf(rows.labels, flags.ignoreIndex);
  const targets = targetsOf(rows.labels, classes, flags);
  const shape = { rows: targets.length, classes: classes.count, classNames: classes.names };
  const loss = await readTrainLoss(session, flags, shape);
  const split = splitOf(targets, flags);
  const featureScaling = await namingFiles(flags, () => scalingOf(rows, flags.scale, split?.training));
  const features = rows.inputs.dims[1];
  const featureNames = distinctNames(rows, progress);
  const model = { features, featureNames, classes };
  const validation = await readValidation(session, flags, model);
  const testRows = await readTest(session, flags, model);
  const classifier = new SoftmaxClassifier(engine, {
    features,
    classes: classes.count,
    ...(classes.names && { classNames: classes.names }),
    ...(featureNames && { featureNames }),
    ...(featureScaling && { featureScaling }),
  });
  progress.note(
    `${counted(targets.length, 'row')} of ${counted(features, 'feature')} in ${counted(classes.count, 'class', 'classes')}, ` +
      `${counted(engine.threads, 'thread')}, ${engine.numerics} numerics`,
  );
  const trained = split ? Int32Array.from(split.training, (row) => targets[row]!) : targets;
  noteEmptyClasses(trained, classes, progress);
  const files = await fileFacts(flags, signal);
  const rest = { signal, ...loss.options, ...given({ split, validation }) };
  const { mask } = loss.options as { readonly mask?: Uint8Array };
  const all = { inputs: rows.inputs, targets, mask };
  const evaluate = () => evaluateTest({ classifier, signal, flags, rows: all, split, apart: testRows });
  await evaluate();
  const save = (interrupted: boolean, trainingOptions: Record<string, Training.Json>) =>
    classifier.save(output.path, {
      // The model is saved in any case; only waiting for a pipe's reader may be interrupted.
      ...(output.target.kind !== 'file' && !interrupted && { signal }),
      trainingOptions: {
        ...trainingOptions,
        ...savedSplit(flags, split),
        ...loss.saved,
        numerics: engine.numerics,
        ...(engine.blas && { blas: engine.blas.version || engine.blas.name }),
        data: files,
      },
    });
  if (isFullBatch(flags)) {
    const options = { ...solverOptions(flags), ...scaleOption(flags, featureScaling) };
    const solved = await namingFiles(flags, () =>
      runSolver(classifier, rows.inputs, targets, { ...options, ...rest }, progress),
    );
    const { result, trainingRows } = solved;
    const {
      solver = 'lbfgs',
      C,
      l2,
      l1,
      scale,
      passes,
      gapRelative,
    } = { ...solved.last, ...result } as Partial<Training.FitResult>;
    await save(solved.interrupted !== undefined, {
      ...options,
      ...given({ solver, C, l2, ...(l1 && { l1 }), passes, gapRelative }),
      scale: scale === 'standard' ? scale : flags.scale,
      trainingRows,
      metrics: solverMetrics(solved),
    });
    const test = solved.interrupted ? undefined : await evaluate();
    await reportSolved(flags, output, classifier, engine, solved, { split, test });
    throwIfSolverInterrupted(solved, output.path);
    return;
  }
  const options = stepOptions(flags);
  const fitted = await namingFiles(flags, () =>
    runFit(classifier, rows.inputs, targets, { ...options, ...rest }, progress),
  );
  const { trainingRows, steps, bestEpoch } = fitted;
  await save(fitted.interrupted !== undefined, {
    ...options,
    scale: flags.scale,
    trainingRows,
    steps,
    ...(bestEpoch !== undefined && { bestEpoch }),
    metrics: stepMetrics(fitted),
  });
  const test = fitted.interrupted ? undefined : await evaluate();
  await report(flags, output, classifier, engine, fitted, { split, test });
  throwIfInterrupted(fitted, output.path);
}

/** Figures of the training that the model keeps. */
function solverMetrics({ last, result }: Solved) {
  const { loss, accuracy, majority, objective, gap, converged, ...others } = {
    ...last,
    ...result,
  } as Partial<Training.FitResult>;
  const { validationLoss, validationAccuracy, validationMajority } = others;
  const validation = { validationLoss, validationAccuracy, validationMajority };
  return finiteOnly({ loss, accuracy, majority, objective, gap, converged, ...validation });
}

function stepMetrics(fitted: Fitted) {
  const { loss, validationLoss, validationAccuracy } = modelEpoch(fitted) ?? {};
  const { majority, validationMajority } = fitted.result ?? {};
  return finiteOnly({ loss, majority, validationLoss, validationAccuracy, validationMajority });
}

/** That whose weights the model has. */
const modelEpoch = ({ bestEpoch, epochs }: Fitted): Training.EpochReport | undefined =>
  epochs[(bestEpoch ?? epochs.length) - 1];

/** What fit is to do beside the scaling that the classifier has: nothing, or whatever suits the data. */
const scaleOption = (flags: TrainFlags, scaling: Training.FeatureScaling | undefined) =>
  scaling === undefined && flags.scale === 'none' ? ({ scale: 'none' } as const) : {};

/** Rows that were not trained on, and how the model does on those of the test. */
interface HeldOut {
  readonly split: Training.SplitInThree | undefined;
  readonly test: Training.Evaluation | undefined;
}

async function reportSolved(
  flags: TrainFlags,
  output: ChosenOutput,
  classifier: SoftmaxClassifier,
  engine: Engine,
  solved: Solved,
  { split, test }: HeldOut,
): Promise<void> {
  const model = resolve(output.path);
  const { trainingRows, validationRows, durationMs, interrupted } = solved;
  if (flags.json) {
    return printJson({
      ...solverFacts(solved),
      ...heldOutFacts(flags, split, test),
      interrupted: interrupted !== undefined,
      rows: trainingRows + validationRows + (split?.test.length ?? 0),
      trainingRows,
      validationRows,
      features: classifier.features,
      classes: classifier.classes,
      classNames: classifier.classNames ?? null,
      ...runFacts(engine, trainingRows, durationMs),
      model,
    });
  }
  if (interrupted !== undefined) return;
  const text = `${solverText(solved, test, engine.threads)}\nThe model is in ${model}\n`;
  await printBeside(text, isStandardOutput(output.target), flags.quiet);
}

/** Undefined if two features have the same name. */
export function distinctNames(
  { path, featureNames }: LabeledRows,
  progress: Progress,
): readonly string[] | undefined {
  if (!featureNames) return undefined;
  const seen = new Set<string>();
  const twice = featureNames.find((name) => seen.size === seen.add(name).size);
  if (twice === undefined) return featureNames;
  progress.warn(
    `${path}: two features are called ${quoted(twice)}, so the model keeps no names, and columns go by place`,
  );
  return undefined;
}

export function noteEmptyClasses(targets: Int32Array, classes: Classes, progress: Progress): void {
  const empty = classesWithoutRows(targets, classes);
  if (empty.length === 0) return;
  const names = empty.map((index) => classes.names?.[index] ?? String(index));
  const many = `${count(empty.length)} of ${counted(classes.count, 'class', 'classes')}`;
  progress.warn(`${many} without a row to train on: ${listed(names)}`);
}

async function report(
  flags: TrainFlags,
  output: ChosenOutput,
  classifier: SoftmaxClassifier,
  engine: Engine,
  fitted: Fitted,
  { split, test }: HeldOut,
): Promise<void> {
  const model = resolve(output.path);
  const { bestEpoch, stoppedEarly } = fitted;
  const last = modelEpoch(fitted);
  if (flags.json) {
    return printJson({
      loss: last?.loss ?? null,
      validationLoss: last?.validationLoss ?? null,
      validationAccuracy: last?.validationAccuracy ?? null,
      majority: fitted.result?.majority ?? null,
      validationMajority: fitted.result?.validationMajority ?? null,
      ...heldOutFacts(flags, split, test),
      warnings: warningFacts(fitted.result),
      epochs: fitted.epochs.map(({ epochs: _, ...epoch }) => epoch),
      steps: fitted.steps,
      plannedSteps: fitted.plannedSteps,
      ...(bestEpoch !== undefined && { bestEpoch, stoppedEarly }),
      interrupted: fitted.interrupted !== undefined,
      rows: fitted.trainingRows + fitted.validationRows + (split?.test.length ?? 0),
      trainingRows: fitted.trainingRows,
      validationRows: fitted.validationRows,
      features: classifier.features,
      classes: classifier.classes,
      classNames: classifier.classNames ?? null,
      ...runFacts(engine, fitted.trainingRows, fitted.durationMs),
      rowsPerSecond: fitted.rowsPerSecond,
      model,
    });
  }
  const lines = [];
  if (last) lines.push(['loss', loss(last.loss)]);
  if (last?.validationLoss !== undefined) lines.push(['validation loss', loss(last.validationLoss)]);
  if (last?.validationAccuracy !== undefined) {
    const { validationMajority } = fitted.result ?? {};
    const shown =
      validationMajority === undefined
        ? percent(last.validationAccuracy)
        : withMajority(last.validationAccuracy, validationMajority);
    lines.push(['validation accuracy', shown]);
  }
  lines.push(...testLines(test));
  const speed = last ? `, ${count(fitted.rowsPerSecond)} rows/s` : '';
  const sentence =
    `Trained ${counted(fitted.epochs.length, 'epoch')} (${counted(fitted.steps, 'step')}) on ` +
    `${counted(fitted.trainingRows, 'row')} in ${duration(fitted.durationMs)}${speed} with ` +
    `${counted(engine.threads, 'thread')}.${bestEpoch === undefined ? '' : ` Epoch ${bestEpoch} was best.`}\nThe model is in ${model}`;
  const text = `${table(lines)}${lines.length > 0 ? '\n' : ''}${sentence}\n`;
  await printBeside(text, isStandardOutput(output.target), flags.quiet);
}

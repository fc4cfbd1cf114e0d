// softshard train: reads rows and labels, trains a classifier, writes the model.

import { resolve } from 'node:path';
import { listed, quoted } from '../../printable.js';
import { type Engine, SoftmaxClassifier, type Training } from '../index.js';
import { type Classes, classesOf, classesWithoutRows, readClassNames, targetsOf } from './classes.js';
import { type CsvFlags, type EngineFlags, given, type ReportFlags } from './command-options.js';
import {
  checkFeatures,
  type LabeledRows,
  namingFiles,
  readLabeledRows,
  type Scale,
  scalingOf,
} from './dataset.js';
import { UsageError } from './failures.js';
import { type ChosenOutput, checkInputs, chooseOutput, isStandardOutput, type OutFlags } from './files.js';
import { type Fitted, runFit, throwIfInterrupted } from './fitting.js';
import { type ModelLossFlags, modelLossFiles, readTrainLoss } from './model-loss.js';
import { count, counted, duration, loss, percent, printBeside, printJson, table } from './output.js';
import type { Progress } from './progress.js';
import type { FileRows } from './rows-file.js';
import { runFacts, type Session, withSession } from './session.js';
import {
  isFullBatch,
  runSolver,
  type Solved,
  type SolverFlags,
  solverFacts,
  solverOptions,
  solverText,
  throwIfSolverInterrupted,
  warningFacts,
  withMajority,
} from './solver-training.js';
import { checkStepFlags, type StepFlags, stepOptions } from './train-options.js';

export interface ValidationFlags {
  validationSplit?: number;
  validationData?: string;
  validationLabels?: string;
}

export interface TrainFlags
  extends CsvFlags,
    ValidationFlags,
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

export async function train(flags: TrainFlags): Promise<void> {
  checkFlags(flags);
  const { data, labels, classNames, validationData, validationLabels } = flags;
  const inputFiles = [data, labels, classNames, validationData, validationLabels, ...modelLossFiles(flags)];
  await checkInputs(inputFiles);
  const output = await chooseOutput(flags, 'model.safetensors', inputFiles);
  await withSession(flags, (session) => trainWith(session, flags, output));
}

/** Finds contradicting options before any file is read. */
function checkFlags(flags: TrainFlags): void {
  if (flags.validationLabels !== undefined && flags.validationData === undefined) {
    throw new UsageError('--validation-labels needs --validation-data');
  }
  if (!isFullBatch(flags))
    checkStepFlags(flags, flags.validationData !== undefined || Boolean(flags.validationSplit));
  if (flags.labels === undefined && flags.labelColumn === undefined) {
    throw new UsageError('labels are missing: give --labels, or --label-column for a CSV file');
  }
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
  const featureScaling = await namingFiles(flags, () => scalingOf(rows, flags.scale));
  const features = rows.inputs.dims[1];
  const featureNames = distinctNames(rows, progress);
  const validation = await readValidation(session, flags, { features, featureNames, classes });
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
  noteEmptyClasses(targets, classes, progress);
  const validationSplit = flags.validationSplit ?? 0;
  const rest = { validationSplit, signal, ...loss.options, ...(validation && { validation }) };
  const save = (interrupted: boolean, trainingOptions: Record<string, Training.Json>) =>
    classifier.save(output.path, {
      // The model is saved in any case; only waiting for a pipe's reader may be interrupted.
      ...(output.target.kind !== 'file' && !interrupted && { signal }),
      trainingOptions: {
        ...trainingOptions,
        validationSplit,
        ...loss.saved,
        numerics: engine.numerics,
        ...(engine.blas && { blas: engine.blas.version || engine.blas.name }),
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
    });
    await reportSolved(flags, output, classifier, engine, solved);
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
  });
  await report(flags, output, classifier, engine, fitted);
  throwIfInterrupted(fitted, output.path);
}

/** What fit is to do beside the scaling that the classifier has: nothing, or whatever suits the data. */
const scaleOption = (flags: TrainFlags, scaling: Training.FeatureScaling | undefined) =>
  scaling === undefined && flags.scale === 'none' ? ({ scale: 'none' } as const) : {};

async function reportSolved(
  flags: TrainFlags,
  output: ChosenOutput,
  classifier: SoftmaxClassifier,
  engine: Engine,
  solved: Solved,
): Promise<void> {
  const model = resolve(output.path);
  const { trainingRows, validationRows, durationMs, interrupted } = solved;
  if (flags.json) {
    return printJson({
      ...solverFacts(solved),
      interrupted: interrupted !== undefined,
      rows: trainingRows + validationRows,
      trainingRows,
      features: classifier.features,
      classes: classifier.classes,
      classNames: classifier.classNames ?? null,
      ...runFacts(engine, trainingRows, durationMs),
      model,
    });
  }
  if (interrupted !== undefined) return;
  const text = `${solverText(solved, engine.threads)}\nThe model is in ${model}\n`;
  await printBeside(text, isStandardOutput(output.target), flags.quiet);
}

export async function readValidation(
  session: Session,
  flags: ValidationFlags & CsvFlags & ModelLossFlags & { readonly data: string },
  model: {
    readonly features: number;
    readonly featureNames: readonly string[] | undefined;
    readonly classes: Classes;
  },
): Promise<{ inputs: FileRows; targets: Int32Array } | undefined> {
  const { validationData: data, validationLabels: labels } = flags;
  if (data === undefined) return undefined;
  const source = { data, labels, labelsOption: '--validation-labels' } as const;
  const known = { featureNames: model.featureNames, classes: true };
  const rows = await readLabeledRows(session, source, flags, known);
  const { inputs } = rows;
  checkFeatures(data, inputs, model.features, flags.data);
  return { inputs, targets: targetsOf(rows.labels, model.classes, flags) };
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
): Promise<void> {
  const model = resolve(output.path);
  const { bestEpoch, stoppedEarly } = fitted;
  // Whose weights the model has.
  const last = fitted.epochs[(bestEpoch ?? fitted.epochs.length) - 1];
  if (flags.json) {
    return printJson({
      loss: last?.loss ?? null,
      validationLoss: last?.validationLoss ?? null,
      validationAccuracy: last?.validationAccuracy ?? null,
      majority: fitted.result?.majority ?? null,
      validationMajority: fitted.result?.validationMajority ?? null,
      warnings: warningFacts(fitted.result),
      epochs: fitted.epochs.map(({ epochs: _, ...epoch }) => epoch),
      steps: fitted.steps,
      plannedSteps: fitted.plannedSteps,
      ...(bestEpoch !== undefined && { bestEpoch, stoppedEarly }),
      interrupted: fitted.interrupted !== undefined,
      rows: fitted.trainingRows + fitted.validationRows,
      trainingRows: fitted.trainingRows,
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
  const speed = last ? `, ${count(fitted.rowsPerSecond)} rows/s` : '';
  const sentence =
    `Trained ${counted(fitted.epochs.length, 'epoch')} (${counted(fitted.steps, 'step')}) on ` +
    `${counted(fitted.trainingRows, 'row')} in ${duration(fitted.durationMs)}${speed} with ` +
    `${counted(engine.threads, 'thread')}.${bestEpoch === undefined ? '' : ` Epoch ${bestEpoch} was best.`} The model is in ${model}`;
  const text = `${table(lines)}${lines.length > 0 ? '\n' : ''}${sentence}\n`;
  await printBeside(text, isStandardOutput(output.target), flags.quiet);
}

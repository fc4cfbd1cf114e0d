// softshard train: reads rows and labels, trains a classifier, writes the model.

import { type RunDirectory, SoftmaxClassifier, type Training } from '../index.js';
import { fitCalibrationFacts, warnOfCalibration } from './calibration-report.js';
import { type EngineFlags, given, type ReportFlags } from './command-options.js';
import { namingFiles, requireLabels, type Scale, scalingOf } from './dataset.js';
import { type ChosenOutput, checkInputs, chooseOutput, isStandardOutput, type OutFlags } from './files.js';
import { type Fitted, runFit, throwIfInterrupted } from './fitting.js';
import { evaluateBest, evaluateTest, readHeldOut, savedSplit, splitOf } from './held-out.js';
import { checkHeldOutFlags, type HeldOutFlags } from './held-out-options.js';
import { type ModelLossFlags, modelLossFiles, readTrainLoss } from './model-loss.js';
import { counted, printBeside, printJson } from './output.js';
import { withPipedInputs } from './piped-inputs.js';
import { fileFacts, filesOf, finiteOnly } from './provenance.js';
import { onRank0 } from './ranks.js';
import { savedLabel } from './remembered-label.js';
import { checkLogEvery, checkRunFlags, type RunFlags, type StepLineFlags } from './run-options.js';
import { finishRun } from './run-results.js';
import { inRun, modelOfRun } from './runs.js';
import { type Session, withSession, workersOf } from './session.js';
import {
  isFullBatch,
  runSolver,
  type Solved,
  type SolverFlags,
  solverOptions,
  throwIfSolverInterrupted,
} from './solver-training.js';
import { type TensorBoardFlags, TrainingBoard } from './tensorboard.js';
import { checkStepFlags, type StepFlags, stepOptions } from './train-options.js';
import { fittedReport, modelEpoch, solvedReport, type TrainReport } from './train-report.js';
import { noteEmptyClasses, ROW_FILES, readTrainingRows, type TrainingRowFlags } from './training-rows.js';

export interface TrainFlags
  extends TrainingRowFlags,
    HeldOutFlags,
    EngineFlags,
    ReportFlags,
    ModelLossFlags,
    OutFlags,
    StepFlags,
    RunFlags,
    StepLineFlags,
    TensorBoardFlags,
    Omit<SolverFlags, 'solver'> {
  scale: Scale;
  calibrate?: true;
}

export async function train(flags: TrainFlags): Promise<void> {
  checkFlags(flags);
  await withPipedInputs(flags, [...ROW_FILES, 'testData', 'testLabels', 'classWeight'], trainFromFiles);
}

async function trainFromFiles(flags: TrainFlags): Promise<void> {
  const { data, labels, classNames, validationData, validationLabels, testData, testLabels } = flags;
  const heldOutFiles = [validationData, validationLabels, testData, testLabels];
  const inputFiles = [data, labels, classNames, ...heldOutFiles, ...modelLossFiles(flags)];
  await checkInputs(inputFiles, flags);
  await requireLabels({ data, labels, labelsOption: '--labels' }, flags);
  const output = modelOfRun(flags) ?? (await chooseOutput(flags, 'model.safetensors', inputFiles));
  await withSession(flags, (session) =>
    inRun(session, 'train', flags, filesOf(flags, [flags.classWeight]), (run, logged) =>
      trainWith(logged, flags, output, run),
    ),
  );
}

/** Finds contradicting options before any file is read. */
function checkFlags(flags: TrainFlags): void {
  checkRunFlags(flags);
  checkHeldOutFlags(flags);
  checkLogEvery(flags, isFullBatch(flags));
  if (!isFullBatch(flags))
    checkStepFlags(flags, flags.validationData !== undefined || Boolean(flags.validationSplit));
}

async function trainWith(
  session: Session,
  flags: TrainFlags,
  output: ChosenOutput,
  run: RunDirectory | undefined,
): Promise<void> {
  const { engine, progress, signal } = session;
  const { rows, targets, model } = await readTrainingRows(session, flags);
  const { features, featureNames, classes } = model;
  const shape = { rows: targets.length, classes: classes.count, classNames: classes.names };
  const loss = await readTrainLoss(session, flags, shape);
  const split = splitOf(targets, flags);
  const featureScaling = await namingFiles(flags, () => scalingOf(rows, flags.scale, split?.training));
  const validation = await readHeldOut(session, flags, model, 'validation');
  const testRows = await readHeldOut(session, flags, model, 'test');
  const classifier = new SoftmaxClassifier(engine, {
    features,
    classes: classes.count,
    ...(classes.names && { classNames: classes.names }),
    ...(featureNames && { featureNames }),
    ...(featureScaling && { featureScaling }),
  });
  progress.note(
    `${counted(targets.length, 'row')} of ${counted(features, 'feature')} in ${counted(classes.count, 'class', 'classes')}, ` +
      `${workersOf(engine)}, ${engine.numerics} numerics`,
  );
  const trained = split ? Int32Array.from(split.training, (row) => targets[row]!) : targets;
  noteEmptyClasses(trained, classes, progress);
  const files = (await onRank0(() => fileFacts(flags, signal, run?.environment.data))) ?? {};
  const rest = {
    signal,
    ...loss.options,
    ...given({ split, validation, calibrate: flags.calibrate }),
    ...run?.trainingOptions,
  };
  const { mask } = loss.options as { readonly mask?: Uint8Array };
  const all = { inputs: rows.inputs, targets, mask };
  const tested = { engine, classifier, signal, flags, rows: all, split, apart: testRows };
  await evaluateTest(tested);
  const save = async (interrupted: boolean, trainingOptions: Record<string, Training.Json>) => {
    await onRank0(async () => {
      await run?.restore();
      await classifier.save(output.path, {
        // The model is saved in any case; only waiting for a pipe's reader may be interrupted.
        ...(output.target.kind !== 'file' && !interrupted && { signal }),
        trainingOptions: {
          ...trainingOptions,
          ...savedLabel(flags),
          ...savedSplit(flags, split),
          ...loss.saved,
          numerics: engine.numerics,
          ...(engine.blas && { blas: engine.blas.version || engine.blas.name }),
          data: files,
        },
      });
    });
  };
  const terms = { flags, output, classifier, engine, split };
  const end = async (
    interrupted: boolean,
    reportOf: (test: Training.Evaluation | undefined) => TrainReport,
  ) => {
    const test = interrupted ? undefined : await evaluateTest(tested);
    const report = reportOf(test);
    if (run !== undefined && !interrupted) {
      const evaluated = await evaluateBest(tested, validation, test);
      await onRank0(() => finishRun(run, { ...report, classifier, evaluated }, progress));
    }
    await tell(flags, output, report);
  };
  if (isFullBatch(flags)) {
    const options = { ...solverOptions(flags), ...scaleOption(flags, featureScaling) };
    const board = new TrainingBoard(flags.tensorboard, options, progress);
    const solved = await namingFiles(flags, () =>
      runSolver(classifier, rows.inputs, targets, board.flushing({ ...options, ...rest }), progress, {
        board,
        run,
      }),
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
      ...fitCalibrationFacts(result?.calibration),
    });
    warnOfCalibration(result?.calibration, progress);
    await end(solved.interrupted !== undefined, (test) => solvedReport({ ...terms, test }, solved));
    throwIfSolverInterrupted(solved, output.path);
    return;
  }
  const options = stepOptions(flags);
  const board = new TrainingBoard(flags.tensorboard, options, progress);
  const fitted = await namingFiles(flags, () =>
    runFit(classifier, rows.inputs, targets, board.flushing({ ...options, ...rest }), progress, {
      board,
      run,
      logEvery: flags.logEvery,
    }),
  );
  const { trainingRows, steps, bestEpoch } = fitted;
  await save(fitted.interrupted !== undefined, {
    ...options,
    scale: flags.scale,
    trainingRows,
    steps,
    ...(bestEpoch !== undefined && { bestEpoch }),
    metrics: stepMetrics(fitted),
    ...fitCalibrationFacts(fitted.result?.calibration),
  });
  warnOfCalibration(fitted.result?.calibration, progress);
  await end(fitted.interrupted !== undefined, (test) => fittedReport({ ...terms, test }, fitted));
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

/** What fit is to do beside the scaling that the classifier has: nothing, or whatever suits the data. */
const scaleOption = (flags: TrainFlags, scaling: Training.FeatureScaling | undefined) =>
  scaling === undefined && flags.scale === 'none' ? ({ scale: 'none' } as const) : {};

async function tell(
  flags: TrainFlags,
  { target }: ChosenOutput,
  { facts, text }: TrainReport,
): Promise<void> {
  if (flags.isReplay) return;
  if (flags.json) return printJson(facts);
  if (text !== undefined) await printBeside(text, isStandardOutput(target), flags.quiet);
}

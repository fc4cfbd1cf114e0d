// What train says at the end: for people, and as JSON.

import { resolve } from 'node:path';
import type { Engine, SoftmaxClassifier, Training } from '../index.js';
import { fitCalibrationFacts, fitCalibrationText } from './calibration-report.js';
import type { ChosenOutput } from './files.js';
import type { Fitted } from './fitting.js';
import { heldOutFacts } from './held-out.js';
import type { HeldOutFlags } from './held-out-options.js';
import { count, counted, duration, loss, percent, table } from './output.js';
import { runFacts, workersOf } from './session.js';
import {
  type Solved,
  solverFacts,
  solverText,
  testLines,
  warningFacts,
  withMajority,
} from './solver-training.js';
import { columnsOf, wrapped } from './terminal.js';

/** What came of a training. */
interface Trained {
  readonly flags: HeldOutFlags;
  readonly output: ChosenOutput;
  readonly classifier: SoftmaxClassifier;
  readonly engine: Engine;
  readonly split: Training.SplitInThree | undefined;
  /** How the model does on rows of the test. */
  readonly test: Training.Evaluation | undefined;
}

export interface TrainReport {
  /** For --json. */
  readonly facts: object;
  /** For people; undefined: nothing is said but that it was interrupted. */
  readonly text: string | undefined;
}

/** That whose weights the model has. */
export const modelEpoch = ({ bestEpoch, epochs }: Fitted): Training.EpochReport | undefined =>
  epochs[(bestEpoch ?? epochs.length) - 1];

/** By a full-batch solver. */
export function solvedReport(trained: Trained, solved: Solved): TrainReport {
  const { flags, output, classifier, engine, split, test } = trained;
  const model = resolve(output.path);
  const { trainingRows, validationRows, durationMs, interrupted } = solved;
  const facts = {
    ...solverFacts(solved),
    ...heldOutFacts(flags, split, test),
    ...fitCalibrationFacts(solved.result?.calibration),
    interrupted: interrupted !== undefined,
    rows: trainingRows + validationRows + (split?.test.length ?? 0),
    trainingRows,
    validationRows,
    features: classifier.features,
    classes: classifier.classes,
    classNames: classifier.classNames ?? null,
    ...runFacts(engine, trainingRows, durationMs),
    model,
  };
  const calibration = fitCalibrationText(solved.result?.calibration);
  const text = `${solverText(solved, test, workersOf(engine))}\n${calibration}The model is in ${model}\n`;
  return { facts, text: interrupted === undefined ? text : undefined };
}

/** Step by step. */
export function fittedReport(trained: Trained, fitted: Fitted): TrainReport {
  const { flags, output, classifier, engine, split, test } = trained;
  const model = resolve(output.path);
  const { bestEpoch, stoppedEarly } = fitted;
  const last = modelEpoch(fitted);
  const facts = {
    loss: last?.loss ?? null,
    validationLoss: last?.validationLoss ?? null,
    validationAccuracy: last?.validationAccuracy ?? null,
    majority: fitted.result?.majority ?? null,
    validationMajority: fitted.result?.validationMajority ?? null,
    ...heldOutFacts(flags, split, test),
    ...fitCalibrationFacts(fitted.result?.calibration),
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
  };
  const lines = [];
  if (last) lines.push(['training loss', loss(last.loss)]);
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
    `${workersOf(engine)}.${bestEpoch === undefined ? '' : ` Epoch ${bestEpoch} was best.`}`;
  const calibration = fitCalibrationText(fitted.result?.calibration);
  const text =
    `${table(lines)}${lines.length > 0 ? '\n' : ''}${wrapped(sentence, columnsOf(process.stdout))}\n` +
    `${calibration}The model is in ${model}\n`;
  return { facts, text };
}

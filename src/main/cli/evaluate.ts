// softshard evaluate: how well a model does on rows whose classes are known.

import { resolve } from 'node:path';
import { shortened } from '../../printable.js';
import { evaluationFacts, type Losses, type Training } from '../index.js';
import { targetsOf } from './classes.js';
import type { CsvFlags, EngineFlags, ReportFlags } from './command-options.js';
import { confusionText } from './confusion-text.js';
import { checkFeatures, featureNamesFor, namingFiles } from './dataset.js';
import { type EvaluatedRows, writeEvaluationReport } from './evaluation-report.js';
import { UsageError } from './failures.js';
import { checkInputs, checkOutputs, isStandardOutput } from './files.js';
import { BALANCED, type ModelLossFlags, modelLossFiles, readEvaluationLoss } from './model-loss.js';
import { count, loss, percent, printBeside, printJson, table } from './output.js';
import { withPipedInputs } from './piped-inputs.js';
import { ownRows } from './rank-rows.js';
import { expectLabels, readRowsForModel } from './remembered-label.js';
import { windowOf } from './rows-file.js';
import { type ModelSession, runFacts, withModel } from './session.js';
import { shownPath } from './shown-paths.js';
import { columnsOf } from './terminal.js';

export interface EvaluateFlags extends CsvFlags, EngineFlags, ReportFlags, ModelLossFlags {
  model: string;
  data: string;
  labels?: string;
  report?: string;
  topK?: number;
  onEmpty: Losses.OnEmpty;
  onInvalidInput: Training.OnInvalidInput;
  onInvalidTarget: Losses.OnInvalidTarget;
}

const INPUTS = ['model', 'data', 'labels', 'classWeight', 'sampleWeight', 'mask'] as const;

export async function evaluate(flags: EvaluateFlags): Promise<void> {
  if (flags.classWeight === BALANCED) {
    throw new UsageError(
      '--class-weight balanced is for training: name a file with a weight for each class (./balanced, if it is called so)',
    );
  }
  await withPipedInputs(flags, INPUTS, evaluateFiles);
}

async function evaluateFiles(flags: EvaluateFlags): Promise<void> {
  const { model, data, labels, topK, onEmpty, onInvalidInput } = flags;
  const inputFiles = [model, data, labels, ...modelLossFiles(flags)];
  await checkInputs(inputFiles, flags);
  const outputs = { '--report': flags.report, '--trace': flags.trace };
  const targets = await checkOutputs(outputs, inputFiles, flags.json);
  const page = flags.report === undefined ? undefined : targets[0];
  const source = { data, labels, labelsOption: '--labels' } as const;
  await expectLabels(source, flags);
  await withModel(model, flags, async (context) => {
    const { classifier, signal } = context;
    const { classes, classNames } = classifier;
    if (topK !== undefined && topK > classes) {
      throw new UsageError(`--top-k is ${topK}, but ${model} has ${classes} classes`);
    }
    const { features } = classifier;
    const featureNames = featureNamesFor(classifier.featureNames, flags);
    const known = { featureNames, features, classes: true };
    const rows = await readRowsForModel(context, source, flags, known);
    checkFeatures(data, rows.inputs, classifier.features, model);
    const targets = targetsOf(rows.labels, { count: classes, names: classNames }, flags);
    const lossOptions = await readEvaluationLoss(context, flags, {
      rows: targets.length,
      classes,
      classNames,
    });
    const { rowBegin, rowEnd } = ownRows(context.engine, targets.length);
    const { sampleWeight, mask } = lossOptions;
    const options = {
      ...lossOptions,
      ...(sampleWeight && { sampleWeight: sampleWeight.subarray(rowBegin, rowEnd) }),
      ...(mask && { mask: mask.subarray(rowBegin * classes, rowEnd * classes) }),
      ...{ onEmpty, onInvalidInput, signal },
      ...(topK && { topK }),
    };
    const inputs = windowOf(rows.inputs, rowBegin, rowEnd);
    const ownTargets = targets.subarray(rowBegin, rowEnd);
    const begin = performance.now();
    const evaluation = await namingFiles(
      { data },
      () => classifier.evaluate(inputs, ownTargets, options),
      rowBegin,
    );
    const durationMs = performance.now() - begin;
    if (flags.report !== undefined) {
      const evaluated: EvaluatedRows = { inputs, targets: ownTargets, options, evaluation, durationMs };
      await writeEvaluationReport(flags.report, flags, context, evaluated);
    }
    if (flags.json) return printJson(jsonOf(flags, context, evaluation, durationMs));
    const where = flags.report === undefined ? '' : `The report is in ${resolve(flags.report)}\n`;
    const isOnOutput = page !== undefined && isStandardOutput(page);
    await printBeside(`${textOf(evaluation, classNames)}${where}`, isOnOutput, flags.quiet);
  });
}

function jsonOf(
  { model, data }: EvaluateFlags,
  { engine, classifier }: ModelSession,
  evaluation: Training.Evaluation,
  durationMs: number,
): object {
  const { features, classes, classNames } = classifier;
  return {
    ...evaluationFacts(evaluation, { classNames }),
    features,
    classes,
    ...runFacts(engine, evaluation.rows, durationMs),
    model: shownPath(model),
    data: shownPath(data),
  };
}

/** More classes than this do not fit a screen. */
const MAX_LISTED_CLASSES = 50;

export function textOf(
  evaluation: Training.Evaluation,
  classNames: readonly string[] | undefined,
  columns = columnsOf(process.stdout),
): string {
  const { rows, ignored, invalid, accuracy, majority, correct, topK, topKAccuracy, perClass } = evaluation;
  const summary = [
    ['rows', count(rows)],
    ...(ignored > 0 ? [['ignored rows', count(ignored)]] : []),
    ...(invalid > 0 ? [['invalid rows', count(invalid)]] : []),
    ['loss', loss(evaluation.loss)],
    ['accuracy', percent(accuracy)],
    ['largest class', percent(majority)],
    [`top-${topK} accuracy`, percent(topKAccuracy)],
    ['macro F1', percent(evaluation.macro.f1)],
    ['calibration error', percent(evaluation.calibration.expectedError)],
  ];
  const confused = confusionText(evaluation, classNames, columns);
  const sentence = `${count(correct)} of ${count(rows)} rows are classified correctly.\n`;
  const end = `${confused === '' ? '' : `${confused}\n`}${sentence}`;
  if (perClass.support.length > MAX_LISTED_CLASSES) return `${table(summary)}\n${end}`;
  const classes = Array.from(perClass.support, (support, index) => [
    shortened(classNames?.[index] ?? String(index), columns - CLASS_COLUMNS),
    count(support),
    percent(perClass.recall[index]!),
    percent(perClass.precision[index]!),
  ]);
  return `${table(summary)}\n${table([['class', 'rows', 'recall', 'precision'], ...classes])}\n${end}`;
}

/** Of a table of classes, without their names. */
const CLASS_COLUMNS = 32;

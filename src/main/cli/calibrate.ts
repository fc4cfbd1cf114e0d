// softshard calibrate: makes a model as sure as it is right, by rows that it was not trained on.

import { resolve } from 'node:path';
import { type Losses, SoftmaxClassifier, type Training } from '../index.js';
import { calibrationFacts, calibrationText } from './calibration-report.js';
import { targetsOf } from './classes.js';
import { type CsvFlags, type EngineFlags, given, type ReportFlags } from './command-options.js';
import { checkFeatures, featureNamesFor, namingFiles } from './dataset.js';
import { inOptionNames } from './failures.js';
import { type ChosenOutput, checkInputs, chooseOutput, isStandardOutput, type OutFlags } from './files.js';
import { readEvaluationLoss } from './model-loss.js';
import { printBeside, printJson } from './output.js';
import { withPipedInputs } from './piped-inputs.js';
import { fileFacts } from './provenance.js';
import { expectLabels, readRowsForModel } from './remembered-label.js';
import { type ModelSession, runFacts, withModel } from './session.js';
import { shownPath } from './shown-paths.js';

export interface CalibrateFlags extends CsvFlags, EngineFlags, ReportFlags, OutFlags {
  model: string;
  data: string;
  labels?: string;
  sampleWeight?: string;
  ignoreIndex?: number;
  onInvalidInput: Training.OnInvalidInput;
  onInvalidTarget: Losses.OnInvalidTarget;
}

export const calibrate = (flags: CalibrateFlags): Promise<void> =>
  withPipedInputs(flags, ['model', 'data', 'labels', 'sampleWeight'], calibrateFromFiles);

async function calibrateFromFiles(flags: CalibrateFlags): Promise<void> {
  const { model, data, labels, sampleWeight } = flags;
  const inputFiles = [model, data, labels, sampleWeight];
  await checkInputs(inputFiles, flags);
  await expectLabels({ data, labels, labelsOption: '--labels' }, flags);
  const output = await chooseOutput(flags, 'calibrated.safetensors', inputFiles);
  await withModel(model, flags, (session) => calibrateWith(session, flags, output));
}

async function calibrateWith(
  session: ModelSession,
  flags: CalibrateFlags,
  output: ChosenOutput,
): Promise<void> {
  const { classifier, engine, progress, signal } = session;
  const { model, data, labels, onInvalidInput } = flags;
  const { classes, classNames } = classifier;
  const source = { data, labels, labelsOption: '--labels' } as const;
  const known = { featureNames: featureNamesFor(classifier.featureNames, flags), classes: true };
  const rows = await readRowsForModel(session, source, flags, known);
  checkFeatures(data, rows.inputs, classifier.features, model);
  const targets = targetsOf(rows.labels, { count: classes, names: classNames }, flags);
  const { sampleWeight } = await readEvaluationLoss(session, given({ sampleWeight: flags.sampleWeight }), {
    rows: targets.length,
    classes,
    classNames,
  });
  const options = { onInvalidInput, signal, ...given({ sampleWeight }) };
  const begin = performance.now();
  const calibration = await namingFiles({ data }, () => classifier.calibrate(rows.inputs, targets, options));
  const durationMs = performance.now() - begin;
  const warnings = calibration.warnings.map(({ code, message }) => ({
    code,
    message: inOptionNames(message),
  }));
  for (const { message } of warnings) progress.warn(message);
  const facts = calibrationFacts(calibration);
  const { trainingOptions } = session.model;
  const files = await fileFacts(flags, signal);
  if (files.rows?.sha256 === trainingDigest(trainingOptions)) {
    progress.warn(
      `${shownPath(data)} is the file that ${shownPath(model)} was trained on, whose rows it knows too well: calibrate with others`,
    );
  }
  const { weights, bias, temperature } = classifier;
  const calibrated = { ...session.model, weights, bias, temperature };
  await SoftmaxClassifier.fromModel(engine, calibrated).save(output.path, {
    trainingOptions: { ...trainingOptions, calibration: { ...facts, data: files } },
    signal,
  });
  if (flags.json) {
    return printJson({
      ...facts,
      modelTemperature: temperature,
      warnings,
      ...runFacts(engine, facts.rows, durationMs),
      model: resolve(output.path),
    });
  }
  const text = `${calibrationText(calibration)}\nThe model is in ${resolve(output.path)}\n`;
  await printBeside(text, isStandardOutput(output.target), flags.quiet);
}

/** The SHA-256 of the rows that the model was trained on, as train keeps it. */
function trainingDigest(trainingOptions: Training.Model['trainingOptions']): unknown {
  const { data } = Object(trainingOptions) as { readonly data?: unknown };
  const { rows } = Object(data) as { readonly rows?: unknown };
  return (Object(rows) as { readonly sha256?: unknown }).sha256;
}

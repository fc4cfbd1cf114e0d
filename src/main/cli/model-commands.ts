// The options and help texts of the commands that work on a trained model.

import type { Command } from 'commander';
import type { CalibrateFlags } from './calibrate.js';
import {
  addBlasOption,
  addCsvOptions,
  addEngineOptions,
  addMemoryOption,
  addReportOptions,
  choice,
  INT32_MAX,
  invalidInputOption,
  modelOption,
} from './command-options.js';
import type { ExportFlags } from './export.js';
import type { ImportFlags } from './import.js';
import { integer, outputPath, path } from './option-values.js';

export function addCalibrate(
  command: Command,
  help: { readonly data: string; readonly labels: string; readonly labelColumn: string },
): void {
  command
    .description('Make a model as sure of its predictions as they are right, by rows held out.')
    .optionsGroup('Files:')
    .addOption(modelOption())
    .requiredOption('--data <file>', `${help.data}; none that the model was trained on`, path)
    .option('--labels <file>', help.labels, path)
    .option(
      '--out <file>',
      'where to write the model, - for standard output (default: calibrated.safetensors, replaced only with --force)',
      outputPath,
    )
    .option('--force', 'replace calibrated.safetensors; a file that --out names is replaced anyway')
    .optionsGroup('Rows:')
    .option('--sample-weight <file>', 'weight of each row of --data, in the same formats', path)
    .option('--ignore-index <number>', 'rows with this label do not count', integer(-INT32_MAX, INT32_MAX))
    .addOption(
      choice(
        '--on-invalid-target <what>',
        'a target that is not a class: an error, or its row is ignored',
        ['throw', 'ignore'],
        'throw',
      ),
    )
    .addOption(invalidInputOption('it is left out'));
  addCsvOptions(command, help.labelColumn);
  addMemoryOption(addBlasOption(addEngineOptions(command)));
  addReportOptions(command)
    .addHelpText(
      'after',
      `
All logits are divided by one number, the temperature, such that the loss of
these rows is least; predicted classes stay as they are. The model is written
with weights and bias divided, so that whatever reads it is calibrated.

Examples:
  softshard calibrate --model model.safetensors --data held-out.npy \\
    --labels held-out-labels.npy --out calibrated.safetensors
  softshard calibrate --model iris.safetensors --data held-out.csv \\
    --label species --json`,
    )
    .action(async (flags: CalibrateFlags) => (await import('./calibrate.js')).calibrate(flags));
}

export function addExport(command: Command): void {
  command
    .description('Write a model for ONNX Runtime or scikit-learn, and print its model card.')
    .optionsGroup('Files:')
    .addOption(modelOption())
    .option(
      '--onnx <file>',
      'an ONNX model: inputs float32 [rows × features] to label [rows] and probabilities [rows × classes]',
      outputPath,
    )
    .option(
      '--ml',
      'write --onnx as a LinearClassifier of ai.onnx.ml, whose labels are the names of the classes',
    )
    .option(
      '--sklearn <file>',
      'coef_, intercept_ and classes_ of a LogisticRegression, for numpy.load',
      outputPath,
    )
    .option('--force', 'replace files that are there already');
  command
    .optionsGroup('Reporting:')
    .option(
      '--json',
      'print the model card: data and their SHA-256, options, metrics, versions, and what was written',
    )
    .option('--quiet', 'no progress on standard error; warnings stay')
    .option('--verbose', 'show stack and cause of an error (also: SOFTSHARD_DEBUG=1 in the environment)')
    .addHelpText(
      'after',
      `
Feature scaling and calibration are part of what is written: give all of them
rows as they are. Labels are int64 where all names of classes are whole numbers;
else --onnx gives the index of the class, and with --ml its name.

Examples:
  softshard export --model model.safetensors --onnx model.onnx
  softshard export --model iris.safetensors --onnx iris.onnx --ml \\
    --sklearn iris.npz
  softshard export --model model.safetensors --json > model-card.json`,
    )
    .action(async (flags: ExportFlags) => (await import('./export.js')).exportModel(flags));
}

export function addImport(command: Command): void {
  command
    .description('Write a model of scikit-learn as a model file.')
    .optionsGroup('Files:')
    .requiredOption(
      '--sklearn <file>',
      'coef_, intercept_ and classes_ of a LogisticRegression, by numpy.savez; also mean_ and scale_ of a StandardScaler',
      path,
    )
    .option(
      '--out <file>',
      'where to write the model, - for standard output (default: model.safetensors, replaced only with --force)',
      outputPath,
    )
    .option('--force', 'replace model.safetensors; a file that --out names is replaced anyway');
  addReportOptions(command)
    .addHelpText(
      'after',
      `
In Python, of a LogisticRegression m, and a StandardScaler s before it:
  numpy.savez('m.npz', coef_=m.coef_, intercept_=m.intercept_,
              classes_=m.classes_, mean_=s.mean_, scale_=s.scale_)

Example:
  softshard import --sklearn m.npz --out model.safetensors`,
    )
    .action(async (flags: ImportFlags) => (await import('./import.js')).importModel(flags));
}

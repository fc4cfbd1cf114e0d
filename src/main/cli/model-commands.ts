// The options and help texts of the commands that work on a trained model.

import type { Command } from 'commander';
import type { CalibrateFlags } from './calibrate.js';
import {
  addBlasOption,
  addCsvOptions,
  addEngineOptions,
  addLossRuleOptions,
  addMemoryOption,
  addModelLossOptions,
  addOutOptions,
  addRankOptions,
  addReportOptions,
  addTraceOption,
  DATA_HELP,
  formatOption,
  INT32_MAX,
  invalidInputOption,
  invalidTargetOption,
  LABELS_HELP,
  MODEL_LABEL_COLUMN_HELP,
  modelOption,
  outputOption,
} from './command-options.js';
import type { EvaluateFlags } from './evaluate.js';
import type { ExportFlags } from './export.js';
import type { ImportFlags } from './import.js';
import { integer, outputPath, path } from './option-values.js';
import type { PredictFlags } from './predict.js';

export function addEvaluate(command: Command): void {
  command
    .description('Compare the predictions of a model with the known classes of rows.')
    .optionsGroup('Files:')
    .addOption(modelOption())
    .requiredOption('--data <file>', DATA_HELP, path)
    .option('--labels <file>', LABELS_HELP, path)
    .optionsGroup('Evaluation:')
    .option('--report <file>', 'write a page with all figures and charts to this .html file', outputPath)
    .option(
      '--top-k <count>',
      'also report how often the class is among this many most probable ones (default: 5)',
      integer(1),
    );
  addLossRuleOptions(addModelLossOptions(command, { balanced: false })).addOption(
    invalidInputOption('it is left out'),
  );
  addCsvOptions(command, MODEL_LABEL_COLUMN_HELP);
  addRankOptions(addTraceOption(addMemoryOption(addBlasOption(addEngineOptions(command)))));
  addReportOptions(command)
    .addHelpText(
      'after',
      `
The model scales the rows like its training data. The loss options affect the
loss and its sum only; the other metrics count each row that is not ignored
once, with the probabilities of predict.

Examples:
  softshard evaluate --model model.safetensors --data images.idx.gz \\
    --labels labels.idx.gz
  softshard evaluate --model iris.safetensors --data test.csv \\
    --label species --report report.html
  softshard evaluate --model model.safetensors --data x.npy --labels y.npy \\
    --class-weight weights.txt --ignore-index -1`,
    )
    .action(async (flags: EvaluateFlags) => (await import('./evaluate.js')).evaluate(flags));
}

export function addPredict(command: Command): void {
  command
    .description('Predict the class of each row.')
    .optionsGroup('Files:')
    .addOption(modelOption())
    .requiredOption('--data <file>', DATA_HELP, path)
    .addOption(
      outputOption(
        'a file whose name ends in .csv, .tsv, .jsonl, .npy or .parquet, or a pipe or device (default: standard output)',
      ),
    )
    .addOption(formatOption())
    .optionsGroup('Prediction:')
    .option('--probabilities', 'the probabilities of all classes: columns, or .npy float32 [rows × classes]')
    .option('--logits', 'the logits of all classes, likewise')
    .option('--top-k <count>', 'this many most probable classes of each row: a line each', integer(1))
    .addOption(invalidInputOption('it gets class -1 and probabilities NaN'));
  addCsvOptions(command, 'column that is not a feature');
  addRankOptions(addMemoryOption(addBlasOption(addEngineOptions(command))));
  addReportOptions(command)
    .addHelpText(
      'after',
      `
A table has the columns row (from 0; or the id column), class, name and
probability. JSON lines have an object a row, with all probabilities by name.
.npy has int32 [rows]: the names of the classes if all are whole numbers, else
their indices. Text whose name ends in .gz is compressed.

Examples:
  softshard predict --model model.safetensors --data images.idx.gz | head
  softshard predict --model model.safetensors --data images.idx.gz \\
    --top-k 3 --output top3.csv
  softshard predict --model model.safetensors --data new.csv --id-column id \\
    --probabilities --format jsonl | jq .name
  softshard predict --model model.safetensors --data x.npy \\
    --probabilities --output probabilities.npy`,
    )
    .action(async (flags: PredictFlags) => (await import('./predict.js')).predict(flags));
}

export function addCalibrate(command: Command): void {
  command
    .description('Make a model as sure of its predictions as they are right, by rows held out.')
    .optionsGroup('Files:')
    .addOption(modelOption())
    .requiredOption('--data <file>', `${DATA_HELP}; none that the model was trained on`, path)
    .option('--labels <file>', LABELS_HELP, path);
  addOutOptions(command, 'calibrated.safetensors')
    .optionsGroup('Rows:')
    .option('--sample-weight <file>', 'weight of each row of --data, in the same formats', path)
    .option('--ignore-index <number>', 'rows with this label do not count', integer(-INT32_MAX, INT32_MAX))
    .addOption(invalidTargetOption())
    .addOption(invalidInputOption('it is left out'));
  addCsvOptions(command, MODEL_LABEL_COLUMN_HELP);
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
    --labels held-out-labels.npy --output calibrated.safetensors
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
  addReportOptions(
    command,
    'print the model card: data and their SHA-256, options, metrics, versions, and what was written',
  )
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
    );
  addReportOptions(addOutOptions(command, 'model.safetensors'))
    .addHelpText(
      'after',
      `
In Python, of a LogisticRegression m, and a StandardScaler s before it:
  numpy.savez('m.npz', coef_=m.coef_, intercept_=m.intercept_,
              classes_=m.classes_, mean_=s.mean_, scale_=s.scale_)

Example:
  softshard import --sklearn m.npz --output model.safetensors`,
    )
    .action(async (flags: ImportFlags) => (await import('./import.js')).importModel(flags));
}

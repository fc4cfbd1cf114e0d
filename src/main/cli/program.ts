// The commands, their options and help texts; each command's own code is loaded when it runs.

import { Command, CommanderError, Option } from 'commander';
import { printableLines } from '../../printable.js';
import { version } from '../version.js';
import { addBench } from './bench-command.js';
import { SoftshardCommand } from './command.js';
import {
  addBlasOption,
  addCsvOptions,
  addEngineOptions,
  addMemoryOption,
  addModelLossOptions,
  addOutOptions,
  addRankOptions,
  addReportOptions,
  addTraceOption,
  addVerbosityOptions,
  choice,
  DATA_HELP,
  LABEL_COLUMN_HELP,
  LABELS_HELP,
  MAX_THREADS,
  outputOption,
} from './command-options.js';
import type { DemoFlags } from './demo.js';
import { ExitCode, exitCodeOf, failureReport, watchWarnings } from './failures.js';
import { gridOption } from './grid.js';
import { addHeldOutOptions } from './held-out-options.js';
import type { InfoFlags } from './info.js';
import { addLoss, addSoftmax } from './loss-commands.js';
import { addCalibrate, addEvaluate, addExport, addImport, addPredict } from './model-commands.js';
import { integer, numberBelow, outputPath, path } from './option-values.js';
import { watchStreams } from './output.js';
import { isSilent, joinRanks, leaveRanks, ownName, shareFailure } from './ranks.js';
import { addReport } from './report-command.js';
import { addLogOption, addRunOptions } from './run-options.js';
import { addSolverOptions } from './solver-training.js';
import type { SweepFlags } from './sweep-plan.js';
import { addTensorBoardOption } from './tensorboard-option.js';
import { sentence } from './terminal.js';
import type { TrainFlags } from './train.js';
import { addStepOptions } from './train-options.js';
import type { VerifyFlags } from './verify.js';

/** Runs one command; gives the exit code. */
export async function runCommandLine(argv: readonly string[]): Promise<ExitCode> {
  watchStreams();
  watchWarnings();
  try {
    const given = await withOptionsOfRun(argv);
    if (given !== undefined) await program().parseAsync(given, { from: 'user' });
    await leaveRanks();
    return ExitCode.ok;
  } catch (error) {
    // Commander has printed its message; its own exit code for wrong usage is 1.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    const verbose = argv.includes('--verbose') || Boolean(process.env.SOFTSHARD_DEBUG);
    const report = failureReport(error, verbose, ownName());
    const isOurs = await shareFailure(error, report, exitCodeOf(error));
    if (isOurs) process.stderr.write(verbose ? report : sentence(report, process.stderr));
    return exitCodeOf(error);
  }
}

/** Those of a run that goes on are in its folder; undefined: it is finished, and all is said. */
async function withOptionsOfRun(argv: readonly string[]): Promise<readonly string[] | undefined> {
  if (!argv.some((word) => /^--resume(=|$)/.test(word))) return argv;
  return (await import('./resume.js')).argumentsOfRun(argv, program());
}

export function program(): Command {
  const softshard = new SoftshardCommand('softshard')
    .description(
      'Softmax, cross-entropy and softmax classifiers on all cores: the same bits for any number of threads.',
    )
    .version(version, '--version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .exitOverride()
    .hook('preAction', (_, command) => joinRanks(command))
    .configureOutput({
      ...(isSilent() && { writeOut: () => {}, writeErr: () => {} }),
      outputError: (message, write) =>
        write(sentence(printableLines(message.replace(/^error: /, 'softshard: ')), process.stderr)),
    })
    .showHelpAfterError('(--help shows what can be given)');
  addTrain(softshard.command('train'));
  addSweep(softshard.command('sweep'));
  addVerify(softshard.command('verify'));
  addEvaluate(softshard.command('evaluate'));
  addPredict(softshard.command('predict'));
  addReport(softshard.command('report'));
  addCalibrate(softshard.command('calibrate'));
  addExport(softshard.command('export'));
  addImport(softshard.command('import'));
  addLoss(softshard.command('loss'));
  addSoftmax(softshard.command('softmax'));
  addBench(softshard.command('bench'));
  addInfo(softshard.command('info'));
  addDemo(softshard.command('demo'));
  return softshard.addHelpText(
    'after',
    `
Examples:
  softshard demo
  softshard train --data images.idx.gz --labels labels.idx.gz \\
    --validation-split 0.2 --output model.safetensors
  softshard sweep --data images.idx.gz --labels labels.idx.gz --C 0.001..100
  softshard evaluate --model model.safetensors --data test-images.idx.gz \\
    --labels test-labels.idx.gz
  softshard predict --model model.safetensors --data new.npy \\
    --output predictions.csv
  softshard export --model model.safetensors --onnx model.onnx
  softshard loss --logits logits.npy --targets labels.npy --json
  softshard softmax --input logits.npy --output probabilities.npy

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted by Ctrl-C,
143 ended by SIGTERM, 75 ended by a signal and to be gone on with (--run).`,
  );
}

const scaleOption = (): Option =>
  choice(
    '--scale <kind>',
    'scaling of the features, stored in the model: "unit" divides by 255, "standard" gives each feature of --data ' +
      'mean 0 and deviation 1, "auto" is unit for files of bytes (images); for others what --C is chosen with, or none',
    ['auto', 'none', 'unit', 'standard'],
    'auto',
  );

/** The rows that models are trained on, and what says what they are. */
const addRowFiles = (command: Command, validationHelp: string): Command =>
  command
    .optionsGroup('Files:')
    .requiredOption('--data <file>', DATA_HELP, path)
    .option('--labels <file>', LABELS_HELP, path)
    .option(
      '--class-names <file>',
      'names of the classes, one a line (default: the names in the labels)',
      path,
    )
    .option('--validation-data <file>', validationHelp, path)
    .option('--validation-labels <file>', 'the classes of the validation rows', path);

function addTrain(command: Command): void {
  addRowFiles(
    command.description('Train a classifier and write it to a file.'),
    'rows to evaluate after each epoch',
  );
  addTensorBoardOption(addOutOptions(command, 'model.safetensors'));
  addHeldOutOptions(command).optionsGroup('Training:');
  addStepOptions(
    addSolverOptions(command).option(
      '--one-standard-error',
      'where C is chosen: the strongest penalty whose loss is at most a standard error above the best',
    ),
  )
    .addOption(scaleOption())
    .option(
      '--calibrate',
      'make it as sure as it is right: by the rows of validation, or by models that are trained without a fifth of the rows each',
    );
  addModelLossOptions(command, { balanced: true });
  addCsvOptions(command, LABEL_COLUMN_HELP);
  addLogOption(addRunOptions(command));
  addRankOptions(addTraceOption(addMemoryOption(addBlasOption(addEngineOptions(command)))));
  addReportOptions(command)
    .addHelpText(
      'after',
      `
Without options, C and the scaling of the features are chosen by the loss of
rows held out, and training ends when the model is certain to be as good as it
can be, but for a ten-thousandth of its objective.

Ctrl-C stops training after the current step and writes the model;
a second Ctrl-C stops at once. With --run, whatever ends the process, the run
goes on with --resume and ends with the bits of one that was never cut off.

Examples:
  softshard train --data iris.csv --label species
  softshard train --data songs.parquet --features embedding --label genre
  softshard train --data images.idx.gz --labels labels.idx.gz \\
    --validation-split 0.2 --C 1
  softshard train --data images.idx.gz --labels labels.idx.gz \\
    --validation-split 0.2 --epochs 20 --momentum 0.9
  softshard train --data x.npy --labels y.npy \\
    --validation-data x2.npy --validation-labels y2.npy --json
  softshard train --data x.npy --labels y.npy \\
    --class-weight balanced --label-smoothing 0.1
  softshard train --data x.npy --labels y.npy --epochs 500 --run runs/first
  softshard train --resume runs/first --threads 2
  softshard train --data x.npy --labels y.npy --validation-split 0.2 \\
    --solver adamw --warmup 0.05 --schedule cosine --epochs 100 --early-stopping`,
    )
    .action(async (flags: TrainFlags) => (await import('./train.js')).train(flags));
}

function addSweep(command: Command): void {
  addRowFiles(
    command.description(
      'Train a model with each combination of options, and rank them by rows that are held out.',
    ),
    'rows to compare the models by',
  )
    .addOption(outputOption('train the best anew, on all rows, and write it, - for standard output'))
    .option(
      '--tensorboard <folder>',
      'also write event files for TensorBoard there, a folder for each model',
      outputPath,
    )
    .optionsGroup('Comparison:')
    .option(
      '--cv <parts>',
      'hold each of so many parts of the rows out in turn, stratified (default: 5, without other validation)',
      integer(2),
    )
    .addOption(
      new Option('--validation-split <fraction>', 'hold this fraction of the rows out instead, stratified')
        .argParser(numberBelow(1, { positive: true }))
        .conflicts('validationData'),
    )
    .option('--split-seed <number>', 'decides which rows are held out', integer(0), 0)
    .addOption(choice('--rank-by <what>', 'what is best', ['loss', 'accuracy'], 'loss'))
    .option(
      '--one-standard-error',
      'choose the strongest penalty whose mean loss is at most a standard error above the best',
    )
    .option(
      '--no-path',
      'solve each model from zero, as if alone, not from the one of the next stronger penalty',
    )
    .addOption(
      new Option(
        '--halving [eta]',
        'drop models that are trained step by step on the way: after a few epochs the best 1/eta go on for eta times as many, ' +
          'and so on (3 without a number)',
      )
        .argParser(integer(2, 1000))
        .preset('3'),
    )
    .option('--count <values>', 'how many values a range has', integer(1, 1000), 10)
    .optionsGroup('Training, each with one value, a list (0.1,1) or a range (1e-4..1e4):');
  addGridOptions(command);
  addCsvOptions(command, LABEL_COLUMN_HELP);
  addRunOptions(command);
  addRankOptions(addTraceOption(addMemoryOption(addBlasOption(addEngineOptions(command)))));
  addReportOptions(command)
    .addHelpText(
      'after',
      `
Without options of training, C from 0.0001 to 10000, with the features as they
are and standardised (bytes: divided by 255). The models are trained together;
each option is that of softshard train.

Examples:
  softshard sweep --data iris.csv --label species
  softshard sweep --data images.idx.gz --labels labels.idx.gz \\
    --C 1e-4..10 --count 32 --validation-split 0.2 --output model.safetensors
  softshard sweep --data x.npy --labels y.npy --learning-rate 0.01,0.1,1 \\
    --weight-decay 0,1e-4 --seed 1,2,3 --epochs 27 --halving --json`,
    )
    .action(async (flags: SweepFlags) => (await import('./sweep.js')).sweep(flags));
}

/** Of rows, or without a value: not for lists. */
const SINGLE_OPTIONS: readonly string[] = ['sampleWeight', 'mask', 'ignoreIndex'];

/** What sweep does where train would choose, or stop later. */
const SWEEP_HELP: Readonly<Record<string, string>> = {
  C: "the inverse of the L2 penalty, scikit-learn's (default: 0.0001..10000)",
  tol:
    'end when the objective is certain to be within this fraction of its minimum (default: 0.01 for the parts of --cv, ' +
    '0.0001 for other models)',
};

/** The options of train that say how a model is trained, with several values each. */
function addGridOptions(command: Command): void {
  const single = new Command();
  addStepOptions(addSolverOptions(single)).addOption(scaleOption());
  addModelLossOptions(single, { balanced: true });
  for (const option of single.options) {
    option.description = SWEEP_HELP[option.attributeName()] ?? option.description;
    const isGrid = option.required && !SINGLE_OPTIONS.includes(option.attributeName());
    command.addOption(isGrid ? gridOption(option) : option);
  }
}

function addVerify(command: Command): void {
  command
    .description(
      'Do a finished run again, from its options and data, and compare what comes of it: parameters bit by bit, metrics line by line.',
    )
    .argument('<folder>', 'the folder of the run')
    .optionsGroup('Engine:')
    .option(
      '--threads <count>',
      'worker threads (default: all that this machine allows)',
      integer(1, MAX_THREADS),
    );
  addReportOptions(addRankOptions(addMemoryOption(command)))
    .addHelpText(
      'after',
      `
Exits with 0 where all is equal, with 1 where something differs.

Example:
  softshard verify runs/first --threads 1`,
    )
    .action(async (folder: string, flags: VerifyFlags) =>
      (await import('./verify.js')).verify(folder, flags),
    );
}

function addInfo(command: Command): void {
  command
    .description('Show what softshard can use on this machine, or the contents of a model file.')
    .option('--model <file>', 'a model written by softshard train', path)
    .option('--blas <file>', 'check this BLAS (default: the one that --blas finds)')
    .option('--json', 'print one JSON object')
    .option('--verbose', 'show stack and cause of an error')
    .addHelpText(
      'after',
      `
Examples:
  softshard info
  softshard info --model model.safetensors --json`,
    )
    .action(async (flags: InfoFlags) => (await import('./info.js')).info(flags));
}

function addDemo(command: Command): void {
  command
    .description('Train on 8,000 bundled images of clothes, and evaluate the model on 2,000 others.')
    .addOption(
      outputOption(
        'where to write the model (default: fashion-mnist.safetensors; a file that is not from a demo is replaced only with --force)',
      ),
    )
    .option('--force', 'replace fashion-mnist.safetensors, whatever it is')
    .option(
      '--folder <folder>',
      'where the t10k files of Fashion-MNIST are (default: those that come with softshard)',
      path,
    );
  addVerbosityOptions(addEngineOptions(command))
    .addHelpText(
      'after',
      `
Examples:
  softshard demo
  softshard demo --threads 1`,
    )
    .action(async (flags: DemoFlags) => (await import('./demo.js')).demo(flags));
}

// The options and help texts of the commands that work on files of logits.

import { type Command, Option } from 'commander';
import {
  addEngineOptions,
  addLossRuleOptions,
  addLossShapeOptions,
  addRankOptions,
  addReportOptions,
  addTraceOption,
  choice,
  formatOption,
  INT32_MAX,
  outputOption,
} from './command-options.js';
import type { LossFlags } from './loss.js';
import { fraction, integer, outputPath, path } from './option-values.js';
import type { SoftmaxFlags } from './softmax.js';

/** More than any array of numpy has. */
const MAX_RANK = 64;

const WINDOWS_HELP = `Files may be larger than memory: they are read, computed and written in parts
of about 32 MiB (or SOFTSHARD_WINDOW_BYTES in the environment), with the bits of
the whole. With the classes in dimension 0 there are no parts. Fortran order is
read too, more slowly; output is little-endian, in C order.`;

const axisOption = (): Option =>
  new Option(
    '--axis <dimension>',
    'the dimension of the classes, from 0, or negative from the end; 1 for the [N, C, d1, …] of PyTorch and ONNX',
  )
    .argParser(integer(-MAX_RANK, MAX_RANK))
    .default(-1);

export function addLoss(command: Command): void {
  command
    .description(
      'Cross-entropy of logits against targets, or their distance from a teacher, and the gradient.',
    )
    .optionsGroup('Files:')
    .requiredOption(
      '--logits <file>',
      'float32, float64, float16 or bfloat16, of any dims: .npy, or .npz and safetensors of one array',
      path,
    )
    .option(
      '--targets <file>',
      'the class of each row: integers with the dims of the logits without the classes, or [rows]; ' +
        'or probabilities (soft targets): float32 or float64 with the dims of the logits',
      path,
    )
    .option(
      '--teacher <file>',
      "a teacher's logits, with the dims of the logits: the loss is KL(teacher, student); with --targets, distillation",
      path,
    )
    .option('--weight <file>', 'weight of each class', path)
    .option('--sample-weight <file>', 'weight of each row', path)
    .option(
      '--mask <file>',
      'bool or uint8 with the dims of the logits: 0 leaves a class out of its row',
      path,
    )
    .option(
      '--gradient <file>',
      'where to write the gradient with respect to the logits, - for standard output',
      outputPath,
    )
    .option('--losses <file>', 'where to write the loss of each row, - for standard output', outputPath)
    .optionsGroup('Loss:')
    .addOption(
      choice(
        '--reduction <kind>',
        '"mean" divides the sum by the weights of the kept rows; "none": the loss of each row, in --losses or --json ' +
          '(the gradient is that of their sum)',
        ['mean', 'sum', 'none'],
        'mean',
      ),
    )
    .addOption(axisOption())
    .option(
      '--ignore-index <number>',
      'rows with this target do not count (default: -100)',
      integer(-INT32_MAX, INT32_MAX),
    )
    .option('--alpha <fraction>', 'of distillation: the share of the teacher (default: 0.5)', fraction);
  addLossRuleOptions(addLossShapeOptions(command));
  addRankOptions(addTraceOption(addEngineOptions(command)));
  addReportOptions(command)
    .addHelpText(
      'after',
      `
${WINDOWS_HELP}
Without weights the gradient comes in the same pass. With --weight or
--sample-weight the gradient of a mean takes two passes over the files, because
the divisor of the mean is known only after the first.
In JSON, NaN and infinities are null. The perplexity has its standard error.

Examples:
  softshard loss --logits logits.npy --targets labels.npy --json
  softshard loss --logits nchw.npy --targets nhw.npy --axis 1 \\
    --ignore-index 255 --weight classes.npy
  softshard loss --logits logits.npy --targets labels.npy \\
    --label-smoothing 0.1 --gradient gradient.npy
  softshard loss --logits student.npy --teacher teacher.npy --temperature 2`,
    )
    .action(async (flags: LossFlags) => (await import('./loss.js')).loss(flags));
}

export function addSoftmax(command: Command): void {
  command
    .description('Softmax or log-softmax of an array.')
    .optionsGroup('Files:')
    .requiredOption(
      '--input <file>',
      'logits: float32, float64, float16 or bfloat16, of any dims: .npy, or .npz and safetensors of one array',
      path,
    )
    .addOption(
      outputOption(
        'a .npy file, of the same type and dims; or .csv, .tsv, .jsonl or .parquet, with a record for each row; - for standard output',
      ).makeOptionMandatory(),
    )
    .addOption(formatOption())
    .optionsGroup('Softmax:')
    .option('--log', 'the logarithm of the softmax')
    .addOption(axisOption());
  addRankOptions(addTraceOption(addEngineOptions(command)));
  addReportOptions(command)
    .addHelpText(
      'after',
      `
${WINDOWS_HELP}

Examples:
  softshard softmax --input logits.npy --output probabilities.npy
  softshard softmax --input nchw.npy --axis 1 --log \\
    --output log-probabilities.npy`,
    )
    .action(async (flags: SoftmaxFlags) => (await import('./softmax.js')).softmax(flags));
}

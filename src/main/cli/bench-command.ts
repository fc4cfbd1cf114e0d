// The options and help text of softshard bench.

import { type Command, InvalidArgumentError } from 'commander';
import type { Scaling } from '../index.js';
import type { BenchFlags } from './bench.js';
import {
  addBlasOption,
  addKernelOptions,
  addRankOptions,
  addVerbosityOptions,
  MAX_THREADS,
} from './command-options.js';
import { integer, numberBelow, outputPath, path } from './option-values.js';

const PRESETS: readonly Scaling.ScalingPreset[] = ['vocab', 'probe', 'images'];

const OPERATIONS: Readonly<Record<string, Scaling.ScalingOperation>> = {
  softmax: 'softmax',
  'cross-entropy': 'crossEntropyGradient',
  'linear-cross-entropy': 'linearCrossEntropy',
  'training-step': 'trainingStep',
  'full-batch-pass': 'fullBatchPass',
};

const MOST = 2 ** 31 - 1;

/** Names with commas between, each once. */
function names(known: readonly string[]): (text: string) => string[] {
  return (text) => {
    const given = text.split(',').map((name) => name.trim());
    const unknown = given.find((name) => !known.includes(name));
    if (unknown === undefined) return [...new Set(given)];
    throw new InvalidArgumentError(`It must be one or more of ${known.join(', ')}, with commas between.`);
  };
}

function threadCounts(text: string): number[] {
  const one = integer(1, MAX_THREADS);
  try {
    return text.split(',').map((part) => one(part.trim()));
  } catch {
    throw new InvalidArgumentError(
      `It must be whole numbers from 1 to ${MAX_THREADS} with commas between, as in 1,2,4.`,
    );
  }
}

export function addBench(command: Command): void {
  command
    .description(
      'Measure how operations and training scale with threads on this machine, or under mpirun with ranks.',
    )
    .optionsGroup('Work:')
    .option(
      '--preset <names>',
      `shapes to measure, with commas between: vocab (a language model's classes), probe (a linear model on embeddings), ` +
        'images (784 features, 10 classes); default: all, in small form',
      names(PRESETS),
    )
    .option(
      '--rows <count>',
      'rows of your own shape (default: 8192, or those of the preset; of all ranks 60,000 and more)',
      integer(1, MOST),
    )
    .option('--columns <count>', 'logits of a row (default: the classes)', integer(2, MOST))
    .option('--features <count>', 'features of the inputs of a linear layer', integer(1, MOST))
    .option('--classes <count>', 'its classes', integer(2, MOST))
    .option(
      '--operations <names>',
      `some of ${Object.keys(OPERATIONS).join(', ')}, with commas between (default: all that are usual for the shape)`,
      (text) => names(Object.keys(OPERATIONS))(text).map((name) => OPERATIONS[name]),
    )
    .optionsGroup('Measuring:')
    .option(
      '--seconds <number>',
      'about how long to take (default: 50)',
      numberBelow(86_400, { positive: true }),
    )
    .option('--quick', 'small shapes and short rounds: to see that all works, not for figures')
    .option('--no-try', 'do not try wide SIMD and a BLAS where they are not on');
  addBlasOption(addKernelOptions(command)).option(
    '--threads <counts>',
    'numbers of threads to compare (default: 1, 2, 4, … and all that this machine allows)',
    threadCounts,
  );
  addRankOptions(command).option(
    '--ranks [count]',
    'measure between the processes that mpirun has started (the default there); with a number: that there are so many',
    integer(2, MOST),
  );
  addVerbosityOptions(command)
    .option('--json [file]', 'write all figures as JSON, to a file or instead of the table', outputPath)
    .option('--csv <file>', 'write a record for each figure', outputPath)
    .option('--report <file>', 'write a page with charts (HTML)', outputPath)
    .option('--compare <file>', 'an earlier --json file: says what is slower or faster beyond noise', path)
    .addHelpText(
      'after',
      `
Results are compared with the float64 reference before anything is timed, and
bit by bit between numbers of threads. "strong": the same rows on each number of
threads; "weak": rows in proportion to them. "of roof": what is reached of the
arithmetic (A) or memory (M) that the same threads reach alone, whichever is
nearer. "!": quartiles more than 10 % apart, so the machine was not quiet.

Under mpirun it measures what ranks need to meet and to add up vectors, and
full-batch passes of a shape on the first 1, 2, 4, … of them, and predicts passes
on 2 to 1,024 ranks over 10, 25 and 100 Gbit/s (docs/machines.md).

Examples:
  softshard bench
  softshard bench --preset vocab --report scaling.html
  softshard bench --rows 4096 --features 1024 --classes 50000 --threads 1,2,4
  softshard bench --json before.json
  softshard bench --compare before.json
  mpirun --bind-to none -np 4 npx softshard bench --report ranks.html`,
    )
    .action(async (flags: BenchFlags) => (await import('./bench.js')).bench(flags));
}

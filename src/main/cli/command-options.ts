// Options that several commands share, and the types of their values.

import { type Command, Option } from 'commander';
import {
  availableMemory,
  type EngineOptions,
  type Files,
  type Losses,
  type Numerics,
  trustsWideSimd,
} from '../index.js';
import {
  columnKey,
  columnKeys,
  delimiter,
  fraction,
  integer,
  memorySize,
  moreColumnKeys,
  numberBelow,
  outputPath,
  path,
} from './option-values.js';

export const DATA_HELP =
  'rows: IDX, .npy, .npz, safetensors, SVMlight, CSV or JSON Lines, compressed by gzip or zstd or not, Parquet or Arrow; a folder ' +
  'or a pattern in quotes for several files as one, - for standard input';
export const LABELS_HELP =
  'the class of each row, in the same formats, or text with one label a line; .npz, safetensors and SVMlight may bring them ' +
  'with the rows';
export const LABEL_COLUMN_HELP =
  'column, or array of a file of several, with the class of each row: a name, or an index from 0 (-1: the last)';

export const MODEL_LABEL_COLUMN_HELP = `${LABEL_COLUMN_HELP}; default: of a table, as in training`;

/** How tables are to be read: CSV, Parquet, Arrow, JSON Lines. */
export interface CsvFlags {
  labelColumn?: Files.ColumnKey;
  idColumn?: Files.ColumnKey;
  featureColumns?: Files.ColumnKey[];
  excludeColumns?: Files.ColumnKey[];
  delimiter?: string;
  decimal?: '.' | ',';
  header?: boolean;
}

export interface EngineFlags {
  threads?: number;
  numerics?: Numerics;
  wideSimd?: boolean;
  blas?: true | string;
  /** In bytes. */
  memory?: number;
  /** The file to write a trace to. */
  trace?: string;
}

/** For commands that ranks do together. */
export const addRankOptions = (command: Command): Command =>
  command
    .optionsGroup('Several processes, started by mpirun:')
    .option('--no-mpi', 'work alone (also: SOFTSHARD_MPI=0 in the environment)')
    .option(
      '--mpi-library <file>',
      'the MPI library (default: the one of mpirun; also: SOFTSHARD_MPI_LIBRARY in the environment)',
      path,
    )
    .option(
      '--watchdog <seconds>',
      'end all processes when one has waited so long for others (default: 60)',
      numberBelow(1e6, { positive: true }),
    );

type Given<Options extends object> = { [Name in keyof Options]?: Exclude<Options[Name], undefined> };

/** Drops options that are undefined. */
export const given = <Options extends object>(options: Options): Given<Options> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<Options>;

/** Of --memory: the rest is for Node.js and for what is read ahead. */
const ARENA_PART = 3 / 4;
/** Of --memory, at most: what computes needs room, too. */
const ROWS_PART = 1 / 2;
const MAX_ARENA_BYTES = 2 ** 32;

/** What Engine.create takes. A process of ours has no other WebAssembly that V8's flags could reach: wide SIMD is on. */
export const engineOptions = ({
  threads,
  numerics,
  wideSimd,
  blas,
  memory,
  trace,
}: EngineFlags): EngineOptions =>
  given({
    threads,
    numerics,
    wideSimd: wideSimd ?? (process.env.SOFTSHARD_WIDE_SIMD ? undefined : trustsWideSimd()),
    blas,
    trace: trace === undefined ? undefined : true,
    arenaBytes: memory && Math.min(MAX_ARENA_BYTES, Math.floor(memory * ARENA_PART)),
  });

/** Rows of more bytes than this are not kept in memory. */
export const mostRowBytes = ({ memory = availableMemory() / 2 }: EngineFlags): number => memory * ROWS_PART;

/** An option whose value is one of some words. */
export function choice(flags: string, description: string, choices: string[], byDefault?: string): Option {
  const option = new Option(flags, description).choices(choices);
  return byDefault === undefined ? option : option.default(byDefault);
}

export const formatOption = (): Option =>
  choice('--format <kind>', 'what to write, where the name of the output does not say so', [
    'csv',
    'tsv',
    'jsonl',
    'npy',
    'parquet',
  ]);

export interface ReportFlags {
  json?: true;
  quiet?: true;
  verbose?: true;
}

/** An option with two names, of which help and messages give the first. */
function columnOption(flags: string, description: string): Option {
  const option = new Option(flags, description);
  option.flags = flags.replace(/, --[\w-]+/, '');
  return option;
}

/** --output, or --out for short. */
export function outputOption(description: string): Option {
  const option = new Option('--out, --output <file>', description).argParser(outputPath);
  option.flags = '--output <file>';
  return option;
}

export function addCsvOptions(command: Command, labelColumnHelp: string): Command {
  return command
    .optionsGroup('Tables (CSV, Parquet, Arrow, JSON Lines), files of several arrays:')
    .addOption(columnOption('--label, --label-column <column>', labelColumnHelp).argParser(columnKey))
    .option(
      '--id-column <column>',
      'column of a table with a name or number of each row: no feature; predict writes it in the place of row numbers',
      columnKey,
    )
    .addOption(
      columnOption(
        '--features, --feature-columns <columns>',
        'feature columns or arrays, separated by commas, each a name or an index (default: all but the label and id; ' +
          'where columns have types the only one of vectors, else all of numbers)',
      ).argParser(columnKeys),
    )
    .addOption(
      columnOption(
        '--exclude, --exclude-columns <columns>',
        'columns of a table that are no features, of all the others, separated by commas; may be repeated',
      )
        .argParser(moreColumnKeys)
        .conflicts('featureColumns'),
    )
    .option(
      '--delimiter <character>',
      'delimiter of CSV, or "tab" (default: a tab for .tsv, else the one of tab, ; and | that line 1 has in place of commas)',
      delimiter,
    )
    .addOption(
      choice('--decimal <character>', 'what stands before the fraction of numbers in CSV', ['.', ','], '.'),
    )
    .option('--header', 'line 1 of CSV holds column names even where they look like numbers')
    .option('--no-header', 'line 1 of CSV holds values even where it looks like names');
}

export const MAX_THREADS = 1024;

export const addEngineOptions = (command: Command): Command =>
  addKernelOptions(
    command
      .optionsGroup('Engine:')
      .option(
        '--threads <count>',
        'worker threads (default: all that this machine allows)',
        integer(1, MAX_THREADS),
      ),
  );

/** Those of addEngineOptions but for the threads. */
export function addKernelOptions(command: Command): Command {
  return (
    command
      .optionsGroup('Engine:')
      .addOption(
        choice(
          '--numerics <build>',
          'kernels to use: "fast" (fused multiply-add, Node 22 and newer) or "portable" (the same bits on every CPU ' +
            'and Node version); both give the same bits for any number of threads (default: fast where it runs)',
          ['portable', 'fast'],
        ),
      )
      // Before its opposite, which would make it the default.
      .addOption(new Option('--wide-simd', 'with a warning where they cannot be had').hideHelp())
      .option(
        '--no-wide-simd',
        '128-bit kernels, with the same bits, where Node 24 and 25 on x64 would make 256-bit ones, checked at the start ' +
          '(also: SOFTSHARD_WIDE_SIMD=0 in the environment)',
      )
  );
}

/** For commands that read rows of features. */
export const addMemoryOption = (command: Command): Command =>
  command.option(
    '--memory <size>',
    'memory to use, such as 800M or 4G (default: half of what this machine or container has); rows of more than half ' +
      'of it stay on disk, if their file can be read row by row: .npy, .npz, safetensors and IDX, not compressed',
    memorySize,
  );

/** For commands that compute for some time. */
export const addTraceOption = (command: Command): Command =>
  command.option(
    '--trace <file>',
    'write what each thread did and when, for https://ui.perfetto.dev or chrome://tracing (docs/scaling.md)',
    outputPath,
  );

/** For commands that multiply matrices. */
export const addBlasOption = (command: Command): Command =>
  command.option(
    '--blas [file]',
    "use the machine's BLAS for 64 classes and more: the one in the usual places, or this file (see softshard info)",
  );

/** Options of a row's loss. */
export interface LossShapeFlags {
  labelSmoothing?: number;
  temperature?: number;
  softcap?: number;
  zLoss?: number;
  focalGamma?: number;
  zeroTimesInfinity?: Losses.ZeroTimesInfinity;
}

export const INT32_MAX = 2 ** 31 - 1;
const UNLIMITED = Number.POSITIVE_INFINITY;

export function addLossShapeOptions(command: Command): Command {
  return command
    .option('--label-smoothing <fraction>', 'share of each target that is spread over all classes', fraction)
    .option(
      '--temperature <number>',
      'divides the logits, after the soft cap',
      numberBelow(UNLIMITED, { positive: true }),
    )
    .option(
      '--softcap <cap>',
      'logits become cap · tanh(logits / cap)',
      numberBelow(UNLIMITED, { positive: true }),
    )
    .option('--z-loss <factor>', 'adds factor · logSumExp² to the loss of each row', numberBelow(UNLIMITED))
    .option('--focal-gamma <power>', 'multiplies each -log p by (1 - p)^power', numberBelow(UNLIMITED))
    .addOption(
      choice(
        '--zero-times-infinity <what>',
        'cost of a target share of 0 where the logit is -Infinity: 0 (default), or NaN as in PyTorch',
        ['zero', 'nan'],
      ),
    );
}

/** Loss options of `train` and `evaluate`. */
export function addModelLossOptions(command: Command, { balanced }: { readonly balanced: boolean }): Command {
  command
    .optionsGroup('Loss:')
    .option(
      '--class-weight <weights>',
      'weights of classes by name, as in rare=5,other=2 (1 for those left out), or a file with one for each class, in any of the formats ' +
        'of --data or one a line' +
        (balanced
          ? '; or "balanced": rows / (classes · rows of the class), each counted as its --sample-weight'
          : ''),
      path,
    )
    .option('--sample-weight <file>', 'weight of each row of --data, in the same formats', path)
    .option(
      '--mask <file>',
      'a number for each row of --data and class, in the same formats: 0 excludes the class from its row',
      path,
    )
    .option('--ignore-index <number>', 'rows with this label do not count', integer(-INT32_MAX, INT32_MAX));
  return addLossShapeOptions(command);
}

/** How to treat rows that cannot count. */
export function addLossRuleOptions(command: Command): Command {
  return command
    .addOption(
      choice(
        '--on-empty <what>',
        'the mean when no row counts: NaN (null in JSON), 0 or an error',
        ['nan', 'zero', 'throw'],
        'nan',
      ),
    )
    .addOption(invalidTargetOption());
}

export const invalidTargetOption = (): Option =>
  choice(
    '--on-invalid-target <what>',
    'a target that is not a class: an error, or its row is ignored',
    ['throw', 'ignore'],
    'throw',
  );

/** For commands that predict; `ignored` says what becomes of such a row. */
export const invalidInputOption = (ignored: string): Option =>
  choice(
    '--on-invalid-input <what>',
    `a row with a feature that is NaN, Infinity or, in a table, missing: an error, or ${ignored}`,
    ['throw', 'ignore'],
    'throw',
  );

export function lossShapeOf(flags: LossShapeFlags): LossShapeFlags {
  const { labelSmoothing, temperature, softcap, zLoss, focalGamma, zeroTimesInfinity } = flags;
  return given({ labelSmoothing, temperature, softcap, zLoss, focalGamma, zeroTimesInfinity });
}

export function addReportOptions(
  command: Command,
  json = 'print the result as one JSON object on standard output',
): Command {
  return addVerbosityOptions(command.optionsGroup('Reporting:').option('--json', json));
}

export function addVerbosityOptions(command: Command): Command {
  return command
    .optionsGroup('Reporting:')
    .option('--quiet', 'no progress on standard error; warnings stay')
    .option('--verbose', 'show stack and cause of an error (also: SOFTSHARD_DEBUG=1 in the environment)');
}

export const modelOption = (): Option =>
  new Option('--model <file>', 'model written by softshard train').argParser(path).makeOptionMandatory();

/** Where to write a model; see chooseOutput. */
export const addOutOptions = (command: Command, defaultName: string): Command =>
  command
    .addOption(
      outputOption(
        `where to write the model, - for standard output (default: ${defaultName}, replaced only with --force)`,
      ),
    )
    .option('--force', `replace ${defaultName}; a file that --output names is replaced anyway`);

// softshard predict: the class of each row, with probabilities or logits, as a table or as an array.

import { resolve } from 'node:path';
import { createNpyWriter, type Files, type Training, tableBlocks, writeNpy, writeTable } from '../index.js';
import { isWhole } from './classes.js';
import type { CsvFlags, EngineFlags, ReportFlags } from './command-options.js';
import { checkFeatures, expectTaken, featureNamesFor, namingFiles, readRows } from './dataset.js';
import { UsageError } from './failures.js';
import { checkInputs, checkOutputs, isStandardOutput } from './files.js';
import { outputPath } from './option-values.js';
import { counted, print, printBeside, printJson } from './output.js';
import { type OutputFormat, outputFormat, registeredWriter } from './output-format.js';
import { withPipedInputs } from './piped-inputs.js';
import { predictionTable, type Wanted, windowsOf } from './prediction-rows.js';
import type { FileRows, RowsFile } from './rows-file.js';
import { type ModelSession, runFacts, withModel } from './session.js';
import { shownPath } from './shown-paths.js';

export interface PredictFlags extends CsvFlags, EngineFlags, ReportFlags {
  model: string;
  data: string;
  output?: string;
  format?: OutputFormat;
  probabilities?: true;
  logits?: true;
  topK?: number;
  onInvalidInput: Training.OnInvalidInput;
}

export const predict = (flags: PredictFlags): Promise<void> => {
  checkFlags(flags);
  return withPipedInputs(flags, ['model', 'data'], predictFiles);
};

async function predictFiles(flags: PredictFlags): Promise<void> {
  const { model, data, topK } = flags;
  await checkInputs([model, data]);
  const [target] = await checkOutputs({ '--output': flags.output }, [model, data], flags.json);
  const format = formatOf(flags, target);
  await expectTaken(data, flags);
  await withModel(model, flags, async (context) => {
    const { classifier, engine } = context;
    if (topK !== undefined && topK > classifier.classes) {
      throw new UsageError(`--top-k is ${topK}, but ${model} has ${classifier.classes} classes`);
    }
    const { features: count } = classifier;
    const featureNames = featureNamesFor(classifier.featureNames, flags);
    const file = await readRows(context, data, flags, { featureNames, features: count });
    const { matrix } = file;
    checkFeatures(data, matrix, classifier.features, model);
    const begin = performance.now();
    await namingFiles(flags, () => write(context, file, flags, format, target));
    if (flags.output === undefined || target === undefined) return;
    const durationMs = performance.now() - begin;
    const [rows, features] = matrix.dims;
    const output = resolve(flags.output);
    if (!flags.json) {
      const sentence = `Wrote predictions for ${counted(rows, 'row')} to ${output}\n`;
      return printBeside(sentence, isStandardOutput(target), flags.quiet);
    }
    await printJson({
      rows,
      features,
      classes: classifier.classes,
      ...runFacts(engine, rows, durationMs),
      model: shownPath(model),
      data: shownPath(data),
      output,
    });
  });
}

function checkFlags({ output, topK, probabilities, logits, json }: PredictFlags): void {
  if (json && output === undefined) {
    throw new UsageError(
      '--json needs --output: without it, the predictions themselves go to standard output',
    );
  }
  const other = probabilities ? '--probabilities' : logits ? '--logits' : undefined;
  if (topK === undefined || other === undefined) return;
  throw new UsageError(`--top-k and ${other} do not go together: leave one out`);
}

/** One of ours, or a registered one. */
type Format = OutputFormat | Files.FileFormat;

function formatOf(flags: PredictFlags, target: Files.OutputTarget | undefined): Format {
  const registered = flags.format === undefined ? registeredWriter(flags.output) : undefined;
  const format = registered ?? outputFormat(flags, target);
  if (format === 'npy' || (typeof format !== 'string' && format.writeArray)) checkArrayFlags(flags);
  return format;
}

function checkArrayFlags({ topK, idColumn, probabilities, logits }: PredictFlags): void {
  const refuse = (what: string) => {
    throw new UsageError(`${what}: choose another --format, or another end of --output`);
  };
  if (topK !== undefined) refuse('--top-k is for tables, and an array has no place for it');
  if (idColumn !== undefined) refuse('--id-column is for tables, and an array holds numbers');
  if (probabilities && logits) refuse('--probabilities and --logits are two arrays, and the file holds one');
}

async function write(
  context: ModelSession,
  file: RowsFile,
  flags: PredictFlags,
  format: Format,
  target: Files.OutputTarget | undefined,
): Promise<void> {
  const { classifier, signal } = context;
  const { matrix: inputs, ids, idName } = file;
  const path = flags.output ?? outputPath('-');
  if (format === 'npy') return writeArray(context, inputs, path, flags);
  if (typeof format !== 'string' && format.writeArray) {
    return format.writeArray(path, await wholeArray(context, inputs, path, flags), { signal });
  }
  const { probabilities = false, logits = false, topK } = flags;
  const wanted: Wanted = { probabilities, logits, topK };
  // All rows first: an invalid one is found before anything is written.
  const predictions = await classifier.predict(inputs, { signal, onInvalidInput: flags.onInvalidInput });
  const table = predictionTable({ classifier, signal, inputs, predictions, ids, idName, wanted });
  if (typeof format !== 'string') return format.writeRecords!(path, plainRecords(table), { signal });
  const isForPeople = process.stdout.isTTY && (target === undefined || isStandardOutput(target));
  if (!isForPeople || format === 'parquet') return writeTable(path, table, { format, signal });
  for await (const block of tableBlocks(table, format)) await print(block);
}

/** The names of the columns, then the cells. */
async function* plainRecords({ columns, records }: Files.Table) {
  yield columns.map(({ name }) => name);
  for await (const cells of records) yield cells.map((cell) => cell ?? '');
}

/** int32 classes [rows], or float32 probabilities or logits [rows × classes]. */
async function wholeArray(
  { classifier, signal, progress }: ModelSession,
  inputs: Training.FeatureRows,
  path: string,
  { probabilities, logits, onInvalidInput }: PredictFlags,
): Promise<Files.ArrayContent> {
  const options = { signal, onInvalidInput };
  if (logits) return classifier.predictLogits(inputs, options);
  if (probabilities) return classifier.predictProbabilities(inputs, options);
  const indices = await classifier.predict(inputs, options);
  const numbers = numbersOf(classifier.classNames, (reason) => progress.warn(`${path}: ${reason}`));
  const data = numbers ? indices.map((index) => numbers[index] ?? index) : indices;
  return { dims: [data.length], data };
}

/** Probabilities and logits some rows at a time, once all rows are known to be valid. */
async function writeArray(
  context: ModelSession,
  inputs: FileRows,
  path: string,
  flags: PredictFlags,
): Promise<void> {
  const { classifier, signal } = context;
  if (!flags.probabilities && !flags.logits) {
    return writeNpy(path, await wholeArray(context, inputs, path, flags), { signal });
  }
  await classifier.predict(inputs, { signal, onInvalidInput: flags.onInvalidInput });
  const dims = [inputs.dims[0], classifier.classes];
  const writer = await createNpyWriter(path, { dims, type: 'float32', signal });
  try {
    for (const window of windowsOf(inputs, classifier.classes)) {
      const { data } = await wholeArray(context, window.inputs, path, flags);
      await writer.append(data as Float32Array);
    }
    await writer.commit();
  } finally {
    await writer.abort();
  }
}

/** Class names as labels for .npy, if all are whole numbers that fit int32. */
function numbersOf(
  names: readonly string[] | undefined,
  note: (reason: string) => void,
): Int32Array | undefined {
  if (!names?.every(isWhole)) return undefined;
  const numbers = Int32Array.from(names, Number);
  if (names.every((name, index) => Number(name) === numbers[index])) return numbers;
  note('has the places of the classes, from 0: their names are too large for int32');
  return undefined;
}

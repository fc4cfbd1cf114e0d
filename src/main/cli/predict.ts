// softshard predict: the class of each row, with probabilities or logits, as a table or as an array.

import { resolve } from 'node:path';
import { createNpyWriter, type Files, type Training, tableBlocks, writeNpy, writeTable } from '../index.js';
import { isWhole } from './classes.js';
import type { CsvFlags, EngineFlags, ReportFlags } from './command-options.js';
import { checkFeatures, expectTaken, featureNamesFor, namingFiles } from './dataset.js';
import { UsageError } from './failures.js';
import { checkInputs, checkOutputs, isStandardOutput } from './files.js';
import { outputPath } from './option-values.js';
import { counted, print, printBeside, printJson } from './output.js';
import { isForPeople, type OutputFormat, outputFormat, registeredWriter } from './output-format.js';
import { withPipedInputs } from './piped-inputs.js';
import { predictionTable, type RowWindow, type Wanted, windowsOf } from './prediction-rows.js';
import { gatherValues, ownRows } from './rank-rows.js';
import { readRowsToPredict } from './remembered-label.js';
import { type FileRows, type RowsFile, windowOf } from './rows-file.js';
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
  await checkInputs([model, data], flags);
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
    const file = await readRowsToPredict(context, data, flags, { featureNames, features: count });
    const { matrix } = file;
    checkFeatures(data, matrix, classifier.features, model);
    const begin = performance.now();
    await write(context, file, flags, format, target);
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
    const content = await wholeArray(context, inputs, path, flags);
    return context.engine.rank === 0 ? format.writeArray(path, content, { signal }) : undefined;
  }
  const { probabilities = false, logits = false, topK } = flags;
  const wanted: Wanted = { probabilities, logits, topK };
  // All rows first: an invalid one is found before anything is written.
  const predictions = await predictAll(context, inputs, flags);
  const { engine } = context;
  const table = predictionTable({ engine, classifier, signal, inputs, predictions, ids, idName, wanted });
  if (engine.rank > 0) {
    for await (const _ of table.records);
    return;
  }
  if (typeof format !== 'string') return format.writeRecords!(path, plainRecords(table), { signal });
  if (!isForPeople(target) || format === 'parquet') return writeTable(path, table, { format, signal });
  for await (const block of tableBlocks(table, format)) await print(block);
}

/** The names of the columns, then the cells. */
async function* plainRecords({ columns, records }: Files.Table) {
  yield columns.map(({ name }) => name);
  for await (const cells of records) yield cells.map((cell) => cell ?? '');
}

/** On rank 0 of all rows; other ranks compute theirs. */
async function predictAll(
  { classifier, engine, signal }: ModelSession,
  inputs: FileRows,
  { data, onInvalidInput }: PredictFlags,
): Promise<Int32Array> {
  const { rowBegin, rowEnd } = ownRows(engine, inputs.dims[0]);
  const own = windowOf(inputs, rowBegin, rowEnd);
  const predict = () => classifier.predict(own, { signal, onInvalidInput });
  return gatherValues(engine, await namingFiles({ data }, predict, rowBegin));
}

/** int32 classes [rows], or float32 probabilities or logits [rows × classes]; on rank 0. */
async function wholeArray(
  context: ModelSession,
  inputs: FileRows,
  path: string,
  flags: PredictFlags,
): Promise<Files.ArrayContent> {
  const { classifier, engine, progress } = context;
  if (flags.probabilities || flags.logits) {
    const [rows] = inputs.dims;
    const { rowBegin, rowEnd } = ownRows(engine, rows);
    const own = { rowBegin, inputs: windowOf(inputs, rowBegin, rowEnd) };
    const data = await gatherValues(engine, await classValues(context, own, flags));
    return { dims: [rows, classifier.classes], data };
  }
  const indices = await predictAll(context, inputs, flags);
  const numbers = numbersOf(classifier.classNames, (reason) => progress.warn(`${path}: ${reason}`));
  const data = numbers ? indices.map((index) => numbers[index] ?? index) : indices;
  return { dims: [data.length], data };
}

async function classValues(
  { classifier, signal }: ModelSession,
  { rowBegin, inputs }: Pick<RowWindow, 'rowBegin' | 'inputs'>,
  { data, logits, onInvalidInput }: PredictFlags,
): Promise<Float32Array> {
  const options = { signal, onInvalidInput };
  const compute = () =>
    logits ? classifier.predictLogits(inputs, options) : classifier.predictProbabilities(inputs, options);
  return (await namingFiles({ data }, compute, rowBegin)).data;
}

/** Probabilities and logits some rows at a time, once all rows are known to be valid. */
async function writeArray(
  context: ModelSession,
  inputs: FileRows,
  path: string,
  flags: PredictFlags,
): Promise<void> {
  const { classifier, engine, signal } = context;
  if (!flags.probabilities && !flags.logits) {
    const content = await wholeArray(context, inputs, path, flags);
    return engine.rank === 0 ? writeNpy(path, content, { signal }) : undefined;
  }
  await predictAll(context, inputs, flags);
  const dims = [inputs.dims[0], classifier.classes];
  const writer =
    engine.rank === 0 ? await createNpyWriter(path, { dims, type: 'float32', signal }) : undefined;
  try {
    for (const window of windowsOf(engine, inputs, classifier.classes)) {
      const own = window ? await classValues(context, window, flags) : new Float32Array();
      const values = await gatherValues(engine, own);
      await writer?.append(values);
    }
    await writer?.commit();
  } finally {
    await writer?.abort();
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

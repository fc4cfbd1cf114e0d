// softshard predict: the class of each row, with probabilities, as CSV or .npy.

import { resolve } from 'node:path';
import { csvBlocks, type Files, fileFormats, type Training, writeCsv } from '../index.js';
import { isWhole } from './classes.js';
import type { CsvFlags, EngineFlags, ReportFlags } from './command-options.js';
import { checkFeatures, expectTaken, featureNamesFor, namingFiles, readRows } from './dataset.js';
import { UsageError } from './failures.js';
import { checkInputs, checkOutputs, isStandardOutput } from './files.js';
import { outputPath } from './option-values.js';
import { counted, either, print, printBeside, printJson } from './output.js';
import { type ModelSession, runFacts, withModel } from './session.js';

export interface PredictFlags extends CsvFlags, EngineFlags, ReportFlags {
  model: string;
  data: string;
  output?: string;
  probabilities?: true;
  topK?: number;
  onInvalidInput: Training.OnInvalidInput;
}

export async function predict(flags: PredictFlags): Promise<void> {
  const { model, data, output, topK } = flags;
  const { writeArray, writeRecords = writeCsv } = writerFor(output) ?? {};
  checkFlags(flags, writeArray !== undefined);
  await checkInputs([model, data]);
  const [target] = await checkOutputs({ '--output': output }, [model, data], flags.json);
  if (target?.kind === 'file' && !writerFor(output)) {
    const ends = either(
      writers()
        .flatMap(({ extensions }) => extensions)
        .sort(),
    );
    throw new UsageError(`--output is ${output}: its name must end in ${ends}, which says what to write`);
  }
  await expectTaken(data, flags);
  await withModel(model, flags, async (context) => {
    const { classifier, engine, signal } = context;
    if (topK !== undefined && topK > classifier.classes) {
      throw new UsageError(`--top-k is ${topK}, but ${model} has ${classifier.classes} classes`);
    }
    const names = featureNamesFor(classifier.featureNames, flags);
    const { matrix } = await readRows(context, data, flags, names);
    checkFeatures(data, matrix, classifier.features, model);
    const begin = performance.now();
    if (output !== undefined && writeArray) {
      await writeArray(output, await arrayOf(context, matrix, output, flags), { signal });
    } else {
      const options = { signal, onInvalidInput: flags.onInvalidInput };
      // All rows first: an invalid one is found before anything is written.
      const predictions = await namingFiles(flags, () => classifier.predict(matrix, options));
      const lines = records(context, matrix, predictions, flags);
      const isForPeople = process.stdout.isTTY && (target === undefined || isStandardOutput(target));
      if (isForPeople) for await (const block of csvBlocks(lines)) await print(block);
      else await writeRecords(output ?? outputPath('-'), lines, { signal });
    }
    if (output === undefined || target === undefined) return;
    const durationMs = performance.now() - begin;
    const [rows, features] = matrix.dims;
    if (!flags.json) {
      const sentence = `Wrote predictions for ${counted(rows, 'row')} to ${resolve(output)}\n`;
      return printBeside(sentence, isStandardOutput(target), flags.quiet);
    }
    await printJson({
      rows,
      features,
      classes: classifier.classes,
      ...runFacts(engine, rows, durationMs),
      model: resolve(model),
      data: resolve(data),
      output: resolve(output),
    });
  });
}

const writers = (): Files.FileFormat[] =>
  fileFormats().filter(({ writeArray, writeRecords }) => writeArray ?? writeRecords);

/** Chosen by the file's name; without one (pipes, devices, standard output), CSV is written. */
const writerFor = (output: string | undefined): Files.FileFormat | undefined =>
  writers().find(({ extensions }) => extensions.some((extension) => output?.endsWith(extension)));

function checkFlags({ output, topK, probabilities, json }: PredictFlags, isArray: boolean): void {
  if (json && output === undefined) {
    throw new UsageError(
      '--json needs --output: without it, the predictions themselves go to standard output',
    );
  }
  if (topK === undefined) return;
  if (probabilities) throw new UsageError('--top-k and --probabilities do not go together: leave one out');
  if (isArray) throw new UsageError('--top-k is for CSV: give --output a name that ends in .csv');
}

/** int32 classes [rows], or float32 probabilities [rows × classes]. */
async function arrayOf(
  { classifier, signal, progress }: ModelSession,
  inputs: Files.FeatureMatrix,
  path: string,
  { probabilities, onInvalidInput, data: file }: PredictFlags,
): Promise<Files.ArrayContent> {
  const options = { signal, onInvalidInput };
  return namingFiles({ data: file }, async () => {
    if (probabilities) return classifier.predictProbabilities(inputs, options);
    const indices = await classifier.predict(inputs, options);
    const numbers = numbersOf(classifier.classNames, (reason) => progress.warn(`${path}: ${reason}`));
    const data = numbers ? indices.map((index) => numbers[index] ?? index) : indices;
    return { dims: [data.length], data };
  });
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

/** Most probabilities held at a time. */
const WINDOW_VALUES = 4 * 1024 * 1024;

/**
 * CSV records; probabilities are computed in windows of rows on demand. `predictions` come from the logits, because
 * probabilities may round to a tie. An invalid row has class -1 and no name.
 */
async function* records(
  { classifier, signal }: ModelSession,
  inputs: Files.FeatureMatrix,
  predictions: Int32Array,
  { probabilities: wanted, topK }: PredictFlags,
): AsyncGenerator<readonly Files.CsvCell[], void, undefined> {
  const { classes, features } = classifier;
  const names = Array.from(
    { length: classes },
    (_, index) => classifier.classNames?.[index] ?? String(index),
  );
  const cellsOf = (index: number, probabilities: Float32Array) =>
    [index, names[index] ?? '', shortest(probabilities[index] ?? Number.NaN)] as const;
  if (topK !== undefined) yield ['row', 'rank', 'class', 'name', 'probability'];
  else yield ['row', 'class', 'name', 'probability', ...(wanted ? names.map((name) => `p(${name})`) : [])];
  const rows = inputs.dims[0];
  const windowRows = Math.max(1, Math.floor(WINDOW_VALUES / classes));
  const options = { signal, onInvalidInput: 'ignore' } as const;
  for (let rowBegin = 0; rowBegin < rows; rowBegin += windowRows) {
    const rowEnd = Math.min(rows, rowBegin + windowRows);
    const window = inputs.data.subarray(rowBegin * features, rowEnd * features);
    const { data: probabilities } = await classifier.predictProbabilities(window, options);
    for (let row = rowBegin; row < rowEnd; row++) {
      const predicted = predictions[row]!;
      const ofRow = probabilities.subarray((row - rowBegin) * classes, (row - rowBegin + 1) * classes);
      if (topK !== undefined) {
        const ranked = predicted < 0 ? [predicted] : mostProbable(ofRow, predicted, topK);
        for (const [rank, index] of ranked.entries()) yield [row, rank + 1, ...cellsOf(index, ofRow)];
      } else {
        yield [row, ...cellsOf(predicted, ofRow), ...(wanted ? Array.from(ofRow, shortest) : [])];
      }
    }
  }
}

/** The predicted class, then the others by probability; ties go to the lower class. */
function mostProbable(probabilities: Float32Array, predicted: number, topK: number): number[] {
  const others = Array.from(probabilities.keys()).filter((index) => index !== predicted);
  others.sort((a, b) => probabilities[b]! - probabilities[a]! || a - b);
  return [predicted, ...others.slice(0, topK - 1)];
}

/** The shortest decimal that reads back as this float32, of 6 digits or more; 9 always suffice. */
function shortest(value: number): number {
  // Most probabilities: times these powers they are exact in float64, and so are the decimals; by way of text takes six times as long.
  if (value >= 1e-3 && value < 1) {
    let power = value < 1e-2 ? 1e8 : value < 1e-1 ? 1e7 : 1e6;
    for (; power < 1e12; power *= 10) {
      const rounded = Math.round(value * power) / power;
      if (Math.fround(rounded) === value) return rounded;
    }
  }
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return rounded;
  }
  return Number(value.toPrecision(9));
}

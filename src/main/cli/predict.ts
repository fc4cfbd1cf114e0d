// softshard predict: the class of each row, with probabilities, as CSV or .npy.

import { resolve } from 'node:path';
import {
  type CsvCell,
  csvBlocks,
  type FeatureMatrix,
  type SoftmaxClassifier,
  writeCsv,
  writeNpy,
} from '../index.js';
import { isWhole } from './classes.js';
import type { CsvFlags, EngineFlags, ReportFlags } from './command-options.js';
import { featureNamesFor, readRows, requireCsv } from './dataset.js';
import { UsageError } from './failures.js';
import { checkInputs, checkOutput } from './files.js';
import { counted, print, printJson } from './output.js';
import { type ModelContext, prepareRows, withModel } from './with-model.js';

export interface PredictFlags extends CsvFlags, EngineFlags, ReportFlags {
  model: string;
  data: string;
  output?: string;
  probabilities?: true;
  topK?: number;
}

export async function predict(flags: PredictFlags): Promise<void> {
  const { model, data, output, topK } = flags;
  checkFlags(flags);
  await checkInputs([model, data]);
  if (output !== undefined) await checkOutput(output, [model, data]);
  await requireCsv(data, '--label-column', flags.labelColumn);
  await requireCsv(data, '--feature-columns', flags.featureColumns);
  await withModel(model, flags, async (context) => {
    const { classifier, engine } = context;
    if (topK !== undefined && topK > classifier.classes) {
      throw new UsageError(`--top-k is ${topK}, but ${model} has ${classifier.classes} classes`);
    }
    const names = featureNamesFor(classifier.featureNames, flags);
    const { matrix } = await readRows(context, data, flags, names);
    prepareRows(classifier, data, matrix, model);
    const begin = performance.now();
    if (output === undefined) {
      for await (const block of csvBlocks(records(context, matrix, flags))) await print(block);
      return;
    }
    if (output.endsWith('.npy')) await predictToNpy(context, matrix, output, flags);
    else await writeCsv(output, records(context, matrix, flags));
    const durationMs = performance.now() - begin;
    const [rows, features] = matrix.dims;
    if (!flags.json) return print(`Wrote predictions for ${counted(rows, 'row')} to ${resolve(output)}\n`);
    await printJson({
      rows,
      features,
      classes: classifier.classes,
      threads: engine.threads,
      numerics: engine.numerics,
      node: process.versions.node,
      durationMs,
      rowsPerSecond: (1000 * rows) / durationMs,
      model: resolve(model),
      data: resolve(data),
      output: resolve(output),
    });
  });
}

function checkFlags({ output, topK, probabilities, json }: PredictFlags): void {
  if (json && output === undefined) {
    throw new UsageError(
      '--json needs --output: without it, the predictions themselves go to standard output',
    );
  }
  if (output !== undefined && !/\.(csv|npy)$/.test(output)) {
    throw new UsageError(
      `--output is ${output}: its name must end in .csv or .npy, which says what to write`,
    );
  }
  if (topK === undefined) return;
  if (probabilities) throw new UsageError('--top-k and --probabilities do not go together: leave one out');
  if (output?.endsWith('.npy'))
    throw new UsageError('--top-k is for CSV: give --output a name that ends in .csv');
}

async function predictToNpy(
  { classifier, signal, progress }: ModelContext,
  inputs: FeatureMatrix,
  path: string,
  { probabilities }: PredictFlags,
): Promise<void> {
  if (probabilities) {
    const { dims, data } = await classifier.predictProbabilities(inputs, { signal });
    return writeNpy(path, { dims, data });
  }
  const indices = await classifier.predict(inputs, { signal });
  const numbers = numbersOf(classifier.classNames, (reason) => progress.note(`${path}: ${reason}`));
  const data = numbers ? indices.map((index) => numbers[index] ?? index) : indices;
  return writeNpy(path, { dims: [data.length], data });
}

/** What labels in .npy are to a model whose classes are called by numbers: these, not their places. */
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

/** Probabilities that are held at a time, at most. */
const WINDOW_VALUES = 4 * 1024 * 1024;

/** The lines of the CSV file, computed in windows of rows as they are asked for. */
async function* records(
  { classifier, signal }: ModelContext,
  inputs: FeatureMatrix,
  { probabilities: wanted, topK }: PredictFlags,
): AsyncGenerator<readonly CsvCell[], void, undefined> {
  const { classes, features } = classifier;
  const names = Array.from(
    { length: classes },
    (_, index) => classifier.classNames?.[index] ?? String(index),
  );
  if (topK !== undefined) yield ['row', 'rank', 'class', 'name', 'probability'];
  else yield ['row', 'class', 'name', 'probability', ...(wanted ? names.map((name) => `p(${name})`) : [])];
  const rows = inputs.dims[0];
  const windowRows = Math.max(1, Math.floor(WINDOW_VALUES / classes));
  for (let rowBegin = 0; rowBegin < rows; rowBegin += windowRows) {
    const rowEnd = Math.min(rows, rowBegin + windowRows);
    const window = inputs.data.subarray(rowBegin * features, rowEnd * features);
    const { predictions, probabilities } = await predictWindow(classifier, window, signal);
    for (let row = rowBegin; row < rowEnd; row++) {
      const predicted = predictions[row - rowBegin]!;
      const ofRow = probabilities.subarray((row - rowBegin) * classes, (row - rowBegin + 1) * classes);
      if (topK !== undefined) {
        for (const [rank, index] of mostProbable(ofRow, predicted, topK).entries()) {
          yield [row, rank + 1, index, names[index]!, shortest(ofRow[index]!)];
        }
      } else {
        const all = wanted ? Array.from(ofRow, shortest) : [];
        yield [row, predicted, names[predicted]!, shortest(ofRow[predicted]!), ...all];
      }
    }
  }
}

/** The class comes from the logits: probabilities may round to a tie where the logits differ. */
async function predictWindow(
  classifier: SoftmaxClassifier,
  window: Float32Array | Uint8Array,
  signal: AbortSignal,
) {
  const predictions = await classifier.predict(window, { signal });
  const { data } = await classifier.predictProbabilities(window, { signal });
  return { predictions, probabilities: data };
}

/** `topK` classes, the predicted one first, then by probability; of equals, the lower class first. */
function mostProbable(probabilities: Float32Array, predicted: number, topK: number): number[] {
  const others = Array.from(probabilities.keys()).filter((index) => index !== predicted);
  others.sort((a, b) => probabilities[b]! - probabilities[a]! || a - b);
  return [predicted, ...others.slice(0, topK - 1)];
}

/** The shortest decimal that reads back as this float32: at most 9 digits are needed. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return rounded;
  }
  return Number(value.toPrecision(9));
}

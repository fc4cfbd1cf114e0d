// What predict says of each row, as records of a table and as objects for JSON lines.

import { type Files, type SoftmaxClassifier, shortestFloat, type Training } from '../index.js';
import { type FileRows, windowOf } from './rows-file.js';

/** What is wanted beside the class of each row. */
export interface Wanted {
  readonly probabilities: boolean;
  readonly logits: boolean;
  /** Instead: so many most probable classes of each row. */
  readonly topK: number | undefined;
}

export interface PredictedRows {
  readonly classifier: SoftmaxClassifier;
  readonly signal: AbortSignal;
  readonly inputs: FileRows;
  /** From the logits, because probabilities may round to a tie; -1 for an invalid row. */
  readonly predictions: Int32Array;
  readonly ids: readonly string[] | undefined;
  readonly idName: string | undefined;
  readonly wanted: Wanted;
}

/** Most probabilities held at a time. */
const WINDOW_VALUES = 4 * 1024 * 1024;

/** Some of the rows. */
export interface RowWindow {
  readonly rowBegin: number;
  readonly rowEnd: number;
  readonly inputs: Training.FeatureRows;
}

/** All rows in order, as many at a time as have WINDOW_VALUES values of classes. */
export function* windowsOf(inputs: FileRows, classes: number): Generator<RowWindow, void, undefined> {
  const [rows] = inputs.dims;
  const windowRows = Math.max(1, Math.floor(WINDOW_VALUES / classes));
  for (let rowBegin = 0; rowBegin < rows; rowBegin += windowRows) {
    const rowEnd = Math.min(rows, rowBegin + windowRows);
    yield { rowBegin, rowEnd, inputs: windowOf(inputs, rowBegin, rowEnd) };
  }
}

interface PredictedRow {
  readonly row: number;
  readonly predicted: number;
  readonly probabilities: Float32Array;
  readonly logits: Float32Array | undefined;
}

/** Computed as they are asked for. */
async function* predictedRows({
  classifier,
  signal,
  inputs,
  predictions,
  wanted,
}: PredictedRows): AsyncGenerator<PredictedRow, void, undefined> {
  const { classes } = classifier;
  const options = { signal, onInvalidInput: 'ignore' } as const;
  for (const { rowBegin, rowEnd, inputs: window } of windowsOf(inputs, classes)) {
    const { data: probabilities } = await classifier.predictProbabilities(window, options);
    const logits = wanted.logits ? (await classifier.predictLogits(window, options)).data : undefined;
    for (let row = rowBegin; row < rowEnd; row++) {
      const [begin, end] = [(row - rowBegin) * classes, (row - rowBegin + 1) * classes];
      yield {
        row,
        predicted: predictions[row]!,
        probabilities: probabilities.subarray(begin, end),
        logits: logits?.subarray(begin, end),
      };
    }
  }
}

const OWN_COLUMNS = ['rank', 'class', 'name', 'probability', 'top', 'probabilities', 'logits'];

export function predictionTable(rows: PredictedRows): Files.Table {
  const { classifier, ids, idName, wanted } = rows;
  const names = Array.from(
    { length: classifier.classes },
    (_, index) => classifier.classNames?.[index] ?? String(index),
  );
  // Of the name of the file's column, unless this table has another of that name.
  const idColumn = idName === undefined || OWN_COLUMNS.includes(idName) ? 'id' : idName;
  const key: Files.TableColumn =
    ids === undefined ? { name: 'row', type: 'int32' } : { name: idColumn, type: 'string' };
  const columns: Files.TableColumn[] = [
    key,
    ...(wanted.topK === undefined ? [] : [{ name: 'rank', type: 'int32' } as const]),
    { name: 'class', type: 'int32' },
    { name: 'name', type: 'string' },
    { name: 'probability', type: 'float32' },
    ...(wanted.probabilities ? names.map((name) => ({ name: `p(${name})`, type: 'float32' }) as const) : []),
    ...(wanted.logits ? names.map((name) => ({ name: `logit(${name})`, type: 'float32' }) as const) : []),
  ];
  const keyOf = (row: number) => ids?.[row] ?? row;
  return {
    columns,
    records: recordsOf(rows, names, keyOf),
    objects: objectsOf(rows, names, key.name, keyOf),
  };
}

type KeyOf = (row: number) => string | number;

async function* recordsOf(
  rows: PredictedRows,
  names: readonly string[],
  keyOf: KeyOf,
): AsyncGenerator<readonly Files.TableCell[], void, undefined> {
  const { probabilities: wantsAll, topK } = rows.wanted;
  for await (const { row, predicted, probabilities, logits } of predictedRows(rows)) {
    const cellsOf = (index: number) =>
      [index, names[index] ?? null, probabilities[index] ?? Number.NaN] as const;
    if (topK === undefined) {
      yield [keyOf(row), ...cellsOf(predicted), ...(wantsAll ? probabilities : []), ...(logits ?? [])];
      continue;
    }
    for (const [rank, index] of ranked(predicted, probabilities, topK).entries()) {
      yield [keyOf(row), rank + 1, ...cellsOf(index)];
    }
  }
}

/** One a row, with the classes of top-k in a list, and probabilities by name where the model has names. */
async function* objectsOf(
  rows: PredictedRows,
  names: readonly string[],
  keyName: string,
  keyOf: KeyOf,
): AsyncGenerator<object, void, undefined> {
  const { wanted, classifier } = rows;
  const valuesOf = (values: Float32Array) => {
    const numbers = Array.from(values, shortestFloat);
    if (classifier.classNames === undefined) return numbers;
    return Object.fromEntries(numbers.map((number, index) => [names[index]!, number]));
  };
  for await (const { row, predicted, probabilities, logits } of predictedRows(rows)) {
    const classOf = (index: number) => ({
      class: index,
      name: names[index] ?? null,
      probability: shortestFloat(probabilities[index] ?? Number.NaN),
    });
    yield {
      [keyName]: keyOf(row),
      ...(wanted.topK === undefined
        ? classOf(predicted)
        : { top: ranked(predicted, probabilities, wanted.topK).map(classOf) }),
      ...(wanted.probabilities && { probabilities: valuesOf(probabilities) }),
      ...(logits && { logits: valuesOf(logits) }),
    };
  }
}

/** The predicted class, then the others by probability; ties go to the lower class. An invalid row has itself alone. */
function ranked(predicted: number, probabilities: Float32Array, topK: number): number[] {
  if (predicted < 0) return [predicted];
  const others = Array.from(probabilities.keys()).filter((index) => index !== predicted);
  others.sort((a, b) => probabilities[b]! - probabilities[a]! || a - b);
  return [predicted, ...others.slice(0, topK - 1)];
}

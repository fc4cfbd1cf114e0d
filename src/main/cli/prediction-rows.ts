// What predict says of each row, as records of a table and as objects for JSON lines.

import { type Engine, type Files, type SoftmaxClassifier, shortestFloat, type Training } from '../index.js';
import { gatherValues, SHARD_ROWS } from './rank-rows.js';
import { type FileRows, windowOf } from './rows-file.js';

/** What is wanted beside the class of each row. */
export interface Wanted {
  readonly probabilities: boolean;
  readonly logits: boolean;
  /** Instead: so many most probable classes of each row. */
  readonly topK: number | undefined;
}

export interface PredictedRows {
  readonly engine: Engine;
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

/**
 * As many rows at a time as have WINDOW_VALUES values of classes. Ranks take turns: a round has one window for each, and the last
 * maybe none.
 */
export function* windowsOf(
  { rank, ranks }: Engine,
  inputs: FileRows,
  classes: number,
): Generator<RowWindow | undefined, void, undefined> {
  const [rows] = inputs.dims;
  const most = Math.max(1, Math.floor(WINDOW_VALUES / classes));
  const share = Math.max(1, Math.ceil(rows / ranks / SHARD_ROWS)) * SHARD_ROWS;
  const windowRows = Math.min(most < SHARD_ROWS ? most : most - (most % SHARD_ROWS), share);
  for (let round = 0; round < rows; round += ranks * windowRows) {
    const rowBegin = round + rank * windowRows;
    const rowEnd = Math.min(rows, rowBegin + windowRows);
    yield rowBegin < rows ? { rowBegin, rowEnd, inputs: windowOf(inputs, rowBegin, rowEnd) } : undefined;
  }
}

interface PredictedRow {
  readonly row: number;
  readonly predicted: number;
  readonly probabilities: Float32Array;
  readonly logits: Float32Array | undefined;
}

/** Computed as they are asked for; on rank 0 those of all ranks, on others none. */
async function* predictedRows({
  engine,
  classifier,
  signal,
  inputs,
  predictions,
  wanted,
}: PredictedRows): AsyncGenerator<PredictedRow, void, undefined> {
  const { classes } = classifier;
  const options = { signal, onInvalidInput: 'ignore' } as const;
  let row = 0;
  for (const window of windowsOf(engine, inputs, classes)) {
    const probabilities = await gatherValues(
      engine,
      window ? (await classifier.predictProbabilities(window.inputs, options)).data : new Float32Array(),
    );
    const logits =
      wanted.logits &&
      (await gatherValues(
        engine,
        window ? (await classifier.predictLogits(window.inputs, options)).data : new Float32Array(),
      ));
    for (let begin = 0; begin < probabilities.length; begin += classes, row++) {
      yield {
        row,
        predicted: predictions[row]!,
        probabilities: probabilities.subarray(begin, begin + classes),
        logits: logits ? logits.subarray(begin, begin + classes) : undefined,
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

// Reading a file in one of the ways there are for its format, and comparing what comes with the oracles.
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { readClassNames } from '#softshard/main/cli/classes.js';
import {
  ClassificationMetrics,
  type Files,
  openNpy,
  readCsv,
  readFeatures,
  readIdxLabels,
  readIdxMatrix,
  readLabels,
  readMatrix,
  readModelFile,
  readNpyLabels,
  readNpyMatrix,
  SoftshardError,
} from '#softshard/main/index.js';
import { expectThat } from './attack.js';
import type { BaseFile, Format } from './base-files.js';
import {
  expectBinaryLabels,
  expectBinaryMatrix,
  expectLabels,
  expectMatrixFile,
  expectTable,
  expectValues,
  isTable,
} from './expected-content.js';
import { contentOf, inMemory, isGzip } from './file-content.js';
import {
  csvRecords,
  delimiterOf,
  modelContent,
  npyValues,
  npyWords,
  svmlightLabels,
} from './file-oracles.js';
import type { Random } from './random.js';
import type { Reading } from './reading.js';
import { changingRows, openedRows } from './rows-on-disk.js';
import { setReading } from './sets-of-files.js';

const readNpyRows: Reading = async (path, bytes) => {
  const file = await openNpy(path);
  try {
    const rows = file.dims[0]!;
    const { values } = npyValues(bytes);
    const width = values.length / rows;
    for (const [begin, end] of [
      [0, rows],
      [rows >> 1, rows],
      [0, Math.min(1, rows)],
    ] as const) {
      const got = await file.readRows(begin, end);
      // Halves come as their bits.
      if (file.type === 'float16') continue;
      expectValues(
        'rows',
        Array.from(got, Number),
        values.slice(begin * width, end * width),
        (value) => value,
      );
    }
  } finally {
    await file.close();
  }
};

const readAny: Reading = (path, bytes, later) =>
  inMemory(bytes, async (memory) => expectMatrixFile(await readMatrix(memory, path), bytes, {}, later));

const readAnyFeatures: Reading = (path, bytes, later) =>
  inMemory(bytes, async (memory) => {
    const file = await readFeatures(memory, path);
    const { dims, data } = file.matrix;
    const matrix = { ...file.matrix, type: 'float32', dims, data: Float32Array.from(data) } as const;
    expectMatrixFile({ ...file, matrix }, bytes, {}, later);
  });

const tableReading = (random: Random, options: Files.CsvOptions): Reading => {
  const { labelColumn } = options;
  if (labelColumn !== undefined && random.chance(0.2)) {
    return async (path) => {
      await readLabels(path, { labelColumn });
    };
  }
  return (path, bytes, later) =>
    inMemory(bytes, async (memory) => {
      const file = await readMatrix(memory, path, options);
      expectMatrixFile(file, bytes, options, later);
    });
};

const readAnyLabels: Reading = async (path, bytes) => {
  const labels = await readLabels(path);
  // Files of one column; of these the attack has few.
  if (isTable(labels.format)) return;
  if (labels.format === 'svmlight') {
    expectLabels(labels, svmlightLabels(contentOf(bytes)));
    return;
  }
  // Which array of several was chosen is not said.
  if (labels.format === 'npz' || labels.format === 'safetensors') return;
  if (labels.format === 'npy' && labels.classNames) {
    expectLabels(labels, npyWords(contentOf(bytes)));
    return;
  }
  if (labels.format !== 'csv') {
    expectBinaryLabels(labels.targets, bytes);
    return;
  }
  const content = contentOf(bytes);
  const wanted = csvRecords(content, delimiterOf(content, ['\t'])).map((cells) => cells[0]!);
  const above = wanted.length - labels.targets.length;
  // A line above the labels may have been taken for their header.
  expectThat(above <= 1, `${wanted.length} lines give ${labels.targets.length} labels`);
  expectLabels(labels, wanted.slice(above));
};

const idxReadings: readonly Reading[] = [
  (path, bytes) =>
    inMemory(bytes, async (memory) => expectBinaryMatrix((await readIdxMatrix(memory, path)).matrix, bytes)),
  async (path, bytes) => expectBinaryLabels(await readIdxLabels(path), bytes),
];

const npyReadings: readonly Reading[] = [
  (path, bytes) =>
    inMemory(bytes, async (memory) => expectBinaryMatrix((await readNpyMatrix(memory, path)).matrix, bytes)),
  async (path, bytes) => expectBinaryLabels(await readNpyLabels(path), bytes),
  readNpyRows,
];

/** As the file is written, or with options that do not fit it. */
const csvReading = (random: Random, own: Files.CsvOptions): Reading => {
  const others = {
    ...random.some({ labelColumn: -1 }, 0.6),
    ...random.some({ delimiter: random.of([';', '\t', '|']), header: random.of([true, false]) }, 0.2),
  };
  const options = random.chance(0.8) ? own : others;
  return (path, bytes) =>
    inMemory(bytes, async (memory) => expectTable(await readCsv(memory, path, options), bytes, options));
};

/** Rows with this delimiter are never plain: csv-parse takes them all. */
const HARD_DELIMITER = '\x01';

/** With another delimiter between cells, though not within quotes. */
function withHardDelimiter(bytes: Buffer, delimiter: string): Buffer {
  let isQuoted = false;
  return Buffer.from(bytes).map((byte) => {
    if (byte === 0x22) isQuoted = !isQuoted;
    return byte === delimiter.charCodeAt(0) && !isQuoted ? HARD_DELIMITER.charCodeAt(0) : byte;
  }) as Buffer;
}

/** Plain rows, which are read from bytes, give what csv-parse makes of them, and so do their errors. */
const bothWays =
  ({ delimiter = ',', ...options }: Files.CsvOptions): Reading =>
  async (path, bytes) => {
    const read = (delimiter: string) =>
      inMemory(bytes, (memory) => readCsv(memory, path, { ...options, delimiter }));
    const codeOf = (error: unknown) => (error instanceof SoftshardError ? error.code : error);
    const contentOrCode = (table: Promise<Files.CsvTable>): Promise<unknown> =>
      table.then(({ matrix: { dims, data }, ...rest }) => ({ ...rest, dims, data }), codeOf);
    const plain = read(delimiter);
    const got = await contentOrCode(plain);
    if (!isGzip(bytes) && !bytes.includes(HARD_DELIMITER)) {
      writeFileSync(path, withHardDelimiter(bytes, delimiter));
      const wanted = await contentOrCode(read(HARD_DELIMITER));
      expectThat(isDeepStrictEqual(got, wanted), 'plain rows give other than csv-parse');
    }
    await plain;
  };

/** The file changes once it has been looked at: what is given is what it was, or nothing. */
const changingReading = (random: Random, options: Files.CsvOptions): Reading => {
  const part = random.next();
  const change = random.of([
    (path: string, bytes: Buffer) => truncateSync(path, Math.floor(part * bytes.length)),
    (path: string, bytes: Buffer) => appendFileSync(path, bytes.subarray(part * bytes.length)),
    (path: string, bytes: Buffer) => writeFileSync(path, Buffer.concat([bytes, bytes])),
  ]);
  return (path, bytes) =>
    inMemory(bytes, async (memory) => {
      let isChanged = false;
      const onProgress = () => {
        if (!isChanged) change(path, bytes);
        isChanged = true;
      };
      expectTable(await readCsv(memory, path, { ...options, onProgress }), bytes, options);
    });
};

const modelReading: Reading = async (path, bytes) => {
  const model = await readModelFile(path);
  const wanted = modelContent(contentOf(bytes));
  expectValues('weights', model.weights, [...wanted.weights]);
  expectValues('bias', model.bias, [...wanted.bias]);
  expectThat(model.features * model.classes === model.weights.length, 'its counts contradict its weights');
  expectThat(
    JSON.stringify(model.classNames) === JSON.stringify(wanted.classNames),
    'its class names are others',
  );
};

const namesReading: Reading = async (path, bytes) => {
  const { count, names } = await readClassNames(path);
  const wanted = bytes
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .trimEnd()
    .split(/\r?\n/);
  expectThat(
    count === wanted.length && names?.length === count,
    `${count} class names, not ${wanted.length}`,
  );
};

/** What is accepted comes back as it was, and gives a report. */
const metricsReading: Reading = async (_, bytes) => {
  const saved: unknown = JSON.parse(bytes.toString('utf8'));
  const metrics = ClassificationMetrics.fromJSON(saved);
  const again = metrics.toJSON();
  const text = JSON.stringify(again);
  expectThat(
    JSON.stringify(ClassificationMetrics.fromJSON(again)) === text,
    'saved metrics change by loading them',
  );
  const { accuracy, rows, correct } = metrics.report();
  expectThat(rows === 0 || (accuracy >= 0 && accuracy <= 1 && correct <= rows), `an accuracy of ${accuracy}`);
};

export function readingOf(random: Random, format: Format, base: BaseFile): Reading {
  const { options = {} } = base;
  // Of metrics and names there are no sets.
  const any = [readAny, readAnyFeatures, readAnyLabels, setReading(random, base)];
  const arrays = [...any, openedRows(random), openedRows(random), changingRows(random)];
  const table = [readAny, setReading(random, base), ...Array<Reading>(3).fill(tableReading(random, options))];
  const readings: Readonly<Record<Format, () => Reading>> = {
    idx: () => random.of([...arrays, ...idxReadings]),
    npy: () => random.of([...arrays, ...npyReadings]),
    npz: () => random.of(arrays),
    safetensors: () => random.of(arrays),
    words: () => random.of([readAnyLabels, readAnyLabels, ...any, ...npyReadings]),
    svmlight: () => random.of(any),
    csv: () =>
      random.of([
        csvReading(random, options),
        csvReading(random, options),
        bothWays(options),
        changingReading(random, options),
        ...any,
      ]),
    parquet: () => random.of(table),
    arrow: () => random.of(table),
    jsonl: () => random.of(table),
    labels: () => random.of([readAnyLabels, readAnyLabels, setReading(random, base)]),
    model: () => modelReading,
    names: () => namesReading,
    metrics: () => metricsReading,
  };
  return readings[format]();
}

// How fast readCsv is beside pandas on the same files of numbers: node .bench/read-csv.js
//
//   --python <command>   a Python with pandas and pyarrow (default: python3); without, only softshard is timed
//   --before <checkout>  another, built checkout, timed as well
//   --rows <count>       of 100 columns (default: 100000, which are some 100 MB)
//   --rounds <count>     turns of each (default: 9)
//
// All values are compared with pandas' exact ones (float_precision='round_trip') and the other build's before anything is
// timed. What is timed is pandas' default, which is less exact in older versions.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import * as here from '#softshard/main/index.js';
import { environmentLine, readEnvironment } from './environment.js';
import { type Column, markdownTable, threeDigits } from './markdown-table.js';
import { PeerProcess, PeerUnavailable } from './peers/peer-process.js';
import { median } from './statistics.js';

const COLUMNS = 100;
const LABELS = ['setosa', 'versicolor', 'virginica'];

interface Kind {
  readonly name: string;
  number(): string;
  readonly hasLabels?: true;
}

const normal = (): number =>
  Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

const KINDS: readonly Kind[] = [
  { name: '%.6f', number: () => normal().toFixed(6) },
  { name: '%.6f, text labels', number: () => normal().toFixed(6), hasLabels: true },
  { name: '%.9g', number: () => String(Number(normal().toPrecision(9))) },
  { name: '%.17g', number: () => String(normal()) },
  { name: '%.18e', number: () => normal().toExponential(18) },
  { name: 'integers 0 to 255', number: () => String(Math.floor(256 * Math.random())) },
];

const { values: options } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    before: { type: 'string' },
    rows: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '9' },
  },
});

function fileOf({ number, hasLabels }: Kind, path: string, rows: number): void {
  const names = Array.from({ length: COLUMNS }, (_, column) => `x${column}`);
  writeFileSync(path, `${[...names, ...(hasLabels ? ['kind'] : [])].join(',')}\n`);
  const BLOCK = 1000;
  for (let begin = 0; begin < rows; begin += BLOCK) {
    const lines = Array.from({ length: Math.min(BLOCK, rows - begin) }, () => {
      const cells = Array.from({ length: COLUMNS }, number);
      if (hasLabels) cells.push(LABELS[Math.floor(LABELS.length * Math.random())]!);
      return `${cells.join(',')}\n`;
    });
    writeFileSync(path, lines.join(''), { flag: 'a' });
  }
}

type Build = typeof here;

interface Content {
  /** Of the matrix. */
  readonly bytes: Buffer;
  /** Of each row, where the file has them. */
  readonly labels: readonly string[];
}

interface Times {
  readonly ms: number;
  /** Processor time of all threads, which a busy machine spoils less. */
  readonly cpuMs: number;
}

interface Contender {
  readonly name: string;
  content(path: string, kind: Kind): Promise<Content>;
  /** Reads the file once. */
  read(path: string, kind: Kind): Promise<Times>;
}

async function buildContender(name: string, { Engine, readCsv }: Build): Promise<Contender> {
  const engine = await Engine.create();
  const optionsOf = ({ hasLabels }: Kind) => (hasLabels ? { labelColumn: 'kind' } : {});
  return {
    name,
    async content(path, kind) {
      const { matrix, targets = [], classNames = [] } = await readCsv(engine, path, optionsOf(kind));
      const bytes = Buffer.from(matrix.data.slice().buffer);
      matrix.free();
      return { bytes, labels: Array.from(targets, (target) => classNames[target]!) };
    },
    async read(path, kind) {
      const begin = performance.now();
      const cpuBegin = process.cpuUsage();
      const { matrix } = await readCsv(engine, path, optionsOf(kind));
      const ms = performance.now() - begin;
      const { user, system } = process.cpuUsage(cpuBegin);
      matrix.free();
      return { ms, cpuMs: (user + system) / 1000 };
    },
  };
}

const pandasContender = (pandas: PeerProcess, engine: 'c' | 'pyarrow'): Contender => ({
  name: `pandas (${engine})`,
  async content(path) {
    const to = `${path}.values`;
    const { labels } = await pandas.ask<{ labels: string[] }>({ do: 'values', path, features: COLUMNS, to });
    return { bytes: readFileSync(to), labels };
  },
  read: (path) => pandas.ask<{ ms: number }>({ do: 'read', path, engine }),
});

async function startPandas(command: string): Promise<PeerProcess | undefined> {
  try {
    return await PeerProcess.python({ command, origin: command }, 'read-csv-pandas.py');
  } catch (error) {
    if (!(error instanceof PeerUnavailable)) throw error;
    console.log(`without pandas: ${error.message}`);
    return undefined;
  }
}

interface Result {
  readonly kind: string;
  readonly megabytes: number;
  /** Medians, in the order of the contenders. */
  readonly times: readonly Times[];
}

async function compare(kind: Kind, path: string, contenders: readonly Contender[]): Promise<Result> {
  const [ours, ...others] = contenders;
  const { bytes, labels } = await ours!.content(path, kind);
  for (const other of others) {
    const wanted = await other.content(path, kind);
    if (bytes.equals(wanted.bytes) && labels.join() === wanted.labels.join()) continue;
    throw new Error(`${kind.name}: ${other.name} reads other values or labels`);
  }
  const samples = contenders.map((): Times[] => []);
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const [index, contender] of contenders.entries()) {
      samples[index]!.push(await contender.read(path, kind));
    }
  }
  const times = samples.map((of) => ({
    ms: median(of.map(({ ms }) => ms)),
    cpuMs: median(of.map(({ cpuMs }) => cpuMs)),
  }));
  return { kind: kind.name, megabytes: statSync(path).size / 1e6, times };
}

function tableOf(contenders: readonly Contender[], results: readonly Result[]): string {
  const columns: Column<Result>[] = [
    { heading: 'numbers', align: 'left', cell: ({ kind }) => kind },
    { heading: 'MB', align: 'right', cell: ({ megabytes }) => megabytes.toFixed(0) },
    ...contenders.map(
      ({ name }, index): Column<Result> => ({
        heading: `${name}, MB/s`,
        align: 'right',
        cell: ({ megabytes, times }) => threeDigits((megabytes / times[index]!.ms) * 1000),
      }),
    ),
    // As many times as fast, and as little processor time
    ...contenders.slice(1).map(
      ({ name }, index): Column<Result> => ({
        heading: `times ${name} (processor)`,
        align: 'right',
        cell: ({ times: [ours, ...others] }) => {
          const { ms, cpuMs } = others[index]!;
          return `${threeDigits(ms / ours!.ms)} (${threeDigits(cpuMs / ours!.cpuMs)})`;
        },
      }),
    ),
  ];
  return markdownTable(columns, results);
}

console.log(environmentLine(readEnvironment()));
const folder = mkdtempSync(join(tmpdir(), 'softshard-csv-'));
const pandas = await startPandas(options.python);
try {
  const contenders = [await buildContender('softshard', here)];
  if (pandas) contenders.push(pandasContender(pandas, 'c'), pandasContender(pandas, 'pyarrow'));
  if (options.before !== undefined) {
    const index = pathToFileURL(resolve(options.before, 'dist/main/index.js'));
    contenders.push(await buildContender('before', (await import(index.href)) as Build));
  }
  if (pandas) console.log(pandas.version);
  const results: Result[] = [];
  for (const kind of KINDS) {
    const path = join(folder, 'numbers.csv');
    fileOf(kind, path, Number(options.rows));
    results.push(await compare(kind, path, contenders));
    console.error(`${kind.name} done`);
  }
  console.log(tableOf(contenders, results));
} finally {
  await pandas?.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();

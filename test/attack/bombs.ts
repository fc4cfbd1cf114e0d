// Files that are small and become large: one line of millions of cells, headers without end. Each is read in a process of
// its own, which must neither crash nor take much memory or time.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type Attack, expectThat, type Input, type Outcome, type Session, within } from './attack.js';
import { expectCleanMessage } from './clean-errors.js';
import { ROOT } from './project.js';
import { Random } from './random.js';

const READER = fileURLToPath(new URL('test/attack/bomb-reader.mjs', ROOT));

interface Bomb {
  readonly what: string;
  readonly reader: string;
  readonly content: Buffer;
}

type Maker = (random: Random) => Bomb;

/** From 1/1000 of the most up to it. */
const many = (random: Random, most: number): number => Math.floor(most / random.size(1000));

const textOf = (part: string, times: number): Buffer => Buffer.from(part.repeat(times));

const repeated =
  (part: string, most: number, before = '', after = ''): Maker =>
  (random) => {
    const times = many(random, most);
    const reader = random.of(['readMatrix', 'readCsv', 'readLabels']);
    const content = Buffer.concat([Buffer.from(before), textOf(part, times), Buffer.from(after)]);
    return { what: `${JSON.stringify(before + part)} × ${times} ${JSON.stringify(after)}`, reader, content };
  };

const distinct: Maker = (random) => {
  const count = many(random, 1_000_000);
  const content = Buffer.from(Array.from({ length: count }, (_, i) => `label ${i}\n`).join(''));
  return { what: `${count} distinct labels`, reader: random.of(['readLabels', 'readClassNames']), content };
};

/** Many cells in the first line and many lines: the table of all of them would be of their product. */
const wideAndLong: Maker = (random) => {
  const [columns, rows] = [many(random, 500_000), many(random, 500_000)];
  const content = Buffer.concat([textOf('1,', columns), Buffer.from('1\n'), textOf('1\n', rows)]);
  return { what: `a line of ${columns} cells above ${rows} of one`, reader: 'readMatrix', content };
};

const headerOf = (text: string): Buffer => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, Buffer.from(text)]);
};

const modelHeader: Maker = (random) => {
  const count = many(random, 300_000);
  const entries: Readonly<Record<string, () => string>> = {
    tensors: () =>
      `{${Array.from({ length: count }, (_, i) => `"t${i}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`).join()}}`,
    metadata: () => `{"__metadata__":{${Array.from({ length: count }, (_, i) => `"k${i}":"v"`).join()}}}`,
    nesting: () => `{"weights":${'['.repeat(count)}${']'.repeat(count)}}`,
    'nested objects': () => `{"weights":${'{"shape":'.repeat(count)}1${'}'.repeat(count)}}`,
    'a long name': () => `{"${'n'.repeat(30 * count)}":{}}`,
    dimensions: () =>
      `{"weights":{"dtype":"F32","shape":[${Array(count).fill(1).join()}],"data_offsets":[0,4]}}`,
  };
  const kind = random.of(Object.keys(entries));
  return {
    what: `a model header of ${kind}, ${count}`,
    reader: 'readModelFile',
    content: headerOf(entries[kind]!()),
  };
};

const npyHeader: Maker = (random) => {
  const count = many(random, 60_000);
  const shape = random.of(['1, '.repeat(count), `${'9'.repeat(count)},`, '65536, '.repeat(count)]);
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape}), }\n`;
  const start = Buffer.from('\x93NUMPY\x02\0\0\0\0\0', 'latin1');
  start.writeUInt32LE(text.length, 8);
  const content = Buffer.concat([start, Buffer.from(text), Buffer.alloc(64)]);
  return {
    what: `a .npy shape of ${shape.length} letters`,
    reader: random.of(['readMatrix', 'openNpy']),
    content,
  };
};

const MAKERS: readonly Maker[] = [
  repeated('1,', 60_000_000),
  repeated('x', 100_000_000),
  repeated('7', 1_000_000, '', 'x,1\n2,3\n'),
  repeated('0', 1_000_000, '1', '1,1\n2,3\n'),
  repeated('x', 50_000_000, '1,"', '"\n'),
  repeated('""', 50_000_000, '1,"'),
  repeated('\n', 50_000_000),
  repeated(' \r\n', 20_000_000, '1,2\n', '3,4\n'),
  repeated(' ', 50_000_000, '1', ',2\n'),
  repeated('1\n', 2_000_000),
  distinct,
  wideAndLong,
  modelHeader,
  modelHeader,
  modelHeader,
  npyHeader,
];

function bombOf(seed: number): Bomb {
  const random = new Random(seed);
  const { content, ...bomb } = random.of(MAKERS)(random);
  // Class names are plain text, and openNpy reads windows.
  const isPlain = ['readClassNames', 'openNpy'].includes(bomb.reader) || random.chance(0.2);
  return { ...bomb, content: isPlain ? content : gzipSync(content, { level: 1 }) };
}

interface Told {
  readonly error?: { readonly name: string; readonly code: string; readonly message: string };
  readonly ms: number;
  readonly peakBytes: number;
}

const MOST_BYTES = 700 * 2 ** 20;
/** Ten times what 100 MB of CSV take on an idle core. */
const MOST_MS = 60_000;

class BombSession implements Session {
  readonly #folder = mkdtempSync(join(tmpdir(), 'softshard-attack-'));

  async attempt(seed: number): Promise<Outcome> {
    const { what, reader, content } = bombOf(seed);
    const path = join(this.#folder, 'bomb');
    writeFileSync(path, content);
    const { error, ms, peakBytes } = await within(80_000, what, read(reader, path));
    if (error !== undefined) {
      expectThat(error.name === 'SoftshardError', `${what}: ${error.name} ${error.code}: ${error.message}`);
      expectCleanMessage(error.message);
    }
    expectThat(peakBytes < MOST_BYTES, `${what} takes ${peakBytes} bytes of memory`);
    expectThat(ms < MOST_MS, `${what} takes ${ms.toFixed(0)} ms`);
    return error?.code ?? 'accepted';
  }

  async close(): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function read(reader: string, path: string): Promise<Told> {
  const child = spawn(process.execPath, ['--max-old-space-size=1000', READER, reader, path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 75_000);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(JSON.parse(stdout));
      else reject(new Error(`the process ends with ${signal ?? code}: ${stderr.slice(0, 1000)}`));
    });
  });
}

export const bombs: Attack = {
  name: 'bombs',
  cases: 'files that inflate',
  longRun: 500,
  atOnce: 1,
  brief: false,
  deadlineMs: 90_000,
  open: async () => new BombSession(),
  inputOf: (seed): Input => {
    const { what, reader, content } = bombOf(seed);
    return { 'case.txt': `${reader}: ${what}`, bomb: content };
  },
};

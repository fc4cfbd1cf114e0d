// How much longer training takes whose rows stay on disk than with rows in memory, beside how long reading the file and computing
// take alone: node .bench/rows-on-disk.js [rows] [warm or cold] [MiB of the arena]. With 'cold', the system's cache forgets the file first
// (by GNU dd).
import { spawnSync } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Training } from '#softshard/main/index.js';
import {
  createNpyWriter,
  Engine,
  openFeatures,
  readFeatures,
  SoftmaxClassifier,
} from '#softshard/main/index.js';
import { fillRandom } from './cases/values.js';
import { median } from './statistics.js';

const ROWS = Number(process.argv[2] ?? 500_000);
const IS_COLD = process.argv[3] === 'cold';
const FEATURES = 784;
const CLASSES = 10;
const ROUNDS = 5;
const PASSES = 6;
const EPOCHS = 2;
const MIB = 1024 * 1024;
/** Less than 150,000 rows take, which would be read once and then be in memory; room for the blocks that steps are mixed from. */
const DISK_ARENA_BYTES = Number(process.argv[4] ?? 384) * MIB;
const CHUNK_BYTES = 4 * MIB;

const folder = await mkdtemp(join(tmpdir(), 'softshard-rows-'));
const path = join(folder, 'x.npy');
const targets = Int32Array.from({ length: ROWS }, (_, row) => (row * 7) % CLASSES);

async function writeRows(): Promise<void> {
  const writer = await createNpyWriter(path, { dims: [ROWS, FEATURES], type: 'float32' });
  const part = new Float32Array((ROWS / 100) * FEATURES);
  fillRandom(part);
  for (let i = 0; i < 100; i++) await writer.append(part);
  await writer.commit();
}

function prepareCache(): void {
  if (IS_COLD) spawnSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
}

/** Milliseconds to read the file once, from the system's cache or the disk. */
async function reading(): Promise<number> {
  prepareCache();
  const file = await open(path);
  const bytes = new Uint8Array(CHUNK_BYTES);
  const begin = performance.now();
  while ((await file.read(bytes, 0, bytes.length)).bytesRead > 0);
  const ms = performance.now() - begin;
  await file.close();
  return ms;
}

interface Run {
  readonly ms: number;
  readonly weights: Float32Array;
}

async function timed(
  engine: Engine,
  inputs: Training.FeatureRows,
  options: Training.FitOptions,
): Promise<Run> {
  const classifier = new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES });
  const begin = performance.now();
  await classifier.fit(inputs, targets, options);
  return { ms: performance.now() - begin, weights: classifier.weights.slice() };
}

async function inMemory(options: Training.FitOptions): Promise<Run> {
  await using engine = await Engine.create({ threads: 2 });
  const { matrix } = await readFeatures(engine, path);
  // Before the engine is closed.
  return await timed(engine, matrix, options);
}

async function onDisk(options: Training.FitOptions): Promise<Run> {
  await using engine = await Engine.create({ threads: 2, arenaBytes: DISK_ARENA_BYTES });
  await using rows = await openFeatures(path);
  prepareCache();
  return await timed(engine, rows, options);
}

const CASES: readonly {
  readonly name: string;
  readonly passes: number;
  readonly options: Training.FitOptions;
}[] = [
  {
    name: `full batch, ${PASSES} passes`,
    passes: PASSES,
    options: { C: 1, scale: 'none', tol: 1e-12, maxPasses: PASSES },
  },
  {
    name: `SGD, ${EPOCHS} epochs`,
    passes: EPOCHS,
    options: { epochs: EPOCHS, batchSize: 1024, learningRate: 0.01 },
  },
];

try {
  await writeRows();
  for (const { name, passes, options } of CASES) {
    const ratios: number[] = [];
    const overSlower: number[] = [];
    const readings: number[] = [];
    const computing: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      readings.push(await reading());
      const memory = await inMemory(options);
      const disk = await onDisk(options);
      if (disk.weights.some((weight, i) => weight !== memory.weights[i])) throw new Error('other weights');
      computing.push(memory.ms);
      ratios.push(disk.ms / memory.ms);
      overSlower.push(disk.ms / Math.max(memory.ms, passes * readings.at(-1)!));
    }
    const all = ratios.map((ratio) => ratio.toFixed(2)).join(' ');
    console.log(
      `${name}: ${median(ratios).toFixed(2)} times as long as in memory (${all}); in memory ` +
        `${median(computing).toFixed(0)} ms, reading the file once ${median(readings).toFixed(0)} ms; ` +
        `${median(overSlower).toFixed(2)} times the slower of computing and reading as often`,
    );
  }
} finally {
  await rm(folder, { recursive: true });
}

// How many times as fast this build is as another one, in turns: node .bench/versions.js ../other-checkout
//
// The other checkout is built (`npm ci && npm run build`). Both builds run in this process, each with an engine of its own
// and the same inputs; what they compute is compared before anything is timed.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { supportsWideSimd } from '#softshard/kernels/wide-simd.js';
import * as here from '#softshard/main/index.js';
import { availableThreads } from '#softshard/main/index.js';
import type { ByteMatrix } from '#softshard/main/memory/tensor.js';
import { checkClose, fillRandom, fillTargets } from './cases/values.js';
import { environmentLine, readEnvironment } from './environment.js';
import { type Column, markdownTable, threeDigits } from './markdown-table.js';
import { median } from './statistics.js';

type Build = typeof here;

const ROUNDS = 9;
/** A turn at least: what has slept is slow at first. */
const TURN_MS = 100;
const TOLERANCE = { relative: 1e-4, absolute: 1e-4 };

/** Computes once. */
type Call = () => Promise<unknown>;

interface Place {
  readonly call: Call;
  /** What the call has computed. */
  result(): Float32Array;
}

interface Work {
  readonly name: string;
  place(build: Build, engine: here.Engine): Place;
}

function placeFloats(engine: here.Engine, rows: number, columns: number): here.Matrix {
  const matrix = engine.matrix(rows, columns);
  fillRandom(matrix.data);
  return matrix;
}

function placeBytes(engine: here.Engine, rows: number, columns: number): ByteMatrix {
  const matrix = engine.tensor('uint8', [rows, columns]) as ByteMatrix;
  const values = new Float32Array(rows * columns);
  fillRandom(values);
  for (const [index, value] of values.entries()) matrix.data[index] = (value + 4) * 32;
  return matrix;
}

const rowWork = (rows: number, columns: number): Work => ({
  name: `cross-entropy + gradient, ${rows} × ${columns}`,
  place(_, engine) {
    const logits = placeFloats(engine, rows, columns);
    const targets = engine.tensor('int32', [rows]);
    fillTargets(targets.data, columns);
    const call = () => engine.crossEntropyGradient(logits, targets, { into: logits });
    return { call, result: () => logits.data.subarray(0, columns) };
  },
});

/** As readers leave images, or as the numbers they are. */
type Inputs = 'bytes' | 'float32';

function placeInputs(
  engine: here.Engine,
  inputs: Inputs,
  rows: number,
  features: number,
): here.Files.FeatureMatrix {
  return inputs === 'bytes' ? placeBytes(engine, rows, features) : placeFloats(engine, rows, features);
}

function classifierFor({ SoftmaxClassifier }: Build, engine: here.Engine, inputs: Inputs, shape: Shape) {
  return inputs === 'bytes'
    ? new SoftmaxClassifier(engine, { ...shape, featureScaling: { shift: 0, scale: 1 / 255 } })
    : new SoftmaxClassifier(engine, shape);
}

type Shape = Pick<here.Training.ClassifierOptions, 'features' | 'classes'>;

/** Steps of `batch` rows, shuffled. */
function trainingWork(
  rows: number,
  features: number,
  classes: number,
  batch: number,
  { inputs: type, epochs = 1 }: { readonly inputs: Inputs; readonly epochs?: number },
): Work {
  return {
    name: `${rows === batch ? 'step' : `epoch of ${rows} rows, batch`} ${batch} × ${features} × ${classes}, ${type}`,
    place(build, engine) {
      const targets = new Int32Array(rows);
      fillTargets(targets, classes);
      const classifier = classifierFor(build, engine, type, { features, classes });
      const inputs = placeInputs(engine, type, rows, features);
      const options = { epochs, batchSize: batch, learningRate: 1e-3, momentum: 0.9, seed: 1 };
      return {
        call: () => classifier.fit(inputs, targets, options),
        result: () => classifier.weights,
      };
    },
  };
}

function predictionWork(rows: number, features: number, classes: number, type: Inputs): Work {
  return {
    name: `classes of ${rows} rows, ${features} × ${classes}, ${type}`,
    place(build, engine) {
      const classifier = classifierFor(build, engine, type, { features, classes });
      fillRandom(classifier.weights);
      const inputs = placeInputs(engine, type, rows, features);
      let predictions: Int32Array = new Int32Array();
      const call = async () => {
        predictions = await classifier.predict(inputs);
      };
      return { call, result: () => Float32Array.from(predictions) };
    },
  };
}

const WORKS: readonly Work[] = [
  rowWork(8, 10),
  rowWork(128, 100),
  rowWork(20000, 10),
  rowWork(65536, 1000),
  rowWork(16384, 4096),
  rowWork(4096, 32768),
  rowWork(1024, 131072),
  trainingWork(32, 16, 4, 32, { inputs: 'float32', epochs: 2000 }),
  trainingWork(60_000, 784, 10, 1024, { inputs: 'bytes' }),
  trainingWork(60_000, 784, 10, 1024, { inputs: 'float32' }),
  trainingWork(60_000, 784, 10, 8192, { inputs: 'bytes' }),
  trainingWork(8192, 768, 1000, 8192, { inputs: 'float32' }),
  predictionWork(60_000, 784, 10, 'bytes'),
  predictionWork(60_000, 784, 10, 'float32'),
  predictionWork(200_000, 4, 3, 'float32'),
];

interface Timing {
  readonly work: string;
  readonly threads: number;
  readonly wide: boolean;
  readonly ratio: number;
  readonly sameBits: boolean;
}

/** Both ways round: of two equal engines in a process the second one has been up to a twentieth faster. */
async function timed(other: Build, work: Work, threads: number, wide: boolean): Promise<Timing> {
  const options = { threads, wideSimd: wide, blas: false };
  const first = await timedPair([other, here], work, options);
  const second = await timedPair([here, other], work, options);
  const ratio = Math.sqrt(first.ratio / second.ratio);
  return { work: work.name, threads, wide, ratio, sameBits: first.sameBits && second.sameBits };
}

/** ratio: how many times as fast the second build is. */
async function timedPair(
  builds: readonly [Build, Build],
  work: Work,
  options: here.EngineOptions,
): Promise<{ ratio: number; sameBits: boolean }> {
  await using firstEngine = await builds[0].Engine.create(options);
  await using secondEngine = await builds[1].Engine.create(options);
  const sides = [work.place(builds[0], firstEngine), work.place(builds[1], secondEngine)] as const;
  for (const { call } of sides) await call();
  const [expected, got] = [sides[0].result(), sides[1].result()];
  checkClose(work.name, got, expected, TOLERANCE);
  const sameBits = Buffer.from(got.slice().buffer).equals(Buffer.from(expected.slice().buffer));
  const ratios: number[] = [];
  // The first rounds run before V8 has made its best code.
  for (let round = -2; round < ROUNDS; round++) {
    const [firstMs, secondMs] = [await turn(sides[0].call), await turn(sides[1].call)];
    if (round >= 0) ratios.push(firstMs / secondMs);
  }
  return { ratio: median(ratios), sameBits };
}

/** Milliseconds of a call, after one that does not count. */
async function turn(call: Call): Promise<number> {
  await call();
  const begin = performance.now();
  let calls = 0;
  for (; calls === 0 || performance.now() - begin < TURN_MS; calls++) await call();
  return (performance.now() - begin) / calls;
}

const COLUMNS: readonly Column<Timing>[] = [
  { heading: 'work', align: 'left', cell: ({ work }) => work },
  { heading: 'threads', align: 'right', cell: ({ threads }) => String(threads) },
  { heading: 'SIMD', align: 'left', cell: ({ wide }) => (wide ? 'wide' : '') },
  { heading: 'times as fast', align: 'right', cell: ({ ratio }) => threeDigits(ratio) },
  { heading: 'same bits', align: 'left', cell: ({ sameBits }) => (sameBits ? 'yes' : 'no') },
];

const [folder, filter = ''] = process.argv.slice(2);
if (folder === undefined) {
  console.error('Usage: node .bench/versions.js OTHER_CHECKOUT [text of the work]');
  process.exit(2);
}
const other = (await import(pathToFileURL(resolve(folder, 'dist/main/index.js')).href)) as Build;
const timings: Timing[] = [];
for (const work of WORKS.filter(({ name }) => name.includes(filter))) {
  for (const threads of new Set([1, availableThreads()])) {
    for (const wide of supportsWideSimd() ? [false, true] : [false]) {
      process.stderr.write(`${work.name}, ${threads} threads${wide ? ', wide' : ''}\n`);
      timings.push(await timed(other, work, threads, wide));
    }
  }
}
console.log(`${environmentLine(readEnvironment())}\n\n${markdownTable(COLUMNS, timings)}`);

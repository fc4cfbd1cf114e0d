// How much sooner many heads end together than one after the other, with the same bits: node .bench/many-heads.js
// Rows: Fashion-MNIST where it is (/usr/share/datasets/fashion-mnist), else the bundled images; "--rows 10000" takes the first.
import { existsSync } from 'node:fs';
import {
  availableThreads,
  Engine,
  fitMany,
  readFeatures,
  readIdxLabels,
  SoftmaxClassifier,
  type Training,
} from '#softshard/main/index.js';

const FULL = '/usr/share/datasets/fashion-mnist/';
const folder = existsSync(FULL) ? FULL : 'examples/fashion-mnist/';
const part = existsSync(FULL) ? 'train' : 't10k';
const at = process.argv.indexOf('--rows');
const most = at < 0 ? Number.POSITIVE_INFINITY : Number(process.argv[at + 1]);

await using engine = await Engine.create({ threads: availableThreads() });
const { matrix: all } = await readFeatures(engine, `${folder}${part}-images-idx3-ubyte.gz`);
if (all.type !== 'uint8') throw new Error('images are bytes');
const labels = await readIdxLabels(`${folder}${part}-labels-idx1-ubyte.gz`);
const rows = Math.min(most, labels.length);
const features = all.dims[1] ?? 0;
const inputs = {
  type: 'uint8',
  dims: [rows, features],
  data: all.data.subarray(0, rows * features),
} as const;
const targets = Int32Array.from(labels.subarray(0, rows));
const shape = { features, classes: 10, featureScaling: { shift: 0, scale: 1 / 255 } };
console.log(`${rows} × ${features} × 10, ${engine.threads} threads, ${engine.numerics} numerics`);

async function timed<Result>(work: () => Promise<Result>): Promise<[seconds: number, result: Result]> {
  const begin = performance.now();
  const result = await work();
  return [(performance.now() - begin) / 1000, result];
}

async function fitAlone(options: Training.FitOptions) {
  const classifier = new SoftmaxClassifier(engine, shape);
  return { classifier, result: await classifier.fit(inputs, targets, options) };
}

const passesOf = (fits: readonly Training.FitResult[]): number =>
  fits.reduce((sum, { passes = 0 }) => sum + passes, 0);

/** Heads together against the same heads one after the other. */
async function compare(what: string, heads: readonly Training.HeadOptions[]): Promise<void> {
  const [together, many] = await timed(() => fitMany(engine, inputs, targets, heads, shape));
  const [inTurn, alone] = await timed(async () => {
    const fits: Awaited<ReturnType<typeof fitAlone>>[] = [];
    for (const head of heads) fits.push(await fitAlone(head));
    return fits;
  });
  for (const [index, { classifier }] of alone.entries()) {
    const own = many.heads[index]?.classifier?.weights ?? new Float32Array();
    if (Buffer.compare(Buffer.from(own.buffer), Buffer.from(classifier.weights.buffer)) !== 0) {
      throw new Error(`other weights for head ${index}`);
    }
  }
  console.log(
    `${what}: ${(inTurn / together).toFixed(2)} times as fast together (${together.toFixed(2)} s; ${inTurn.toFixed(2)} s in turn)`,
  );
}

/** A warm path against the fit of its weakest penalty. */
async function comparePath(count: number, from: number, to: number): Promise<void> {
  const heads = Array.from({ length: count }, (_, index) => ({
    C: from * (to / from) ** (index / (count - 1)),
  }));
  const [cold, weakest] = await timed(() => fitAlone({ C: to }));
  const [path, many] = await timed(() => fitMany(engine, inputs, targets, heads, { ...shape, path: true }));
  const fits = many.heads.flatMap((head) => head.fits);
  const open = fits.filter(({ converged }) => converged !== true).length;
  console.log(
    `${count} values of C from ${from} to ${to} along a path: ${(path / cold).toFixed(2)} times the fit with C = ${to} (${path.toFixed(2)} s, ` +
      `${passesOf(fits).toFixed(1)} passes, ${open} not certified; ${cold.toFixed(2)} s, ${passesOf([weakest.result]).toFixed(1)} passes)`,
  );
}

const steps = [0.003, 0.01, 0.03, 0.1].flatMap((learningRate) =>
  [0, 1e-4, 1e-3].flatMap((weightDecay) =>
    [1, 2].map((seed) => ({ learningRate, weightDecay, seed, epochs: 2 })),
  ),
);
await compare('24 heads of SGD, batches of 256', steps);
await compare(
  '24 heads of SGD, batches of 32',
  steps.map((head) => ({ ...head, batchSize: 32, epochs: 1 })),
);
await compare(
  '8 values of C',
  [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3].map((C) => ({ C })),
);
await comparePath(32, 1e-4, 10);

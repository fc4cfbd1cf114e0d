// How long one-off calls take beside a training job on all threads, compared with alone:
// node .bench/jobs.js [seconds a case] [a regular expression for the names of calls and fits]
import { Engine, Predictor, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { fillRandom } from './cases/values.js';

const SECONDS = Number(process.argv[2] ?? 4);
const NAMES = new RegExp(process.argv[3] ?? '');
/** Between calls, so that training has the threads in the meantime. */
const PAUSE_MS = 3;
const ROWS = 60_000;
const FEATURES = 784;
const CLASSES = 10;

type Call = () => unknown;

/** Milliseconds of calls that follow each other after a pause, until the time is over or the job has ended. */
async function latencies(call: Call, isOver: () => boolean): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + SECONDS * 1000;
  while (performance.now() < end && !isOver()) {
    const begin = performance.now();
    await call();
    times.push(performance.now() - begin);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return times.sort((a, b) => a - b);
}

const quantile = (times: readonly number[], share: number): string =>
  (times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? Number.NaN).toFixed(2);

await using engine = await Engine.create({ threads: 2 });
const inputs = engine.matrix(ROWS, FEATURES);
fillRandom(inputs.data);
const targets = Int32Array.from({ length: ROWS }, (_, row) => (row * 7) % CLASSES);
const logits = engine.matrix(4096, 1000);
fillRandom(logits.data);
const into = engine.matrix(4096, 1000);
const labels = Int32Array.from({ length: 4096 }, (_, row) => (row * 31) % 1000);
const row = inputs.data.slice(0, FEATURES);
const fresh = () => new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES });
const predictor = new Predictor(fresh(), { engine });
const trained = fresh();

const CALLS: Readonly<Record<string, Call>> = {
  'softmax 64 × 1000': () =>
    engine.softmax({ type: 'float32', dims: [64, 1000], data: logits.data.subarray(0, 64_000) }),
  'softmax 4096 × 1000': () => engine.softmax(logits, { into }),
  'crossEntropy 4096 × 1000': () => engine.crossEntropy(logits, labels),
  'predictor, one row': () => predictor.predict(row),
  'predict 1000 rows': () => trained.predict(inputs.data.subarray(0, 1000 * FEATURES)),
};

const FITS: Readonly<Record<string, Training.FitOptions>> = {
  'full batch': { C: 1, scale: 'none', tol: 1e-12, maxPasses: 1e6 },
  'choice of C': { maxPasses: 1e6, tol: 1e-12 },
  'SGD, steps of 256': { epochs: 1e6 },
  'SGD, steps of all rows': { epochs: 1e6, batchSize: 'full' },
};

console.log(
  'beside a fit of 60,000 × 784 × 10 on two threads, ms: p50, p99, largest of so many calls (p50, p99 alone)',
);
for (const [name, call] of Object.entries(CALLS)) {
  if (!Object.keys(FITS).some((fit) => NAMES.test(`${name}, ${fit}`))) continue;
  await latencies(call, () => false);
  const alone = await latencies(call, () => false);
  for (const [fit, options] of Object.entries(FITS)) {
    if (!NAMES.test(`${name}, ${fit}`)) continue;
    const job = engine.jobs.submit({ kind: 'fit', classifier: fresh(), inputs, targets, options });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const times = await latencies(call, () => job.state !== 'running');
    job.cancel();
    await job.result().catch(() => {});
    const figures = [quantile(times, 0.5), quantile(times, 0.99), quantile(times, 1)].join(', ');
    console.log(
      `${name}, ${fit}: ${figures} of ${times.length} (${quantile(alone, 0.5)}, ${quantile(alone, 0.99)})`,
    );
  }
}

// How much sooner small jobs of one worker each end side by side than one after the other, on two threads; and from which step
// on training gains from a second worker: node .bench/side-by-side.js
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import { fillRandom } from './cases/values.js';
import { median } from './statistics.js';

const ROUNDS = 15;
const CLASSES = 10;

interface Fit {
  readonly batchSize: number;
  readonly features: number;
  readonly epochs: number;
}

/** Trains on four batches of rows; gives the weights. */
async function train(
  engine: Engine,
  seed: number,
  { batchSize, features, epochs }: Fit,
): Promise<Float32Array> {
  const rows = 4 * batchSize;
  const data = new Float32Array(rows * features);
  fillRandom(data);
  const targets = Int32Array.from({ length: rows }, (_, row) => (row * 7) % CLASSES);
  const classifier = new SoftmaxClassifier(engine, { features, classes: CLASSES });
  const inputs = { type: 'float32', dims: [rows, features], data } as const;
  await classifier.fit(inputs, targets, { epochs, batchSize, seed, learningRate: 0.01 });
  return classifier.weights;
}

async function timed<Result>(work: () => Promise<Result>): Promise<[ms: number, result: Result]> {
  const begin = performance.now();
  const result = await work();
  return [performance.now() - begin, result];
}

/** Jobs of one worker each: the results first, then the times, in turns. */
async function compareSideBySide(engine: Engine, count: number, fit: Fit): Promise<void> {
  const inTurn = async () => {
    const results: Float32Array[] = [];
    for (let seed = 0; seed < count; seed++) results.push(await train(engine, seed, fit));
    return results;
  };
  const atOnce = () => Promise.all(Array.from({ length: count }, (_, seed) => train(engine, seed, fit)));
  const [wanted, given] = [await inTurn(), await atOnce()];
  for (const [seed, weights] of wanted.entries()) {
    if (Buffer.compare(Buffer.from(weights.buffer), Buffer.from(given[seed]!.buffer)) !== 0)
      throw new Error(`other weights for seed ${seed}`);
  }
  const ratios: number[] = [];
  let turnMs = 0;
  for (let round = 0; round < ROUNDS; round++) {
    [turnMs] = await timed(inTurn);
    const [onceMs] = await timed(atOnce);
    ratios.push(turnMs / onceMs);
  }
  ratios.sort((a, b) => a - b);
  const [least, most] = [ratios[0]!, ratios.at(-1)!];
  console.log(
    `${count} fits, steps of ${fit.batchSize} × ${fit.features} × ${CLASSES}: ${median(ratios).toFixed(2)} times as fast ` +
      `side by side (${least.toFixed(2)} to ${most.toFixed(2)}; ${turnMs.toFixed(1)} ms in turn)`,
  );
}

/** The shortest of a step's times on one thread and on two: noise only makes times longer. */
async function compareMembers(one: Engine, two: Engine, fit: Fit): Promise<void> {
  const shortest = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < 2 * ROUNDS; round++) {
    for (const [index, engine] of [one, two].entries()) {
      const [ms] = await timed(() => train(engine, 1, fit));
      shortest[index] = Math.min(shortest[index]!, (ms * 1000) / (4 * fit.epochs));
    }
  }
  const [alone, both] = shortest as [number, number];
  console.log(
    `step of ${fit.batchSize} × ${fit.features} × ${CLASSES}: ${alone.toFixed(1)} µs on one thread, ${both.toFixed(1)} µs on ` +
      `two, ${(alone / both).toFixed(2)} times as fast`,
  );
}

await using one = await Engine.create({ threads: 1 });
await using two = await Engine.create({ threads: 2 });
await compareSideBySide(two, 2, { batchSize: 16, features: 64, epochs: 2000 });
await compareSideBySide(two, 2, { batchSize: 64, features: 20, epochs: 2000 });
await compareSideBySide(two, 20, { batchSize: 64, features: 20, epochs: 200 });
for (const [batchSize, features] of [
  [32, 64],
  [64, 64],
  [64, 100],
  [128, 100],
  [128, 784],
] as const) {
  await compareMembers(one, two, { batchSize, features, epochs: 50 });
}

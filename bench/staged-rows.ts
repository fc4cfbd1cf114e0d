// How much longer an epoch takes where the rows do not fit into the arena than where they do: node .bench/staged-rows.js
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import { fillRandom } from './cases/values.js';
import { median } from './statistics.js';

const ROWS = 200_000;
const FEATURES = 784;
const CLASSES = 10;
const EPOCHS = 3;
/** Runs of each kind take turns: what else the machine does then meets both. */
const ROUNDS = 5;
const SMALL_BYTES = 128 * 1024 * 1024;

const values = new Float32Array(ROWS * FEATURES);
fillRandom(values);
const bytes = new Uint8Array(values.length);
for (const [i, value] of values.entries()) bytes[i] = Math.abs(value) * 255;
const targets = Int32Array.from({ length: ROWS }, (_, row) => (row * 7) % CLASSES);

/** The median epoch in milliseconds, and the weights. */
async function trained(inputs: Float32Array | Uint8Array, threads: number, arenaBytes: number) {
  await using engine = await Engine.create({ threads, arenaBytes });
  const featureScaling = { shift: 0, scale: 1 / 255 };
  const classifier = new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES, featureScaling });
  const onEpochEnd = () => {};
  const options = { epochs: EPOCHS, batchSize: 1024, learningRate: 0.01, onEpochEnd };
  const { epochs } = await classifier.fit(inputs, targets, options);
  return { ms: median(epochs.map(({ durationMs }) => durationMs)), weights: classifier.weights };
}

for (const threads of [1, 2]) {
  for (const inputs of [bytes, values]) {
    const ratios: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const inArena = await trained(inputs, threads, 2 ** 32);
      const staged = await trained(inputs, threads, SMALL_BYTES);
      if (staged.weights.some((weight, i) => weight !== inArena.weights[i])) throw new Error('other weights');
      ratios.push(staged.ms / inArena.ms);
    }
    const all = ratios.map((ratio) => ratio.toFixed(2)).join(' ');
    console.log(`${inputs.constructor.name}, ${threads} threads: ${median(ratios).toFixed(2)} (${all})`);
  }
}

// How many times as fast whole calls are with wide SIMD, on one thread, in turns: node .bench/wide-calls.js

import { NUMERICS, type Numerics, supportsNumerics } from '#softshard/kernels/load.js';
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import { fillRandom } from './cases/values.js';
import { median } from './statistics.js';

const ROUNDS = 11;

/** Computes once and gives its loss, whose bits are the same on both sides. */
type Call = () => Promise<number>;

function placeRows(engine: Engine, rows: number, columns: number) {
  const matrix = engine.matrix(rows, columns);
  fillRandom(matrix.data);
  return matrix;
}

const targetsOf = (rows: number, classes: number): Int32Array =>
  Int32Array.from({ length: rows }, (_, row) => (row * 7) % classes);

function linearCall(engine: Engine): Call {
  const inputs = placeRows(engine, 2048, 768);
  const weights = placeRows(engine, 768, 1000);
  const targets = targetsOf(2048, 1000);
  const into = { gradInputs: engine.matrix(2048, 768), gradWeights: engine.matrix(768, 1000) };
  return async () => (await engine.linearCrossEntropy(inputs, weights, undefined, targets, { into })).loss;
}

function epochCall(engine: Engine, rows: number, features: number, classes: number): Call {
  const inputs = placeRows(engine, rows, features);
  const targets = targetsOf(rows, classes);
  return async () => {
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    const options = { epochs: 1, batchSize: 1024, learningRate: 0.01 };
    return (await classifier.fit(inputs, targets, options)).epochs[0]!.loss;
  };
}

const CALLS: Readonly<Record<string, (engine: Engine) => Call>> = {
  'linearCrossEntropy, 2048 × 768 × 1000': linearCall,
  'an epoch of 768 features, 100 classes, batch 1024': (engine) => epochCall(engine, 16_384, 768, 100),
  'an epoch of 784 features, 10 classes, batch 1024': (engine) => epochCall(engine, 30_000, 784, 10),
};

async function gainOf(makeCall: (engine: Engine) => Call, numerics: Numerics): Promise<number> {
  await using plainEngine = await Engine.create({ threads: 1, numerics, wideSimd: false, blas: false });
  await using wideEngine = await Engine.create({ threads: 1, numerics, wideSimd: true, blas: false });
  if (!wideEngine.wideSimd) throw new Error('there is no wide SIMD here: see docs/wide-simd.md');
  const sides = [makeCall(plainEngine), makeCall(wideEngine)] as const;
  const losses = [await sides[0](), await sides[1]()];
  if (losses[0] !== losses[1]) throw new Error(`other losses: ${losses.join(' and ')}`);
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const times: number[] = [];
    for (const side of sides) {
      const begin = performance.now();
      await side();
      times.push(performance.now() - begin);
    }
    ratios.push(times[0]! / times[1]!);
  }
  return median(ratios);
}

for (const [name, makeCall] of Object.entries(CALLS)) {
  for (const numerics of NUMERICS.filter(supportsNumerics)) {
    console.log(`${name}, ${numerics}: ${(await gainOf(makeCall, numerics)).toFixed(2)}`);
  }
}

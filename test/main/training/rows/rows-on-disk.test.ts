// Rows that openFeatures leaves on disk train, validate and test as the same rows in memory do, chosen by selectRows or not.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  Engine,
  type Files,
  openFeatures,
  SoftmaxClassifier,
  selectRows,
  splitRows,
  standardScaling,
  type Training,
  writeNpy,
} from '#softshard/main/index.js';
import { bitsOf } from '../../../bits.js';
import { clusters } from '../workbench.js';

const { rows, features, classes, inputs, targets } = clusters(3_001, 70, 5, 5);
const parts = splitRows(targets, { validation: 0.2, test: 0.1, seed: 2 });
const targetsOf = (part: Uint32Array) => Int32Array.from(part, (row) => targets[row]!);
let folder: string;
let onDisk: Files.OpenFeatures;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'softshard-rows-'));
  await writeNpy(join(folder, 'x.npy'), { dims: [rows, features], data: inputs });
  onDisk = await openFeatures(join(folder, 'x.npy'));
});
afterAll(async () => {
  await onDisk.close();
  await rm(folder, { recursive: true });
});

type Rows = Files.OpenFeatures | { type: 'float32'; dims: [number, number]; data: Float32Array };

/** The bits of all that training, evaluation and prediction give. */
async function results(threads: number, all: Rows): Promise<string> {
  const engine = await Engine.create({ threads, numerics: 'portable', arenaBytes: 4 << 20 });
  try {
    const featureScaling = await standardScaling(all as Files.OpenFeatures, parts.training);
    const classifier = new SoftmaxClassifier(engine, { features, classes, featureScaling });
    const select = (part: Uint32Array): Training.FeatureRows => selectRows(all as Files.OpenFeatures, part);
    const fit = await classifier.fit(select(parts.training), targetsOf(parts.training), {
      epochs: 2,
      batchSize: 200,
      seed: 4,
      validation: { inputs: select(parts.validation), targets: targetsOf(parts.validation) },
    });
    const whole = await classifier.fit(all, targets, { epochs: 1, batchSize: 500, validationSplit: 0.1 });
    const held = await classifier.evaluate(select(parts.test), targetsOf(parts.test));
    const losses = [...fit.epochs, ...whole.epochs].flatMap(({ loss, validationLoss = 0 }) => [
      loss,
      validationLoss,
    ]);
    return bitsOf(
      classifier.weights,
      Float64Array.from([...losses, held.loss, held.accuracy]),
      await classifier.predict(select(parts.test)),
    );
  } finally {
    await engine.close();
  }
}

test('rows on disk have the bits of rows in memory for 1, 2, 3 and 8 threads', async () => {
  const wanted = await results(2, { type: 'float32', dims: [rows, features], data: inputs });
  for (const threads of [1, 2, 3, 8]) expect(await results(threads, onDisk), `${threads}`).toBe(wanted);
});

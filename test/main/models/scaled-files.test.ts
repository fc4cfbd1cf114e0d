// Files of models with a scaling by feature, those of version 0.1.0 too: read right by every call, for every type of features.
// Version 0.1.0 scaled float32 rows in its command line only: in its API the file below had an accuracy of 1/3 on them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, readModelFile, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { temporaryFolder } from '../cli/workbench.js';

const [ROWS, FEATURES, CLASSES] = [120, 5, 3];
const targets = Int32Array.from({ length: ROWS }, (_, row) => row % CLASSES);
/** Columns of different means and deviations, the classes told by some. */
const bytes = Uint8Array.from({ length: ROWS * FEATURES }, (_, i) => {
  const [row, feature] = [Math.floor(i / FEATURES), i % FEATURES];
  const noise = ((row * row * (feature + 3) * 7919) % 97) / 97;
  return feature < 2
    ? 200 + 40 * noise + 6 * ((row + feature) % CLASSES)
    : (3 + feature) * (noise + 0.9 * ((row * feature) % CLASSES));
});
const floats = Float32Array.from(bytes);

/** By softshard train 0.1.0 with --scale standard --batch-size full --epochs 200 --learning-rate 1, on these rows. */
const OF_0_1_0 = Buffer.from(
  [
    'oAIAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJmb3JtYXQiOiJzb2Z0c2hhcmQiLCJmb3JtYXRWZXJzaW9uIjoiMSIsInNvZnRzaGFy',
    'ZFZlcnNpb24iOiIwLjEuMCIsImZlYXR1cmVTY2FsaW5nIjoie30iLCJ0cmFpbmluZ09wdGlvbnMiOiJ7XCJlcG9jaHNcIjoyMDAs',
    'XCJiYXRjaFNpemVcIjpcImZ1bGxcIixcImxlYXJuaW5nUmF0ZVwiOjEsXCJzY2hlZHVsZVwiOlwiY29uc3RhbnRcIixcIm1vbWVu',
    'dHVtXCI6MCxcIm5lc3Rlcm92XCI6ZmFsc2UsXCJ3ZWlnaHREZWNheVwiOjAsXCJzaHVmZmxlXCI6dHJ1ZSxcInNlZWRcIjowLFwi',
    'dmFsaWRhdGlvblNwbGl0XCI6MCxcInNjYWxlXCI6XCJzdGFuZGFyZFwiLFwibnVtZXJpY3NcIjpcInBvcnRhYmxlXCIsXCJ0cmFp',
    'bmluZ1Jvd3NcIjoxMjAsXCJzdGVwc1wiOjIwMH0ifSwid2VpZ2h0cyI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbNSwzXSwiZGF0',
    'YV9vZmZzZXRzIjpbMCw2MF19LCJiaWFzIjp7ImR0eXBlIjoiRjMyIiwic2hhcGUiOlszXSwiZGF0YV9vZmZzZXRzIjpbNjAsNzJd',
    'fSwiZmVhdHVyZVNjYWxpbmcuc2hpZnQiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzVdLCJkYXRhX29mZnNldHMiOls3Miw5Ml19',
    'LCJmZWF0dXJlU2NhbGluZy5zY2FsZSI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbNV0sImRhdGFfb2Zmc2V0cyI6WzkyLDExMl19',
    'fSAgICAA8mC+zmnHPUZ6+j3kVuw8MqG5vQMXfT21jxjAMc9uQOp+rL+shHU+YWdEPT9Pk740Tw/A4Wiuv52DZkCiYfK+Tr2jPq5I',
    'HT6a2WBD3r1gQ2ZmzkAzMxtAzcwSQaBQkT0wIqQ97cyEPj78Cz/6czM+',
  ].join(''),
  'base64',
);
/** What its evaluate printed of them. */
const LOSS_OF_0_1_0 = 0.0185878700155175;

const source: Training.FeatureSource = {
  rows: ROWS,
  features: FEATURES,
  type: 'float32',
  gather(rowNumbers, into) {
    for (const [i, row] of rowNumbers.entries()) {
      into.set(floats.subarray(row * FEATURES, (row + 1) * FEATURES), i * FEATURES);
    }
  },
};
const dims = [ROWS, FEATURES] as const;
const forms: Readonly<Record<string, Training.FeatureRows>> = {
  'a float32 array': floats,
  'a float32 tensor': { type: 'float32', dims, data: floats },
  bytes: { type: 'uint8', dims, data: bytes },
  'rows that are fetched': source,
};

describe('files of models that scale their features', () => {
  const path = join(temporaryFolder(), 'model.safetensors');
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2 });
  });
  afterAll(() => engine.close());

  const writers: Readonly<Record<string, () => Promise<void>>> = {
    'softshard 0.1.0': async () => writeFileSync(path, OF_0_1_0),
    'fit with scale standard': async () => {
      const classifier = new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES });
      await classifier.fit(floats, targets, { C: 10, scale: 'standard' });
      await classifier.save(path);
    },
  };

  test.each(Object.entries(writers))(
    'of %s: evaluate, predict, probabilities, predictor and fit scale every type',
    async (_, write) => {
      await write();
      const load = () => SoftmaxClassifier.load(engine, path);
      const model = await load();
      expect((await readModelFile(path)).featureScaling).toEqual(model.featureScaling);
      expect(model.featureScaling?.shift).toHaveLength(FEATURES);
      const predictor = await model.predictor();
      const seen = new Set<string>();
      for (const [form, inputs] of Object.entries(forms)) {
        const { accuracy, loss } = await model.evaluate(inputs, targets);
        expect(accuracy, form).toBe(1);
        const predictions = await model.predict(inputs);
        expect(predictions, form).toEqual(targets);
        const { data: probabilities } = await model.predictProbabilities(inputs);
        const mean = targets.reduce(
          (sum, target, row) => sum - Math.log(probabilities[row * CLASSES + target]!) / ROWS,
          0,
        );
        expect(mean, form).toBeCloseTo(loss, 6);
        seen.add(bitsOf(Float64Array.of(loss), probabilities));
        // From the optimum of other options a few steps change little; of rows that are not scaled they would diverge.
        for (const options of [{ C: 10 }, { epochs: 2 }]) {
          const further = await load();
          const fitted = await further.fit(inputs, targets, options);
          expect(further.featureScaling, form).toEqual(model.featureScaling);
          expect(fitted.loss, form).toBeLessThan(0.2);
          expect((await further.evaluate(inputs, targets)).accuracy, form).toBe(1);
        }
      }
      expect(seen.size).toBe(1);
      for (let row = 0; row < ROWS; row++) {
        const own = floats.subarray(row * FEATURES, (row + 1) * FEATURES);
        expect(predictor.predict(own)).toBe(targets[row]);
      }
      predictor.close();
    },
  );

  test('the loss is the one that 0.1.0 told of its own file', async () => {
    writeFileSync(path, OF_0_1_0);
    const { loss } = await (await SoftmaxClassifier.load(engine, path)).evaluate(floats, targets);
    expect(loss).toBeCloseTo(LOSS_OF_0_1_0, 6);
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Engine, readModelFile, SoftmaxClassifier, splitRows, version } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';

const folder = mkdtempSync(join(tmpdir(), 'softshard-save-'));
let engine: Engine;

beforeAll(async () => {
  engine = await Engine.create({ threads: 2 });
});

afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

const FEATURES = 5;
const CLASSES = 3;
const ROWS = 60;
const inputs = Float32Array.from({ length: ROWS * FEATURES }, (_, i) => Math.sin(i * i));
const targets = Uint8Array.from({ length: ROWS }, (_, row) => row % CLASSES);

test('a classifier that was saved and loaded has the same bits, names, scaling and predictions', async () => {
  const path = join(folder, 'model.safetensors');
  const featureScaling = { shift: Float32Array.of(1, 2, 3, 4, 5), scale: 0.1 };
  const classNames = ['a', 'b', 'c'];
  const featureNames = ['v', 'w', 'x', 'y', 'z'];
  const options = { features: FEATURES, classes: CLASSES, classNames, featureNames, featureScaling };
  const saved = new SoftmaxClassifier(engine, options);
  await saved.fit(inputs, targets, { epochs: 3 });
  await saved.save(path, { trainingOptions: { epochs: 3 } });
  const loaded = await SoftmaxClassifier.load(engine, path);
  expect(bitsOf(loaded.weights, loaded.bias)).toBe(bitsOf(saved.weights, saved.bias));
  expect(loaded.classNames).toEqual(classNames);
  expect(loaded.featureNames).toEqual(featureNames);
  expect(loaded.featureScaling).toEqual({ shift: [1, 2, 3, 4, 5], scale: 0.1 });
  const probabilities = [await saved.predictProbabilities(inputs), await loaded.predictProbabilities(inputs)];
  expect(bitsOf(probabilities[1]!.data)).toBe(bitsOf(probabilities[0]!.data));
  expect(await readModelFile(path)).toMatchObject({
    trainingOptions: { epochs: 3 },
    softshardVersion: version,
  });
});

test('a classifier without feature names saves none and loads without them, as older files do (F2)', async () => {
  const path = join(folder, 'nameless.safetensors');
  await new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES }).save(path);
  expect((await SoftmaxClassifier.load(engine, path)).featureNames).toBeUndefined();
  expect('featureNames' in (await readModelFile(path))).toBe(false);
});

test('save without awaiting it between epochs stores the weights of the call', async () => {
  const path = join(folder, 'during.safetensors');
  const classifier = new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES });
  let saving: Promise<void> | undefined;
  let bits = '';
  await classifier.fit(inputs, targets, {
    epochs: 50,
    onEpochEnd: () => {
      if (saving !== undefined) return;
      bits = bitsOf(classifier.weights, classifier.bias);
      saving = classifier.save(path);
    },
  });
  await saving;
  const stored = await readModelFile(path);
  expect(bitsOf(stored.weights, stored.bias)).toBe(bits);
  expect(bitsOf(classifier.weights, classifier.bias)).not.toBe(bits);
});

test('save refuses options it does not know; load says what a file is not', async () => {
  const classifier = new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES });
  const path = join(folder, 'none.safetensors');
  await expect(classifier.save(path, { options: {} } as object)).rejects.toMatchObject({
    code: 'ERR_OPTION',
  });
  await expect(SoftmaxClassifier.load(engine, path)).rejects.toMatchObject({ code: 'ERR_FILE' });
});

test('more parameters than an arena holds are refused before they are allocated', () => {
  expect(() => new SoftmaxClassifier(engine, { features: 784, classes: 2 ** 31 - 1 })).toThrow(
    '784 features × 2147483647 classes take',
  );
});

test('splitRows names the rows that fit keeps for validation', async () => {
  const classifier = new SoftmaxClassifier(engine, { features: FEATURES, classes: CLASSES });
  const { epochs } = await classifier.fit(inputs, targets, { epochs: 2, validationSplit: 0.25, seed: 3 });
  const { validation, training } = splitRows(ROWS, 0.25, 3);
  expect([...training, ...validation].sort((a, b) => a - b)).toEqual(
    Array.from({ length: ROWS }, (_, row) => row),
  );
  const held = Float32Array.from(
    [...validation].flatMap((row) => [...inputs.subarray(row * FEATURES, (row + 1) * FEATURES)]),
  );
  const { loss } = await classifier.evaluate(
    held,
    Uint8Array.from(validation, (row) => targets[row]!),
  );
  expect(loss).toBe(epochs[1]!.validationLoss);
});

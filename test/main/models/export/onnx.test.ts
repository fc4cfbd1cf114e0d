// ONNX files, computed by a reader of the tests' own and, where it is installed, by ONNX Runtime.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { exportOnnx, version } from '#softshard/main/index.js';
import { failure } from '../../../failure.js';
import { onnxRuntime } from '../../../optional.js';
import { largestDifference } from '../../training/workbench.js';
import { EXPORTED, type Exported, predictionsOf } from './models.js';
import { readOnnx } from './onnx-reader.js';

const folder = mkdtempSync(join(tmpdir(), 'softshard-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));

const path = join(folder, 'model.onnx');

/** What the label of each class is to be. */
function labelsOf({ model: { classes, classNames } }: Exported, ml: boolean): unknown[] {
  if (classNames?.every((name) => /^-?\d+$/.test(name))) return classNames.map(Number);
  return ml && classNames ? [...classNames] : Array.from({ length: classes }, (_, index) => index);
}

describe.each([false, true])('with ml: %s', (ml) => {
  test.each(EXPORTED)('a model of $name has the probabilities of predict within 1e-6', async (exported) => {
    const { model, inputs, rows } = exported;
    await exportOnnx(model, path, { ml });
    const { probabilities, classes } = await predictionsOf(exported);
    const labels = labelsOf(exported, ml);
    const wanted = Array.from(classes, (index) => labels[index]);
    const computed = readOnnx(readFileSync(path)).run(inputs, rows);
    expect(largestDifference(computed.probabilities, probabilities)).toBeLessThan(1e-6);
    expect(computed.label).toEqual(wanted);
  });

  test.skipIf(onnxRuntime === undefined).each(EXPORTED)(
    'ONNX Runtime gives a model of $name the probabilities of predict within 1e-6',
    async (exported) => {
      const { model, inputs, rows } = exported;
      const { InferenceSession, Tensor } = onnxRuntime!;
      await exportOnnx(model, path, { ml });
      const { probabilities, classes } = await predictionsOf(exported);
      const session = await InferenceSession.create(path);
      const results = await session.run({ inputs: new Tensor('float32', inputs, [rows, model.features]) });
      await session.release();
      expect(results.probabilities!.dims).toEqual([rows, model.classes]);
      expect(largestDifference(results.probabilities!.data as ArrayLike<number>, probabilities)).toBeLessThan(
        1e-6,
      );
      const labels = labelsOf(exported, ml);
      const found = Array.from(results.label!.data, (label) =>
        typeof label === 'bigint' ? Number(label) : label,
      );
      expect(found).toEqual(Array.from(classes, (index) => labels[index]));
    },
  );
});

const named = EXPORTED.find(({ model }) => model.featureNames !== undefined)!;

test('says what goes in and comes out, of any number of rows, and which versions read it', async () => {
  await exportOnnx({ ...named.model, temperature: 1.5 }, path);
  const { irVersion, producer, opsets, metadata, inputs, outputs, operators } = readOnnx(readFileSync(path));
  expect(producer).toBe(`softshard ${version}`);
  // What ONNX Runtime 1.15 and newer read: raising it leaves users behind.
  expect({ irVersion, opsets }).toEqual({ irVersion: 8, opsets: { '': 13 } });
  expect(inputs).toEqual(['inputs float32 [rows, 5]']);
  expect(outputs).toEqual(['label int64 [rows]', 'probabilities float32 [rows, 3]']);
  expect(operators).toEqual(['Sub', 'Gemm', 'Softmax', 'ArgMax']);
  expect(metadata).toEqual({
    classNames: JSON.stringify(named.model.classNames),
    featureNames: JSON.stringify(named.model.featureNames),
    temperature: '1.5',
  });
  await exportOnnx(named.model, path, { ml: true });
  const classifier = readOnnx(readFileSync(path));
  expect(classifier.opsets).toEqual({ '': 13, 'ai.onnx.ml': 1 });
  expect(classifier.outputs).toEqual(['label string [rows]', 'probabilities float32 [rows, 3]']);
});

test('a scale alone needs no node: it is in the weights', async () => {
  const model = { ...named.model, featureScaling: { shift: 0, scale: 1 / 255 } };
  await exportOnnx(model, path);
  expect(readOnnx(readFileSync(path)).operators).toEqual(['Gemm', 'Softmax', 'ArgMax']);
});

test('equal models make equal files, and a parameter larger than what is written at once is whole', async () => {
  const features = 40_000;
  const weights = Float32Array.from({ length: features * 2 }, (_, i) => Math.sin(i));
  const model = { features, classes: 2, weights, bias: Float32Array.of(1, 2) };
  await exportOnnx(model, path);
  const first = readFileSync(path);
  await exportOnnx(model, path);
  expect(readFileSync(path).equals(first)).toBe(true);
  expect(first.includes(Buffer.from(weights.buffer))).toBe(true);
});

test('refuses what is no model, wrong options, and what cannot be written, and leaves a file as it was', async () => {
  await exportOnnx(named.model, path);
  const before = readFileSync(path);
  const { model } = named;
  const bad = { ...model, weights: model.weights.map((value, i) => (i === 4 ? Number.NaN : value)) };
  for (const [call, code, argument] of [
    [() => exportOnnx(bad, path), 'ERR_NOT_FINITE', 'model.weights[4]'],
    [() => exportOnnx({ ...model, classes: 4 }, path), 'ERR_SHAPE', 'model.weights'],
    [() => exportOnnx({ ...model, temperature: 0 }, path), 'ERR_OPTION', 'model.temperature'],
    [() => exportOnnx(model, path, { ml: 1 as never }), 'ERR_OPTION', 'options.ml'],
    [() => exportOnnx(model, 5 as never), 'ERR_TYPE', 'path'],
    [() => exportOnnx(model, join(folder, 'nowhere', 'm.onnx')), 'ERR_FILE', undefined],
  ] as const) {
    const error = await failure(call);
    expect({ code: error.code, argument: error.argument ?? undefined }).toMatchObject({
      code,
      ...(argument && { argument }),
    });
  }
  const reason = new Error('enough');
  expect(await failure(() => exportOnnx(model, path, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  expect(readFileSync(path).equals(before)).toBe(true);
});

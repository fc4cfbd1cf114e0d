// Temperature scaling: the temperature is the one of least loss, and the model has it in its weights.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { Engine, Predictor, readModelFile, SoftmaxClassifier } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { sharedEngines } from '../../engines.js';
import { failure } from '../../failure.js';
import { builds, randomValues } from '../../kernels/workbench.js';
import { largestDifference } from '../training/workbench.js';

const [rows, features, classes] = [1000, 6, 4];
const inputs = randomValues(rows * features, 1, 11);
const weights = randomValues(features * classes, 2, 21);
const bias = randomValues(classes, 1, 22);
const logits = reference.linearForward(inputs, weights, bias, rows, features, classes);
/** Drawn with the probabilities of the model: at a temperature of 1 it is as sure as it is right. */
const targets = Int32Array.from({ length: rows }, (_, row) => {
  const probabilities = reference.softmax(logits.subarray(row * classes, (row + 1) * classes));
  let target = 0;
  for (let rest = ((row * (Math.sqrt(5) - 1)) % 1) - probabilities[0]!; rest > 0 && target < classes - 1; ) {
    target++;
    rest -= probabilities[target]!;
  }
  return target;
});

const folder = mkdtempSync(join(tmpdir(), 'softshard-calibration-'));
afterAll(() => rmSync(folder, { recursive: true }));

function modelOn(engine: Engine, factor = 1): SoftmaxClassifier {
  const classifier = new SoftmaxClassifier(engine, { features, classes });
  classifier.weights.set(weights.map((value) => value * factor));
  classifier.bias.set(bias.map((value) => value * factor));
  return classifier;
}

/** The weighted mean loss at a temperature, by the formulas in float64. */
function lossAt(temperature: number, weightOf: (row: number) => number): number {
  let [sum, weightSum] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const begin = row * classes;
    const target = logits[begin + targets[row]!]!;
    let odds = 0;
    for (let i = begin; i < begin + classes; i++) odds += Math.exp((logits[i]! - target) / temperature);
    sum += weightOf(row) * Math.log(odds);
    weightSum += weightOf(row);
  }
  return sum / weightSum;
}

/** Where it is least, by thirds of its logarithm, to 1e-7 or so. */
function bestTemperature(weightOf: (row: number) => number = () => 1): number {
  let [low, high] = [Math.log(0.1), Math.log(10)];
  while (high - low > 1e-8) {
    const third = (high - low) / 3;
    if (lossAt(Math.exp(low + third), weightOf) < lossAt(Math.exp(high - third), weightOf)) high -= third;
    else low += third;
  }
  return Math.exp((low + high) / 2);
}

describe.each(builds)('calibrate (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  test.each([0.05, 1, 20])(
    'finds the temperature of least loss within 1e-4, of logits times %d, and leaves that in the weights',
    async (factor) => {
      const classifier = modelOn(engine, factor);
      const best = bestTemperature();
      const wanted = best * factor;
      const { temperature, temperatureError, before, after, warnings } = await classifier.calibrate(
        inputs,
        targets,
      );
      // What the labels were drawn with.
      expect(Math.abs(temperature - factor)).toBeLessThan(3 * temperatureError);
      expect(Math.abs(temperature / wanted - 1)).toBeLessThan(1e-4);
      expect(classifier.temperature).toBe(temperature);
      expect(
        largestDifference(
          classifier.weights,
          weights.map((weight) => weight / best),
        ),
      ).toBeLessThan(1e-3);
      expect(warnings).toEqual([]);
      expect(before.loss).toBeGreaterThanOrEqual(after.loss);
      expect(after.calibration.expectedError).toBeLessThan(0.04);
      // What is reported is what evaluate says of the model as it was, and as it is.
      expect(after).toEqual(await classifier.evaluate(inputs, targets));
      expect(before).toEqual(await modelOn(engine, factor).evaluate(inputs, targets));
      expect(after.correct).toBe(before.correct);
    },
  );

  test('rows count by their weights, with the optimum of these within 1e-4, and ignored ones not at all', async () => {
    const sampleWeight = Float32Array.from({ length: rows }, (_, row) => (row % 3 === 0 ? 4 : 0.5));
    const marked = targets.map((target, row) => (row % 7 === 2 ? -1 : target));
    const weightOf = (row: number) => (row % 7 === 2 ? 0 : sampleWeight[row]!);
    const { temperature, before } = await modelOn(engine).calibrate(inputs, marked, {
      sampleWeight,
      ignoreIndex: -1,
    });
    expect(Math.abs(temperature / bestTemperature(weightOf) - 1)).toBeLessThan(1e-4);
    expect(before.ignored).toBe(marked.filter((target) => target === -1).length);
  });

  test('soft targets that are one-hot give the temperature of classes within 1e-6', async () => {
    const data = new Float32Array(rows * classes);
    for (const [row, target] of targets.entries()) data[row * classes + target] = 1;
    const soft = { targetProbabilities: { type: 'float32', dims: [rows, classes], data } } as const;
    const results = [
      await modelOn(engine).calibrate(inputs, targets),
      await modelOn(engine).calibrate(inputs, soft.targetProbabilities),
    ];
    expect(Math.abs(results[1]!.temperature / results[0]!.temperature - 1)).toBeLessThan(1e-6);
  });

  test('the standard error is how far temperatures of parts of the rows lie apart, within a half', async () => {
    const { temperatureError } = await modelOn(engine).calibrate(inputs, targets);
    const parts = 10;
    const size = rows / parts;
    const logarithms: number[] = [];
    for (let part = 0; part < parts; part++) {
      const some = inputs.subarray(part * size * features, (part + 1) * size * features);
      const found = await modelOn(engine).calibrate(some, targets.subarray(part * size, (part + 1) * size));
      logarithms.push(found.temperature);
    }
    const mean = logarithms.reduce((sum, value) => sum + value, 0) / parts;
    const variance = logarithms.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (parts - 1);
    const observed = Math.sqrt(variance / parts);
    expect(temperatureError / observed).toBeGreaterThan(0.5);
    expect(temperatureError / observed).toBeLessThan(1.5);
  });

  test('a second calibration changes nothing more: less than 1e-5, and the temperatures multiply', async () => {
    const classifier = modelOn(engine, 7);
    const first = await classifier.calibrate(inputs, targets);
    const second = await classifier.calibrate(inputs, targets);
    expect(Math.abs(second.temperature - 1)).toBeLessThan(1e-5);
    expect(classifier.temperature).toBe(first.temperature * second.temperature);
  });

  test.each([{ C: 1 }, { epochs: 2 }])(
    'training forgets the temperature, unless it fails: %j',
    async (options) => {
      const classifier = modelOn(engine, 7);
      const { temperature } = await classifier.calibrate(inputs, targets);
      const spoiled = inputs.map(() => Number.NaN);
      await failure(() => classifier.fit(spoiled, targets, options));
      await failure(() => classifier.fit(inputs, targets, { ...options, signal: AbortSignal.abort() }));
      expect(classifier.temperature).toBe(temperature);
      await classifier.fit(inputs, targets, options);
      expect(classifier.temperature).toBe(1);
    },
  );

  test('rows without probabilities are an error that leaves the model as it was, or are left out', async () => {
    const spoiled = inputs.slice();
    spoiled[5 * features + 2] = Number.NaN;
    const classifier = modelOn(engine);
    const error = await failure(() => classifier.calibrate(spoiled, targets));
    expect(error).toMatchObject({ code: 'ERR_NOT_FINITE', row: 5, feature: 2 });
    expect(classifier.weights).toEqual(weights);
    const without = targets.map((target, row) => (row === 5 ? -1 : target));
    const { temperature } = await modelOn(engine).calibrate(inputs, without, { ignoreIndex: -1 });
    const ignoring = await classifier.calibrate(spoiled, targets, { onInvalidInput: 'ignore' });
    expect(ignoring.temperature).toBe(temperature);
    expect(ignoring.before.invalid).toBe(1);
  });
});

const engineWith = sharedEngines();

test('gives the same bits for 1, 2, 3 and 8 threads, of arrays and of fetched rows', async () => {
  const source = {
    rows,
    features,
    type: 'float32' as const,
    gather(rowNumbers: Uint32Array, into: Float32Array) {
      for (const [i, row] of rowNumbers.entries()) {
        into.set(inputs.subarray(row * features, (row + 1) * features), i * features);
      }
    },
  };
  const found: string[] = [];
  for (const threads of [1, 2, 3, 8]) {
    const engine = await engineWith({ threads });
    for (const given of [inputs, source]) {
      const classifier = modelOn(engine);
      const { temperature, temperatureError } = await classifier.calibrate(given, targets);
      found.push(
        `${bitsOf(Float64Array.of(temperature, temperatureError))} ${bitsOf(classifier.weights, classifier.bias)}`,
      );
    }
  }
  expect(new Set(found).size).toBe(1);
});

test('warns where no temperature is best, and then leaves the model as it was', async () => {
  const engine = await engineWith({ threads: 2 });
  const predicted = await modelOn(engine).predict(inputs);
  const never = predicted.map((index) => (index + 1) % classes);
  for (const [given, wanted] of [
    [predicted, /falls down to a temperature of 0\.01/],
    [never, /worse than equal probabilities/],
  ] as const) {
    const classifier = modelOn(engine);
    const { temperature, temperatureError, before, after, warnings } = await classifier.calibrate(
      inputs,
      given,
    );
    expect({ temperature, temperatureError }).toEqual({ temperature: 1, temperatureError: Number.NaN });
    expect(warnings).toEqual([{ code: 'no-temperature', message: expect.stringMatching(wanted) }]);
    expect(after).toBe(before);
    expect(classifier.weights).toEqual(weights);
  }
});

test('warns of a temperature from few rows', async () => {
  const engine = await engineWith({ threads: 2 });
  const some = [inputs.subarray(0, 12 * features), targets.subarray(0, 12)] as const;
  const { warnings, temperature, temperatureError } = await modelOn(engine, 0.3).calibrate(...some);
  expect(temperatureError).toBeGreaterThan(temperature / 5);
  expect(warnings.map(({ code }) => code)).toEqual(['temperature-uncertain']);
});

test('warns where the calibration error rises with the best temperature: of some labels that are wrong, say', async () => {
  const engine = await engineWith({ threads: 2 });
  const classifier = modelOn(engine, 20);
  const predicted = await classifier.predict(inputs);
  const wrong = predicted.map((index, row) => (row % 6 === 0 ? (index + 1) % classes : index));
  const { warnings, before, after } = await modelOn(engine, 5).calibrate(inputs, wrong);
  expect(after.loss).toBeLessThan(before.loss);
  expect(warnings.map(({ code }) => code)).toEqual(['calibration-error-risen']);
});

test('the calibration error may rise by what chance gives with few rows: of 200 models that are as sure as they are right none is warned of', async () => {
  const engine = await engineWith({ threads: 1 });
  const [some, draws] = [100, 200];
  const codes: string[] = [];
  let risen = 0;
  for (let draw = 0; draw < draws; draw++) {
    const begin = (draw % 10) * some;
    const chances = randomValues(some, 0.5, 100 + draw);
    const drawn = Int32Array.from(chances, (chance, i) => {
      const row = begin + i;
      const probabilities = reference.softmax(logits.subarray(row * classes, (row + 1) * classes));
      let [target, rest] = [0, chance + 0.5 - probabilities[0]!];
      while (rest > 0 && target < classes - 1) rest -= probabilities[++target]!;
      return target;
    });
    const own = inputs.subarray(begin * features, (begin + some) * features);
    const { warnings, before, after } = await modelOn(engine, 1.15).calibrate(own, drawn);
    codes.push(...warnings.map(({ code }) => code));
    if (after.calibration.expectedError > before.calibration.expectedError + 0.01) risen++;
  }
  expect(codes).not.toContain('calibration-error-risen');
  expect(risen).toBeGreaterThan(draws / 20);
});

test('of 150 rows it is still seen that every sixth label is wrong', async () => {
  const engine = await engineWith({ threads: 1 });
  const some = inputs.subarray(0, 150 * features);
  const predicted = await modelOn(engine).predict(some);
  const wrong = predicted.map((index, row) => (row % 6 === 0 ? (index + 1) % classes : index));
  const { warnings } = await modelOn(engine, 5).calibrate(some, wrong);
  expect(warnings.map(({ code }) => code)).toEqual(['calibration-error-risen']);
});

test('a class without a probability as target is named; no rows that count are ERR_EMPTY', async () => {
  const engine = await engineWith({ threads: 2 });
  const classifier = modelOn(engine);
  classifier.bias[2] = Number.NEGATIVE_INFINITY;
  const row = targets.indexOf(2);
  expect(await failure(() => classifier.calibrate(inputs, targets))).toMatchObject({
    code: 'ERR_TARGET_RANGE',
    row,
    value: 2,
  });
  const ignored = targets.map(() => -100);
  expect(await failure(() => classifier.calibrate(inputs, ignored))).toMatchObject({ code: 'ERR_EMPTY' });
  const others = targets.map((target) => (target === 2 ? -100 : target));
  const { before, after } = await classifier.calibrate(inputs, others);
  expect(after.loss).toBeLessThan(before.loss);
  expect(classifier.bias[2]).toBe(Number.NEGATIVE_INFINITY);
});

test('nothing else trains meanwhile, and an abort leaves the model as it was', async () => {
  const engine = await engineWith({ threads: 2 });
  const classifier = modelOn(engine);
  const calibrating = classifier.calibrate(inputs, targets);
  expect((await failure(() => classifier.fit(inputs, targets))).code).toBe('ERR_BUSY');
  expect((await failure(() => classifier.calibrate(inputs, targets))).code).toBe('ERR_BUSY');
  await calibrating;
  const calibrated = classifier.weights.slice();
  const controller = new AbortController();
  const aborted = failure(() => classifier.calibrate(inputs, targets, { signal: controller.signal }));
  const reason = new Error('enough');
  controller.abort(reason);
  expect(await aborted).toBe(reason);
  expect(classifier.weights).toEqual(calibrated);
});

test('the model file has the calibrated weights and the temperature; training starts at 1 again', async () => {
  const engine = await engineWith({ threads: 2 });
  const path = join(folder, 'model.safetensors');
  const classifier = modelOn(engine);
  await classifier.save(path);
  expect(await readModelFile(path)).not.toHaveProperty('temperature');
  const { temperature } = await classifier.calibrate(inputs, targets);
  await classifier.save(path);
  const model = await readModelFile(path);
  expect(model.temperature).toBe(temperature);
  expect(bitsOf(model.weights, model.bias)).toBe(bitsOf(classifier.weights, classifier.bias));
  const loaded = await SoftmaxClassifier.load(engine, path);
  expect(loaded.temperature).toBe(temperature);
  const { data } = await loaded.predictProbabilities(inputs);
  using predictor = new Predictor(model);
  const served = await predictor.predictBatchProbabilities(inputs);
  expect(bitsOf(served.data)).toBe(bitsOf(data));
  await loaded.fit(inputs, targets, { epochs: 1 });
  expect(loaded.temperature).toBe(1);
});

// fit with calibrate: a model that has learned its rows by heart gets as sure as it is right, by rows that it did not know.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { crossValidationSplits } from '#softshard/main/training/many/splits.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { randomValues } from '../../kernels/workbench.js';

const [rows, features, classes] = [300, 24, 3];
const inputs = randomValues(rows * features, 1.5, 31);
const chances = randomValues(rows, 1, 32);
/** By the first features, and by chance. */
const targets = Int32Array.from({ length: rows }, (_, row) => {
  const scores = [0, 1, 2].map((k) => inputs[row * features + k]! + (k === 0 ? 2 * chances[row]! : 0));
  return scores.indexOf(Math.max(...scores));
});
const half = Uint32Array.from({ length: rows / 2 }, (_, row) => row);
const otherHalf = half.map((row) => row + rows / 2);

/** A weak penalty, which lets it learn them by heart. */
const SOLVER = { C: 100, calibrate: true } as const;
const STEPS = { epochs: 60, learningRate: 1, batchSize: 32, calibrate: true } as const;

const classifierOn = (engine: Engine) => new SoftmaxClassifier(engine, { features, classes });
const weightsOf = ({ weights, bias }: SoftmaxClassifier): string => bitsOf(weights) + bitsOf(bias);

describe('fit with calibrate', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2 });
  });
  afterAll(() => engine.close());

  test.each([
    ['a full-batch solver', SOLVER],
    ['steps', STEPS],
  ] as const)('by five folds lowers the loss of rows that nobody has seen (%s)', async (_, options) => {
    const split = { training: half };
    const plain = classifierOn(engine);
    await plain.fit(inputs, targets, { ...options, split, calibrate: false });
    const calibrated = classifierOn(engine);
    const { calibration } = await calibrated.fit(inputs, targets, { ...options, split });
    const { temperature, before, after, folds } = calibration!;
    expect(folds).toBe(5);
    expect(temperature).toBeGreaterThan(1.2);
    expect(calibrated.temperature).toBe(temperature);
    expect(calibrated.weights).toEqual(plain.weights.map((weight) => weight / temperature));
    expect(before.rows).toBe(half.length);
    expect(after.loss).toBeLessThan(before.loss);
    const unseen = [inputs.subarray((rows / 2) * features), targets.subarray(rows / 2)] as const;
    const [was, is] = [await plain.evaluate(...unseen), await calibrated.evaluate(...unseen)];
    expect(is.loss).toBeLessThan(was.loss);
    expect(is.calibration.expectedError).toBeLessThan(was.calibration.expectedError);
  });

  test('every row is asked of a model that is trained without it: those of a fold, fitted apart, say the same within 1e-3', async () => {
    const options = { C: 1, tol: 1e-7 } as const;
    const { calibration } = await classifierOn(engine).fit(inputs, targets, { ...options, calibrate: true });
    let [loss, correct] = [0, 0];
    for (const { training, validation } of crossValidationSplits(targets, classes, 5, 0)) {
      const fold = classifierOn(engine);
      await fold.fit(inputs, targets, { ...options, split: { training } });
      const evaluation = await fold.evaluate(
        Array.from(validation, (row) => inputs.subarray(row * features, (row + 1) * features)),
        Int32Array.from(validation, (row) => targets[row]!),
      );
      loss += evaluation.lossSum;
      correct += evaluation.correct;
    }
    expect(Math.abs(calibration!.before.loss - loss / rows)).toBeLessThan(1e-3);
    expect(calibration!.before.correct).toBe(correct);
  });

  test('by rows of validation it is what calibrate says of them, whichever way they are given', async () => {
    const validation = {
      inputs: inputs.subarray((rows / 2) * features),
      targets: targets.subarray(rows / 2),
    };
    const apart = classifierOn(engine);
    await apart.fit(inputs, targets, { C: 100, split: { training: half } });
    const wanted = await apart.calibrate(validation.inputs, validation.targets);
    for (const given of [
      { split: { training: half, validation: otherHalf } },
      { split: { training: half }, validation },
    ]) {
      const classifier = classifierOn(engine);
      const { calibration } = await classifier.fit(inputs, targets, { ...SOLVER, ...given });
      expect(calibration!.folds).toBe(0);
      expect(calibration!.temperature).toBe(wanted.temperature);
      expect(calibration!.after.loss).toBeCloseTo(wanted.after.loss, 12);
      expect(weightsOf(classifier)).toBe(weightsOf(apart));
    }
  });

  test('rows that do not count have no part in it', async () => {
    const marked = targets.map((target, row) => (row % 4 === 0 ? -100 : target));
    const sampleWeight = Float32Array.from({ length: rows }, (_, row) => (row % 4 === 1 ? 0 : 1));
    const spoiled = inputs.map((value, i) => (Math.floor(i / features) % 4 < 2 ? Number.NaN : value));
    const { calibration } = await classifierOn(engine).fit(spoiled, marked, { ...SOLVER, sampleWeight });
    expect(calibration!.before.rows).toBe(rows / 2);
  });

  test('training by steps that goes on needs rows of validation, as its weights may know all others', async () => {
    const classifier = classifierOn(engine);
    classifier.weights.fill(0.5);
    const before = weightsOf(classifier);
    const error = await failure(() => classifier.fit(inputs, targets, STEPS));
    expect(error).toMatchObject({ code: 'ERR_OPTION', argument: 'options.calibrate' });
    expect(error.message).toContain('options.validationSplit');
    expect(weightsOf(classifier)).toBe(before);
    const { calibration } = await classifier.fit(inputs, targets, { ...STEPS, validationSplit: 0.4 });
    expect(calibration!.folds).toBe(0);
    const single = { calibrate: true, C: 1, columns: features };
    const few = await failure(() =>
      classifierOn(engine).fit(inputs.subarray(0, 3 * features), Int32Array.of(0, 1, 2), single),
    );
    expect(few).toMatchObject({ code: 'ERR_OPTION', argument: 'options.calibrate' });
  });

  test('aborted while the folds are trained, it leaves the trained model, which is not calibrated', async () => {
    const controller = new AbortController();
    const classifier = classifierOn(engine);
    const fit = classifier.fit(inputs, targets, {
      ...STEPS,
      epochs: 400,
      signal: controller.signal,
      onEpochEnd: ({ epoch }) => {
        if (epoch === 400) setTimeout(() => controller.abort(), 5);
      },
    });
    expect(await failure(() => fit)).toMatchObject({ name: 'AbortError' });
    expect(classifier.temperature).toBe(1);
    expect(classifier.weights.some((weight) => weight !== 0)).toBe(true);
  });
});

test('temperature and weights have the same bits for 1, 2, 3 and 8 threads', async () => {
  const results = await Promise.all(
    [1, 2, 3, 8].map(async (threads) => {
      await using engine = await Engine.create({ threads });
      const of = async (options: Training.FitOptions) => {
        const classifier = classifierOn(engine);
        const { calibration } = await classifier.fit(inputs, targets, options);
        return `${calibration?.temperature} ${calibration?.after.loss} ${weightsOf(classifier)}`;
      };
      return [await of({ calibrate: true }), await of({ ...STEPS, epochs: 5 })];
    }),
  );
  for (const result of results) expect(result).toEqual(results[0]);
});

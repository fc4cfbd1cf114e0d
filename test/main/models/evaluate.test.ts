// Evaluation with loss options, and the metrics beside the loss.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { bitsOf, expectSameBits } from '../../bits.js';
import { failure } from '../../failure.js';
import { builds, randomValues } from '../../kernels/workbench.js';
import { clusters, largestDifference, rowsAt } from '../training/workbench.js';

const problem = clusters(403, 19, 7, 5);
const { rows, features, classes, inputs, targets } = problem;

describe.each(builds)('evaluate (%s)', (numerics) => {
  let engine: Engine;
  let classifier: SoftmaxClassifier;
  let logits: Float64Array;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
    classifier = new SoftmaxClassifier(engine, { features, classes });
    classifier.weights.set(randomValues(features * classes, 0.3, 1));
    classifier.bias.set(randomValues(classes, 0.3, 2));
    const { weights, bias } = classifier;
    logits = reference.linearForward(inputs, weights, bias, rows, features, classes);
  });
  afterAll(() => engine.close());

  test('has the whole report of metrics over the same logits, its loss within 1e-6', async () => {
    const evaluation = await classifier.evaluate(inputs, targets, { topK: 3 });
    const metrics = engine.metrics({ classes, topK: 3 });
    await metrics.add(Float32Array.from(logits), targets);
    const { confusion, ...report } = metrics.report();
    const exact = ({ rows, ignored, correct, accuracy, accuracyAtK, topK, topKAccuracy }: typeof report) => {
      return { rows, ignored, correct, accuracy, accuracyAtK, topK, topKAccuracy };
    };
    expect(exact(evaluation)).toEqual(exact(report));
    for (const name of ['precision', 'recall', 'f1', 'support'] as const) {
      expect(evaluation.perClass[name]).toEqual(report.perClass[name]);
    }
    expect(evaluation.macro).toEqual(report.macro);
    expect(evaluation.weighted).toEqual(report.weighted);
    const close = ({ loss, lossStandardError, perplexity, calibration }: typeof report) => [
      loss,
      lossStandardError,
      perplexity,
      calibration.expectedError,
      calibration.maximumError,
    ];
    expect(largestDifference(close(evaluation), close(report))).toBeLessThan(1e-5);
    expect(evaluation.calibration.bins.map(({ rows }) => rows)).toEqual(
      report.calibration.bins.map(({ rows }) => rows),
    );
    expect(evaluation.weightSum).toBe(rows);
    expect(evaluation.loss).toBe(evaluation.lossSum / rows);
    expect(Array.from(evaluation.confusion!.data)).toEqual(Array.from(confusion!.data));
  });

  test('ignored rows, whatever their inputs, count in nothing: the bits of the rows without them', async () => {
    const isKept = (row: number) => row % 4 !== 1;
    const kept = Array.from({ length: rows }, (_, row) => row).filter(isKept);
    const spoiled = inputs.map((value, i) => (isKept(Math.floor(i / features)) ? value : Number.NaN));
    const without = await classifier.evaluate(
      Float32Array.from(rowsAt(inputs, features, kept)),
      Int32Array.from(rowsAt(targets, 1, kept)),
    );
    for (const options of [{ ignoreIndex: -3 }, { onInvalidTarget: 'ignore' }] as const) {
      const marked = targets.map((target, row) => (isKept(row) ? target : -3));
      const evaluation = await classifier.evaluate(spoiled, marked, options);
      const worstRows = without.worstRows.map((worst) => ({ ...worst, row: kept[worst.row] }));
      expect(evaluation).toEqual({ ...without, worstRows, ignored: rows - kept.length });
    }
  });

  test('weights are for the loss alone: within 1e-6 of the formulas, all else as without', async () => {
    const sampleWeight = randomValues(rows, 1, 3).map((value) => value + 1.5);
    const weight = [1, 2, 0, 1.5, 0.5, 1, 3];
    const plain = await classifier.evaluate(inputs, targets);
    const { loss, lossSum, weightSum, ...others } = await classifier.evaluate(inputs, targets, {
      weight,
      sampleWeight,
    });
    const wanted = reference.generalLoss(logits, targets, rows, classes, { weight, sampleWeight });
    expect(Math.abs(loss - wanted.mean)).toBeLessThan(1e-6);
    expect(Math.abs(lossSum / wanted.lossSum - 1)).toBeLessThan(1e-6);
    expect(weightSum).toBeCloseTo(wanted.weightSum, 10);
    const { loss: _, lossSum: __, weightSum: ___, ...plainOthers } = plain;
    expect(others).toEqual(plainOthers);
  });

  test('soft targets count as the class of the largest share, the lowest of equals', async () => {
    const shares = Float32Array.from({ length: rows * classes }, (_, i) =>
      i % classes === targets[Math.floor(i / classes)]! ? 0.4 : 0.1,
    );
    // In row 0 class 0 has as much as its target.
    shares[0] = 0.4;
    expect(targets[0]).not.toBe(0);
    const soft = await classifier.evaluate(inputs, shares);
    const hard = await classifier.evaluate(
      inputs,
      targets.map((target, row) => (row === 0 ? 0 : target)),
    );
    expect(soft.confusion).toEqual(hard.confusion);
    const wanted = reference.generalLoss(logits, { softTargets: shares }, rows, classes);
    expect(Math.abs(soft.loss - wanted.mean)).toBeLessThan(1e-6);
    expect(soft.weightSum).toBe(rows);
  });

  test('with all options the same bits in a small arena, in windows, for 1, 2, 3 and 8 threads', async () => {
    const many = clusters(20_000, 16, 40, 9);
    const mask = Uint8Array.from(randomValues(many.rows * 40, 1, 4), (value) => (value < -0.5 ? 0 : 1));
    for (const [row, target] of many.targets.entries()) mask[row * 40 + target] = 1;
    const options: Training.EvaluateOptions = {
      mask,
      weight: randomValues(40, 1, 5).map(Math.abs),
      sampleWeight: randomValues(many.rows, 1, 6).map(Math.abs),
      labelSmoothing: 0.1,
      temperature: 2,
      softcap: 9,
      zLoss: 0.01,
      focalGamma: 1,
    };
    const digests = [];
    for (const [threads, arenaBytes] of [
      [1, 2 ** 32],
      [2, 2 ** 20],
      [3, 2 ** 22],
      [8, 2 ** 21],
    ] as const) {
      await using small = await Engine.create({ threads, numerics, arenaBytes });
      const other = new SoftmaxClassifier(small, { features: 16, classes: 40 });
      other.weights.set(randomValues(16 * 40, 0.3, 7));
      const { usedBytes } = small.memoryUsage();
      const { loss, weightSum, accuracy } = await other.evaluate(many.inputs, many.targets, options);
      digests.push(bitsOf(loss, weightSum, accuracy));
      expect(small.memoryUsage().usedBytes).toBe(usedBytes);
      const z = reference.linearForward(many.inputs, other.weights, other.bias, many.rows, 16, 40);
      const wanted = reference.generalLoss(z, many.targets, many.rows, 40, options as reference.LossOptions);
      expect(Math.abs(loss - wanted.mean)).toBeLessThan(1e-5);
    }
    expectSameBits(digests);
  });

  test("no row that counts: NaN, 0 with onEmpty 'zero', ERR_EMPTY with 'throw'", async () => {
    const ignored = new Int32Array(rows).fill(-100);
    const evaluation = await classifier.evaluate(inputs, ignored);
    expect(evaluation).toMatchObject({ rows: 0, ignored: rows, loss: Number.NaN, accuracy: Number.NaN });
    expect((await classifier.evaluate(inputs, ignored, { onEmpty: 'zero' })).loss).toBe(0);
    const error = await failure(() => classifier.evaluate(inputs, ignored, { onEmpty: 'throw' }));
    expect(error).toMatchObject({ code: 'ERR_EMPTY', argument: 'targets' });
  });
});

describe('wrong loss options', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 1 });
  });
  afterAll(() => engine.close());
  const two = new Float32Array(4);

  const both: [string, string, object, Partial<Record<keyof Training.EvaluateOptions, unknown>>, unknown?][] =
    [
      [
        'weight[1] is -1: it must be a finite number',
        'ERR_OPTION',
        { row: 1, value: -1 },
        { weight: [1, -1] },
      ],
      ['weight has 3 entries for 2 classes', 'ERR_SHAPE', { value: 3 }, { weight: [1, 1, 1] }],
      [
        'sampleWeight[0] is NaN',
        'ERR_OPTION',
        { row: 0, value: Number.NaN },
        { sampleWeight: [Number.NaN, 1] },
      ],
      ['sampleWeight has 1 entries for 2 rows', 'ERR_SHAPE', { value: 1 }, { sampleWeight: [1] }],
      ['sampleWeight is 3: pass', 'ERR_TYPE', { value: 3 }, { sampleWeight: 3 }],
      ['ignoreIndex is 0.5', 'ERR_OPTION', { value: 0.5 }, { ignoreIndex: 0.5 }],
      ['labelSmoothing is 2: it must be', 'ERR_OPTION', { value: 2 }, { labelSmoothing: 2 }],
      ['temperature is 0: it must be', 'ERR_OPTION', { value: 0 }, { temperature: 0 }],
      ['softcap is -1: it must be', 'ERR_OPTION', { value: -1 }, { softcap: -1 }],
      ['zLoss is -1: it must be', 'ERR_OPTION', { value: -1 }, { zLoss: -1 }],
      ['focalGamma is NaN: it must be', 'ERR_OPTION', { value: Number.NaN }, { focalGamma: Number.NaN }],
      ["onInvalidTarget is 'no': it must be", 'ERR_OPTION', { value: 'no' }, { onInvalidTarget: 'no' }],
      ["onEmpty is 'no': it must be", 'ERR_OPTION', { value: 'no' }, { onEmpty: 'no' }],
      ['mask is [ 1, 1, 1, 1 ]: pass a Uint8Array', 'ERR_TYPE', {}, { mask: [1, 1, 1, 1] }],
      [
        'mask has 2 entries; with one entry for each class',
        'ERR_SHAPE',
        { value: 2 },
        { mask: new Uint8Array(2) },
      ],
      [
        "mask[1, 1] is 0, but 1 is the row's class: keep it, or ignore the row (options.ignoreIndex)",
        'ERR_OPTION',
        { row: 1, value: 0 },
        { mask: Uint8Array.of(1, 1, 1, 0) },
      ],
      [
        'mask leaves row 1 no class: keep at least one',
        'ERR_OPTION',
        { row: 1, value: 0 },
        { mask: Uint8Array.of(1, 1, 0, 0) },
        Float32Array.of(1, 0, 0, 1),
      ],
    ];
  test.each(both)('options.%s: %s, in fit and evaluate', async (message, code, details, options, targets) => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    const { usedBytes } = engine.memoryUsage();
    const given = (targets ?? [0, 1]) as Float32Array;
    for (const call of [
      () => classifier.fit(two, given, options as never),
      () => classifier.evaluate(two, given, options as never),
    ]) {
      const error = await failure(call);
      const argument = `options.${/^\w+/.exec(message)![0]}`;
      expect(error).toMatchObject({ code, argument, ...details });
      expect(error.message).toContain(`options.${message}`);
    }
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test.each<[string, string, string, object, unknown?]>([
    [
      "weight 'balance'",
      'ERR_OPTION',
      "options.weight is 'balance': pass a number for each class, { name: number, … }, or 'balanced'",
      { weight: 'balance' },
    ],
    [
      "weight 'balanced' with soft targets",
      'ERR_OPTION',
      'no classes to count: pass a number for each class',
      { weight: 'balanced' },
      Float32Array.of(1, 0, 0, 1),
    ],
    [
      'reduction none',
      'ERR_OPTION',
      "options.reduction is 'none': it must be one of 'mean', 'sum'",
      { reduction: 'none' },
    ],
    [
      'onEmpty nan',
      'ERR_OPTION',
      "options.onEmpty is 'nan': it must be one of 'zero', 'throw'",
      { onEmpty: 'nan' },
    ],
    [
      'a soft target that is no share',
      'ERR_TARGET_RANGE',
      'targets[1, 0] is -1: target probabilities must be',
      {},
      Float32Array.of(1, 0, -1, 1),
    ],
    [
      'floating class indices',
      'ERR_SHAPE',
      'targets has 2 entries; with one entry for each class it needs the dims of the logits, [2, 2] (floating targets are probabilities',
      {},
      Float32Array.of(0, 1),
    ],
    [
      'a target that is no class',
      'ERR_TARGET_RANGE',
      'targets[1] is 2, not a class: targets must be whole numbers from 0 to 1 (2 classes), or 7 (options.ignoreIndex)',
      { ignoreIndex: 7 },
      [0, 2],
    ],
    [
      'a validation weight',
      'ERR_OPTION',
      'options.validation.sampleWeight[0] is -1',
      { validation: { inputs: two, targets: [0, 1], sampleWeight: [-1, 1] } },
    ],
    [
      'a validation mask',
      'ERR_OPTION',
      'options.validation.mask[0, 0] is 0, but 0 is',
      { validation: { inputs: two, targets: [0, 1], mask: new Uint8Array(4) } },
    ],
    [
      'validation shares',
      'ERR_TARGET_RANGE',
      'options.validation.targets[0, 0] is Infinity',
      { validation: { inputs: two, targets: Float32Array.of(Infinity, 0, 0, 1) } },
    ],
  ])('fit with %s: %s', async (_, code, message, options, targets = [0, 1]) => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    const { usedBytes } = engine.memoryUsage();
    const error = await failure(() => classifier.fit(two, targets as number[], options as never));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });
});

// Training with options of the loss: the laws that tie the options to each other.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { planTraining } from '#softshard/main/plans/training.js';
import { splitRows } from '#softshard/main/training/rows/row-order.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { builds } from '../../kernels/workbench.js';
import {
  byPartials,
  byTiles,
  CASES,
  classifierFor,
  maskOf,
  softTargetsOf,
  TRAINING,
  withIgnoredRows,
} from './loss-cases.js';
import { clusters, fitReference, largestDifference, type Problem, rowsAt } from './workbench.js';

/** Weights, bias and the losses of the epochs. */
type Trained = (Float32Array | Float64Array)[];

describe.each(builds)('laws of fit with loss options (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  async function trained(
    problem: Problem,
    targets: Parameters<SoftmaxClassifier['fit']>[1],
    options: Training.FitOptions,
  ): Promise<Trained> {
    const classifier = classifierFor(engine, problem);
    const { epochs } = await classifier.fit(problem.inputs, targets, { ...TRAINING, ...options });
    return [classifier.weights, classifier.bias, Float64Array.from(epochs, ({ loss }) => loss)];
  }

  const trainedBits = async (...run: Parameters<typeof trained>) => bitsOf(...(await trained(...run)));

  /** A BLAS orders its sums by the number of rows: with one, rows left out change the rounding. */
  function expectSame(got: Trained, wanted: Trained) {
    if (engine.blas === undefined) expect(bitsOf(...got)).toBe(bitsOf(...wanted));
    for (const [i, values] of wanted.entries()) expect(largestDifference(got[i]!, values)).toBeLessThan(1e-6);
  }

  test('options at their neutral values leave plain training on its kernels: the same bits', async () => {
    const plain = await trainedBits(byPartials, byPartials.targets, {});
    const neutral: Training.FitOptions = {
      reduction: 'mean',
      ignoreIndex: 9,
      labelSmoothing: 0,
      temperature: 1,
      zLoss: 0,
      focalGamma: 0,
      onEmpty: 'throw',
      onInvalidTarget: 'ignore',
    };
    expect(await trainedBits(byPartials, byPartials.targets, neutral)).toBe(plain);
  });

  test('weights of one take the general kernels, whose weights are within 1e-6 of plain training', async () => {
    const plain = classifierFor(engine, byPartials);
    await plain.fit(byPartials.inputs, byPartials.targets, TRAINING);
    const weighted = classifierFor(engine, byPartials);
    const sampleWeight = new Float32Array(byPartials.rows).fill(1);
    await weighted.fit(byPartials.inputs, byPartials.targets, { ...TRAINING, sampleWeight });
    expect(largestDifference(weighted.weights, plain.weights)).toBeLessThan(1e-6);
  });

  test.each([
    ['by partials', byPartials, 480],
    ['by tiles', byTiles, 118],
  ] as const)(
    '%s: rows that are ignored, whatever their inputs, or have weight 0 are as if they were not there, bit for bit',
    async (_, problem, kept) => {
      // Full batches without shuffling, with rows left out at the end: shards and tiles of the others stay as they are.
      const { rows, features, classes } = problem;
      const shape = { batchSize: rows, features, classes };
      const plan = planTraining({ ...shape, rows });
      expect(planTraining({ ...shape, rows: kept })).toMatchObject({
        by: plan.by,
        fullStep: { shardRows: plan.fullStep.shardRows },
      });
      const options: Training.FitOptions = {
        batchSize: 'full',
        shuffle: false,
        learningRate: 0.01,
        temperature: 1.5,
      };
      const fewer: Problem = {
        ...problem,
        rows: kept,
        inputs: problem.inputs.slice(0, kept * features),
        targets: problem.targets.slice(0, kept),
      };
      const wanted = await trained(fewer, fewer.targets, options);

      const ignored = { ...problem, inputs: problem.inputs.slice(), targets: problem.targets.slice() };
      ignored.targets.fill(-100, kept);
      ignored.inputs.fill(Number.NaN, kept * features);
      expectSame(await trained(ignored, ignored.targets, options), wanted);

      const sampleWeight = new Float32Array(rows).fill(1).fill(0, kept);
      expectSame(await trained(problem, problem.targets, { ...options, sampleWeight }), wanted);
    },
  );

  test('rows ignored anywhere in the order are as if they were not there within 1e-6', async () => {
    const ignored = withIgnoredRows(byPartials, -100);
    for (let row = 2; row < ignored.rows; row += 5) {
      ignored.inputs = ignored.inputs.slice();
      ignored.inputs.fill(Number.NaN, row * ignored.features, (row + 1) * ignored.features);
    }
    const kept = Array.from({ length: ignored.rows }, (_, row) => row).filter((row) => row % 5 !== 2);
    const options: Training.FitOptions = { ...TRAINING, batchSize: 'full' };
    const first = classifierFor(engine, ignored);
    await first.fit(ignored.inputs, ignored.targets, options);
    const second = classifierFor(engine, ignored);
    await second.fit(
      Float32Array.from(rowsAt(byPartials.inputs, byPartials.features, kept)),
      Int32Array.from(rowsAt(byPartials.targets, 1, kept)),
      options,
    );
    expect(largestDifference(first.weights, second.weights)).toBeLessThan(1e-6);
  });

  test("weight 'balanced' is rows / (classes · rows of the class) over the kept training rows, bit for bit", async () => {
    // Class 6 does not occur; a fifth of the rows is ignored, a part is kept for validation.
    const problem = withIgnoredRows(byPartials, -100);
    problem.targets = problem.targets.map((target) => (target === 6 ? 0 : target));
    const { training } = splitRows(problem.rows, 0.3, TRAINING.seed);
    const kept = Array.from(training, (row) => problem.targets[row]!).filter((target) => target >= 0);
    const weight = Array.from({ length: 7 }, (_, j) => {
      const count = kept.filter((target) => target === j).length;
      return count === 0 ? 0 : kept.length / (6 * count);
    });
    expect(weight[6]).toBe(0);
    expect(Math.min(...weight.slice(0, 6))).toBeGreaterThan(0.4);
    const options: Training.FitOptions = { validationSplit: 0.3, labelSmoothing: 0.1 };
    const balanced = await trainedBits(problem, problem.targets, { ...options, weight: 'balanced' });
    expect(await trainedBits(problem, problem.targets, { ...options, weight })).toBe(balanced);
    const unweighted = await trainedBits(problem, problem.targets, options);
    expect(unweighted).not.toBe(balanced);
  });

  test("weight 'balanced' counts a row as its sample weight, as scikit-learn does (F11)", async () => {
    // scikit-learn's compute_class_weight('balanced', classes, y, sample_weight) of these; classes of no weight are left out.
    const inputs = Float32Array.of(1, 2, 3, -1, 5, 6);
    for (const [targets, sampleWeight, weight] of [
      [
        [0, 0, 0, 1],
        [1, 1, 1, 3],
        [1, 1, 0],
      ],
      [
        [0, 0, 0, 1],
        [1, 1, 1, 1],
        [2 / 3, 2, 0],
      ],
      [
        [0, 0, 1, 2],
        [2, 4, 1, 5],
        [2 / 3, 4, 0.8],
      ],
      [
        [0, 0, 1, 2],
        [1, 1, 2, 0],
        [1, 1, 0],
      ],
      [
        [0, -100, 1, 2],
        [3, 100, 1, 2],
        [2 / 3, 2, 1],
      ],
    ]) {
      const weightsWith = async (options: Training.FitOptions) => {
        const classifier = new SoftmaxClassifier(engine, { features: 1, classes: 3 });
        await classifier.fit(inputs.subarray(0, 4), targets!, { epochs: 3, batchSize: 2, ...options });
        return bitsOf(classifier.weights, classifier.bias);
      };
      const given = await weightsWith({ weight: weight!, sampleWeight: sampleWeight! });
      expect(await weightsWith({ weight: 'balanced', sampleWeight: sampleWeight! })).toBe(given);
    }
  });

  test('soft targets and masks may lie anywhere: the same bits from plain arrays, tensors and the arena', async () => {
    const { rows, classes } = byPartials;
    const shares = softTargetsOf(byPartials);
    const mask = maskOf(byPartials);
    using residentShares = engine.matrix(rows, classes);
    residentShares.data.set(shares);
    using residentMask = engine.tensor('uint8', [rows, classes]);
    residentMask.data.set(mask);
    const wanted = await trainedBits(byPartials, shares, { mask });
    expect(await trainedBits(byPartials, Float64Array.from(shares), { mask })).toBe(wanted);
    const tensor = { type: 'float32', dims: [rows, classes], data: shares } as const;
    expect(await trainedBits(byPartials, tensor, { mask })).toBe(wanted);
    expect(await trainedBits(byPartials, residentShares, { mask: residentMask })).toBe(wanted);
  });

  test.each([
    ['by partials', byPartials],
    ['by tiles', byTiles],
  ] as const)(
    '%s: inputs of bytes give the bits of the same numbers, some rows ignored',
    async (_, problem) => {
      const { rows, features, classes } = problem;
      const bytes = Uint8Array.from(problem.inputs, (value) => Math.min(255, Math.max(0, 128 + 40 * value)));
      const floats = Float32Array.from(bytes);
      const targets = problem.targets.map((target, row) => (row % 7 === 3 ? -100 : target));
      const options = { ...TRAINING, batchSize: 100, labelSmoothing: 0.1, validationSplit: 0.05 };
      const digests = [];
      for (const inputs of [bytes, floats]) {
        const featureScaling = { shift: 0, scale: Math.fround(1 / 255) };
        const classifier = new SoftmaxClassifier(engine, { features, classes, featureScaling });
        const { epochs } = await classifier.fit(inputs, targets, options);
        const { loss } = await classifier.evaluate(inputs, targets, { labelSmoothing: 0.1 });
        digests.push(
          bitsOf(classifier.weights, loss, ...epochs.map(({ validationLoss }) => validationLoss!)),
        );
      }
      expect(digests[1]).toBe(digests[0]);
      expect(
        planTraining({ rows: rows - Math.floor(rows * 0.05), batchSize: 100, features, classes }).by,
      ).toBe(problem === byTiles ? 'parameter-sharded' : 'data-parallel');
    },
  );

  test('one-hot soft targets train as the classes do within 1e-6', async () => {
    const { rows, classes, targets } = byPartials;
    const oneHot = new Float32Array(rows * classes);
    for (const [row, target] of targets.entries()) oneHot[row * classes + target] = 1;
    const soft = classifierFor(engine, byPartials);
    const { epochs } = await soft.fit(byPartials.inputs, oneHot, { ...TRAINING, validationSplit: 0.2 });
    const hard = classifierFor(engine, byPartials);
    const { epochs: hardEpochs } = await hard.fit(byPartials.inputs, targets, {
      ...TRAINING,
      validationSplit: 0.2,
    });
    expect(largestDifference(soft.weights, hard.weights)).toBeLessThan(1e-6);
    expect(epochs[2]!.validationAccuracy).toBe(hardEpochs[2]!.validationAccuracy);
  });

  test.each([
    ['by partials', 'ignored', byPartials],
    ['by partials', 'of weight 0', byPartials],
    ['by tiles', 'ignored', byTiles],
    ['by tiles', 'of weight 0', byTiles],
  ] as const)(
    '%s: a step whose rows are all %s has loss 0 and no gradient: momentum and weight decay go on',
    async (_, kind, problem) => {
      // Without shuffling these are the rows of the second step.
      const batchSize = 100;
      const isEmpty = (row: number) => row >= batchSize && row < 2 * batchSize;
      const targets = problem.targets.map((target, row) =>
        kind === 'ignored' && isEmpty(row) ? -100 : target,
      );
      const loss =
        kind === 'ignored'
          ? {}
          : { sampleWeight: Float32Array.from(targets, (_, row) => (isEmpty(row) ? 0 : 1)) };
      const training = { ...TRAINING, batchSize, shuffle: false, learningRate: 0.01, epochs: 1 };
      const wanted = fitReference({ ...problem, targets }, training, loss);
      expect(wanted.losses[1]).toBe(0);
      const classifier = classifierFor(engine, problem);
      const losses: number[] = [];
      const { epochs } = await classifier.fit(problem.inputs, targets, {
        ...training,
        ...loss,
        onStep: (report) => losses.push(report.loss),
      });
      expect(losses[1]).toBe(0);
      expect(epochs[0]!.loss).toBeGreaterThan(0);
      expect(largestDifference(losses, wanted.losses)).toBeLessThan(5e-5);
      expect(largestDifference(classifier.weights, wanted.weights)).toBeLessThan(5e-5);
    },
  );

  test('by tiles in several chunks of rows, some ignored: within 1e-6 of plain training on the others', async () => {
    const whole = clusters(17_000, 33, 1000, 8);
    const plan = planTraining({ ...whole, batchSize: whole.rows });
    expect(plan.by).toBe('parameter-sharded');
    expect(plan.chunkRows).toBeLessThan(whole.rows);
    const isKept = (row: number) => row % 17 !== 3 && row < 16_990;
    const targets = whole.targets.map((target, row) => (isKept(row) ? target : -100));
    const inputs = whole.inputs.map((value, i) => (isKept(Math.floor(i / 33)) ? value : Number.NaN));
    const kept = Array.from({ length: whole.rows }, (_, row) => row).filter(isKept);
    const options: Training.FitOptions = { epochs: 2, batchSize: 'full', learningRate: 0.5 };
    const first = classifierFor(engine, whole);
    const withIgnored = await first.fit(inputs, targets, options);
    const second = classifierFor(engine, whole);
    const without = await second.fit(
      Float32Array.from(rowsAt(whole.inputs, 33, kept)),
      Int32Array.from(rowsAt(whole.targets, 1, kept)),
      options,
    );
    expect(largestDifference(first.weights, second.weights)).toBeLessThan(1e-6);
    expect(Math.abs(withIgnored.epochs[1]!.loss - without.epochs[1]!.loss)).toBeLessThan(1e-6);
  });

  test('training on ignored rows alone leaves the weights as they are, with loss 0', async () => {
    const classifier = classifierFor(engine, byPartials);
    const targets = new Int32Array(byPartials.rows).fill(-100);
    const { epochs } = await classifier.fit(byPartials.inputs, targets, { epochs: 2 });
    expect(epochs.map(({ loss }) => loss)).toEqual([0, 0]);
    expect(classifier.weights.every((weight) => weight === 0)).toBe(true);
  });

  test("onEmpty 'throw': ERR_EMPTY names the first such step; the weights are those before its epoch", async () => {
    const { inputs, rows } = byPartials;
    const targets = byPartials.targets.slice().fill(-100, 300, 400);
    const classifier = classifierFor(engine, byPartials);
    const { usedBytes } = engine.memoryUsage();
    const error = await failure(() =>
      classifier.fit(inputs, targets, { batchSize: 100, shuffle: false, onEmpty: 'throw' }),
    );
    expect(error).toMatchObject({ code: 'ERR_EMPTY', argument: 'targets' });
    expect(error.message).toContain(
      'all rows of step 4 are ignored or have weight 0: choose options.onEmpty',
    );
    expect(classifier.weights.every((weight) => weight === 0)).toBe(true);
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);

    // Shuffled, with a sixth of the rows that counts: the third epoch is the first with an empty step.
    const few = Int32Array.from({ length: rows }, (_, row) => (row < 80 ? 1 : -100));
    const epochs: Float32Array[] = [];
    const later = await failure(() =>
      classifier.fit(inputs, few, {
        batchSize: 25,
        epochs: 1000,
        seed: 1,
        onEmpty: 'throw',
        onEpochEnd: () => {
          epochs.push(classifier.weights.slice());
        },
      }),
    );
    expect(later.code).toBe('ERR_EMPTY');
    const step = Number(/step (\d+)/.exec(later.message)![1]);
    expect(Math.ceil(step / 20)).toBe(epochs.length + 1);
    expect(epochs).toHaveLength(2);
    expect(bitsOf(classifier.weights)).toBe(bitsOf(epochs.at(-1)!));
  });

  test('validation rows that do not count: a loss of 0, or ERR_EMPTY before the first step', async () => {
    const validation = { inputs: byPartials.inputs.slice(0, 38), targets: [-100, -100] };
    const classifier = classifierFor(engine, byPartials);
    const { epochs } = await classifier.fit(byPartials.inputs, byPartials.targets, { epochs: 1, validation });
    expect(epochs[0]).toMatchObject({ validationLoss: 0, validationAccuracy: Number.NaN });
    const error = await failure(() =>
      classifier.fit(byPartials.inputs, byPartials.targets, { validation, onEmpty: 'throw' }),
    );
    expect(error.code).toBe('ERR_EMPTY');
  });

  test('training with all options gives back all the memory it took', async () => {
    const { usedBytes } = engine.memoryUsage();
    const { problem, options } = CASES['all at once']!(byPartials);
    const classifier = classifierFor(engine, problem);
    await classifier.fit(problem.inputs, problem.targets, { ...options, validationSplit: 0.1, epochs: 2 });
    const { mask, sampleWeight, labelSmoothing } = options;
    await classifier.evaluate(problem.inputs, problem.targets, {
      ignoreIndex: -7,
      labelSmoothing: labelSmoothing!,
      mask: mask!,
      sampleWeight: sampleWeight!,
    });
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });
});

// Training with every option of the loss: against float64 training by the formulas, and against the laws that tie the
// options to each other.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, type FitOptions, SoftmaxClassifier } from '#softshard/main/index.js';
import { planTraining } from '#softshard/main/plans/training.js';
import { splitRows } from '#softshard/main/training/row-order.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
import { centralDifferences } from '../../kernels/finite-differences.js';
import { builds, randomValues } from '../../kernels/workbench.js';
import {
  clusters,
  fitReference,
  largestDifference,
  type Problem,
  type ReferenceLoss,
  referenceStep,
  rowsAt,
} from './workbench.js';

// Ragged: neither rows nor features nor classes fill tiles, vectors or panels.
const byPartials = clusters(500, 19, 7, 5);
const wide = clusters(211, 37, 67, 9);
const byTiles = clusters(128, 611, 499, 6);

test.each([
  ['partials', byPartials, [64, 96, 100, 500]],
  ['partials', wide, [64]],
  ['tiles', byTiles, [100, 128]],
] as const)('by %s is how the problems below are trained', (by, problem, batchSizes) => {
  for (const batchSize of batchSizes) expect(planTraining({ ...problem, batchSize }).by).toBe(by);
});

const positive = (length: number, seed: number): Float32Array =>
  randomValues(length, 1, seed).map((value) => Math.fround(value + 1.25));

/** Some rows of weight 0. */
function sampleWeightOf({ rows }: Problem): Float32Array {
  return positive(rows, 21).map((weight, row) => (row % 9 === 4 ? 0 : weight));
}

/** Ignores each fifth row. */
function withIgnoredRows({ targets, ...problem }: Problem, ignoreIndex: number): Problem {
  return { ...problem, targets: targets.map((target, row) => (row % 5 === 2 ? ignoreIndex : target)) };
}

function softTargetsOf({ rows, classes, targets }: Problem): Float32Array {
  const shares = positive(rows * classes, 22).map((share) => share / (2 * classes));
  for (const [row, target] of targets.entries()) shares[row * classes + target]! += 0.5;
  return shares;
}

/** About a fifth of the classes of each row is left out, never its target. */
function maskOf({ rows, classes, targets }: Problem): Uint8Array {
  const mask = Uint8Array.from(randomValues(rows * classes, 1, 23), (value) => (value < -0.3 ? 0 : 1));
  for (const [row, target] of targets.entries()) mask[row * classes + target] = 1;
  return mask;
}

interface Case {
  readonly problem: Problem;
  readonly options: FitOptions;
  readonly loss: ReferenceLoss;
}

/** Options that mean the same to fit and to the reference. */
const same = (problem: Problem, options: FitOptions & ReferenceLoss): Case => ({
  problem,
  options,
  loss: options,
});

const CASES: Record<string, (problem: Problem) => Case> = {
  weight: (problem) => same(problem, { weight: positive(problem.classes, 20) }),
  sampleWeight: (problem) => same(problem, { sampleWeight: sampleWeightOf(problem) }),
  'ignoreIndex 255': (problem) => same(withIgnoredRows(problem, 255), { ignoreIndex: 255 }),
  'ignoreIndex that is a class': (problem) => same(problem, { ignoreIndex: 1 }),
  'onInvalidTarget ignore': (problem) =>
    same(withIgnoredRows(problem, problem.classes), { onInvalidTarget: 'ignore' }),
  labelSmoothing: (problem) => same(problem, { labelSmoothing: 0.15 }),
  temperature: (problem) => same(problem, { temperature: 1.7 }),
  softcap: (problem) => same(problem, { softcap: 3 }),
  zLoss: (problem) => same(problem, { zLoss: 0.02 }),
  focalGamma: (problem) => same(problem, { focalGamma: 2 }),
  'soft targets': (problem) => ({ problem, options: {}, loss: { softTargets: softTargetsOf(problem) } }),
  mask: (problem) => same(problem, { mask: maskOf(problem) }),
  'reduction sum': (problem) => same(problem, { reduction: 'sum' }),
  'weight, sampleWeight and ignored rows': (problem) =>
    same(withIgnoredRows(problem, -100), {
      weight: positive(problem.classes, 20),
      sampleWeight: sampleWeightOf(problem),
    }),
  'weight and smoothing, summed': (problem) =>
    same(problem, { reduction: 'sum', weight: positive(problem.classes, 20), labelSmoothing: 0.1 }),
  'soft targets, mask, weight and sampleWeight': (problem) => {
    const common = {
      weight: positive(problem.classes, 20),
      sampleWeight: sampleWeightOf(problem),
      mask: maskOf(problem),
    };
    return { problem, options: common, loss: { ...common, softTargets: softTargetsOf(problem) } };
  },
  'all at once': (problem) =>
    same(withIgnoredRows(problem, -7), {
      weight: positive(problem.classes, 20),
      sampleWeight: sampleWeightOf(problem),
      ignoreIndex: -7,
      labelSmoothing: 0.1,
      temperature: 1.3,
      softcap: 5,
      zLoss: 0.01,
      focalGamma: 1.5,
      mask: maskOf(problem),
    }),
};
const NAMES = Object.keys(CASES);

/** What fit takes as targets. */
const targetsOf = ({ problem, loss }: Case) => (loss.softTargets as Float32Array) ?? problem.targets;

const TRAINING = {
  epochs: 3,
  batchSize: 64,
  learningRate: 0.05,
  momentum: 0.8,
  nesterov: true,
  weightDecay: 0.01,
  shuffle: true,
  seed: 11,
};
/** A sum over a batch has gradients as many times larger. */
const trainingOf = ({ loss }: Case, rate = TRAINING.learningRate, batchSize = TRAINING.batchSize) => ({
  ...TRAINING,
  batchSize,
  learningRate: loss.reduction === 'sum' ? rate / batchSize : rate,
});

const classifierFor = (engine: Engine, { features, classes }: Problem) =>
  new SoftmaxClassifier(engine, { features, classes });

describe.each(builds)('fit with loss options (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  async function expectLikeReference(chosen: Case, training: ReturnType<typeof trainingOf>, bound: number) {
    const { problem, options, loss } = chosen;
    const wanted = fitReference(problem, training, loss);
    const classifier = classifierFor(engine, problem);
    const losses: number[] = [];
    const { epochs } = await classifier.fit(problem.inputs, targetsOf(chosen), {
      ...training,
      ...options,
      onStep: (report) => losses.push(report.loss),
    });
    const scale = loss.reduction === 'sum' ? training.batchSize : 1;
    expect(losses).toHaveLength(wanted.losses.length);
    expect(largestDifference(losses, wanted.losses) / scale).toBeLessThan(bound);
    expect(largestDifference(classifier.weights, wanted.weights)).toBeLessThan(bound);
    expect(largestDifference(classifier.bias, wanted.bias)).toBeLessThan(bound);
    // An epoch's mean divides by the weights of its steps.
    const stepsAnEpoch = wanted.losses.length / training.epochs;
    for (const [index, { loss: got }] of epochs.entries()) {
      const steps = wanted.losses.slice(index * stepsAnEpoch, (index + 1) * stepsAnEpoch);
      const weights = wanted.weightSums.slice(index * stepsAnEpoch, (index + 1) * stepsAnEpoch);
      const total = (values: number[]) => values.reduce((sum, value) => sum + value, 0);
      const epochLoss =
        loss.reduction === 'sum'
          ? total(steps)
          : total(steps.map((step, i) => step * weights[i]!)) / total(weights);
      expect(Math.abs(got - epochLoss) / (scale * stepsAnEpoch)).toBeLessThan(bound);
    }
  }

  test.each(NAMES)(
    'by partials, 7 classes: %s is within 2e-5 of float64 training by the formulas',
    (name) => {
      const chosen = CASES[name]!(byPartials);
      return expectLikeReference(chosen, trainingOf(chosen), 2e-5);
    },
  );

  test.each(NAMES)(
    'by partials, 67 classes: %s is within 2e-5 of float64 training by the formulas',
    (name) => {
      const chosen = CASES[name]!(wide);
      return expectLikeReference(chosen, trainingOf(chosen), 2e-5);
    },
  );

  test.each(NAMES)('by tiles: %s is within 5e-5 of float64 training by the formulas', (name) => {
    const chosen = CASES[name]!(byTiles);
    const training = { ...trainingOf(chosen, 0.02, 100), epochs: 1 };
    return expectLikeReference(chosen, training, 5e-5);
  });

  test.each(NAMES)('%s: the gradient of a step is that of finite differences within 1e-5', async (name) => {
    const small = clusters(29, 3, 5, 4);
    const chosen = CASES[name]!(small);
    const { problem, options, loss } = chosen;
    const { features, classes, rows } = problem;
    const start = randomValues((features + 1) * classes, 0.5, 3);
    const classifier = classifierFor(engine, problem);
    const weightsLength = features * classes;
    classifier.weights.set(start.subarray(0, weightsLength));
    classifier.bias.set(start.subarray(weightsLength));
    await classifier.fit(problem.inputs, targetsOf(chosen), {
      ...options,
      epochs: 1,
      batchSize: 'full',
      learningRate: 0.25,
    });
    const all = Array.from({ length: rows }, (_, row) => row);
    const lossAt = (point: Float64Array) =>
      referenceStep(problem, loss, all, point.subarray(0, weightsLength), point.subarray(weightsLength)).loss;
    const gradient = centralDifferences(lossAt, start);
    const moved = [...classifier.weights, ...classifier.bias].map((value, i) => (start[i]! - value) / 0.25);
    const scale = loss.reduction === 'sum' ? rows : 1;
    expect(largestDifference(moved, gradient) / scale).toBeLessThan(1e-5);
  });

  test.each(NAMES)(
    '%s: validationLoss is that of evaluate, and of the formulas within 1e-5',
    async (name) => {
      const chosen = CASES[name]!(byPartials);
      const { problem, options, loss } = chosen;
      const { rows, features, classes, inputs } = problem;
      const { validation } = splitRows(rows, 0.2, TRAINING.seed);
      const classifier = classifierFor(engine, problem);
      const training = { ...trainingOf(chosen), validationSplit: 0.2 };
      const { epochs } = await classifier.fit(inputs, targetsOf(chosen), { ...training, ...options });
      const { validationLoss, validationAccuracy } = epochs.at(-1)!;
      const wanted = referenceStep(problem, loss, validation, classifier.weights, classifier.bias);
      const scale = loss.reduction === 'sum' ? validation.length : 1;
      expect(Math.abs(validationLoss! - wanted.loss) / scale).toBeLessThan(1e-5);

      const { reduction, onEmpty: _, sampleWeight, mask, ...others } = options;
      const apart = {
        inputs: Float32Array.from(rowsAt(inputs, features, validation)),
        targets: loss.softTargets
          ? Float32Array.from(rowsAt(loss.softTargets, classes, validation))
          : Int32Array.from(rowsAt(problem.targets, 1, validation)),
        ...(sampleWeight && { sampleWeight: rowsAt(sampleWeight, 1, validation) }),
        ...(mask && { mask: Uint8Array.from(rowsAt(mask as Uint8Array, classes, validation)) }),
      };
      const { inputs: apartInputs, targets: apartTargets, ...ofRows } = apart;
      const evaluation = await classifier.evaluate(apartInputs, apartTargets, {
        ...(others as object),
        ...ofRows,
      });
      expect(reduction === 'sum' ? evaluation.lossSum : evaluation.loss).toBe(validationLoss);
      expect(evaluation.accuracy).toBe(validationAccuracy);
      expect(evaluation.weightSum).toBeCloseTo(wanted.weightSum, 8);

      // The same rows given apart, after no step at all.
      const given = classifierFor(engine, problem);
      given.weights.set(classifier.weights);
      given.bias.set(classifier.bias);
      const again = await given.fit(inputs, targetsOf(chosen), {
        ...options,
        epochs: 1,
        learningRate: 0,
        validation: apart,
      });
      expect(again.epochs[0]!.validationLoss).toBe(validationLoss);
      expect(again.epochs[0]!.validationAccuracy).toBe(validationAccuracy);
    },
  );

  async function trainedBits(
    problem: Problem,
    targets: Parameters<SoftmaxClassifier['fit']>[1],
    options: FitOptions,
  ) {
    const classifier = classifierFor(engine, problem);
    const { epochs } = await classifier.fit(problem.inputs, targets, { ...TRAINING, ...options });
    return bitsOf(classifier.weights, classifier.bias, ...epochs.map(({ loss }) => loss));
  }

  test('options at their neutral values leave plain training on its kernels: the same bits', async () => {
    const plain = await trainedBits(byPartials, byPartials.targets, {});
    const neutral: FitOptions = {
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
      const options: FitOptions = { batchSize: 'full', shuffle: false, learningRate: 0.01, temperature: 1.5 };
      const fewer: Problem = {
        ...problem,
        rows: kept,
        inputs: problem.inputs.slice(0, kept * features),
        targets: problem.targets.slice(0, kept),
      };
      const wanted = await trainedBits(fewer, fewer.targets, options);

      const ignored = { ...problem, inputs: problem.inputs.slice(), targets: problem.targets.slice() };
      ignored.targets.fill(-100, kept);
      ignored.inputs.fill(Number.NaN, kept * features);
      expect(await trainedBits(ignored, ignored.targets, options)).toBe(wanted);

      const sampleWeight = new Float32Array(rows).fill(1).fill(0, kept);
      expect(await trainedBits(problem, problem.targets, { ...options, sampleWeight })).toBe(wanted);
    },
  );

  test('rows ignored anywhere in the order are as if they were not there within 1e-6', async () => {
    const ignored = withIgnoredRows(byPartials, -100);
    for (let row = 2; row < ignored.rows; row += 5) {
      ignored.inputs = ignored.inputs.slice();
      ignored.inputs.fill(Number.NaN, row * ignored.features, (row + 1) * ignored.features);
    }
    const kept = Array.from({ length: ignored.rows }, (_, row) => row).filter((row) => row % 5 !== 2);
    const options: FitOptions = { ...TRAINING, batchSize: 'full' };
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
    const options: FitOptions = { validationSplit: 0.3, labelSmoothing: 0.1 };
    const balanced = await trainedBits(problem, problem.targets, { ...options, weight: 'balanced' });
    expect(await trainedBits(problem, problem.targets, { ...options, weight })).toBe(balanced);
    const unweighted = await trainedBits(problem, problem.targets, options);
    expect(unweighted).not.toBe(balanced);
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
      const floats = Float32Array.from(bytes, (byte) => byte * Math.fround(1 / 255));
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
      ).toBe(problem === byTiles ? 'tiles' : 'partials');
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
    ['by partials', byPartials, 'ignored'],
    ['by partials', byPartials, 'of weight 0'],
    ['by tiles', byTiles, 'ignored'],
    ['by tiles', byTiles, 'of weight 0'],
  ] as const)(
    '%s: a step whose rows are all %3$s has loss 0 and no gradient: momentum and weight decay go on',
    async (_, problem, kind) => {
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
    expect(plan.by).toBe('tiles');
    expect(plan.chunkRows).toBeLessThan(whole.rows);
    const isKept = (row: number) => row % 17 !== 3 && row < 16_990;
    const targets = whole.targets.map((target, row) => (isKept(row) ? target : -100));
    const inputs = whole.inputs.map((value, i) => (isKept(Math.floor(i / 33)) ? value : Number.NaN));
    const kept = Array.from({ length: whole.rows }, (_, row) => row).filter(isKept);
    const options: FitOptions = { epochs: 2, batchSize: 'full', learningRate: 0.5 };
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

    // Shuffled, with a quarter of the rows that counts: some later epoch is the first with an empty step.
    const few = Int32Array.from({ length: rows }, (_, row) => (row < 120 ? 1 : -100));
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
    expect(epochs.length).toBeGreaterThan(0);
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

describe.each(builds)('the same bits of training with loss options (%s)', (numerics) => {
  const engines: Engine[] = [];
  beforeAll(async () => {
    for (const threads of [1, 2, 3, 8]) engines.push(await Engine.create({ threads, numerics }));
  });
  afterAll(async () => {
    for (const engine of engines) await engine.close();
  });

  const ways = [
    ['by partials', byPartials, 96],
    ['by tiles', byTiles, 100],
  ] as const;
  test.each(
    ways.flatMap(([way, problem, batchSize]) =>
      NAMES.map((name) => [way, name, problem, batchSize] as const),
    ),
  )(
    '%s, %s: loss, weights, validation and evaluation for 1, 2, 3 and 8 threads',
    async (_, name, problem, batchSize) => {
      const chosen = CASES[name]!(problem);
      const digests = [];
      for (const engine of engines) {
        const classifier = classifierFor(engine, chosen.problem);
        const { epochs } = await classifier.fit(chosen.problem.inputs, targetsOf(chosen), {
          ...trainingOf(chosen, 0.01, batchSize),
          ...chosen.options,
          epochs: 2,
          validationSplit: 0.1,
        });
        const { onEmpty: _, reduction: __, ...options } = chosen.options;
        const evaluation = await classifier.evaluate(
          chosen.problem.inputs,
          targetsOf(chosen),
          options as object,
        );
        const { loss, perplexity, accuracy, calibration } = evaluation;
        digests.push(
          bitsOf(
            classifier.weights,
            classifier.bias,
            loss,
            perplexity,
            accuracy,
            calibration.expectedError,
            ...epochs.flatMap((epoch) => [epoch.loss, epoch.validationLoss!]),
          ),
        );
      }
      expect(new Set(digests).size).toBe(1);
    },
  );
});

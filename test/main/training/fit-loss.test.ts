// Training with every option of the loss: against float64 training by the formulas.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '#softshard/main/index.js';
import { planTraining } from '#softshard/main/plans/training.js';
import { splitRows } from '#softshard/main/training/rows/row-order.js';
import { bitsOf, expectSameBits } from '../../bits.js';
import { centralDifferences } from '../../kernels/finite-differences.js';
import { builds, randomValues } from '../../kernels/workbench.js';
import { byPartials, byTiles, CASES, type Case, classifierFor, TRAINING } from './loss-cases.js';
import { clusters, fitReference, largestDifference, referenceStep, rowsAt } from './workbench.js';

const wide = clusters(211, 37, 67, 9);
const NAMES = Object.keys(CASES);

/** What fit takes as targets. */
const targetsOf = ({ problem, loss }: Case) => (loss.softTargets as Float32Array) ?? problem.targets;

/** A sum over a batch has gradients as many times larger. */
const trainingOf = ({ loss }: Case, rate = TRAINING.learningRate, batchSize = TRAINING.batchSize) => ({
  ...TRAINING,
  batchSize,
  learningRate: loss.reduction === 'sum' ? rate / batchSize : rate,
});

test.each([
  ['data-parallel', byPartials, [64, 96, 100, 500]],
  ['data-parallel', wide, [64]],
  ['parameter-sharded', byTiles, [100, 128]],
] as const)('by %s is how the problems below are trained', (by, problem, batchSizes) => {
  for (const batchSize of batchSizes) expect(planTraining({ ...problem, batchSize }).by).toBe(by);
});

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
        ...(sampleWeight && { sampleWeight: rowsAt(sampleWeight as Float32Array, 1, validation) }),
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
      expectSameBits(digests);
    },
  );
});

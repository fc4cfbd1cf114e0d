import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { planTraining } from '#softshard/main/plans/training.js';
import { splitRows } from '#softshard/main/training/rows/row-order.js';
import { bitsOf, expectSameBits } from '../../bits.js';
import { sharedEngines } from '../../engines.js';
import { builds, randomValues } from '../../kernels/workbench.js';
import { clusters, fitReference, largestDifference, type Problem } from './workbench.js';

// Few parameters are trained by partials, many by tiles (plans/training.test.ts says when).
const byPartials = clusters(500, 19, 7, 5);
const byTiles = clusters(128, 611, 499, 6);

const IN_CHUNKS = {
  epochs: 1,
  learningRate: 0.5,
  momentum: 0,
  nesterov: false,
  weightDecay: 0,
  shuffle: true,
  seed: 3,
};

let chunked: { problem: Problem; wanted: ReturnType<typeof fitReference> } | undefined;

/** Ten times the same rows, whose mean loss is that of them once: float64 training of all would take ten seconds. */
function inChunks() {
  if (chunked === undefined) {
    const once = clusters(61, 9, 30_011, 8);
    const problem = {
      ...once,
      rows: 10 * once.rows,
      inputs: Float32Array.from(
        { length: 10 * once.inputs.length },
        (_, i) => once.inputs[i % once.inputs.length]!,
      ),
      targets: Int32Array.from({ length: 10 * once.rows }, (_, row) => once.targets[row % once.rows]!),
    };
    chunked = { problem, wanted: fitReference(once, { ...IN_CHUNKS, batchSize: once.rows }) };
  }
  return chunked;
}

describe.each(builds)('SoftmaxClassifier (%s)', (numerics) => {
  const engineOf = sharedEngines();
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const variants: [string, Partial<Training.FitOptions>][] = [
    ['plain', {}],
    ['momentum', { momentum: 0.9 }],
    ['Nesterov', { momentum: 0.8, nesterov: true }],
    ['weight decay', { weightDecay: 0.05 }],
    ['all', { momentum: 0.9, nesterov: true, weightDecay: 0.01 }],
    ['without shuffling', { shuffle: false }],
  ];

  test.each(variants)(
    'fit by partials (%s) is within 2e-5 of float64 training by the formulas',
    async (_, variant) => {
      const options = {
        epochs: 3,
        batchSize: 64,
        learningRate: 0.1,
        momentum: 0,
        nesterov: false,
        weightDecay: 0,
        shuffle: true,
        seed: 11,
        ...variant,
      };
      const wanted = fitReference(byPartials, options as Parameters<typeof fitReference>[1]);
      const classifier = new SoftmaxClassifier(engine, byPartialsShape());
      const steps: number[] = [];
      const result = await classifier.fit(byPartials.inputs, byPartials.targets, {
        ...options,
        onStep: ({ step, steps: all, loss }) => {
          expect(step).toBe(steps.length + 1);
          expect(all).toBe(24);
          steps.push(loss);
        },
      });
      expect(result.steps).toBe(24);
      expect(largestDifference(steps, wanted.losses)).toBeLessThan(2e-5);
      expect(largestDifference(classifier.weights, wanted.weights)).toBeLessThan(2e-5);
      expect(largestDifference(classifier.bias, wanted.bias)).toBeLessThan(2e-5);
    },
  );

  test('fit by tiles is within 5e-5 of float64 training by the formulas', async () => {
    const options = {
      epochs: 2,
      batchSize: 100,
      learningRate: 0.02,
      momentum: 0.9,
      nesterov: true,
      weightDecay: 0.01,
      shuffle: true,
      seed: 3,
    };
    expect(planTraining({ ...byTiles, batchSize: options.batchSize }).by).toBe('parameter-sharded');
    const wanted = fitReference(byTiles, options);
    const classifier = new SoftmaxClassifier(engine, {
      features: byTiles.features,
      classes: byTiles.classes,
    });
    const losses: number[] = [];
    await classifier.fit(byTiles.inputs, byTiles.targets, {
      ...options,
      onStep: ({ loss }) => losses.push(loss),
    });
    expect(largestDifference(losses, wanted.losses)).toBeLessThan(5e-5);
    expect(largestDifference(classifier.weights, wanted.weights)).toBeLessThan(5e-5);
    expect(largestDifference(classifier.bias, wanted.bias)).toBeLessThan(5e-5);
  });

  test('fit by tiles in several chunks of rows is within 2e-5 of float64, with the same bits for 1, 2, 3 and 8 threads', async () => {
    // Logits of all rows would take 73 MB; at most 64 MiB of them are held at a time.
    const { problem, wanted } = inChunks();
    const plan = planTraining({ ...problem, batchSize: problem.rows });
    expect(plan.by).toBe('parameter-sharded');
    expect(plan.chunkRows).toBeLessThan(problem.rows);
    const digests = [];
    for (const threads of [1, 2, 3, 8]) {
      const other = await engineOf({ threads, numerics });
      const classifier = new SoftmaxClassifier(other, {
        features: problem.features,
        classes: problem.classes,
      });
      const { epochs } = await classifier.fit(problem.inputs, problem.targets, {
        ...IN_CHUNKS,
        batchSize: 'full',
      });
      expect(Math.abs(epochs[0]!.loss - wanted.losses[0]!)).toBeLessThan(2e-5);
      expect(largestDifference(classifier.weights, wanted.weights)).toBeLessThan(2e-5);
      expect(largestDifference(classifier.bias, wanted.bias)).toBeLessThan(2e-5);
      digests.push(bitsOf(classifier.weights, classifier.bias, epochs[0]!.loss));
    }
    expectSameBits(digests);
  }, 300_000);

  function byPartialsShape() {
    return { features: byPartials.features, classes: byPartials.classes };
  }

  test('predict, predictProbabilities and evaluate agree with the formulas on the trained weights', async () => {
    const { inputs, targets, rows, features, classes } = byPartials;
    const classifier = new SoftmaxClassifier(engine, byPartialsShape());
    await classifier.fit(inputs, targets, { epochs: 2 });
    const logits = reference.linearForward(
      inputs,
      classifier.weights,
      classifier.bias,
      rows,
      features,
      classes,
    );
    const wanted = reference.mapRows(logits, rows, classes, reference.softmax);
    const probabilities = await classifier.predictProbabilities(inputs);
    expect(probabilities.dims).toEqual([rows, classes]);
    expect(largestDifference(probabilities.data, wanted)).toBeLessThan(2e-6);
    using resident = engine.matrix(rows, classes);
    expect(await classifier.predictProbabilities(inputs, { into: resident })).toBe(resident);
    expect(bitsOf(resident.data)).toBe(bitsOf(probabilities.data));

    const { predictions, ranks } = reference.evaluateRows(logits, rows, classes, targets);
    expect([...(await classifier.predict(inputs))]).toEqual([...predictions]);
    const evaluation = await classifier.evaluate(inputs, targets, { topK: 2 });
    expect(evaluation.rows).toBe(rows);
    expect(evaluation.accuracy).toBeGreaterThan(0.7);
    expect(evaluation.accuracy).toBe(evaluation.correct / rows);
    expect(evaluation.accuracy).toBe(reference.topKAccuracy(ranks, 1));
    expect(evaluation.topKAccuracy).toBe(reference.topKAccuracy(ranks, 2));
    expect(Math.abs(evaluation.loss - reference.crossEntropy(logits, targets, rows, classes))).toBeLessThan(
      1e-5,
    );
    const confusion = evaluation.confusion!;
    expect(confusion.dims).toEqual([classes, classes]);
    const counts = new Uint32Array(classes * classes);
    for (let row = 0; row < rows; row++) counts[targets[row]! * classes + predictions[row]!]!++;
    expect(confusion.data).toEqual(counts);
  });

  test('onEpochEnd sees the weights of its epoch, loss and validation of the rows split off', async () => {
    const { inputs, targets, rows, features, classes } = byPartials;
    const classifier = new SoftmaxClassifier(engine, byPartialsShape());
    const { validation } = splitRows(rows, 0.2, 9);
    expect(validation.length).toBe(100);
    const apart = Float32Array.from(
      [...validation].flatMap((row) => [...inputs.subarray(row * features, (row + 1) * features)]),
    );
    const apartTargets = Int32Array.from(validation, (row) => targets[row]!);
    const seen: number[] = [];
    const { epochs } = await classifier.fit(inputs, targets, {
      epochs: 3,
      validationSplit: 0.2,
      seed: 9,
      onEpochEnd: async (report) => {
        const logits = reference.linearForward(
          apart,
          classifier.weights,
          classifier.bias,
          100,
          features,
          classes,
        );
        seen.push(report.validationLoss!);
        expect(
          Math.abs(report.validationLoss! - reference.crossEntropy(logits, apartTargets, 100, classes)),
        ).toBeLessThan(1e-5);
        expect(report.validationAccuracy).toBe((await classifier.evaluate(apart, apartTargets)).accuracy);
      },
    });
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(epochs.map(({ validationLoss }) => validationLoss)).toEqual(seen);
    expect(epochs[2]!.loss).toBeLessThan(epochs[0]!.loss);
    const again = new SoftmaxClassifier(engine, byPartialsShape());
    const given = await again.fit(inputs, targets, {
      epochs: 1,
      validation: { inputs: { type: 'float32', dims: [100, features], data: apart }, targets: apartTargets },
    });
    expect(given.epochs[0]!.validationLoss).toBeGreaterThan(0);
  });

  test('grouping short epochs into one residency changes no bits', async () => {
    const trained = async (options: Training.FitOptions) => {
      const classifier = new SoftmaxClassifier(engine, byPartialsShape());
      const { epochs } = await classifier.fit(byPartials.inputs, byPartials.targets, {
        epochs: 7,
        batchSize: 100,
        seed: 4,
        momentum: 0.5,
        ...options,
      });
      return bitsOf(classifier.weights, classifier.bias, ...epochs.map(({ loss }) => loss));
    };
    expect(await trained({})).toBe(await trained({ onEpochEnd: () => {} }));
  });

  test('fit goes on from the present weights: two fits of one epoch are not one', async () => {
    const classifier = new SoftmaxClassifier(engine, byPartialsShape());
    const first = await classifier.fit(byPartials.inputs, byPartials.targets, { epochs: 1 });
    const second = await classifier.fit(byPartials.inputs, byPartials.targets, { epochs: 1 });
    expect(second.epochs[0]!.loss).toBeLessThan(first.epochs[0]!.loss);
  });

  test('another operation is let in between steps, and changes no bits of the training', async () => {
    const trained = async (disturb: boolean) => {
      const classifier = new SoftmaxClassifier(engine, byPartialsShape());
      const running = classifier.fit(byPartials.inputs, byPartials.targets, {
        epochs: 100,
        batchSize: 32,
        seed: 4,
      });
      let ended = false;
      let calls = 0;
      const end = running.finally(() => {
        ended = true;
      });
      while (disturb && !ended) {
        await engine.softmax(Float32Array.of(1, 2), { columns: 2 });
        calls++;
      }
      await end;
      return { bits: bitsOf(classifier.weights), calls };
    };
    const alone = await trained(false);
    // Mostly some 200; on a machine that does much else, this thread may sleep through a whole training.
    let most = 0;
    for (let run = 0; run < 5 && most <= 3; run++) {
      const disturbed = await trained(true);
      expect(disturbed.bits).toBe(alone.bits);
      most = Math.max(most, disturbed.calls);
    }
    expect(most).toBeGreaterThan(3);
  });

  test('two classifiers can train at the same time, each with the bits it has alone', async () => {
    const trained = async (seed: number) => {
      const classifier = new SoftmaxClassifier(engine, byPartialsShape());
      await classifier.fit(byPartials.inputs, byPartials.targets, { epochs: 50, batchSize: 32, seed });
      return bitsOf(classifier.weights);
    };
    const alone = [await trained(1), await trained(2)];
    expect(await Promise.all([trained(1), trained(2)])).toEqual(alone);
  });

  test('predict and evaluate pass through an arena with room for a few rows only', async () => {
    const problem = clusters(5_000, 64, 300, 9);
    const digests = [];
    for (const [threads, arenaBytes] of [
      [2, 2 ** 32],
      [2, 2 ** 20],
      [8, 2 ** 21],
      [2, 2 ** 22],
    ] as const) {
      await using small = await Engine.create({ threads, numerics, arenaBytes });
      const classifier = new SoftmaxClassifier(small, { features: 64, classes: 300 });
      classifier.weights.set(randomValues(classifier.weights.length, 0.5, 4));
      const { usedBytes } = small.memoryUsage();
      const { loss, topKAccuracy } = await classifier.evaluate(problem.inputs, problem.targets);
      const probabilities = await classifier.predictProbabilities(problem.inputs);
      digests.push(bitsOf(loss, topKAccuracy, probabilities.data, await classifier.predict(problem.inputs)));
      expect(small.memoryUsage().usedBytes).toBe(usedBytes);
    }
    expectSameBits(digests);
  });
});

describe.each(builds)('the same bits of training (%s)', (numerics) => {
  const engineOf = sharedEngines();
  const cases: [string, Problem, Training.FitOptions][] = [
    [
      'by partials',
      byPartials,
      { epochs: 3, batchSize: 96, momentum: 0.9, nesterov: true, weightDecay: 0.01, seed: 7 },
    ],
    ['by partials, full batch', byPartials, { epochs: 5, batchSize: 'full', seed: 7 }],
    ['by partials, single rows', byPartials, { epochs: 1, batchSize: 1, seed: 7 }],
    ['by tiles', byTiles, { epochs: 2, batchSize: 100, momentum: 0.9, weightDecay: 0.01, seed: 7 }],
  ];
  test.each(cases)(
    '%s: loss, weights, probabilities and evaluation for 1, 2, 3 and 8 threads',
    async (_, problem, options) => {
      const digests = [];
      for (const threads of [1, 2, 3, 8]) {
        const engine = await engineOf({ threads, numerics });
        const classifier = new SoftmaxClassifier(engine, {
          features: problem.features,
          classes: problem.classes,
        });
        const { epochs } = await classifier.fit(problem.inputs, problem.targets, {
          validationSplit: 0.1,
          ...options,
        });
        const { loss, accuracy } = await classifier.evaluate(problem.inputs, problem.targets);
        const probabilities = await classifier.predictProbabilities(problem.inputs);
        digests.push(
          bitsOf(
            classifier.weights,
            classifier.bias,
            probabilities.data,
            loss,
            accuracy,
            ...epochs.flatMap((epoch) => [epoch.loss, epoch.validationLoss!]),
          ),
        );
      }
      expectSameBits(digests);
    },
  );
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { Engine, type FitOptions, SoftmaxClassifier } from '#softshard/main/index.js';
import { planTraining } from '#softshard/main/plans/training.js';
import { splitRows } from '#softshard/main/training/row-order.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';
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

/** Float64 training of this size takes seconds: once for all builds. */
function inChunks() {
  if (chunked === undefined) {
    const problem = clusters(17_000, 33, 1000, 8);
    chunked = { problem, wanted: fitReference(problem, { ...IN_CHUNKS, batchSize: problem.rows }) };
  }
  return chunked;
}

describe.each(builds)('SoftmaxClassifier (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  const variants: [string, Partial<FitOptions>][] = [
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
    expect(planTraining({ ...byTiles, batchSize: options.batchSize }).by).toBe('tiles');
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
    // Logits of all rows would take 68 MB; at most 64 MiB of them are held at a time.
    const { problem, wanted } = inChunks();
    const plan = planTraining({ ...problem, batchSize: problem.rows });
    expect(plan.by).toBe('tiles');
    expect(plan.chunkRows).toBeLessThan(problem.rows);
    const digests = [];
    for (const threads of [1, 2, 3, 8]) {
      await using other = await Engine.create({ threads, numerics });
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
    expect(new Set(digests).size).toBe(1);
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
    const trained = async (options: FitOptions) => {
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
        epochs: 300,
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
    const disturbed = await trained(true);
    expect(disturbed.calls).toBeGreaterThan(3);
    expect(disturbed.bits).toBe(alone.bits);
  });

  test('two classifiers can train at the same time, each with the bits it has alone', async () => {
    const trained = async (seed: number) => {
      const classifier = new SoftmaxClassifier(engine, byPartialsShape());
      await classifier.fit(byPartials.inputs, byPartials.targets, { epochs: 100, batchSize: 32, seed });
      return bitsOf(classifier.weights);
    };
    const alone = [await trained(1), await trained(2)];
    expect(await Promise.all([trained(1), trained(2)])).toEqual(alone);
  });

  test('aborting rejects with the reason; the weights are those after a whole step', async () => {
    const classifier = new SoftmaxClassifier(engine, byPartialsShape());
    const controller = new AbortController();
    const reason = new Error('that will do');
    const losses: number[] = [];
    const error = await failure(() =>
      classifier.fit(byPartials.inputs, byPartials.targets, {
        epochs: 1_000_000,
        batchSize: 50,
        seed: 2,
        signal: controller.signal,
        onStep: ({ loss }) => {
          losses.push(loss);
          if (losses.length === 30) controller.abort(reason);
        },
      }),
    );
    expect(error).toBe(reason);
    expect(losses.length).toBeGreaterThanOrEqual(30);
    expect(classifier.weights.some((weight) => weight !== 0)).toBe(true);
    // The same number of steps, without aborting: the same bits.
    const epochs = Math.ceil(losses.length / 10);
    const same = fitReference(byPartials, {
      epochs,
      batchSize: 50,
      learningRate: 0.1,
      momentum: 0,
      nesterov: false,
      weightDecay: 0,
      shuffle: true,
      seed: 2,
    });
    expect(largestDifference(losses, same.losses.slice(0, losses.length))).toBeLessThan(1e-3);
    expect((await engine.softmax(Float32Array.of(0, 0), { columns: 2 })).data[0]).toBe(0.5);
  });

  test('aborting within a step leaves the step at once and undoes it', async () => {
    for (const [rows, features, classes] of [
      [60_000, 200, 10],
      [20_000, 64, 2000],
    ] as const) {
      expect(planTraining({ rows, batchSize: rows, features, classes }).by).toBe(
        classes === 10 ? 'partials' : 'tiles',
      );
      using inputs = engine.matrix(rows, features);
      inputs.data.fill(1);
      const classifier = new SoftmaxClassifier(engine, { features, classes });
      const controller = new AbortController();
      const running = failure(() =>
        classifier.fit(inputs, new Uint8Array(rows), { batchSize: 'full', signal: controller.signal }),
      );
      setImmediate(() => controller.abort());
      expect(await running).toBe(controller.signal.reason);
      expect(classifier.bias.every((bias) => bias === 0)).toBe(true);
      expect(classifier.weights.every((weight) => weight === 0)).toBe(true);
    }
  });

  test('an error thrown by a callback ends training and reaches the caller', async () => {
    for (const name of ['onStep', 'onEpochEnd'] as const) {
      const classifier = new SoftmaxClassifier(engine, byPartialsShape());
      const thrown = new Error(`from ${name}`);
      const error = await failure(() =>
        classifier.fit(byPartials.inputs, byPartials.targets, {
          epochs: 1000,
          [name]: () => {
            throw thrown;
          },
        }),
      );
      expect(error).toBe(thrown);
    }
  });

  test('a loss that is not finite: ERR_DIVERGED names the step and the remedy, the model keeps its weights', async () => {
    const inputs = byPartials.inputs.slice();
    inputs[1000] = Number.NaN;
    const classifier = new SoftmaxClassifier(engine, byPartialsShape());
    const error = await failure(() => classifier.fit(inputs, byPartials.targets, { batchSize: 100 }));
    expect(error).toMatchObject({ code: 'ERR_DIVERGED' });
    expect(error.message).toMatch(/step \d+ is NaN: lower options\.learningRate/);
    expect(classifier.weights.every((weight) => weight === 0)).toBe(true);
  });

  test('two runs that diverge at the same time, each making way for the other: ERR_DIVERGED for both', async () => {
    const inputs = byPartials.inputs.slice();
    inputs[1000] = Number.NaN;
    const classifiers = [1, 2].map(() => new SoftmaxClassifier(engine, byPartialsShape()));
    const errors = await Promise.all(
      classifiers.map((classifier) =>
        failure(() => classifier.fit(inputs, byPartials.targets, { batchSize: 20, epochs: 3 })),
      ),
    );
    for (const error of errors) {
      expect(error.code).toBe('ERR_DIVERGED');
      expect(error.message).toContain('weights from before epoch 1');
    }
    for (const { weights } of classifiers) expect(weights.every((weight) => weight === 0)).toBe(true);
  });

  test('aborting in the very step that diverges does not give the model weights of NaN', async () => {
    // One step of some 10 ms, aborted at different times.
    using inputs = engine.matrix(20_000, 200);
    inputs.data.fill(Number.NaN);
    const targets = new Uint8Array(20_000);
    for (let delayMs = 0; delayMs < 10; delayMs++) {
      const classifier = new SoftmaxClassifier(engine, { features: 200, classes: 10 });
      const controller = new AbortController();
      const running = failure(() =>
        classifier.fit(inputs, targets, { batchSize: 'full', signal: controller.signal }),
      );
      setTimeout(() => controller.abort(), delayMs);
      await running;
      expect(classifier.weights.every(Number.isFinite)).toBe(true);
    }
  });

  test('inputs that are freed during training are kept until it has ended', async () => {
    const trained = async (free: boolean) => {
      const classifier = new SoftmaxClassifier(engine, byPartialsShape());
      const inputs = engine.matrix(byPartials.rows, byPartials.features);
      inputs.data.set(byPartials.inputs);
      const validation = { inputs: engine.matrix(10, byPartials.features), targets: new Uint8Array(10) };
      const running = classifier.fit(inputs, byPartials.targets, { epochs: 5, validation });
      if (free) for (const matrix of [inputs, validation.inputs]) matrix.free();
      const others = [
        engine.matrix(byPartials.rows, byPartials.features),
        engine.matrix(10, byPartials.features),
      ];
      for (const other of others) other.data.fill(Number.NaN);
      const { epochs } = await running;
      for (const matrix of [inputs, validation.inputs, ...others]) matrix.free();
      return bitsOf(
        classifier.weights,
        ...epochs.flatMap(({ loss, validationLoss }) => [loss, validationLoss!]),
      );
    };
    const { usedBytes } = engine.memoryUsage();
    expect(await trained(true)).toBe(await trained(false));
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('predict and evaluate pass through an arena with room for a few rows only', async () => {
    const problem = clusters(20_000, 64, 300, 9);
    const digests = [];
    for (const [threads, arenaBytes] of [
      [2, 2 ** 32],
      [2, 2 ** 20],
      [8, 2 ** 21],
      [2, 2 ** 24],
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
    expect(new Set(digests).size).toBe(1);
  });

  test('training gives back all the memory it took, also when it fails', async () => {
    const { usedBytes } = engine.memoryUsage();
    const classifier = new SoftmaxClassifier(engine, byPartialsShape());
    await classifier.fit(byPartials.inputs, byPartials.targets, { validationSplit: 0.1, epochs: 2 });
    await failure(() =>
      classifier.fit(byPartials.inputs, byPartials.targets, { signal: AbortSignal.abort() }),
    );
    await classifier.evaluate(byPartials.inputs, byPartials.targets);
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });
});

describe.each(builds)('the same bits of training (%s)', (numerics) => {
  const cases: [string, Problem, FitOptions][] = [
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
        await using engine = await Engine.create({ threads, numerics });
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
      expect(new Set(digests).size).toBe(1);
    },
  );
});

describe('wrong arguments', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 1 });
  });
  afterAll(() => engine.close());
  const wrong = (value: unknown) => value as never;

  test.each<[string, string, RegExp, Partial<Record<keyof FitOptions, unknown>>]>([
    ['epochs 0', 'ERR_OPTION', /options\.epochs is 0/, { epochs: 0 }],
    ['batchSize 0', 'ERR_OPTION', /options\.batchSize is 0/, { batchSize: 0 }],
    [
      'a learning rate that is none',
      'ERR_OPTION',
      /options\.learningRate is NaN/,
      { learningRate: Number.NaN },
    ],
    ['momentum 1', 'ERR_OPTION', /options\.momentum is 1: .*\[0, 1\)/, { momentum: 1 }],
    ['Nesterov without momentum', 'ERR_OPTION', /momentum of 0/, { nesterov: true }],
    ['a negative weight decay', 'ERR_OPTION', /options\.weightDecay is -1/, { weightDecay: -1 }],
    ['a fractional seed', 'ERR_OPTION', /options\.seed is 0\.5/, { seed: 0.5 }],
    ['split and validation', 'ERR_OPTION', /both given/, { validationSplit: 0.5, validation: {} }],
    ['a callback that is none', 'ERR_OPTION', /options\.onStep is 3/, { onStep: 3 }],
    ['a misspelled option', 'ERR_OPTION', /no option 'learningrate'/, { learningrate: 1 } as object],
  ])('fit with %s: %s', async (_, code, message, options) => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    const error = await failure(() => classifier.fit(new Float32Array(4), [0, 1], wrong(options)));
    expect({ code: error.code, message: error.message }).toEqual({
      code,
      message: expect.stringMatching(message),
    });
  });

  test.each<[string, string, string, Partial<Record<keyof FitOptions, unknown>> | null]>([
    ['no options object', 'ERR_OPTION', 'options', null],
    ['validation null', 'ERR_OPTION', 'options.validation', { validation: null }],
    [
      'a misspelled part of validation',
      'ERR_OPTION',
      'options.validation.labels',
      { validation: { inputs: new Float32Array(4), labels: [0, 1] } },
    ],
    [
      'validation targets out of range',
      'ERR_TARGET_RANGE',
      'options.validation.targets',
      { validation: { inputs: new Float32Array(4), targets: [0, 2] } },
    ],
    [
      'too few validation targets',
      'ERR_SHAPE',
      'options.validation.targets',
      { validation: { inputs: new Float32Array(4), targets: [0] } },
    ],
  ])('fit with %s: %s names %s', async (_, code, argument, options) => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    const { usedBytes } = engine.memoryUsage();
    const error = await failure(() => classifier.fit(new Float32Array(4), [0, 1], wrong(options)));
    expect(error).toMatchObject({ code, argument });
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });

  test('probabilities into a part of the inputs are refused; into all of them is in-place work', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    classifier.weights.set([1, 2, 3, 4]);
    const inputs = randomValues(2000, 1, 5);
    const wanted = await classifier.predictProbabilities(inputs);
    const narrow = new SoftmaxClassifier(engine, { features: 4, classes: 2 });
    for (const call of [
      () => classifier.predictProbabilities(inputs.subarray(0, 1000), { into: inputs.subarray(2, 1002) }),
      () => narrow.predictProbabilities(inputs, { into: inputs.subarray(0, 1000) }),
    ]) {
      expect(await failure(call)).toMatchObject({ code: 'ERR_SHAPE', argument: 'options.into' });
    }
    await classifier.predictProbabilities(inputs, { into: inputs });
    expect(bitsOf(inputs)).toBe(bitsOf(wanted.data));
  });

  test('inputs of another number of features, targets out of range, a second fit', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    const inputs = { type: 'float32', dims: [2, 3], data: new Float32Array(6) } as const;
    for (const call of [
      () => classifier.fit(inputs, [0, 1]),
      () => classifier.predict(inputs),
      () => classifier.predictProbabilities(inputs),
      () => classifier.evaluate(inputs, [0, 1]),
    ]) {
      const error = await failure(call);
      expect(error).toMatchObject({ code: 'ERR_SHAPE', argument: 'inputs' });
      expect(error.message).toContain('3 columns');
    }
    expect(await failure(() => classifier.fit(new Float32Array(4), [0, 2]))).toMatchObject({
      code: 'ERR_TARGET_RANGE',
      row: 1,
      value: 2,
    });
    const running = classifier.fit(new Float32Array(4), [0, 1]);
    expect(await failure(() => classifier.fit(new Float32Array(4), [0, 1]))).toMatchObject({
      code: 'ERR_BUSY',
    });
    await running;
  });

  test('no rows: ERR_SHAPE, nothing to train on', async () => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    const error = await failure(() => classifier.fit(new Float32Array(0), []));
    expect(error).toMatchObject({ code: 'ERR_SHAPE', argument: 'inputs', value: 0 });
    expect(error.message).toContain('nothing to train on');
  });

  test('a classifier of impossible shape', () => {
    expect(() => new SoftmaxClassifier(engine, { features: 0, classes: 2 })).toThrow(
      /options\.features is 0/,
    );
    expect(() => new SoftmaxClassifier(engine, { features: 1, classes: 1 })).toThrow(/options\.classes is 1/);
    expect(() => new SoftmaxClassifier(engine, { features: 1, classes: 2, classNames: ['one'] })).toThrow(
      /1 names for 2 classes/,
    );
    const shape = { features: 2, classes: 2 };
    for (const [argument, create] of [
      ['engine', () => new SoftmaxClassifier(wrong({}), shape)],
      ['options.classes', () => new SoftmaxClassifier(engine, { features: 2 ** 30, classes: 2 })],
      ['options.classNames', () => new SoftmaxClassifier(engine, { ...shape, classNames: wrong('ab') })],
      [
        'options.featureScaling.shift',
        () => new SoftmaxClassifier(engine, { ...shape, featureScaling: { shift: [1], scale: 1 } }),
      ],
      [
        'options.featureScaling.scale',
        () => new SoftmaxClassifier(engine, { ...shape, featureScaling: { shift: 1, scale: Number.NaN } }),
      ],
    ] as const) {
      expect(create).toThrow(expect.objectContaining({ name: 'SoftshardError', argument }));
    }
  });
});

// The losses beside crossEntropy against the float64 reference, on each build.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { Engine } from '#softshard/main/index.js';
import { bitsOf } from '../../bits.js';
import { expectWithin } from '../../kernels/rows/grid.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';
import { rowSums } from './workbench.js';

const SHAPES = [
  [3, 1],
  [2, 2],
  [37, 3],
  [301, 10],
  [65, 67],
  [9, 1025],
] as const;

const uniform = (length: number, seed: number) => randomValues(length, 0.5, seed).map((v) => v + 0.5);
const softmaxOf = (logits: Float32Array, columns: number) =>
  Float32Array.from(
    rowSums(logits, columns).flatMap((_, row) => [
      ...reference.softmax(logits.subarray(row * columns, (row + 1) * columns)),
    ]),
  );
const near = (bound: number) => (wanted: number) => bound * Math.abs(wanted) + 1e-30;

describe.each(builds)('losses beside crossEntropy (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

  test.each(SHAPES)(
    'nllLoss [%i × %i]: sums are exact to 1e-15, with weights and ignored rows',
    async (rows, columns) => {
      const logProbabilities = randomValues(rows * columns, 9, 1).map((v) => -Math.abs(v));
      const targets = randomTargets(rows, columns, 2);
      const weight = uniform(columns, 3);
      const sampleWeight = uniform(rows, 4);
      const ignoreIndex = rows > 30 ? 1 : -100;
      for (const options of [{}, { weight }, { weight, sampleWeight, ignoreIndex }]) {
        const wanted = reference.nllLoss(logProbabilities, targets, rows, columns, options);
        const got = await engine.nllLossGradient(logProbabilities, targets, { columns, ...options });
        expectWithin(
          [got.lossSum, got.weightSum, got.loss],
          [wanted.lossSum, wanted.weightSum, wanted.mean],
          near(2e-15),
          'sums',
        );
        const gradient = reference.nllLossGradient(logProbabilities, targets, rows, columns, options);
        expectWithin(got.gradLogProbabilities.data, gradient, near(1e-7), 'gradient');
        const none = await engine.nllLoss(logProbabilities, targets, {
          columns,
          ...options,
          reduction: 'none',
        });
        expectWithin(none.losses!, wanted.losses, near(6e-8), 'losses');
      }
    },
  );

  test.each(SHAPES)(
    'crossEntropyOfProbabilities [%i × %i]: sums within 1e-14, gradients within 1e-7',
    async (rows, columns) => {
      const probabilities = softmaxOf(randomValues(rows * columns, 6, 5), columns);
      const targets = randomTargets(rows, columns, 6);
      const soft = softmaxOf(randomValues(rows * columns, 3, 7), columns);
      for (const [given, dense] of [
        [targets, reference.oneHot(targets, columns)],
        [soft, soft],
      ] as const) {
        const wanted = reference.crossEntropyOfProbabilities(probabilities, dense, rows, columns);
        const got = await engine.crossEntropyOfProbabilitiesGradient(probabilities, given, {
          columns,
          reduction: 'sum',
        });
        expectWithin([got.lossSum], [wanted], near(1e-14), 'lossSum');
        expect(got.weightSum).toBe(rows);
        const gradient = reference.crossEntropyGradientOfProbabilities(probabilities, dense);
        expectWithin(got.gradProbabilities.data, gradient, near(1e-7), 'gradient');
        const mean = await engine.crossEntropyOfProbabilities(probabilities, given, { columns });
        expect(mean.loss).toBe(got.lossSum / rows);

        const floor = 0.05;
        const floored = await engine.crossEntropyOfProbabilitiesGradient(probabilities, given, {
          columns,
          reduction: 'sum',
          floor,
        });
        const wantedFloored = reference.crossEntropyOfProbabilities(
          probabilities,
          dense,
          rows,
          columns,
          floor,
        );
        expectWithin([floored.lossSum], [wantedFloored], near(1e-14), 'lossSum with a floor');
        const flooredGradient = reference.crossEntropyGradientOfProbabilities(probabilities, dense, floor);
        expectWithin(floored.gradProbabilities.data, flooredGradient, near(1e-7), 'gradient with a floor');
      }
    },
  );

  test.each(SHAPES)(
    'meanSquaredError [%i × %i]: direct within 1e-13, through softmax within 2e-6',
    async (rows, columns) => {
      const outputs = randomValues(rows * columns, 4, 8);
      const values = randomValues(rows * columns, 4, 9);
      const targets = randomTargets(rows, columns, 10);
      const direct = await engine.meanSquaredErrorGradient(outputs, values, { columns });
      expectWithin([direct.loss], [reference.meanSquaredError(outputs, values)], near(1e-13), 'loss');
      const directGradient = reference.meanSquaredErrorGradientOfProbabilities(outputs, values);
      expectWithin(direct.gradOutputs.data, directGradient, near(1e-7), 'gradient');

      const oneHot = reference.oneHot(targets, columns);
      const probabilities = reference.mapRows(outputs, rows, columns, reference.softmax);
      const through = await engine.meanSquaredErrorGradient(outputs, targets, {
        columns,
        throughSoftmax: true,
      });
      expectWithin(
        [through.loss],
        [reference.meanSquaredError(probabilities, oneHot)],
        near(2e-6),
        'loss through softmax',
      );
      const gradient = reference.meanSquaredErrorGradientOfLogits(probabilities, oneHot, rows, columns);
      const size = Math.max(...gradient.map(Math.abs));
      expectWithin(through.gradOutputs.data, gradient, () => 2e-6 * size, 'gradient through softmax');
    },
  );

  test.each(SHAPES)(
    'klDivergence [%i × %i] from logits and probabilities: within 2e-6 relative, gradients within 1e-6',
    async (rows, columns) => {
      const logits = randomValues(rows * columns, 5, 11);
      const teacher = randomValues(rows * columns, 5, 12);
      for (const temperature of [1, 2.5]) {
        const divided = (values: Float32Array) => Float64Array.from(values, (v) => v / temperature);
        const q = reference.mapRows(divided(teacher), rows, columns, reference.softmax);
        const options = { from: 'logits', reduction: 'batchmean' } as const;
        const wanted = reference.klDivergence(divided(logits), q, rows, columns, options);
        const got = await engine.klDivergenceGradient(
          logits,
          { targetLogits: teacher },
          { columns, temperature },
        );
        expectWithin([got.loss], [wanted], (value) => 2e-6 * value + 1e-14, 'loss');
        const gradient = reference
          .klDivergenceGradient(divided(logits), q, rows, columns, options)
          .map((value) => value / temperature);
        expectWithin(got.gradLogits.data, gradient, () => 1e-6 / rows, 'gradient');

        const given = Float32Array.from(q);
        const wantedOfGiven = reference.klDivergence(divided(logits), given, rows, columns, {
          ...options,
          reduction: 'none',
        });
        const ofGiven = await engine.klDivergence(
          logits,
          { targetProbabilities: given },
          { columns, temperature, reduction: 'none' },
        );
        expectWithin(
          ofGiven.losses!,
          rowSums(wantedOfGiven, columns),
          (value) => 2e-6 * value + 1e-13,
          'losses',
        );
        const mean = await engine.klDivergence(
          logits,
          { targetProbabilities: given },
          { columns, temperature, reduction: 'mean' },
        );
        expect(mean.weightSum).toBe(rows * columns);
        expect(mean.loss).toBe(mean.lossSum / (rows * columns));
      }
    },
  );

  test('klDivergence of nearly equal student and teacher keeps 1e-4 relative accuracy down to divergences of 1e-9', async () => {
    const columns = 50;
    for (const size of [1e-1, 1e-2, 1e-3, 1e-4]) {
      const teacher = randomValues(20 * columns, 5, 13);
      const shifts = randomValues(20 * columns, size, 14);
      const logits = teacher.map((z, i) => z + shifts[i]!);
      // The formula Σ q log(q / p) itself cancels, in float64 too: the oracle is the sum of its terms that do not.
      const p = reference.mapRows(logits, 20, columns, reference.logSoftmax);
      const q = reference.mapRows(teacher, 20, columns, reference.logSoftmax);
      const terms = p.map((logP, i) => {
        const r = logP - q[i]!;
        const rest = Math.abs(r) < 1e-3 ? r * r * (1 / 2 + r / 6 + (r * r) / 24) : Math.expm1(r) - r;
        return Math.exp(q[i]!) * rest;
      });
      const wanted = rowSums(terms, columns);
      const got = await engine.klDivergence(
        logits,
        { targetLogits: teacher },
        { columns, reduction: 'none' },
      );
      expectWithin(got.losses!, wanted, (value) => 1e-4 * value, `losses with differences of ${size}`);
      expect(Math.min(...wanted)).toBeLessThan(size ** 2);
    }
  });

  test.each(SHAPES)(
    'distillation [%i × %i] within 3e-6, its gradient within 1e-6 a row, ignored rows left out',
    async (rows, columns) => {
      const student = randomValues(rows * columns, 5, 15);
      const teacher = randomValues(rows * columns, 5, 16);
      const targets = randomTargets(rows, columns, 17);
      const ignoreIndex = rows > 30 ? 1 : -100;
      for (const [temperature, alpha] of [
        [1, 0.5],
        [3, 0.25],
        [2, 1],
        [2, 0],
      ] as const) {
        const options = { temperature, alpha, ignoreIndex };
        const wanted = reference.distillation(student, teacher, targets, rows, columns, options);
        const got = await engine.distillationGradient(student, teacher, targets, { columns, ...options });
        expect(got.weightSum).toBe(wanted.weightSum);
        expectWithin([got.lossSum], [wanted.lossSum], near(3e-6), 'lossSum');
        const parts = alpha * temperature ** 2 * got.divergenceSum + (1 - alpha) * got.crossEntropySum;
        expectWithin([parts], [got.lossSum], near(1e-12), 'the sum of the parts');
        const gradient = reference.distillationGradient(student, teacher, targets, rows, columns, options);
        expectWithin(
          got.gradLogits.data,
          gradient,
          () => (1e-6 * temperature) / wanted.weightSum,
          'gradient',
        );
      }
    },
  );

  test.each(SHAPES)(
    'binaryCrossEntropyWithLogits [%i × %i]: within 4e-7, gradients within 4e-7, with weights',
    async (rows, columns) => {
      const logits = randomValues(rows * columns, 20, 18);
      const targets = uniform(rows * columns, 19).map((y) => (y < 0.3 ? 0 : y > 0.7 ? 1 : y));
      const weight = uniform(columns, 20);
      const posWeight = uniform(columns, 21).map((w) => 5 * w);
      const perElement = uniform(rows * columns, 22);
      const spread = Float32Array.from({ length: rows * columns }, (_, i) => weight[i % columns]!);
      for (const [mine, theirs] of [
        [{}, {}],
        [
          { weight, posWeight },
          { weight: spread, posWeight },
        ],
        [
          { weight: { type: 'float32', dims: [rows, columns], data: perElement } as const },
          { weight: perElement },
        ],
      ] as const) {
        const wanted = reference.binaryCrossEntropyWithLogits(logits, targets, rows, columns, {
          ...theirs,
          reduction: 'none',
        });
        const got = await engine.binaryCrossEntropyWithLogitsGradient(logits, targets, { columns, ...mine });
        expectWithin([got.lossSum], [rowSums(wanted, wanted.length)[0]!], near(4e-7), 'lossSum');
        expect(got.loss).toBe(got.lossSum / (rows * columns));
        const none = await engine.binaryCrossEntropyWithLogits(logits, targets, {
          columns,
          ...mine,
          reduction: 'none',
        });
        expectWithin(none.losses!, rowSums(wanted, columns), near(5e-7), 'losses');
        const gradient = reference.binaryCrossEntropyWithLogitsGradient(
          logits,
          targets,
          rows,
          columns,
          theirs,
        );
        expectWithin(got.gradLogits.data, gradient, () => (5 * 4e-7) / (rows * columns), 'gradient');
      }
    },
  );

  test('every gradient is what finite differences of its own loss give, within 2e-3 of the largest', async () => {
    const [rows, columns] = [3, 5];
    const length = rows * columns;
    const targets = [4, 0, 2];
    const dense = uniform(length, 23);
    const teacher = randomValues(length, 2, 24);
    const options = { columns } as const;
    const cases: [
      name: string,
      at: Float32Array,
      loss: (x: Float32Array) => Promise<number>,
      gradient: (x: Float32Array) => Promise<Float32Array>,
    ][] = [
      [
        'nllLoss',
        randomValues(length, 2, 25),
        async (x) => (await engine.nllLoss(x, targets, options)).loss,
        async (x) => (await engine.nllLossGradient(x, targets, options)).gradLogProbabilities.data,
      ],
      [
        'probabilities',
        uniform(length, 26).map((a) => a + 0.5),
        async (x) => (await engine.crossEntropyOfProbabilities(x, dense, options)).loss,
        async (x) =>
          (await engine.crossEntropyOfProbabilitiesGradient(x, dense, options)).gradProbabilities.data,
      ],
      [
        'squared error',
        randomValues(length, 2, 27),
        async (x) => (await engine.meanSquaredError(x, dense, options)).loss,
        async (x) => (await engine.meanSquaredErrorGradient(x, dense, options)).gradOutputs.data,
      ],
      [
        'through softmax',
        randomValues(length, 2, 27),
        async (x) => (await engine.meanSquaredError(x, dense, { columns, throughSoftmax: true })).loss,
        async (x) =>
          (await engine.meanSquaredErrorGradient(x, dense, { columns, throughSoftmax: true })).gradOutputs
            .data,
      ],
      [
        'divergence from logits',
        randomValues(length, 2, 28),
        async (x) =>
          (await engine.klDivergence(x, { targetLogits: teacher }, { columns, temperature: 1.5 })).loss,
        async (x) =>
          (await engine.klDivergenceGradient(x, { targetLogits: teacher }, { columns, temperature: 1.5 }))
            .gradLogits.data,
      ],
      [
        'divergence from probabilities that do not sum to 1',
        randomValues(length, 2, 28),
        async (x) => (await engine.klDivergence(x, { targetProbabilities: dense }, options)).loss,
        async (x) =>
          (await engine.klDivergenceGradient(x, { targetProbabilities: dense }, options)).gradLogits.data,
      ],
      [
        'distillation',
        randomValues(length, 2, 29),
        async (x) =>
          (await engine.distillation(x, teacher, targets, { columns, temperature: 2, alpha: 0.3 })).loss,
        async (x) =>
          (await engine.distillationGradient(x, teacher, targets, { columns, temperature: 2, alpha: 0.3 }))
            .gradLogits.data,
      ],
      [
        'binary',
        randomValues(length, 2, 30),
        async (x) =>
          (await engine.binaryCrossEntropyWithLogits(x, dense, { columns, posWeight: [1, 2, 3, 4, 5] })).loss,
        async (x) =>
          (
            await engine.binaryCrossEntropyWithLogitsGradient(x, dense, {
              columns,
              posWeight: [1, 2, 3, 4, 5],
            })
          ).gradLogits.data,
      ],
    ];
    for (const [name, at, loss, gradientOf] of cases) {
      const gradient = await gradientOf(at);
      const step = 2 ** -8;
      const differences = new Float64Array(length);
      for (let k = 0; k < length; k++) {
        const moved = async (by: number) => loss(at.map((x, i) => (i === k ? x + by : x)));
        differences[k] = ((await moved(step)) - (await moved(-step))) / (2 * step);
      }
      const size = Math.max(...gradient.map(Math.abs));
      expectWithin(gradient, differences, () => 2e-3 * size, name);
    }
  });

  test('gradScale multiplies the gradient and gradLosses each row of it, in every loss', async () => {
    const [rows, columns] = [4, 6];
    const x = uniform(rows * columns, 31);
    const dense = uniform(rows * columns, 32);
    const targets = randomTargets(rows, columns, 33);
    const gradLosses = [2, 0, -1, 0.5];
    const gradients: ((options: {
      columns: number;
      reduction: 'none' | 'sum';
      gradLosses?: number[];
      gradScale?: number;
    }) => Promise<Float32Array>)[] = [
      async (o) => (await engine.nllLossGradient(x, targets, o)).gradLogProbabilities.data,
      async (o) => (await engine.crossEntropyOfProbabilitiesGradient(x, targets, o)).gradProbabilities.data,
      async (o) => (await engine.crossEntropyOfProbabilitiesGradient(x, dense, o)).gradProbabilities.data,
      async (o) => (await engine.meanSquaredErrorGradient(x, dense, o)).gradOutputs.data,
      async (o) =>
        (await engine.meanSquaredErrorGradient(x, dense, { ...o, throughSoftmax: true })).gradOutputs.data,
      async (o) => (await engine.klDivergenceGradient(x, { targetLogits: dense }, o)).gradLogits.data,
      async (o) => (await engine.distillationGradient(x, dense, targets, o)).gradLogits.data,
      async (o) => (await engine.binaryCrossEntropyWithLogitsGradient(x, dense, o)).gradLogits.data,
    ];
    for (const [index, gradient] of gradients.entries()) {
      const plain = await gradient({ columns, reduction: 'sum' });
      const scaled = await gradient({ columns, reduction: 'none', gradLosses, gradScale: 4 });
      expect(plain.some((value) => value !== 0)).toBe(true);
      const wanted = plain.map((value, i) => 4 * gradLosses[Math.floor(i / columns)]! * value);
      expectWithin(scaled, wanted, near(2e-7), `gradient ${index}`);
    }
  });

  test('in place, into a matrix and into an array give the same bits as a new array', async () => {
    const [rows, columns] = [50, 7];
    const x = uniform(rows * columns, 34);
    const y = uniform(rows * columns, 35);
    using matrix = engine.matrix(rows, columns);
    using output = engine.matrix(rows, columns);
    matrix.data.set(x);
    const { gradLogits } = await engine.klDivergenceGradient(x, { targetLogits: y }, { columns });
    const into = new Float32Array(x.length);
    await engine.klDivergenceGradient(matrix, { targetLogits: y }, { into });
    expect(into).toEqual(gradLogits.data);
    expect(
      (await engine.klDivergenceGradient(x, { targetLogits: y }, { columns, into: output })).gradLogits,
    ).toBe(output);
    expect(output.data).toEqual(gradLogits.data);
    await engine.klDivergenceGradient(matrix, { targetLogits: y }, { into: matrix });
    expect(matrix.data).toEqual(gradLogits.data);
  });

  test('no call keeps memory that it does not give out', async () => {
    const { usedBytes } = engine.memoryUsage();
    const x = uniform(700, 36);
    await engine.distillationGradient(x, x, randomTargets(100, 7, 1), { columns: 7, reduction: 'none' });
    await engine.binaryCrossEntropyWithLogits(x, x, { columns: 7, weight: uniform(7, 1) });
    await engine.meanSquaredError(x, Float32Array.of(1), { columns: 7 }).catch(() => {});
    await engine.klDivergence(x, { targetProbabilities: x.map((v) => -v) }, { columns: 7 }).catch(() => {});
    expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
  });
});

describe.each(builds)('the same bits in every loss beside crossEntropy (%s)', (numerics) => {
  const [rows, columns] = [4000, 101];
  const x = uniform(rows * columns, 40);
  const y = uniform(rows * columns, 41);
  const targets = randomTargets(rows, columns, 42);
  const sampleWeight = uniform(rows, 43);

  async function allResults(threads: number, arenaBytes: number): Promise<Record<string, string>> {
    await using engine = await Engine.create({ threads, numerics, arenaBytes });
    const options = { columns, reduction: 'none' } as const;
    const nll = await engine.nllLossGradient(x, targets, { ...options, sampleWeight, ignoreIndex: 3 });
    const probability = await engine.crossEntropyOfProbabilitiesGradient(x, y, options);
    const squared = await engine.meanSquaredErrorGradient(x, targets, { ...options, throughSoftmax: true });
    const divergence = await engine.klDivergenceGradient(x, { targetProbabilities: y }, options);
    const distilled = await engine.distillationGradient(x, y, targets, { ...options, temperature: 2 });
    const binary = await engine.binaryCrossEntropyWithLogitsGradient(x, y, options);
    return {
      nll: bitsOf(nll.lossSum, nll.weightSum, nll.losses!, nll.gradLogProbabilities.data),
      probability: bitsOf(probability.lossSum, probability.losses!, probability.gradProbabilities.data),
      squared: bitsOf(squared.lossSum, squared.losses!, squared.gradOutputs.data),
      divergence: bitsOf(divergence.lossSum, divergence.losses!, divergence.gradLogits.data),
      distilled: bitsOf(
        distilled.divergenceSum,
        distilled.crossEntropySum,
        distilled.losses!,
        distilled.gradLogits.data,
      ),
      binary: bitsOf(binary.lossSum, binary.losses!, binary.gradLogits.data),
    };
  }

  test('for 1, 2, 3 and 8 threads', async () => {
    const one = await allResults(1, 64 * 1024 * 1024);
    for (const threads of [2, 3, 8]) expect(await allResults(threads, 64 * 1024 * 1024)).toEqual(one);
  });

  test('when the arrays are larger than the arena and pass in windows', async () => {
    const whole = await allResults(2, 64 * 1024 * 1024);
    for (const threads of [1, 3]) expect(await allResults(threads, 1024 * 1024)).toEqual(whole);
  });
});

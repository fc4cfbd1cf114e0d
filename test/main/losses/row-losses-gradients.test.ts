// The gradients of the row losses: the derivatives of their own losses, scaled and placed as asked.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '#softshard/main/index.js';
import { expectWithin } from '../../kernels/rows/grid.js';
import { builds, randomTargets, randomValues } from '../../kernels/workbench.js';
import { near, uniform } from './workbench.js';

describe.each(builds)('gradients of row losses (%s)', (numerics) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, numerics });
  });
  afterAll(() => engine.close());

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
        async (x) => (await engine.meanSquaredErrorGradient(x, dense, options)).gradPredictions.data,
      ],
      [
        'through softmax',
        randomValues(length, 2, 27),
        async (x) => (await engine.meanSquaredError(x, dense, { columns, fromLogits: true })).loss,
        async (x) =>
          (await engine.meanSquaredErrorGradient(x, dense, { columns, fromLogits: true })).gradPredictions
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

  test('gradScale multiplies the gradient and gradOutput each row of it, in every loss', async () => {
    const [rows, columns] = [4, 6];
    const x = uniform(rows * columns, 31);
    const dense = uniform(rows * columns, 32);
    const targets = randomTargets(rows, columns, 33);
    const gradOutput = [2, 0, -1, 0.5];
    const gradients: ((options: {
      columns: number;
      reduction: 'none' | 'sum';
      gradOutput?: number[];
      gradScale?: number;
    }) => Promise<Float32Array>)[] = [
      async (o) => (await engine.nllLossGradient(x, targets, o)).gradLogProbabilities.data,
      async (o) => (await engine.crossEntropyOfProbabilitiesGradient(x, targets, o)).gradProbabilities.data,
      async (o) => (await engine.crossEntropyOfProbabilitiesGradient(x, dense, o)).gradProbabilities.data,
      async (o) => (await engine.meanSquaredErrorGradient(x, dense, o)).gradPredictions.data,
      async (o) =>
        (await engine.meanSquaredErrorGradient(x, dense, { ...o, fromLogits: true })).gradPredictions.data,
      async (o) => (await engine.klDivergenceGradient(x, { targetLogits: dense }, o)).gradLogits.data,
      async (o) => (await engine.distillationGradient(x, dense, targets, o)).gradLogits.data,
      async (o) => (await engine.binaryCrossEntropyWithLogitsGradient(x, dense, o)).gradLogits.data,
    ];
    for (const [index, gradient] of gradients.entries()) {
      const plain = await gradient({ columns, reduction: 'sum' });
      const scaled = await gradient({ columns, reduction: 'none', gradOutput, gradScale: 4 });
      expect(plain.some((value) => value !== 0)).toBe(true);
      const wanted = plain.map((value, i) => 4 * gradOutput[Math.floor(i / columns)]! * value);
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
});

// adamwUpdate against the reference in float64, and against the same steps rounded to float32 one by one.
import { describe, expect, test } from 'vitest';
import { offsetBy } from '#softshard/kernels/ptr.js';
import { type AdamwState, adamwStep } from '#softshard/kernels/reference/index.js';
import { expectSameBits, expectWithin } from '../rows/grid.js';
import { builds, randomValues, Workbench } from '../workbench.js';
import { guarded } from './shapes.js';

const bitsOf = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

interface Recipe {
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly weightDecay: number;
}

const RECIPES: readonly Recipe[] = [
  { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
  { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 },
  { betas: [0, 0], epsilon: 1e-3, weightDecay: 0.1 },
  { betas: [0.5, 0.9], epsilon: 0.1, weightDecay: 0.5 },
];
const LEARNING_RATE = 0.01;
const STEPS = 20;

const gradientOf = (length: number, step: number) => randomValues(length, 1, 10 + step);

describe.each(builds)('adamwUpdate (%s)', (numerics) => {
  const bench = new Workbench(numerics, 64);

  /** Parameters and moments after STEPS updates, each in pieces of the given lengths. */
  function train(
    { betas: [beta1, beta2], ...recipe }: Recipe,
    length: number,
    offset: number,
    pieces: readonly number[],
  ) {
    bench.reset();
    const grids = {
      parameters: guarded(bench, randomValues(length, 1, 1), offset),
      mean: guarded(bench, new Float32Array(length), (offset + 4) % 16),
      square: guarded(bench, new Float32Array(length), (offset + 8) % 16),
      gradient: guarded(bench, new Float32Array(length), (offset + 12) % 16),
    };
    const { parameters, mean, square, gradient } = grids;
    for (let step = 1; step <= STEPS; step++) {
      gradient.fill(gradientOf(length, step));
      let bytes = 0;
      for (const piece of pieces) {
        bench.kernels.adamwUpdate(
          offsetBy(parameters.ptr, bytes),
          offsetBy(mean.ptr, bytes),
          offsetBy(square.ptr, bytes),
          offsetBy(gradient.ptr, bytes),
          piece,
          LEARNING_RATE,
          beta1,
          beta2,
          recipe.epsilon,
          recipe.weightDecay,
          1 - beta1 ** step,
          1 - beta2 ** step,
        );
        bytes += piece * 4;
      }
      expectSameBits(gradient.bits(), bitsOf(gradientOf(length, step)), 'gradient, only read');
    }
    for (const grid of Object.values(grids)) grid.checkGuards();
    return { parameters: parameters.bits(), mean: mean.bits(), square: square.bits() };
  }

  function expected(recipe: Recipe, length: number) {
    let state: AdamwState = {
      parameters: Float64Array.from(randomValues(length, 1, 1)),
      mean: new Float64Array(length),
      square: new Float64Array(length),
    };
    for (let step = 1; step <= STEPS; step++) {
      state = adamwStep(state, gradientOf(length, step), step, { learningRate: LEARNING_RATE, ...recipe });
    }
    return state;
  }

  describe.each(RECIPES)('betas $betas, epsilon $epsilon, decay $weightDecay', (recipe) => {
    test(`within 1e-6 of the reference after ${STEPS} steps, for 1 to 1000 elements at any alignment`, () => {
      for (const [i, length] of [1, 2, 3, 4, 5, 6, 7, 8, 9, 1000].entries()) {
        const got = train(recipe, length, (i % 4) * 4, [length]);
        const wanted = expected(recipe, length);
        for (const name of ['parameters', 'mean', 'square'] as const) {
          expectWithin(new Float32Array(got[name].buffer), wanted[name], () => 1e-6, name);
        }
      }
    });

    if (numerics === 'portable') {
      test('exactly the bits of the steps rounded to float32 one by one', () => {
        const length = 1003;
        const got = train(recipe, length, 0, [length]);
        const { w, m, v } = inFloat32(recipe, length);
        expectSameBits(got.parameters, bitsOf(w), 'parameters');
        expectSameBits(got.mean, bitsOf(m), 'mean');
        expectSameBits(got.square, bitsOf(v), 'square');
      });
    }

    test('the same bits when the parameters are updated in pieces', () => {
      const whole = train(recipe, 103, 0, [103]);
      for (const pieces of [[1, 102], [50, 53], [3, 5, 95], Array.from({ length: 103 }, () => 1)]) {
        const got = train(recipe, 103, 4, pieces);
        for (const name of ['parameters', 'mean', 'square'] as const) {
          expectSameBits(got[name], whole[name], `${name} in ${pieces.length} pieces`);
        }
      }
    });
  });

  test('a gradient of zeros leaves parameters without decay alone', () => {
    const length = 9;
    bench.reset();
    const vectors = [1, 0, 0, 0].map((scale) => guarded(bench, randomValues(length, scale, 1)));
    const [parameters, mean, square, gradient] = vectors.map(({ ptr }) => ptr);
    bench.kernels.adamwUpdate(
      parameters!,
      mean!,
      square!,
      gradient!,
      length,
      1,
      0.9,
      0.999,
      1e-8,
      0,
      0.1,
      0.001,
    );
    expect([...vectors[0]!.bits()]).toEqual([...bitsOf(randomValues(length, 1, 1))]);
  });
});

/** Every operation on elements rounded to float32, in the kernel's order. */
function inFloat32({ betas: [beta1, beta2], epsilon, weightDecay }: Recipe, length: number) {
  const f = Math.fround;
  const w = randomValues(length, 1, 1);
  const [m, v] = [new Float32Array(length), new Float32Array(length)];
  for (let step = 1; step <= STEPS; step++) {
    const rate = f(-LEARNING_RATE / (1 - beta1 ** step));
    const rootScale = f(1 / Math.sqrt(1 - beta2 ** step));
    for (const [i, g] of gradientOf(length, step).entries()) {
      m[i] = f(f(f(beta1) * m[i]!) + f(f(1 - beta1) * g));
      v[i] = f(f(f(beta2) * v[i]!) + f(f(f(1 - beta2) * g) * g));
      const quotient = f(m[i]! / f(f(rootScale * f(Math.sqrt(v[i]!))) + f(epsilon)));
      const decayed = f(f(f(-LEARNING_RATE * weightDecay) * w[i]!) + w[i]!);
      w[i] = f(f(rate * quotient) + decayed);
    }
  }
  return { w, m, v };
}

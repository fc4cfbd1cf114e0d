// treeAdd and sgdUpdate against the same steps rounded to float32 one by one, and sgdUpdate against float64.

import { describe, expect, test } from 'vitest';
import { NULL_PTR, offsetBy } from '#softshard/kernels/ptr.js';
import { expectSameBits, expectWithin, Grid } from '../rows/grid.js';
import { builds, randomValues, Workbench } from '../workbench.js';
import { guarded } from './shapes.js';

const bitsOf = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

/** p[i] += p[i + d] for i = 0, 2d, 4d, …; d = 1, 2, 4, … */
function tree(partials: Float32Array[]): Float32Array {
  const sums = partials.map((partial) => partial.slice());
  for (let d = 1; d < sums.length; d *= 2) {
    for (let i = 0; i + d < sums.length; i += 2 * d) {
      sums[i] = sums[i]!.map((a, j) => Math.fround(a + sums[i + d]![j]!));
    }
  }
  return sums[0]!;
}

describe.each(builds)('treeAdd (%s)', (numerics) => {
  const bench = new Workbench(numerics, 256);

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 64])(
    '%i partials: exactly the float32 sums along the binary tree, for 1 to 4100 elements at any alignment',
    (count) => {
      for (const [offset, length] of [1, 2, 3, 4, 5, 7, 8, 9, 1023, 1024, 1025, 2050, 4100].entries()) {
        bench.reset();
        const stride = length + (count % 3);
        const partials = new Grid(bench, count, length, stride, (offset % 4) * 4);
        const values = Array.from({ length: count }, (_, i) => randomValues(length, 1, count * 100 + i));
        for (const [i, value] of values.entries()) partials.row(i).set(value);
        bench.kernels.treeAdd(partials.ptr, stride * 4, count, length);
        expectSameBits(bitsOf(Float32Array.from(partials.row(0))), bitsOf(tree(values)), `length ${length}`);
        partials.checkGuards();
      }
    },
  );

  test('the tree differs from adding one after the other, so the order is really tested', () => {
    const values = Array.from({ length: 9 }, (_, i) => randomValues(100, 1, 900 + i));
    const inOrder = values.reduce((sum, value) => sum.map((s, j) => s + value[j]!));
    expect([...bitsOf(tree(values))]).not.toEqual([...bitsOf(inOrder)]);
  });
});

interface Recipe {
  readonly momentum: number;
  readonly weightDecay: number;
  readonly nesterov: boolean;
  readonly withVelocity: boolean;
}

const RECIPES: readonly Recipe[] = [
  { momentum: 0, weightDecay: 0, nesterov: false, withVelocity: false },
  { momentum: 0, weightDecay: 0.01, nesterov: false, withVelocity: false },
  { momentum: 0, weightDecay: 0.01, nesterov: false, withVelocity: true },
  { momentum: 0.9, weightDecay: 0, nesterov: false, withVelocity: true },
  { momentum: 0.9, weightDecay: 0.01, nesterov: false, withVelocity: true },
  { momentum: 0.9, weightDecay: 0, nesterov: true, withVelocity: true },
  { momentum: 0.9, weightDecay: 0.01, nesterov: true, withVelocity: true },
];
const LEARNING_RATE = 0.1;
const STEPS = 5;

/** PyTorch's SGD with dampening 0, every operation passed through `round`. */
function sgdStep(
  w: Float64Array,
  v: Float64Array,
  gradient: Float32Array,
  recipe: Recipe,
  round: (value: number) => number,
): void {
  const [rate, momentum, decay] = [LEARNING_RATE, recipe.momentum, recipe.weightDecay].map(Math.fround);
  for (let i = 0; i < w.length; i++) {
    const g = round(round(decay! * w[i]!) + gradient[i]!);
    let step = g;
    if (recipe.withVelocity) {
      v[i] = round(round(momentum! * v[i]!) + g);
      step = recipe.nesterov ? round(round(momentum! * v[i]!) + g) : v[i]!;
    }
    w[i] = round(w[i]! - round(rate! * step));
  }
}

describe.each(builds)('sgdUpdate (%s)', (numerics) => {
  const bench = new Workbench(numerics, 64);

  /** Parameters and velocity after STEPS updates, each in pieces of the given lengths. */
  function train(recipe: Recipe, length: number, offsetBytes: number, pieces: readonly number[]) {
    bench.reset();
    const parameters = guarded(bench, randomValues(length, 1, 1), offsetBytes);
    const velocity = guarded(bench, new Float32Array(length), (offsetBytes + 4) % 16);
    const gradient = guarded(bench, new Float32Array(length), (offsetBytes + 8) % 16);
    for (let step = 0; step < STEPS; step++) {
      gradient.fill(randomValues(length, 1, 10 + step));
      let bytes = 0;
      for (const piece of pieces) {
        bench.kernels.sgdUpdate(
          offsetBy(parameters.ptr, bytes),
          recipe.withVelocity ? offsetBy(velocity.ptr, bytes) : NULL_PTR,
          offsetBy(gradient.ptr, bytes),
          piece,
          LEARNING_RATE,
          recipe.momentum,
          recipe.weightDecay,
          recipe.nesterov ? 1 : 0,
        );
        bytes += piece * 4;
      }
      expectSameBits(gradient.bits(), bitsOf(randomValues(length, 1, 10 + step)), 'gradient, only read');
    }
    for (const grid of [parameters, velocity, gradient]) grid.checkGuards();
    return { parameters: parameters.bits(), velocity: velocity.bits() };
  }

  function expected(recipe: Recipe, length: number, round: (value: number) => number) {
    const w = Float64Array.from(randomValues(length, 1, 1));
    const v = new Float64Array(length);
    for (let step = 0; step < STEPS; step++) sgdStep(w, v, randomValues(length, 1, 10 + step), recipe, round);
    return { w, v };
  }

  describe.each(RECIPES)(
    '$momentum momentum, $weightDecay decay, nesterov $nesterov, velocity $withVelocity',
    (recipe) => {
      test('within 1e-6 of float64 after 5 steps, for 1 to 1000 elements at any alignment', () => {
        for (const [i, length] of [1, 2, 3, 4, 5, 6, 7, 8, 9, 1000].entries()) {
          const got = train(recipe, length, (i % 4) * 4, [length]);
          const { w, v } = expected(recipe, length, (value) => value);
          expectWithin(new Float32Array(got.parameters.buffer), w, () => 1e-6, 'parameters');
          expectWithin(new Float32Array(got.velocity.buffer), v, () => 1e-6, 'velocity');
        }
      });

      if (numerics === 'portable') {
        test('exactly the bits of the steps rounded to float32 one by one', () => {
          const got = train(recipe, 1003, 0, [1003]);
          const { w, v } = expected(recipe, 1003, Math.fround);
          expectSameBits(got.parameters, bitsOf(Float32Array.from(w)), 'parameters');
          expectSameBits(got.velocity, bitsOf(Float32Array.from(v)), 'velocity');
        });
      }

      test('the same bits when the parameters are updated in pieces', () => {
        const whole = train(recipe, 103, 0, [103]);
        for (const pieces of [[1, 102], [50, 53], [3, 5, 95], Array.from({ length: 103 }, () => 1)]) {
          const got = train(recipe, 103, 4, pieces);
          expectSameBits(got.parameters, whole.parameters, `parameters in ${pieces.length} pieces`);
          expectSameBits(got.velocity, whole.velocity, `velocity in ${pieces.length} pieces`);
        }
      });
    },
  );
});

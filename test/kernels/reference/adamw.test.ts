// One step by hand, three steps against scikit-learn's Adam, and that a step leaves its arguments alone.
import { describe, expect, it } from 'vitest';
import { type AdamwOptions, type AdamwState, adamwStep } from '#softshard/kernels/reference/index.js';
import { expectClose } from './expect-close.js';

const gradients = [
  [0.5, -1],
  [0.25, 2],
  [-1, 0.5],
];
const start = (): AdamwState => ({
  parameters: Float64Array.of(1, -2),
  mean: new Float64Array(2),
  square: new Float64Array(2),
});

// After three steps from w = [1, -2], from the AdamOptimizer of scikit-learn 1.9 with an epsilon of 1e-30, as it adds
// epsilon before the correction. For decay the weights were multiplied by 1 - 0.1 · 0.01 before each step.
const afterThreeSteps: [string, Omit<AdamwOptions, 'learningRate'>, number[]][] = [
  ['the default betas', {}, [0.8274177388387022, -1.9781754726925085]],
  ['betas 0.5 and 0.75', { betas: [0.5, 0.75] }, [0.871614636624697, -2.0163275504204106]],
  ['weight decay', { weightDecay: 0.01 }, [0.8247138558025834, -1.972344760339805]],
];

describe('adamwStep', () => {
  it.each(afterThreeSteps)(
    'with %s is scikit-learn’s Adam within 1e-14 after 3 steps',
    (_, options, wanted) => {
      let state = start();
      for (const [i, gradient] of gradients.entries()) {
        state = adamwStep(state, gradient, i + 1, { learningRate: 0.1, epsilon: 1e-30, ...options });
      }
      expectClose(state.parameters, wanted, 1e-14);
    },
  );

  it('by hand: g = 3, betas 1/2 and 3/4, epsilon 1, decay 1/2, rate 1/8 moves 2 to 2 · 15/16 - 3/4 / 8 exactly', () => {
    const options = { learningRate: 1 / 8, betas: [1 / 2, 3 / 4], epsilon: 1, weightDecay: 1 / 2 } as const;
    const { parameters, mean, square } = adamwStep(
      { parameters: [2], mean: [0], square: [0] },
      [3],
      1,
      options,
    );
    expect([mean[0], square[0], parameters[0]]).toEqual([1.5, 2.25, 2 * (15 / 16) - 3 / 4 / 8]);
  });

  it('moves by the learning rate in the first step, whatever the gradient’s size', () => {
    const { parameters } = adamwStep(start(), [1e-3, -1e6], 1, { learningRate: 0.25, epsilon: 1e-30 });
    expectClose(parameters, [0.75, -1.75], 1e-15);
  });

  it('does not write to its arguments', () => {
    const state = start();
    const gradient = Float64Array.of(5, 6);
    adamwStep(state, gradient, 1, { learningRate: 0.1 });
    expect(state).toEqual(start());
    expect([...gradient]).toEqual([5, 6]);
  });

  it.each(['mean', 'square', 'gradient'] as const)('refuses a %s of another length', (argument) => {
    const arrays = { parameters: [1, 2], mean: [0, 0], square: [0, 0], gradient: [1, 1], [argument]: [0] };
    expect(() => adamwStep(arrays, arrays.gradient, 1, { learningRate: 1 })).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', argument, value: 1 }),
    );
  });
});

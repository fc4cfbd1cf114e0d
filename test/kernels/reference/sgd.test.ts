// One step by hand, three steps against PyTorch's SGD, and that a step leaves its arguments alone.
import { describe, expect, it } from 'vitest';
import { type SgdOptions, type SgdState, sgdStep } from '#softshard/kernels/reference/index.js';
import { expectClose } from './expect-close.js';

const gradients = [
  [0.5, -1],
  [0.25, 2],
  [-1, 0.5],
];

// [options, parameters, velocity] after three steps from w = [1, -2], from PyTorch 1.13 in float64. Without momentum
// it keeps no velocity: ours is then the last gradient with its decay.
const afterThreeSteps: [string, Omit<SgdOptions, 'learningRate'>, number[], number[] | undefined][] = [
  ['nothing', {}, [1.025, -2.15], [-1, 0.5]],
  ['weight decay', { weightDecay: 0.01 }, [1.022127949, -2.144005898], undefined],
  ['momentum', { momentum: 0.9 }, [0.917, -2.159], [-0.37, 1.49]],
  ['Nesterov momentum', { momentum: 0.9, nesterov: true }, [0.9503, -2.2931], [-0.37, 1.49]],
  [
    'momentum and weight decay',
    { momentum: 0.9, weightDecay: 0.01 },
    [0.911609749, -2.147969498],
    [-0.34458749, 1.43667498],
  ],
  [
    'Nesterov momentum and weight decay',
    { momentum: 0.9, weightDecay: 0.01, nesterov: true },
    [0.942869708191, -2.277336916382],
    [-0.3456463589, 1.4365427178],
  ],
];

describe('sgdStep', () => {
  it.each(afterThreeSteps)(
    'with %s is PyTorch’s SGD within 1e-15 after 3 steps',
    (_, options, parameters, velocity) => {
      let state: SgdState = { parameters: Float64Array.of(1, -2), velocity: new Float64Array(2) };
      for (const gradient of gradients) {
        state = sgdStep(state.parameters, state.velocity, gradient, { learningRate: 0.1, ...options });
      }
      expectClose(state.parameters, parameters, 1e-15);
      if (velocity !== undefined) expectClose(state.velocity, velocity, 1e-15);
    },
  );

  it('by hand: w = 2, v = 1, g = 3, decay 1/2, momentum 1/4, rate 1/8 gives v = 4.25, w = 1.46875 exactly', () => {
    const options = { learningRate: 1 / 8, momentum: 1 / 4, weightDecay: 1 / 2 };
    const plain = sgdStep([2], [1], [3], options);
    expect([plain.velocity[0], plain.parameters[0]]).toEqual([4.25, 1.46875]);
    const nesterov = sgdStep([2], [1], [3], { ...options, nesterov: true });
    expect([nesterov.velocity[0], nesterov.parameters[0]]).toEqual([4.25, 1.3671875]);
  });

  it('without momentum makes Nesterov’s step the plain one', () => {
    const options = { learningRate: 0.1, weightDecay: 0.3 };
    const plain = sgdStep([2, -1], [0, 0], [3, 1], options);
    expect(sgdStep([2, -1], [0, 0], [3, 1], { ...options, nesterov: true })).toEqual(plain);
  });

  it('does not write to its arguments', () => {
    const [parameters, velocity, gradient] = [
      [1, 2],
      [3, 4],
      [5, 6],
    ].map((v) => Float64Array.from(v));
    sgdStep(parameters!, velocity!, gradient!, { learningRate: 0.1, momentum: 0.9 });
    expect([...parameters!, ...velocity!, ...gradient!]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('refuses a velocity or gradient of another length', () => {
    expect(() => sgdStep([1, 2], [0], [1, 1], { learningRate: 1 })).toThrow(
      expect.objectContaining({ code: 'ERR_SHAPE', argument: 'velocity', value: 1 }),
    );
    expect(() => sgdStep([1, 2], [0, 0], [1], { learningRate: 1 })).toThrow(
      expect.objectContaining({ argument: 'gradient', value: 1 }),
    );
  });
});

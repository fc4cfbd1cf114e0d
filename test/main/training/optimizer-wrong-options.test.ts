// Options of optimizers and schedules that are wrong, or of another solver.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import { failure } from '../../failure.js';

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.create({ threads: 1 });
});
afterAll(() => engine.close());
const wrong = (value: unknown) => value as never;

test.each<[object, string, RegExp]>([
  [{ solver: 'adam' }, 'options.solver', /'adam'.*'sgd', 'adamw'/],
  [{ solver: 'lbfgs', betas: [0.9, 0.99] }, 'options.betas', /'lbfgs' does not know it/],
  [{ clipNorm: 1, C: 1 }, 'options.C', /options\.clipNorm asks for solver 'sgd'/],
  [{ solver: 'adamw', l2: 1 }, 'options.l2', /'adamw' does not know it/],
  [{ solver: 'adamw', momentum: 0.9 }, 'options.momentum', /'adamw' has no momentum: .*solver 'sgd'/],
  [{ solver: 'adamw', nesterov: false }, 'options.nesterov', /'adamw' has no nesterov/],
  [{ betas: [0.9, 0.99] }, 'options.betas', /'sgd' has no betas: .*solver 'adamw'/],
  [{ solver: 'sgd', epsilon: 1e-8 }, 'options.epsilon', /'sgd' has no epsilon/],
  [{ solver: 'adamw', betas: 0.9 }, 'options.betas', /0\.9: .*two numbers/],
  [{ solver: 'adamw', betas: [0.9] }, 'options.betas', /two numbers/],
  [{ solver: 'adamw', betas: [1, 0.9] }, 'options.betas[0]', /\[0, 1\)/],
  [{ solver: 'adamw', betas: [0.9, '0.9'] }, 'options.betas[1]', /'0\.9'/],
  [{ solver: 'adamw', epsilon: 0 }, 'options.epsilon', /at least 1e-30/],
  [{ solver: 'adamw', weightDecay: -1 }, 'options.weightDecay', /-1/],
  [{ clipNorm: 0 }, 'options.clipNorm', /above 0/],
  [{ clipNorm: Number.POSITIVE_INFINITY }, 'options.clipNorm', /Infinity/],
  [{ schedule: 'cosinus' }, 'options.schedule', /'cosinus'.*'one-cycle'/],
  [{ schedule: null }, 'options.schedule', /null/],
  [{ schedule: { kind: 'wave' } }, 'options.schedule.kind', /'wave'/],
  [{ schedule: { factor: 1 } }, 'options.schedule.kind', /undefined/],
  [{ schedule: 'step' }, 'options.schedule.everyEpochs', /\{ kind: 'step', everyEpochs: 3 \}/],
  [{ schedule: { kind: 'step', everyEpochs: 0 } }, 'options.schedule.everyEpochs', /is 0/],
  [{ schedule: { kind: 'step', everyEpochs: 1, factor: 1 } }, 'options.schedule.factor', /\[0, 1\)/],
  [{ schedule: { kind: 'cosine', factor: 0.5 } }, 'options.schedule.factor', /no option 'factor'/],
  [
    { schedule: { kind: 'step', everyEpochs: 1, gamma: 0.5 } },
    'options.schedule.gamma',
    /everyEpochs, factor/,
  ],
  [{ schedule: { kind: 'one-cycle', divFactor: 0.5 } }, 'options.schedule.divFactor', /at least 1/],
  [{ schedule: { kind: 'one-cycle', finalDivFactor: 0 } }, 'options.schedule.finalDivFactor', /at least 1/],
  [{ schedule: { kind: 'reduce-on-plateau', patience: 0.5 } }, 'options.schedule.patience', /whole number/],
  [{ schedule: { kind: 'reduce-on-plateau', threshold: 1 } }, 'options.schedule.threshold', /\[0, 1\)/],
  [
    { schedule: { kind: 'reduce-on-plateau', minLearningRate: -1 } },
    'options.schedule.minLearningRate',
    /at least 0/,
  ],
  [{ warmup: -1 }, 'options.warmup', /-1/],
  [{ warmup: 1.5 }, 'options.warmup', /fraction of all steps below 1, or a whole number/],
  [{ warmup: 10, epochs: 10 }, 'options.warmup', /10 steps, and training has 10: lower it/],
])('fit with %o: ERR_OPTION names %s, and keeps nothing', async (options, argument, message) => {
  const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
  const { usedBytes } = engine.memoryUsage();
  const error = await failure(() => classifier.fit(new Float32Array(4), [0, 1], wrong(options)));
  expect(error).toMatchObject({ code: 'ERR_OPTION', argument });
  expect(error.message).toMatch(message);
  expect(engine.memoryUsage().usedBytes).toBe(usedBytes);
});

test('options that are undefined are left out', async () => {
  const names = ['solver', 'betas', 'epsilon', 'clipNorm', 'warmup', 'momentum', 'nesterov'];
  const nothing = Object.fromEntries(names.map((name) => [name, undefined]));
  const trained = async (options: object) => {
    const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
    await classifier.fit(Float32Array.of(1, 2, 3, 4), [0, 1], wrong({ epochs: 3, ...options }));
    return [...classifier.weights];
  };
  expect(await trained(nothing)).toEqual(await trained({}));
  expect(await trained({ schedule: { kind: 'one-cycle', divFactor: undefined } })).toEqual(
    await trained({ schedule: 'one-cycle' }),
  );
});

test('a gradient that overflows is ERR_DIVERGED with clipping, as without', async () => {
  // Finite features, whose sum over three rows is not.
  const inputs = new Float32Array(3).fill(3e38);
  for (const options of [{}, { clipNorm: 1 }, { clipNorm: 1, solver: 'adamw' }] as const) {
    const classifier = new SoftmaxClassifier(engine, { features: 1, classes: 2 });
    const error = await failure(() =>
      classifier.fit(inputs, [0, 0, 0], { reduction: 'sum', epochs: 1, ...options }),
    );
    expect(error).toMatchObject({ code: 'ERR_DIVERGED' });
    expect([...classifier.weights, ...classifier.bias]).toEqual([0, 0, 0, 0]);
  }
});

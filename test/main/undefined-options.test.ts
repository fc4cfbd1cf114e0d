// An option that is undefined is one that is left out: { signal } of a variable that may be undefined is common.
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as reference from '#softshard/kernels/reference/index.js';
import { Engine, mergeLosses, partSize, SoftmaxClassifier } from '#softshard/main/index.js';

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.create(
    undefinedOf('threads', 'numerics', 'wideSimd', 'arenaBytes', 'blas', 'distributed', 'trace'),
  );
});
afterAll(() => engine.close());

const undefinedOf = <Name extends string>(...names: Name[]): Record<Name, undefined> =>
  Object.fromEntries(names.map((name) => [name, undefined])) as Record<Name, undefined>;

const tensor = (): { type: 'float32'; dims: number[]; data: Float32Array } => ({
  type: 'float32',
  dims: [2, 3],
  data: Float32Array.of(1, 2, 3, 4, 5, 7),
});
const LOSS = [
  ...['reduction', 'weight', 'sampleWeight', 'ignoreIndex', 'labelSmoothing', 'temperature', 'softcap'],
  ...['zLoss', 'focalGamma', 'zeroTimesInfinity', 'onEmpty', 'onInvalidTarget', 'signal'],
];
const DENSE = ['mask', 'statistics', 'topK'];
const GRADIENT = ['into', 'gradOutput', 'gradScale'];
const ROWS = ['columns', 'axis', 'reduction', 'onEmpty', 'signal'];
const targets = [0, 2];

test.each<[string, string[], (options: object) => unknown]>([
  ['softmax', ['columns', 'axis', 'into', 'signal'], (o) => engine.softmax(tensor(), o)],
  ['logSumExp', ['columns', 'axis', 'signal'], (o) => engine.logSumExp(tensor(), o)],
  ['crossEntropy', [...LOSS, ...DENSE, 'columns', 'axis'], (o) => engine.crossEntropy(tensor(), targets, o)],
  [
    'crossEntropyGradient',
    [...LOSS, ...DENSE, ...GRADIENT, 'columns', 'axis'],
    (o) => engine.crossEntropyGradient(tensor(), targets, o),
  ],
  [
    'linearCrossEntropy',
    [...LOSS, ...DENSE, ...GRADIENT, 'gradients', 'accumulate', 'workspaceBytes', 'onProgress'],
    (o) => engine.linearCrossEntropy(tensor(), { ...tensor(), dims: [3, 2] }, undefined, [0, 1], o),
  ],
  [
    'nllLossGradient',
    [...ROWS, ...GRADIENT, 'weight', 'ignoreIndex', 'onInvalidTarget'],
    (o) => engine.nllLossGradient(tensor(), targets, o),
  ],
  [
    'crossEntropyOfProbabilitiesGradient',
    [...ROWS, ...GRADIENT, 'floor'],
    (o) => engine.crossEntropyOfProbabilitiesGradient(tensor(), targets, o),
  ],
  [
    'meanSquaredErrorGradient',
    [...ROWS, ...GRADIENT, 'fromLogits'],
    (o) => engine.meanSquaredErrorGradient(tensor(), tensor(), o),
  ],
  [
    'klDivergenceGradient',
    [...ROWS, ...GRADIENT, 'temperature'],
    (o) => engine.klDivergenceGradient(tensor(), { targetLogits: tensor() }, o),
  ],
  [
    'distillationGradient',
    [...ROWS, ...GRADIENT, 'temperature', 'alpha', 'ignoreIndex', 'onInvalidTarget'],
    (o) => engine.distillationGradient(tensor(), tensor(), targets, o),
  ],
  [
    'binaryCrossEntropyWithLogitsGradient',
    [...ROWS, ...GRADIENT, 'weight', 'posWeight'],
    (o) => engine.binaryCrossEntropyWithLogitsGradient(tensor(), new Float32Array(6), o),
  ],
  [
    'metrics',
    ['topK', 'bins', 'ignoreIndex'],
    async (o) => {
      const metrics = engine.metrics({ classes: 3, ...o });
      await metrics.add(tensor(), targets, 'bins' in o ? undefinedOf('axis', 'signal') : {});
      return metrics.toJSON();
    },
  ],
  [
    'calibrate',
    ['columns', 'ignoreIndex', 'onInvalidInput', 'onInvalidTarget', 'sampleWeight', 'signal'],
    (o) => new SoftmaxClassifier(engine, { features: 3, classes: 3 }).calibrate(tensor(), targets, o),
  ],
  ['partSize', ['axis'], (o) => partSize([64, 10], 8, o)],
  ['mergeLosses', ['reduction', 'onEmpty'], (o) => mergeLosses([{ loss: 1, lossSum: 2, weightSum: 2 }], o)],
  [
    'SoftmaxClassifier',
    ['classNames', 'featureScaling'],
    (o) => ({ ...new SoftmaxClassifier(engine, { features: 3, classes: 2, ...o }) }),
  ],
  [
    'fit and evaluate',
    [...LOSS, 'mask', 'columns'].filter((name) => name !== 'signal'),
    async (o) => {
      const classifier = new SoftmaxClassifier(engine, { features: 3, classes: 3 });
      const names = [
        'epochs',
        'batchSize',
        'learningRate',
        'solver',
        'schedule',
        'warmup',
        'betas',
        'epsilon',
        'clipNorm',
        'earlyStopping',
        'warmStart',
        'momentum',
        'nesterov',
        'weightDecay',
      ];
      const more = [
        ...names,
        'shuffle',
        'seed',
        'validationSplit',
        'validation',
        'onEpochEnd',
        'onStep',
        'signal',
      ];
      const fitting = 'mask' in o ? { ...o, ...undefinedOf(...more) } : {};
      const { steps } = await classifier.fit(tensor(), targets, fitting);
      const { reduction: _, ...evaluating } = { reduction: undefined, ...o };
      return [steps, classifier.weights, await classifier.evaluate(tensor(), targets, evaluating)];
    },
  ],
  [
    'generalLoss of the reference',
    LOSS.filter((name) => name !== 'signal'),
    (o) => reference.generalLoss(tensor().data, targets, 2, 3, o),
  ],
])('%s (F15)', async (_, names, call) => {
  expect(await call(undefinedOf(...names))).toEqual(await call({}));
});

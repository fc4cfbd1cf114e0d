// Calls of every public function, with right arguments that are then replaced.
import { join } from 'node:path';
import { expect } from 'vitest';
import * as softshard from '#softshard/main/index.js';
import { Engine, hostMemory, Predictor, SoftmaxClassifier } from '#softshard/main/index.js';

import { scalingResult } from '../scaling/synthetic.js';

/** What the calls work with, once it is there. */
export const bench = {} as { engine: Engine; folder: string; evaluation: softshard.Training.Evaluation };
const all: Readonly<Record<string, unknown>> = { ...softshard };

export type Arguments = readonly unknown[];
export interface Call {
  /** Right ones: each of them, and each property of an object among them, is replaced in turn. */
  readonly args: () => Arguments;
  readonly call: (args: never) => unknown;
}

const tensor = () => ({ type: 'float32', dims: [2, 2], data: Float32Array.of(1, 2, 3, 4) });
const row = () => Float32Array.of(1, 2, 3, 4);
const file = (name: string) => join(bench.folder, name);
const table = () => ({
  columns: [
    { name: 'a', type: 'string' },
    { name: 'b', type: 'float32' },
  ],
  records: [['x', 0.5]],
});
const checkpoint = (): softshard.Training.Checkpoint => ({
  kind: 'fit',
  version: 1,
  position: { stage: 'steps' },
  conditions: { rows: '2' },
  state: { weights: row() },
});
/** Logits [2 × 2] and targets. */
const lossFiles = () => ({ logits: file('x.npy'), targets: file('l.npy') });
const records = () => [
  { a: 1, b: 2, kind: 'x' },
  { a: 3, b: 4, kind: 'y' },
];
const classifier = () =>
  new SoftmaxClassifier(bench.engine, { features: 2, classes: 2, featureScaling: { shift: 0, scale: 1 } });
const model = () => ({
  features: 2,
  classes: 2,
  weights: row(),
  bias: Float32Array.of(0, 1),
  classNames: ['a', 'b'],
  featureNames: ['c', 'd'],
  featureScaling: { shift: 0, scale: [1, 2] },
});
const ofPredictor = async (use: (predictor: Predictor) => unknown): Promise<void> => {
  using predictor = new Predictor(model());
  await use(predictor);
};
/** Methods of the bench.engine, called with these arguments. */
const ofEngine = (name: string, args: () => Arguments): [string, Call] => [
  `engine.${name}`,
  {
    args,
    call: (given: never[]) => (bench.engine[name as 'softmax'] as (...args: never[]) => unknown)(...given),
  },
];
const exported = (name: string, args: () => Arguments, call?: Call['call']): [string, Call] => [
  name,
  {
    args,
    call: call ?? ((given: never[]) => (all[name] as (...args: never[]) => unknown)(...given)),
  },
];

const loss = () => ({
  axis: -1,
  reduction: 'mean',
  weight: [1, 1],
  sampleWeight: [1, 1],
  ignoreIndex: -100,
  labelSmoothing: 0,
  temperature: 1,
  softcap: 1,
  zLoss: 0,
  focalGamma: 0,
  zeroTimesInfinity: 'zero',
  onEmpty: 'nan',
  onInvalidTarget: 'throw',
  mask: Uint8Array.of(1, 1, 1, 1),
  statistics: ['argMax'],
  topK: 1,
  signal: undefined,
});
const linearLoss = () => {
  const { axis: _, ...options } = loss();
  return options;
};
const gradient = () => ({ into: tensor(), gradOutput: undefined, gradScale: 1 });
const rowLoss = () => ({ axis: -1, reduction: 'mean', onEmpty: 'nan', signal: undefined });
const csv = () => ({
  labelColumn: 1,
  featureColumns: [0],
  header: true,
  delimiter: ',',
  decimal: '.',
  classNames: ['2', '4'],
  signal: undefined,
  onProgress: () => {},
});
const reading = () => ({ signal: undefined, onProgress: () => {} });
const fitting = () => ({
  epochs: 1,
  batchSize: 1,
  learningRate: 0.1,
  schedule: 'constant',
  warmup: 0,
  solver: 'sgd',
  momentum: 0,
  nesterov: false,
  weightDecay: 0,
  clipNorm: 1,
  warmStart: true,
  earlyStopping: false,
  shuffle: true,
  seed: 0,
  validationSplit: 0,
  validation: undefined,
  reduction: 'mean',
  weight: 'balanced',
  sampleWeight: [1, 1],
  mask: Uint8Array.of(1, 1, 1, 1),
  labelSmoothing: 0,
  columns: 2,
  signal: undefined,
  onStep: () => {},
  onEpochEnd: () => {},
});
const metrics = () => new softshard.ClassificationMetrics(bench.engine, { classes: 2 });

export const CALLS: readonly [string, Call][] = [
  exported(
    'Engine',
    () => [
      { threads: 1, numerics: 'portable', wideSimd: false, arenaBytes: 2 ** 21, blas: false, trace: false },
    ],
    async ([options]: [never]) => (await Engine.create(options)).close(),
  ),
  ofEngine('matrix', () => [1, 2]),
  ofEngine('vector', () => ['float32', 2]),
  ofEngine('tensor', () => ['float32', [1, 2]]),
  ofEngine('softmax', () => [tensor(), { axis: -1, into: tensor(), signal: undefined }]),
  ofEngine('softmax', () => [row(), { columns: 2 }]),
  ofEngine('logSoftmax', () => [tensor(), { into: row() }]),
  ofEngine('logSumExp', () => [tensor(), { axis: 0 }]),
  ofEngine('crossEntropy', () => [tensor(), [0, 1], loss()]),
  ofEngine('crossEntropy', () => [tensor(), row(), { labelSmoothing: 0.1 }]),
  ofEngine('crossEntropyGradient', () => [tensor(), [0, 1], { ...loss(), ...gradient() }]),
  ofEngine('linearCrossEntropy', () => [
    tensor(),
    tensor(),
    Float32Array.of(0, 0),
    [0, 1],
    {
      ...linearLoss(),
      into: { gradInputs: tensor(), gradWeights: tensor(), gradBias: Float32Array.of(0, 0) },
      workspaceBytes: 2 ** 20,
      gradients: { inputs: true, weights: true, bias: true },
      accumulate: true,
    },
  ]),
  ofEngine('nllLoss', () => [tensor(), [0, 1], { ...rowLoss(), weight: [1, 1], ignoreIndex: -100 }]),
  ofEngine('nllLossGradient', () => [tensor(), [0, 1], { ...rowLoss(), ...gradient() }]),
  ofEngine('crossEntropyOfProbabilities', () => [tensor(), [0, 1], { ...rowLoss(), floor: 1e-7 }]),
  ofEngine('crossEntropyOfProbabilitiesGradient', () => [
    tensor(),
    tensor(),
    { ...rowLoss(), ...gradient() },
  ]),
  ofEngine('meanSquaredError', () => [tensor(), tensor(), { ...rowLoss(), fromLogits: true }]),
  ofEngine('meanSquaredErrorGradient', () => [tensor(), [0, 1], { ...rowLoss(), ...gradient() }]),
  ofEngine('klDivergence', () => [tensor(), { targetLogits: tensor() }, { ...rowLoss(), temperature: 1 }]),
  ofEngine('klDivergenceGradient', () => [
    tensor(),
    { targetProbabilities: row() },
    { ...rowLoss(), ...gradient() },
  ]),
  ofEngine('distillation', () => [
    tensor(),
    tensor(),
    [0, 1],
    { ...rowLoss(), temperature: 1, alpha: 0.5, ignoreIndex: -1, onInvalidTarget: 'throw' },
  ]),
  ofEngine('distillationGradient', () => [tensor(), tensor(), [0, 1], { ...rowLoss(), ...gradient() }]),
  ofEngine('binaryCrossEntropyWithLogits', () => [
    tensor(),
    row().fill(0.5),
    { ...rowLoss(), weight: [1, 1], posWeight: [1, 1] },
  ]),
  ofEngine('binaryCrossEntropyWithLogitsGradient', () => [
    tensor(),
    row().fill(0.5),
    { ...rowLoss(), ...gradient() },
  ]),
  ofEngine('metrics', () => [{ classes: 2, topK: 1, bins: 3, ignoreIndex: -1 }]),
  [
    'metrics.add',
    {
      args: () => [tensor(), [0, 1], { axis: -1, signal: undefined }],
      call: ([a, b, c]: never[]) => metrics().add(a!, b!, c),
    },
  ],
  ['metrics.merge', { args: () => [metrics()], call: ([other]: never[]) => metrics().merge(other!) }],
  exported(
    'ClassificationMetrics',
    () => [bench.engine, { classes: 2 }],
    ([e, options]: never[]) => new softshard.ClassificationMetrics(e, options!),
  ),
  [
    'ClassificationMetrics.fromJSON',
    {
      args: () => [metrics().toJSON(), bench.engine],
      call: ([saved, e]: never[]) => softshard.ClassificationMetrics.fromJSON(saved, e),
    },
  ],
  ['hostMemory.matrix', { args: () => [1, 2], call: ([a, b]: never[]) => hostMemory.matrix(a!, b!) }],
  ['hostMemory.vector', { args: () => ['float32', 1], call: ([a, b]: never[]) => hostMemory.vector(a!, b!) }],
  [
    'hostMemory.tensor',
    { args: () => ['float32', [1, 2]], call: ([a, b]: never[]) => hostMemory.tensor(a!, b!) },
  ],
  exported('mergeLosses', () => [
    [{ loss: 1, lossSum: 1, weightSum: 1, zLoss: undefined }],
    { reduction: 'mean', onEmpty: 'nan' },
  ]),
  exported('partSize', () => [[4, 3, 2], 4, { axis: -1 }]),
  exported('splitRows', () => [10, 0.5, 1]),
  exported('scaleFeatures', () => [tensor(), { shift: [0, 1], scale: 1 }]),
  exported('standardScaling', () => [tensor()]),
  exported('splitRows', () => [[0, 1, 0, 1], { validation: 0.25, test: 0.25, stratify: true, seed: 1 }]),
  exported('selectRows', () => [tensor(), [1, 0]]),
  exported('allGatherRows', () => [
    bench.engine,
    { inputs: tensor(), targets: [1, 0], sampleWeight: [1, 2] },
    { columns: 2, features: 'x', label: 'y', signal: new AbortController().signal },
  ]),
  exported('encodeCheckpoint', () => [checkpoint()]),
  exported('decodeCheckpoint', () => [softshard.encodeCheckpoint(checkpoint()), 'a']),
  exported('hashFiles', () => [join(bench.folder, 'a.csv'), { signal: new AbortController().signal }]),
  exported('compareRuns', () => [bench.folder, bench.folder]),
  exported(
    'openRun',
    () => [
      join(bench.folder, 'run'),
      {
        engine: bench.engine,
        config: { epochs: 1 },
        data: { rows: join(bench.folder, 'a.csv') },
        start: 'auto',
        keepCheckpoints: 2,
        checkpointEvery: 60,
        onWarning: () => {},
        signal: new AbortController().signal,
      },
    ],
    async ([folder, options]: never[]) => (await softshard.openRun(folder!, options!)).close(),
  ),
  exported('supportsNumerics', () => ['portable']),
  exported('findBlas', () => ['/nowhere/libblas.so']),
  exported('availableThreads', () => []),
  exported('availableMemory', () => []),
  exported('defaultBlas', () => []),
  exported('hugePages', () => []),
  exported('findLaunch', () => []),
  exported('inProcessTransports', () => [2]),
  exported('supportsWideSimd', () => []),
  exported('trustsWideSimd', () => []),
  exported(
    'SoftmaxClassifier',
    () => [
      bench.engine,
      { features: 2, classes: 2, classNames: ['a', 'b'], featureScaling: { shift: 1, scale: [1, 2] } },
    ],
    ([e, options]: never[]) => new SoftmaxClassifier(e!, options!),
  ),
  [
    'fitMany',
    {
      args: () => [
        bench.engine,
        { type: 'float32', dims: [4, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
        [0, 1, 0, 1],
        [
          { C: 1, weight: [1, 2] },
          { learningRate: 0.1, epochs: 1 },
        ],
        {
          ...{ features: 2, classes: 2, cv: 2, splitSeed: 0, rankBy: 'loss', oneStandardError: false },
          ...{
            path: true,
            refit: true,
            columns: 2,
            onHeadProgress: () => {},
            onHeadEnd: () => {},
            signal: undefined,
          },
        },
      ],
      call: ([engine, inputs, targets, heads, options]: never[]) =>
        softshard.fitMany(engine!, inputs!, targets!, heads!, options!),
    },
  ],
  [
    'engine.jobs',
    {
      args: () => [
        {
          ...{ kind: 'fitMany', heads: [{ C: 1 }], targets: [0, 1, 0, 1], options: { classes: 2 } },
          inputs: { type: 'float32', dims: [4, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
          ...{ priority: 0, signal: undefined },
        },
      ],
      call: ([job]: never[]) => bench.engine.jobs.submit(job!).result(),
    },
  ],
  [
    'SoftmaxClassifier.load',
    {
      args: () => [bench.engine, file('a.safetensors')],
      call: ([e, path]: never[]) => SoftmaxClassifier.load(e!, path!),
    },
  ],
  [
    'classifier.save',
    {
      args: () => [file('b.safetensors'), { trainingOptions: { a: [1] } }],
      call: ([path, options]: never[]) => classifier().save(path!, options),
    },
  ],
  [
    'classifier.fit',
    { args: () => [tensor(), [0, 1], fitting()], call: ([a, b, c]: never[]) => classifier().fit(a!, b!, c) },
  ],
  [
    'classifier.fit of bytes',
    {
      args: () => [
        Uint8Array.of(1, 2, 3, 4),
        row().fill(0.5),
        { validation: { inputs: tensor(), targets: [0, 1] } },
      ],
      call: ([a, b, c]: never[]) => classifier().fit(a!, b!, c),
    },
  ],
  [
    'classifier.partialFit',
    {
      args: () => [
        tensor(),
        [0, 1],
        {
          ...{ solver: 'adamw', betas: [0.9, 0.99], epsilon: 1e-8, weightDecay: 0, learningRate: 0.1 },
          ...{ warmup: 1, clipNorm: 1, batchSize: 1, shuffle: true, seed: 0, weight: [1, 2], columns: 2 },
        },
      ],
      call: ([a, b, c]: never[]) => classifier().partialFit(a!, b!, c),
    },
  ],
  [
    'classifier.fit with settings',
    {
      args: () => [
        tensor(),
        [0, 1],
        {
          schedule: {
            kind: 'reduce-on-plateau',
            factor: 0.1,
            patience: 1,
            threshold: 0.1,
            minLearningRate: 0,
          },
          earlyStopping: { metric: 'loss', patience: 1, minDelta: 0, restoreBest: true },
          epochs: 2,
        },
      ],
      call: ([a, b, c]: never[]) => classifier().fit(a!, b!, c),
    },
  ],
  [
    'classifier.predict',
    {
      args: () => [tensor(), { columns: 2, signal: undefined }],
      call: ([a, b]: never[]) => classifier().predict(a!, b),
    },
  ],
  [
    'classifier.fit of records',
    {
      args: () => [records(), { label: 'kind', features: ['a', 'b'], C: 1, signal: undefined }],
      call: ([a, b]: never[]) => new SoftmaxClassifier(bench.engine).fit(a!, b!),
    },
  ],
  [
    'classifier.fit of rows and labels',
    {
      args: () => [
        [[1, 2], Float64Array.of(3, 4)],
        ['x', 'y'],
        {
          C: 1,
          validation: { inputs: new Set([[5, 6]]), targets: ['y'] },
          sampleWeight: Uint8Array.of(1, 2),
        },
      ],
      call: ([a, b, c]: never[]) => new SoftmaxClassifier(bench.engine).fit(a!, b!, c),
    },
  ],
  [
    'classifier.predictLabels',
    {
      args: () => [[[1, 2]], { columns: 2, features: undefined, label: undefined, signal: undefined }],
      call: ([a, b]: never[]) => classifier().predictLabels(a!, b),
    },
  ],
  [
    'classifier.predictProbabilities',
    {
      args: () => [tensor(), { into: tensor() }],
      call: ([a, b]: never[]) => classifier().predictProbabilities(a!, b),
    },
  ],
  [
    'classifier.predictLogits',
    {
      args: () => [tensor(), { into: tensor() }],
      call: ([a, b]: never[]) => classifier().predictLogits(a!, b),
    },
  ],
  [
    'classifier.evaluate',
    {
      args: () => [
        tensor(),
        [0, 1],
        { topK: 1, weight: [1, 1], mask: Uint8Array.of(1, 1, 1, 1), sampleWeight: [1, 1] },
      ],
      call: ([a, b, c]: never[]) => classifier().evaluate(a!, b!, c),
    },
  ],
  [
    'SoftmaxClassifier.fromModel',
    {
      args: () => [bench.engine, model()],
      call: ([engine, given]: never[]) => SoftmaxClassifier.fromModel(engine!, given!),
    },
  ],
  [
    'classifier.calibrate',
    {
      args: () => [
        tensor(),
        [0, 1],
        {
          columns: 2,
          ignoreIndex: -1,
          onInvalidInput: 'throw',
          onInvalidTarget: 'throw',
          sampleWeight: [1, 2],
          signal: undefined,
        },
      ],
      call: ([a, b, c]: never[]) => classifier().calibrate(a!, b!, c),
    },
  ],
  [
    'classifier.predictor',
    {
      args: () => [{ onInvalidInput: 'throw' }],
      call: async ([options]: never[]) => (await classifier().predictor(options)).close(),
    },
  ],
  exported(
    'Predictor',
    () => [model(), { onInvalidInput: 'throw', numerics: 'portable', engine: undefined }],
    ([of, options]: never[]) => new Predictor(of!, options).close(),
  ),
  [
    'Predictor.load',
    {
      args: () => [file('a.safetensors'), { engine: bench.engine }],
      call: async ([path, options]: never[]) => (await Predictor.load(path!, options)).close(),
    },
  ],
  [
    'predictor.predict',
    {
      args: () => [Float32Array.of(1, 2)],
      call: ([given]: never[]) => ofPredictor((predictor) => predictor.predict(given!)),
    },
  ],
  [
    'predictor.predictProbabilities',
    {
      args: () => [[1, 2], Float32Array.of(0, 0)],
      call: ([given, into]: never[]) =>
        ofPredictor((predictor) => predictor.predictProbabilities(given!, into)),
    },
  ],
  [
    'predictor.predictBatch',
    {
      args: () => [tensor(), { signal: undefined }],
      call: ([rows, options]: never[]) => ofPredictor((predictor) => predictor.predictBatch(rows!, options)),
    },
  ],
  [
    'predictor.predictBatchProbabilities',
    {
      args: () => [[[1, 2], Float64Array.of(3, 4)], { signal: undefined }],
      call: ([rows, options]: never[]) =>
        ofPredictor((predictor) => predictor.predictBatchProbabilities(rows!, options)),
    },
  ],
  [
    'predictor.className',
    {
      args: () => [1],
      call: ([predicted]: never[]) => ofPredictor((predictor) => predictor.className(predicted!)),
    },
  ],
  exported('fileFormats', () => []),
  exported(
    'registerFileFormat',
    () => [
      {
        name: 'rows',
        title: 'ROWS',
        extensions: ['.rows'],
        options: [],
        matches: () => false,
        readMatrix: () => {},
        readLabels: () => {},
      },
    ],
    ([format]: never[]) => softshard.registerFileFormat(format!)(),
  ),
  exported('readModelFile', () => [file('a.safetensors')]),
  exported('exportOnnx', () => [model(), file('a.onnx'), { ml: false, signal: undefined }]),
  exported('exportSklearn', () => [model(), file('a.npz'), { signal: undefined }]),
  exported('importSklearn', () => [file('a.npz'), { signal: undefined }]),
  exported('modelCard', () => [{ ...model(), temperature: 1, trainingOptions: {}, softshardVersion: '1' }]),
  exported('detectFormat', () => [file('a.csv')]),
  exported('checkInput', () => [file('a.csv')]),
  exported('listDataFiles', () => [file('a.csv')]),
  exported('readCsv', () => [hostMemory, file('a.csv'), csv()]),
  exported('readMatrix', () => [hostMemory, file('a.csv'), csv()]),
  exported('readFeatures', () => [bench.engine, file('a.csv'), csv()]),
  exported('readLabels', () => [file('a.csv'), csv()]),
  exported('readIdxMatrix', () => [hostMemory, file('a.idx'), reading()]),
  exported('readIdxLabels', () => [file('a.idx'), reading()]),
  exported('readNpyMatrix', () => [hostMemory, file('a.npy'), reading()]),
  exported('readNpyLabels', () => [file('l.npy'), reading()]),
  exported(
    'openFeatures',
    () => [file('a.npy'), { signal: undefined }],
    async ([path, options]: never[]) => (await softshard.openFeatures(path!, options)).close(),
  ),
  exported(
    'openNpy',
    () => [file('a.npy'), { signal: undefined }],
    async ([path, options]: never[]) => (await softshard.openNpy(path!, options)).close(),
  ),
  ['readRows', { args: () => [0, 1], call: ([a, b]: never[]) => withNpy((npy) => npy.readRows(a!, b!)) }],
  [
    'readElements',
    {
      args: () => [0, 1, Int32Array.of(1)],
      call: ([a, b, c]: never[]) => withNpy((npy) => npy.readElements(a!, b!, c)),
    },
  ],
  exported('writeNpy', () => [file('w.npy'), { dims: [1, 2], data: Float32Array.of(1, 2) }]),
  exported(
    'createNpyWriter',
    () => [file('v.npy'), { dims: [2], type: 'float32' }],
    async ([path, options]: never[]) => (await softshard.createNpyWriter(path!, options!)).abort(),
  ),
  [
    'append',
    {
      args: () => [Float32Array.of(1, 2)],
      call: async ([values]: never[]) => {
        const writer = await softshard.createNpyWriter(file('u.npy'), { dims: [2], type: 'float32' });
        try {
          await writer.append(values!);
        } finally {
          await writer.abort();
        }
      },
    },
  ],
  exported('writeCsv', () => [file('w.csv'), [['a', 1]]]),
  exported('writeTable', () => [file('w.csv'), table(), { format: 'csv' }]),
  exported('tableFormatOf', () => ['w.csv']),
  exported('shortestFloat', () => [0.5]),
  exported(
    'tableBlocks',
    () => [table(), 'jsonl'],
    async ([rows, format]: never[]) => {
      for await (const block of softshard.tableBlocks(rows!, format!)) expect(block).toBeTypeOf('string');
    },
  ),
  exported('lossOfFiles', () => [
    bench.engine,
    {
      ...lossFiles(),
      axis: -1,
      reduction: 'mean',
      temperature: 1,
      partBytes: 64,
      onStart() {},
      onProgress() {},
    },
  ]),
  exported('softmaxOfFile', () => [
    bench.engine,
    { input: lossFiles().logits, output: file('s.npy'), format: 'npy', log: false, axis: -1, partBytes: 64 },
  ]),
  exported('checkOutput', () => [file('w.csv')]),
  exported('writeTextFile', () => [file('w.txt'), 'text', { signal: undefined }]),
  exported('evaluationFacts', () => [bench.evaluation, { classNames: ['a', 'b'], of: 'test' }]),
  exported('renderReport', () => [
    { config: { command: 'train', options: {} }, result: { loss: 1 }, metrics: [{ time: 1 }] },
  ]),
  exported('writeReport', () => [file('r.html'), { result: { loss: 1 } }, { signal: undefined }]),
  exported('readRun', () => [file('facts'), { signal: undefined }]),
  exported('hparamsOf', () => [{ C: 1 }]),
  exported(
    'TensorBoard',
    () => [file('events'), { sessions: { a: { C: 1 } }, metrics: ['loss'] }],
    ([folder, options]: never[]) => new softshard.TensorBoard(folder!, options!).close(),
  ),
  exported('compareScaling', () => [scalingResult([2, 1]), scalingResult([2, 1])]),
  exported('scalingReport', () => {
    const result = scalingResult([2, 1]);
    return [result, softshard.compareScaling(result, result)];
  }),
  exported(
    'measureScaling',
    () => [{ shape: { rows: 2, columns: 2 }, threads: [1], seconds: 1, quick: true, tryOptions: false }],
    async ([options]: [object]) => {
      // Whatever passes the checks would be measured for a minute.
      const isObject = typeof options === 'object' && options !== null;
      const signal = AbortSignal.abort('enough');
      const stopped = isObject ? Object.assign(options, { signal }) : (options ?? { signal });
      await softshard.measureScaling(stopped as never).catch((error: unknown) => {
        if (error !== 'enough') throw error;
      });
    },
  ),
  exported(
    'measureRankScaling',
    () => [
      softshard.inProcessTransports(2)[0],
      { rows: 2, features: 2, classes: 2, seconds: 1, quick: true },
    ],
    async ([transport, options]: [never, object]) => {
      const isObject = typeof options === 'object' && options !== null;
      const signal = AbortSignal.abort('enough');
      const stopped = isObject ? Object.assign(options, { signal }) : (options ?? { signal });
      await softshard.measureRankScaling(transport, stopped as never).catch((error: unknown) => {
        if (error !== 'enough') throw error;
      });
    },
  ),
  exported('matchLabels', () => [
    ['1', 'x'],
    ['x', '1.0'],
  ]),
  exported('formatCsvRecord', () => [['a', 1]]),
  exported(
    'csvBlocks',
    () => [[['a', 1]]],
    async ([records]: never[]) => {
      for await (const block of softshard.csvBlocks(records!)) expect(block).toBeTypeOf('string');
    },
  ),
];

async function withNpy(work: (npy: softshard.Files.NpyFile) => Promise<unknown>): Promise<void> {
  const npy = await softshard.openNpy(file('a.npy'));
  try {
    await work(npy);
  } finally {
    await npy.close();
  }
}

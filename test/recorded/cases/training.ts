// Training runs: by partials and by tiles of the gradient, with rows in the arena and staged.
import { SoftmaxClassifier, splitRows, type Training } from '#softshard/main/index.js';
import { type Case, float64, type Values } from '../case.js';
import { ALL_AT_ONCE, MORE_OPTIONS, OPTION_GROUPS, type OptionGroup } from './cross-entropy-options.js';
import { type ProblemShape, problemName, problemOf } from './problems.js';

interface FitCase extends ProblemShape {
  readonly what: string;
  readonly options: Training.FitOptions;
  /** Rows to validate on that are given apart. */
  readonly validationRows?: number;
  readonly room?: number;
}

/** What parameters, gradients and scratch memory for three threads take. Rows that find no room beside them are staged. */
const PARTIALS_ROOM = 450_000;
const TILES_ROOM = 3_930_000;

function fitCase(fit: FitCase): Case {
  const { what, options, features, classes, validationRows, room = PARTIALS_ROOM } = fit;
  return {
    name: `fit: ${what}, ${problemName(fit)}`,
    room,
    run: async (place) => {
      const problem = problemOf(place, fit);
      const { featureScaling } = problem;
      const classifier = new SoftmaxClassifier(place.engine, {
        features,
        classes,
        ...(featureScaling && { featureScaling }),
      });
      const apart = validationRows && problemOf(place, { ...fit, rows: validationRows }, 62);
      const { mask = undefined, sampleWeight = undefined } = apart ? apart.options : {};
      const losses: number[] = [];
      const { epochs, steps } = await classifier.fit(problem.inputs, problem.targets, {
        seed: 5,
        ...problem.options,
        ...options,
        ...(apart && {
          validation: {
            inputs: apart.inputs,
            targets: apart.targets,
            ...(mask && { mask }),
            ...(sampleWeight && { sampleWeight }),
          },
        }),
        onStep: ({ loss }) => {
          losses.push(loss);
        },
      });
      const ofEpochs = (of: 'loss' | 'validationLoss' | 'validationAccuracy') =>
        epochs[0]?.[of] === undefined ? undefined : float64(epochs.map((epoch) => epoch[of]!));
      return {
        steps,
        'losses of steps': float64(losses),
        'losses of epochs': ofEpochs('loss'),
        'validation losses': ofEpochs('validationLoss'),
        'validation accuracies': ofEpochs('validationAccuracy'),
        weights: classifier.weights.slice(),
        bias: classifier.bias.slice(),
      } satisfies Values;
    },
  };
}

const SGD: Training.FitOptions = { epochs: 2, batchSize: 64, learningRate: 0.1, momentum: 0.9 };

const small = { rows: 211, features: 13, classes: 5 };
const descent: readonly Case[] = Object.entries({
  'plain steps': { epochs: 2, batchSize: 64 },
  momentum: SGD,
  "Nesterov's momentum": { ...SGD, nesterov: true },
  'weight decay': { epochs: 2, batchSize: 64, weightDecay: 0.01 },
  'all of it, linear schedule': { ...SGD, nesterov: true, weightDecay: 0.01, schedule: 'linear' },
  'all of it, cosine schedule': { ...SGD, epochs: 3, nesterov: true, weightDecay: 0.01, schedule: 'cosine' },
  'rows in order': { ...SGD, shuffle: false },
  'another seed': { ...SGD, seed: 2 ** 53 - 1 },
  'validation split': { ...SGD, validationSplit: 0.23 },
  'validation split, single epochs': { ...SGD, validationSplit: 0.5, onEpochEnd: () => {} },
  'default options': {},
} satisfies Record<string, Training.FitOptions>).map(([what, options]) =>
  fitCase({ what, ...small, options }),
);

const validated: readonly Case[] = [
  fitCase({ what: 'rows to validate on', ...small, validationRows: 197, options: SGD }),
  fitCase({ what: 'bytes to validate on', ...small, type: 'uint8', validationRows: 70, options: SGD }),
  fitCase({
    what: 'weighted rows to validate on',
    ...small,
    groups: ['sampleWeight', 'mask', 'labelSmoothing'].map((name) => OPTION_GROUPS[name]!),
    validationRows: 90,
    options: SGD,
  }),
];

/** Tiles have 64 rows, shards 16 or more, the last step what is left. */
const batches: readonly Case[] = [
  ...([1, 7, 16, 17, 63, 64, 65, 127, 128, 129, 256, 257, 'full'] as const).map((batchSize) =>
    fitCase({
      what: batchSize === 'full' ? 'one step' : `steps of ${batchSize}`,
      rows: batchSize === 1 ? 61 : 301,
      features: 7,
      classes: 4,
      options: { ...SGD, batchSize },
    }),
  ),
  // Shards of 80 and of 272 rows.
  ...[523, 4700].map((rows) =>
    fitCase({ what: 'one step', rows, features: 3, classes: 3, options: { ...SGD, batchSize: 'full' } }),
  ),
];

const shapes: readonly Case[] = [
  ...[1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 65, 129].map((features) => ({ features, classes: 3 })),
  ...[2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 23, 41, 67].map((classes) => ({ features: 6, classes })),
  // Tiles of fewer than 64 rows.
  { features: 1041, classes: 3 },
  { features: 8203, classes: 2 },
  { features: 3, classes: 1100 },
].map((shape) => fitCase({ what: 'momentum', rows: 83, ...shape, options: { ...SGD, batchSize: 50 } }));

const bytes: readonly Case[] = (['numbers', 'features', 'none'] as const).flatMap((scaling) =>
  [9, 16, 37].map((features) =>
    fitCase({
      what: 'momentum',
      type: 'uint8',
      scaling,
      rows: 150,
      features,
      classes: 6,
      options: { ...SGD, ...(scaling === 'none' && { learningRate: 1e-5 }), validationSplit: 0.2 },
    }),
  ),
);

/** What fit takes of the options of the loss. */
const GROUPS: Readonly<Record<string, OptionGroup>> = Object.fromEntries(
  Object.entries({ ...OPTION_GROUPS, ...MORE_OPTIONS }).filter(
    ([name]) =>
      !['reduction none', 'gradScale', 'statistics', 'all rows ignored, onEmpty nan'].includes(name),
  ),
);
const allOptions = ALL_AT_ONCE.flatMap((name) => GROUPS[name] ?? []);
const softOptions = [
  ...ALL_AT_ONCE.flatMap((name) => (name === 'ignored rows' ? [] : (GROUPS[name] ?? []))),
  GROUPS['soft targets']!,
];

const lossOptions: readonly Case[] = [
  ...Object.entries(GROUPS).map(([what, group]) =>
    fitCase({
      what,
      ...small,
      groups: [group],
      options: { ...SGD, learningRate: 0.02, validationSplit: 0.2 },
    }),
  ),
  fitCase({ what: 'balanced classes', ...small, options: { ...SGD, weight: 'balanced' } }),
  fitCase({
    what: 'balanced classes, ignored rows',
    ...small,
    groups: [OPTION_GROUPS['ignored rows']!],
    options: { ...SGD, weight: 'balanced', validationSplit: 0.2 },
  }),
  fitCase({ what: 'all options', ...small, groups: allOptions, options: SGD }),
  fitCase({ what: 'all options, soft targets', ...small, groups: softOptions, options: SGD }),
  fitCase({ what: 'all options', ...small, type: 'uint8', groups: allOptions, options: SGD }),
  ...[2, 3, 9, 17, 40].map((classes) =>
    fitCase({ what: 'all options', rows: 90, features: 5, classes, groups: allOptions, options: SGD }),
  ),
];

/** Rooms are such that rows pass through one stage, or two where there is more memory. */
const wideRows = { rows: 2503, features: 120, classes: 5 };
const staged: readonly Case[] = [
  fitCase({ what: 'staged', ...wideRows, options: { ...SGD, batchSize: 400 }, room: 730_000 }),
  fitCase({
    what: 'staged, two stages of several steps',
    ...wideRows,
    options: { ...SGD, batchSize: 100 },
    room: 1_250_000,
  }),
  fitCase({
    what: 'staged, large steps',
    ...wideRows,
    options: { ...SGD, batchSize: 1100, shuffle: false, validationSplit: 0.1 },
    room: 1_330_000,
  }),
  fitCase({
    what: 'staged',
    type: 'uint8',
    scaling: 'features',
    rows: 6007,
    features: 190,
    classes: 4,
    options: { ...SGD, epochs: 1, batchSize: 500, validationSplit: 0.1 },
    room: 1_180_000,
  }),
  fitCase({
    what: 'staged, all options',
    ...wideRows,
    groups: allOptions,
    options: { ...SGD, epochs: 1, batchSize: 400, validationSplit: 0.2 },
    room: 1_070_000,
  }),
];

/** More parameters than partial gradients of all shards have room for: 8 MiB of them. */
const wide = { rows: 150, features: 611, classes: 499 };
const TILES: Training.FitOptions = { epochs: 1, batchSize: 128, learningRate: 0.05 };
const tiles: readonly Case[] = [
  fitCase({ what: 'by tiles', ...wide, options: TILES, room: TILES_ROOM }),
  fitCase({
    what: "by tiles, Nesterov's momentum and weight decay",
    ...wide,
    options: { ...TILES, epochs: 2, momentum: 0.9, nesterov: true, weightDecay: 0.01, schedule: 'cosine' },
    room: TILES_ROOM,
  }),
  fitCase({
    what: 'by tiles, validation split',
    ...wide,
    rows: 190,
    type: 'uint8',
    options: { ...TILES, validationSplit: 0.2 },
    room: TILES_ROOM,
  }),
  fitCase({ what: 'by tiles, all options', ...wide, groups: allOptions, options: TILES, room: TILES_ROOM }),
  fitCase({
    what: 'by tiles, all options, soft targets',
    ...wide,
    groups: softOptions,
    options: TILES,
    room: TILES_ROOM,
  }),
  // Shards of 48 rows and more; rows that do not fit where there is little memory.
  fitCase({
    what: 'by tiles, staged',
    ...wide,
    rows: 700,
    options: { ...TILES, batchSize: 400 },
    room: 5_320_000,
  }),
  // Panels 4, 8 and 12 wide: partials of two shards are too many where there are so many features.
  ...[
    { features: 350_000, classes: 3, type: 'uint8' as const },
    { features: 150_000, classes: 7 },
    { features: 95_500, classes: 11 },
  ].map((shape) =>
    fitCase({ what: 'by tiles', rows: 18, ...shape, options: { ...TILES, batchSize: 17 }, room: 0 }),
  ),
];

const ADAMW: Training.FitOptions = { epochs: 3, batchSize: 64, solver: 'adamw', learningRate: 0.02 };
const solvers: readonly Case[] = [
  ...Object.entries({
    AdamW: ADAMW,
    'AdamW, all of it': {
      ...ADAMW,
      ...{
        betas: [0.8, 0.95],
        epsilon: 1e-4,
        weightDecay: 0.1,
        warmup: 3,
        schedule: 'cosine',
        clipNorm: 0.5,
      },
    },
    'clipped gradients': { ...SGD, clipNorm: 0.3 },
    'warm-up': { ...SGD, warmup: 0.3 },
    'one cycle': { ...SGD, schedule: 'one-cycle' },
    'a rate that falls by epochs': { ...SGD, epochs: 3, schedule: { kind: 'step', everyEpochs: 1 } },
    'a rate that falls on a plateau': {
      ...SGD,
      ...{ epochs: 4, validationSplit: 0.3 },
      schedule: { kind: 'reduce-on-plateau', patience: 0, threshold: 0.9 },
    },
    'early stopping': {
      ...SGD,
      ...{ epochs: 9, learningRate: 2, validationSplit: 0.3, earlyStopping: { patience: 1 } },
    },
  } satisfies Record<string, Training.FitOptions>).map(([what, options]) =>
    fitCase({ what, ...small, options }),
  ),
  fitCase({
    what: 'staged, AdamW',
    ...wideRows,
    options: { ...ADAMW, epochs: 2, batchSize: 400, clipNorm: 0.5 },
    room: 1_070_000,
  }),
  fitCase({
    what: 'by tiles, AdamW',
    ...wide,
    options: { ...TILES, epochs: 2, solver: 'adamw', clipNorm: 0.5 },
    room: TILES_ROOM,
  }),
];

const partialFit: Case = {
  name: `partialFit: AdamW, three calls, ${problemName(small)}`,
  room: PARTIALS_ROOM,
  run: async (place) => {
    const { inputs, targets } = problemOf(place, small);
    const { features, classes } = small;
    const classifier = new SoftmaxClassifier(place.engine, { features, classes });
    const losses: number[] = [];
    for (let call = 0; call < 3; call++) {
      const { loss } = await classifier.partialFit(inputs, targets, {
        ...{ solver: 'adamw', batchSize: 64, learningRate: 0.02, warmup: 5 },
      });
      losses.push(loss);
    }
    return {
      'losses of calls': float64(losses),
      weights: classifier.weights.slice(),
      bias: classifier.bias.slice(),
    };
  },
};

const splits: Case = {
  name: 'splitRows: rows for validation by seed',
  run: async () => {
    const { training, validation } = splitRows(300, 0.2, 12);
    const other = splitRows(300, 0.2, 2 ** 40 + 1);
    return { training, validation, 'training of another seed': other.training };
  },
};

export const trainingCases: readonly Case[] = [
  ...descent,
  ...validated,
  ...batches,
  ...shapes,
  ...bytes,
  ...lossOptions,
  ...staged,
  ...tiles,
  ...solvers,
  partialFit,
  splits,
];

// Calls of every operation at random, each with a digest of its result: the same call has the same one on every engine.
import {
  type Engine,
  type Losses,
  SoftmaxClassifier,
  SoftshardError,
  type Tensor,
} from '#softshard/main/index.js';
import {
  digestOf,
  EngineMemory,
  elementsAt,
  freeResults,
  type LogitsSpec,
  type Memory,
  placed,
  randomClasses,
  randomLogits,
  randomShares,
  type Size,
  sharesAt,
  spice,
  type TargetsSpec,
  valuesAt,
  type Where,
} from './call-data.js';
import type { Random } from './random.js';

export interface Call {
  /** For people. */
  readonly what: string;
  /** What comes back: arrays, sums, reports. */
  run(engine: Engine, memory: Memory, signal: { signal?: AbortSignal }): Promise<unknown>;
}

type Maker = (random: Random, size: Size) => Call;

/** A digest of the result, or the code of the error where the arguments call for one. */
export async function resultOf(
  call: Call,
  engine: Engine,
  signal?: AbortSignal,
  memory: Memory = new EngineMemory(engine),
): Promise<string> {
  try {
    const result = await call.run(engine, memory, signal === undefined ? {} : { signal });
    const digest = digestOf(result);
    freeResults(result);
    return digest;
  } catch (error) {
    // What the arguments call for is a result as well; the rest is for the attack to judge.
    if (error instanceof SoftshardError && !OF_CIRCUMSTANCES.includes(error.code)) return error.code;
    throw error;
  } finally {
    memory.release();
  }
}

const OF_CIRCUMSTANCES = ['ERR_WORKER', 'ERR_CLOSED', 'ERR_ARENA_FULL', 'ERR_OPTION'];

const shapeOf = ({ type, dims, where }: LogitsSpec): string => `${type} [${dims.join(' × ')}] (${where})`;

const logitsIn = (memory: Memory, spec: LogitsSpec): Tensor<LogitsSpec['type']> =>
  placed(memory, spec.where, spec.type, spec.dims, spec.elements);

type Into = 'new' | 'apart' | 'in place';
const INTO: readonly Into[] = ['new', 'apart', 'in place'];

function intoOf(memory: Memory, into: Into, spec: LogitsSpec, logits: Tensor<LogitsSpec['type']>) {
  if (into === 'new') return {};
  return { into: into === 'in place' ? logits : memory.tensor(spec.where, spec.type, spec.dims) };
}

const mapped =
  (name: 'softmax' | 'logSoftmax'): Maker =>
  (random, size) => {
    const spec = randomLogits(random, size);
    const into = random.of(INTO);
    return {
      what: `${name} ${shapeOf(spec)} ${into}`,
      run: (engine, memory, signal) => {
        const logits = logitsIn(memory, spec);
        const options = { axis: spec.axis, ...intoOf(memory, into, spec, logits), ...signal };
        return name === 'softmax' ? engine.softmax(logits, options) : engine.logSoftmax(logits, options);
      },
    };
  };

const logSumExp: Maker = (random, size) => {
  const spec = randomLogits(random, size);
  return {
    what: `logSumExp ${shapeOf(spec)}`,
    run: (engine, memory, signal) => engine.logSumExp(logitsIn(memory, spec), { axis: spec.axis, ...signal }),
  };
};

const STATISTICS: readonly Losses.StatisticName[] = [
  'logSumExp',
  'argMax',
  'correct',
  'topKCorrect',
  'entropy',
  'margin',
  'targetProbability',
];

/** Options of the general loss that go with any targets, or some of them. */
const lossOptions = (random: Random, rows: number, columns: number): Losses.LossOptions =>
  random.some({
    reduction: random.of(['mean', 'sum', 'none'] as const),
    weight: sharesAt(random.below(1e5), columns),
    sampleWeight: sharesAt(random.below(1e5), rows),
    labelSmoothing: random.next(),
    temperature: 0.5 + random.next(),
    softcap: 1 + 10 * random.next(),
    zLoss: 0.1 * random.next(),
    focalGamma: 2 * random.next(),
    onEmpty: random.of(['nan', 'zero', 'throw'] as const),
    zeroTimesInfinity: random.of(['zero', 'nan'] as const),
  });

const crossEntropy =
  (gradient: boolean): Maker =>
  (random, size) => {
    const spec = randomLogits(random, size);
    const { rows, columns, axis } = spec;
    const soft = random.chance(0.25) ? randomShares(random, spec) : undefined;
    const targets = soft ?? randomClasses(random, rows, columns);
    const chosen = random.chance(0.3) ? {} : lossOptions(random, rows, columns);
    const statistics =
      soft === undefined && random.chance(0.3) ? { statistics: STATISTICS, topK: random.size(columns) } : {};
    // A class that is left out cannot be a target: where targets are shares, nothing is refused.
    const mask = soft !== undefined && random.chance(0.3) ? maskOf(random, spec.elements.length) : undefined;
    const into = random.of(INTO);
    const options = { axis, ...chosen, ...statistics, ...(mask && { mask }) };
    const name = gradient ? 'crossEntropyGradient' : 'crossEntropy';
    return {
      what: `${name} ${shapeOf(spec)} ${soft ? 'shares' : 'classes'} ${into} {${Object.keys(options)}}`,
      run: (engine, memory, signal) => {
        const logits = logitsIn(memory, spec);
        if (!gradient) return engine.crossEntropy(logits, targets, { ...options, ...signal });
        const place = intoOf(memory, into, spec, logits);
        return engine.crossEntropyGradient(logits, targets, { ...options, ...place, ...signal });
      },
    };
  };

const maskOf = (random: Random, length: number): Uint8Array =>
  Uint8Array.from(valuesAt(random.below(1e5), length), (value) => (value > -2 ? 1 : 0));

type RowOptions = Omit<Losses.RowLossOptions & Losses.RowGradientOptions, 'into' | 'columns'>;
type RowCall = (
  engine: Engine,
  logits: Tensor<LogitsSpec['type']>,
  options: RowOptions,
  gradient: boolean,
) => Promise<unknown>;

/** The row losses differ in what they compare with. */
const rowLoss =
  (name: string, prepare: (random: Random, spec: LogitsSpec) => RowCall): Maker =>
  (random, size) => {
    const spec = randomLogits(random, size);
    const call = prepare(random, spec);
    const gradient = random.chance(0.5);
    const into = gradient ? random.of(INTO) : 'new';
    const reduction = random.of(['mean', 'sum', 'none'] as const);
    return {
      what: `${name}${gradient ? 'Gradient' : ''} ${shapeOf(spec)} ${reduction} ${into}`,
      run: (engine, memory, signal) => {
        const logits = logitsIn(memory, spec);
        const options = { axis: spec.axis, reduction, ...intoOf(memory, into, spec, logits), ...signal };
        return call(engine, logits, options, gradient);
      },
    };
  };

const nll = rowLoss('nllLoss', (random, { rows, columns }) => {
  const targets = randomClasses(random, rows, columns);
  return (engine, logits, options, gradient) =>
    gradient ? engine.nllLossGradient(logits, targets, options) : engine.nllLoss(logits, targets, options);
});

const withoutIgnored = (targets: TargetsSpec): TargetsSpec =>
  targets instanceof BigInt64Array
    ? targets.map((target) => (target < 0n ? 0n : target))
    : Int32Array.from(targets, (target) => Math.max(0, target));

const squaredError = rowLoss('meanSquaredError', (random, spec) => {
  const targets = random.chance(0.5)
    ? withoutIgnored(randomClasses(random, spec.rows, spec.columns))
    : randomShares(random, spec);
  const through = { fromLogits: random.chance(0.5) };
  return (engine, logits, options, gradient) =>
    gradient
      ? engine.meanSquaredErrorGradient(logits, targets, { ...options, ...through })
      : engine.meanSquaredError(logits, targets, { ...options, ...through });
});

const divergence = rowLoss('klDivergence', (random, spec) => {
  const teacher = random.chance(0.5)
    ? { targetProbabilities: randomShares(random, spec) }
    : {
        targetLogits: {
          type: spec.type,
          dims: spec.dims,
          data: elementsAt(spec.type, 7, spec.elements.length),
        },
      };
  const softened = random.some({ temperature: 0.5 + random.next() });
  return (engine, logits, options, gradient) =>
    gradient
      ? engine.klDivergenceGradient(logits, teacher, { ...options, ...softened })
      : engine.klDivergence(logits, teacher, { ...options, ...softened });
});

const distillation = rowLoss('distillation', (random, spec) => {
  const targets = randomClasses(random, spec.rows, spec.columns);
  const teacher = { type: spec.type, dims: spec.dims, data: elementsAt(spec.type, 9, spec.elements.length) };
  const mixed = random.some({ temperature: 0.5 + random.next(), alpha: random.next() });
  return (engine, logits, options, gradient) =>
    gradient
      ? engine.distillationGradient(logits, teacher, targets, { ...options, ...mixed })
      : engine.distillation(logits, teacher, targets, { ...options, ...mixed });
});

const binary = rowLoss('binaryCrossEntropyWithLogits', (random, spec) => {
  const targets = randomShares(random, spec);
  const weighted = random.some({
    weight: sharesAt(random.below(1e5), spec.columns),
    posWeight: sharesAt(random.below(1e5), spec.columns),
  });
  return (engine, logits, options, gradient) =>
    gradient
      ? engine.binaryCrossEntropyWithLogitsGradient(logits, targets, { ...options, ...weighted })
      : engine.binaryCrossEntropyWithLogits(logits, targets, { ...options, ...weighted });
});

const LINEAR_TYPES: readonly Losses.LinearType[] = ['float32', 'float32', 'bfloat16', 'float16'];

/** Features, classes and rows of a linear layer whose product takes about as long as the size says. */
function linearShape(random: Random, size: Size) {
  const features = random.size(size === 'large' ? 300 : 60);
  const classes = 1 + random.size(size === 'large' ? 300 : 60);
  const products = { tiny: 20_000, small: 2e6, large: 6e7 }[size];
  const rows = Math.max(1, Math.min(20_000, Math.floor(products / features / classes)));
  return { features, classes, rows };
}

const linearCrossEntropy: Maker = (random, size) => {
  const { features, classes, rows } = linearShape(random, size);
  const [type, where, offset] = [
    random.of(LINEAR_TYPES),
    random.of<Where>(['arena', 'plain']),
    random.below(1e5),
  ];
  const parts = {
    inputs: elementsAt(type, offset, rows * features),
    weights: elementsAt(type, offset + 1, features * classes),
    bias: random.chance(0.5) ? elementsAt(type, offset + 2, classes) : undefined,
  };
  const targets = randomClasses(random, rows, classes);
  const options = {
    ...(random.chance(0.5) ? {} : lossOptions(random, rows, classes)),
    gradients: random.of([true, false, { weights: false }]),
    // A small one makes several chunks of rows.
    ...random.some({ workspaceBytes: 2 * 1024 * 1024 }),
  };
  return {
    what: `linearCrossEntropy ${type} ${rows} × ${features} × ${classes} (${where}) {${Object.keys(options)}}`,
    run: (engine, memory, signal) => {
      const inputs = placed(memory, where, type, [rows, features], parts.inputs);
      const weights = placed(memory, where, type, [features, classes], parts.weights);
      const bias = parts.bias && placed(memory, where, type, [classes], parts.bias);
      return engine.linearCrossEntropy(inputs, weights, bias, targets, { ...options, ...signal });
    },
  };
};

interface Model {
  readonly features: number;
  readonly classes: number;
  readonly rows: number;
  readonly inputs: Float32Array;
  readonly targets: TargetsSpec;
}

function randomModel(random: Random, size: Size): Model {
  const { features, classes, rows } = linearShape(random, size);
  const inputs = valuesAt(random.below(1e5), rows * features);
  if (random.chance(0.05)) spice(random, inputs);
  return { features, classes, rows, inputs, targets: randomClasses(random, rows, classes) };
}

function classifierOf(engine: Engine, { features, classes }: Model, offset: number): SoftmaxClassifier {
  const classifier = new SoftmaxClassifier(engine, { features, classes });
  classifier.weights.set(valuesAt(offset, features * classes));
  classifier.bias.set(valuesAt(offset + 1, classes));
  return classifier;
}

const fit: Maker = (random, size) => {
  const model = randomModel(random, size);
  const offset = random.below(1e5);
  const options = {
    columns: model.features,
    epochs: random.between(1, 3),
    batchSize: random.of<number | 'full'>([16, 100, 256, 'full']),
    learningRate: 0.01,
    ...(random.chance(0.3) ? ({ solver: 'adamw' } as const) : random.some({ momentum: 0.9 })),
    ...random.some({
      weightDecay: 0.01,
      shuffle: false,
      validationSplit: 0.2,
      schedule: random.of(['cosine', 'linear', 'one-cycle', 'reduce-on-plateau'] as const),
      clipNorm: 0.5,
      earlyStopping: { metric: 'loss', patience: 1 } as const,
      labelSmoothing: 0.1,
      sampleWeight: sharesAt(random.below(1e5), model.rows),
      zLoss: 0.01,
    }),
  };
  const where = random.of<Where>(['arena', 'plain']);
  return {
    what: `fit ${model.rows} × ${model.features} × ${model.classes} (${where}) {${Object.keys(options)}}`,
    run: async (engine, memory, signal) => {
      const classifier = classifierOf(engine, model, offset);
      const inputs = placed(memory, where, 'float32', [model.rows, model.features], model.inputs);
      const { epochs, steps } = await classifier.fit(inputs, model.targets, { ...options, ...signal });
      return { epochs, steps, weights: classifier.weights, bias: classifier.bias };
    },
  };
};

const applied =
  (name: 'predict' | 'predictProbabilities' | 'evaluate'): Maker =>
  (random, size) => {
    const model = randomModel(random, size);
    const offset = random.below(1e5);
    const where = random.of<Where>(['arena', 'plain']);
    const options =
      name === 'evaluate' ? random.some({ labelSmoothing: 0.1, temperature: 2, zLoss: 0.1 }) : {};
    return {
      what: `${name} ${model.rows} × ${model.features} × ${model.classes} (${where}) {${Object.keys(options)}}`,
      run: (engine, memory, signal) => {
        const classifier = classifierOf(engine, model, offset);
        const inputs = placed(memory, where, 'float32', [model.rows, model.features], model.inputs);
        if (name === 'evaluate') return classifier.evaluate(inputs, model.targets, { ...options, ...signal });
        return classifier[name](inputs, signal);
      },
    };
  };

const metrics: Maker = (random, size) => {
  const spec = randomLogits(random, size);
  const targets = randomClasses(random, spec.rows, spec.columns);
  return {
    what: `metrics ${shapeOf(spec)}`,
    run: async (engine, memory, signal) => {
      const counted = engine.metrics({ classes: spec.columns });
      await counted.add(logitsIn(memory, spec), targets, { axis: spec.axis, ...signal });
      return counted.toJSON();
    },
  };
};

const MAKERS: Readonly<Record<string, Maker>> = {
  softmax: mapped('softmax'),
  logSoftmax: mapped('logSoftmax'),
  logSumExp,
  crossEntropy: crossEntropy(false),
  crossEntropyGradient: crossEntropy(true),
  nll,
  squaredError,
  divergence,
  distillation,
  binary,
  linearCrossEntropy,
  fit,
  predict: applied('predict'),
  predictProbabilities: applied('predictProbabilities'),
  evaluate: applied('evaluate'),
  metrics,
};

export const CALL_NAMES: readonly string[] = Object.keys(MAKERS);

export const randomCall = (random: Random, size: Size, name = random.of(CALL_NAMES)): Call =>
  MAKERS[name]!(random, size);

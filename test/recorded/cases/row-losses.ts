// The row losses, with their gradients; what a batch is merged from.
import { type FloatType, type Losses, mergeLosses, partSize, type Tensor } from '#softshard/main/index.js';
import { type Case, lossValues, named, type Place, shapeName, type Value, type Values } from '../case.js';
import { asType, Inputs, product } from '../inputs.js';
import { FLOAT_TYPES, SEVENTEEN } from './rows.js';

/** A batch [outer × columns × inner] and all that losses compare it with; each is in the order of the outputs. */
interface Batch {
  readonly axis: number;
  readonly columns: number;
  /** In (0.05, 1.05): they pass for logits, probabilities and (negative) log-probabilities. */
  readonly outputs: Tensor<FloatType>;
  readonly teacher: Tensor<FloatType>;
  /** In [0, 1]. */
  readonly dense: Tensor<'float32' | 'float64'>;
  readonly targets: Tensor<'int32'>;
  /** With rows of -100. */
  readonly someIgnored: Tensor<'int32'>;
  readonly ofRows: Float32Array;
  readonly ofColumns: Float32Array;
}

function batchOf({ put }: Place, type: FloatType, dims: readonly number[], axis: number): Batch {
  const inputs = new Inputs(21);
  const columns = dims[axis]!;
  const size = product(dims);
  const rows = size / columns;
  const targets = inputs.classes(rows, columns);
  const computed = type === 'float64' ? 'float64' : 'float32';
  return {
    axis,
    columns,
    outputs: put(type, dims, inputs.positive(size, type)),
    teacher: put(type, dims, inputs.positive(size, type)),
    dense: put(computed, dims, inputs.fractions(computed, size)),
    targets: put('int32', [rows], targets),
    someIgnored: put(
      'int32',
      [rows],
      targets.map((target, row) => (row % 4 === 1 ? -100 : target)),
    ),
    ofRows: inputs.positive(rows),
    ofColumns: inputs.positive(columns),
  };
}

type Run = (place: Place, batch: Batch) => Promise<Values>;
type Options<T> = (batch: Batch) => T;

interface ForGradients {
  readonly gradOutput?: unknown;
  readonly gradScale?: unknown;
}

/** What the loss alone takes. */
function withoutGradient<T extends ForGradients>(options: T): Omit<T, keyof ForGradients> {
  const { gradOutput: _, gradScale: __, ...others } = options;
  return others;
}

const values = (
  result: Losses.RowLossResult,
  gradient: Value | undefined,
  forward: Losses.RowLossResult,
): Values => ({
  ...lossValues(result),
  gradient,
  ...named('without gradient: ', lossValues(forward)),
});

const nll =
  (options: Options<Losses.NllLossOptions & Losses.GradientOptions>, ignores = false): Run =>
  async ({ engine, take }, batch) => {
    const { axis, outputs, someIgnored } = batch;
    const targets = ignores ? someIgnored : batch.targets;
    const given = { axis, ...options(batch) };
    const { gradLogProbabilities, ...result } = await engine.nllLossGradient(outputs, targets, given);
    const forward = await engine.nllLoss(outputs, targets, withoutGradient(given));
    return values(result, take(gradLogProbabilities), forward);
  };

const probability =
  (
    targets: 'targets' | 'dense',
    options: Options<Losses.ProbabilityCrossEntropyOptions & Losses.GradientOptions>,
  ): Run =>
  async ({ engine, take }, batch) => {
    const { axis, outputs } = batch;
    const given = { axis, ...options(batch) };
    const { gradProbabilities, ...result } = await engine.crossEntropyOfProbabilitiesGradient(
      outputs,
      batch[targets],
      given,
    );
    const forward = await engine.crossEntropyOfProbabilities(outputs, batch[targets], withoutGradient(given));
    return values(result, take(gradProbabilities), forward);
  };

const squared =
  (
    targets: 'targets' | 'dense',
    options: Options<Losses.SquaredErrorOptions & Losses.GradientOptions>,
  ): Run =>
  async ({ engine, take }, batch) => {
    const { axis, outputs } = batch;
    const given = { axis, ...options(batch) };
    const { gradPredictions, ...result } = await engine.meanSquaredErrorGradient(
      outputs,
      batch[targets],
      given,
    );
    const forward = await engine.meanSquaredError(outputs, batch[targets], withoutGradient(given));
    return values(result, take(gradPredictions), forward);
  };

const divergence =
  (
    teacher: 'teacher' | 'dense',
    options: Options<Losses.KlDivergenceOptions & Losses.GradientOptions>,
  ): Run =>
  async ({ engine, take }, batch) => {
    const { axis, outputs } = batch;
    const given = { axis, ...options(batch) };
    const from = teacher === 'dense' ? { targetProbabilities: batch.dense } : { targetLogits: batch.teacher };
    const { gradLogits, ...result } = await engine.klDivergenceGradient(outputs, from, given);
    const forward = await engine.klDivergence(outputs, from, withoutGradient(given));
    return values(result, take(gradLogits), forward);
  };

const partsOf = ({ divergenceSum, crossEntropySum }: Losses.DistillationResult): Values => ({
  divergenceSum,
  crossEntropySum,
});

const distilled =
  (options: Options<Losses.DistillationOptions & Losses.GradientOptions>, ignores = false): Run =>
  async ({ engine, take }, batch) => {
    const { axis, outputs, teacher, someIgnored } = batch;
    const targets = ignores ? someIgnored : batch.targets;
    const given = { axis, ...options(batch) };
    const { gradLogits, ...result } = await engine.distillationGradient(outputs, teacher, targets, given);
    const forward = await engine.distillation(outputs, teacher, targets, withoutGradient(given));
    return {
      ...values(result, take(gradLogits), forward),
      ...partsOf(result),
      ...named('without gradient: ', partsOf(forward)),
    };
  };

const binary =
  (options: Options<Losses.BinaryCrossEntropyOptions & Losses.GradientOptions>): Run =>
  async ({ engine, take }, batch) => {
    const { axis, outputs, dense } = batch;
    const given = { axis, ...options(batch) };
    const { gradLogits, ...result } = await engine.binaryCrossEntropyWithLogitsGradient(
      outputs,
      dense,
      given,
    );
    const forward = await engine.binaryCrossEntropyWithLogits(outputs, dense, withoutGradient(given));
    return values(result, take(gradLogits), forward);
  };

const plain = () => ({});
const sum = () => ({ reduction: 'sum' }) as const;
const none = ({ ofRows }: Batch) => ({ reduction: 'none', gradOutput: ofRows, gradScale: -2 }) as const;

/** The first of each operation in every type and layout. */
const MAIN: Readonly<Record<string, Run>> = {
  'nllLoss: all options': nll((batch) => ({
    ...none(batch),
    weight: batch.ofColumns,
    sampleWeight: batch.ofRows,
    ignoreIndex: 1,
  })),
  'crossEntropyOfProbabilities: classes': probability('targets', (batch) => ({ ...none(batch), floor: 0.3 })),
  'crossEntropyOfProbabilities: probabilities': probability('dense', none),
  'meanSquaredError: numbers': squared('dense', none),
  'meanSquaredError: classes, through softmax': squared('targets', (batch) => ({
    ...none(batch),
    fromLogits: true,
  })),
  'klDivergence: logits': divergence('teacher', (batch) => ({ ...none(batch), temperature: 0.5 })),
  'klDivergence: probabilities': divergence('dense', none),
  'distillation: ignored rows': distilled((batch) => ({ ...none(batch), temperature: 2 }), true),
  'binaryCrossEntropyWithLogits: weights of columns': binary((batch) => ({
    ...none(batch),
    weight: batch.ofColumns,
    posWeight: batch.ofColumns,
  })),
  'binaryCrossEntropyWithLogits: weights of elements': binary(({ teacher }) => ({ weight: teacher })),
};

/** Options one by one. */
const MORE: Readonly<Record<string, Run>> = {
  'nllLoss: plain': nll(plain),
  'nllLoss: sum': nll(sum),
  'nllLoss: weight': nll(({ ofColumns }) => ({ weight: ofColumns })),
  'nllLoss: sampleWeight': nll(({ ofRows }) => ({ sampleWeight: ofRows })),
  'nllLoss: ignored rows': nll(plain, true),
  'nllLoss: ignoreIndex 1': nll(() => ({ ignoreIndex: 1 })),
  'nllLoss: invalid targets ignored': nll(() => ({ ignoreIndex: 2, onInvalidTarget: 'ignore' }), true),
  'crossEntropyOfProbabilities: plain': probability('targets', plain),
  'crossEntropyOfProbabilities: sum': probability('targets', sum),
  'crossEntropyOfProbabilities: probabilities, mean': probability('dense', plain),
  'crossEntropyOfProbabilities: probabilities, floor': probability('dense', () => ({ floor: 0.5 })),
  'meanSquaredError: classes': squared('targets', plain),
  'meanSquaredError: numbers, sum': squared('dense', sum),
  'meanSquaredError: numbers, mean': squared('dense', plain),
  'meanSquaredError: numbers, through softmax': squared('dense', () => ({ fromLogits: true })),
  'klDivergence: logits, batchmean': divergence('teacher', plain),
  'klDivergence: logits, mean': divergence('teacher', () => ({ reduction: 'mean' })),
  'klDivergence: logits, sum': divergence('teacher', sum),
  'klDivergence: probabilities, temperature 3': divergence('dense', () => ({ temperature: 3 })),
  'distillation: plain': distilled(plain),
  'distillation: sum': distilled(sum),
  'distillation: alpha 0': distilled(() => ({ alpha: 0 })),
  'distillation: alpha 1, temperature 4': distilled(() => ({ alpha: 1, temperature: 4 })),
  'distillation: ignoreIndex 0': distilled(() => ({ alpha: 0.25, ignoreIndex: 0 })),
  'binaryCrossEntropyWithLogits: plain': binary(plain),
  'binaryCrossEntropyWithLogits: sum': binary(sum),
  'binaryCrossEntropyWithLogits: weight': binary(({ ofColumns }) => ({ weight: ofColumns })),
  'binaryCrossEntropyWithLogits: posWeight': binary(({ ofColumns }) => ({ posWeight: ofColumns })),
};

function lossCase(name: string, run: Run, type: FloatType, dims: readonly number[], axis = -1): Case {
  const at = axis < 0 ? dims.length - 1 : axis;
  const along = at === dims.length - 1 ? '' : ` along axis ${at}`;
  return {
    name: `${name}, ${type} ${shapeName(dims)}${along}`,
    run: (place) => run(place, batchOf(place, type, dims, at)),
  };
}

const entries = Object.entries(MAIN);

/** Every loss in one case. */
const columns: readonly Case[] = SEVENTEEN.flatMap((count) =>
  (['float32', 'float64'] as const).map(
    (type): Case => ({
      name: `losses beside crossEntropy: all, ${type} [3 × ${count}]`,
      run: async (place) => {
        const all: Values[] = [];
        for (const [name, run] of entries) {
          const { gradient, losses } = await run(place, batchOf(place, type, [3, count], 1));
          all.push(named(`${name}: `, { gradient, losses }));
        }
        return Object.assign({}, ...all);
      },
    }),
  ),
);

/** Gradients 2 (a - y) = 1 + (2 i + 1) / parts, which half types have to round one way or the other. */
const ties: readonly Case[] = (
  [
    ['bfloat16', 256],
    ['float16', 2048],
  ] as const
).map(([type, parts]) => ({
  name: `meanSquaredErrorGradient: halfway between two numbers of ${type}`,
  run: async ({ engine, put, take }) => {
    const dims = [8, 16];
    const outputs = put(type, dims, asType(type, new Float64Array(128).fill(1)));
    const numbers = Float32Array.from({ length: 128 }, (_, i) => 1 - (1 + (2 * i + 1) / parts) / 2);
    const options = { reduction: 'sum' } as const;
    const { gradPredictions } = await engine.meanSquaredErrorGradient(
      outputs,
      put('float32', dims, numbers),
      options,
    );
    return { gradient: take(gradPredictions) };
  },
}));

const merging: Case = {
  name: 'partSize and mergeLosses: parts of float32 [5000 × 9]',
  run: async ({ engine, put }) => {
    const [rows, classes] = [5000, 9];
    const inputs = new Inputs(22);
    const logits = inputs.float32(rows * classes, 6);
    const targets = inputs.classes(rows, classes);
    const size = partSize([rows, classes], 2000)!;
    const results: Record<string, Value> = { size };
    for (const reduction of ['sum', 'mean'] as const) {
      const parts = [];
      for (let begin = 0; begin < rows; begin += size) {
        const end = Math.min(rows, begin + size);
        const part = put('float32', [end - begin, classes], logits.slice(begin * classes, end * classes));
        const zLoss = reduction === 'sum' ? { zLoss: 0.01 } : {};
        parts.push(await engine.crossEntropy(part, targets.slice(begin, end), { reduction, ...zLoss }));
      }
      const { zLoss = 0, ...merged } = mergeLosses(parts, { reduction });
      Object.assign(results, named(`${reduction}: `, { ...lossValues(merged), zLoss }));
    }
    return results;
  },
};

const partSizes: Case = {
  name: 'partSize: of many shapes',
  run: async () => {
    const sizes: number[] = [];
    for (const dims of [
      [100, 10],
      [1000, 7],
      [100000, 3],
      [40, 3, 500],
      [64, 5, 4],
      [9, 20000],
    ]) {
      for (const atMost of [1, 64, 5000]) {
        for (let axis = 0; axis < dims.length; axis++) sizes.push(partSize(dims, atMost, { axis }) ?? -1);
      }
    }
    return { sizes: Int32Array.from(sizes) };
  },
};

export const rowLossCases: readonly Case[] = [
  ...entries.flatMap(([name, run]) => [
    ...FLOAT_TYPES.map((type) => lossCase(name, run, type, [6, 19])),
    ...FLOAT_TYPES.map((type) => lossCase(name, run, type, [2, 5, 6], 1)),
    // Two shards, and more than the calling thread does alone.
    lossCase(name, run, 'float32', [2337, 8]),
    lossCase(name, run, 'float64', [2, 40, 431], 1),
  ]),
  ...Object.entries(MORE).map(([name, run]) => lossCase(name, run, 'float32', [9, 13])),
  ...columns,
  ...ties,
  merging,
  partSizes,
];

// What the tests of the row losses in every type share: each loss with its options, and batches of any layout.
import type { Engine, FloatType, Losses, Tensor } from '#softshard/main/index.js';
import { halfBits, halfNumber, TYPES } from '../../kernels/tiles/block.js';
import { randomTargets, randomValues } from '../../kernels/workbench.js';

export type NumericVector = Float32Array | Float64Array;

type HalfType = 'bfloat16' | 'float16';

/** A batch [outer × columns × inner] in an element type, and what it is compared with, as a call takes them. */
interface Batch {
  readonly engine: Engine;
  readonly axis: number;
  /** In (0.05, 1.05). */
  readonly outputs: Tensor<FloatType>;
  readonly teacher: Tensor<FloatType>;
  /** In (0, 1), one for each output. */
  readonly dense: NumericVector;
  readonly targets: Int32Array;
  /** One for each row. */
  readonly rowNumbers: NumericVector;
  /** One for each column. */
  readonly columnNumbers: NumericVector;
}

interface Outcome {
  readonly result: Losses.RowLossResult;
  readonly gradient: Tensor<FloatType>;
}

/** Every loss, with the options that take arrays. */
export const LOSSES: Readonly<Record<string, (batch: Batch) => Promise<Outcome>>> = {
  nllLoss: async ({ engine, axis, outputs, targets, rowNumbers, columnNumbers }) => {
    const { gradLogProbabilities: gradient, ...result } = await engine.nllLossGradient(outputs, targets, {
      axis,
      reduction: 'none',
      weight: columnNumbers,
      sampleWeight: rowNumbers,
      ignoreIndex: 1,
      gradOutput: rowNumbers,
    });
    return { result, gradient };
  },
  'crossEntropyOfProbabilities, classes': async ({ engine, axis, outputs, targets }) => {
    const options = { axis, reduction: 'none', floor: 0.3 } as const;
    const { gradProbabilities: gradient, ...result } = await engine.crossEntropyOfProbabilitiesGradient(
      outputs,
      targets,
      options,
    );
    return { result, gradient };
  },
  'crossEntropyOfProbabilities, dense': async ({ engine, axis, outputs, dense, rowNumbers }) => {
    const { gradProbabilities: gradient, ...result } = await engine.crossEntropyOfProbabilitiesGradient(
      outputs,
      dense,
      { axis, reduction: 'none', gradOutput: rowNumbers, gradScale: -2 },
    );
    return { result, gradient };
  },
  'meanSquaredError, dense': async ({ engine, axis, outputs, dense, rowNumbers }) => {
    const options = { axis, reduction: 'none', gradOutput: rowNumbers } as const;
    const { gradPredictions: gradient, ...result } = await engine.meanSquaredErrorGradient(
      outputs,
      dense,
      options,
    );
    return { result, gradient };
  },
  'meanSquaredError, through softmax': async ({ engine, axis, outputs, targets }) => {
    const options = { axis, reduction: 'none', fromLogits: true } as const;
    const { gradPredictions: gradient, ...result } = await engine.meanSquaredErrorGradient(
      outputs,
      targets,
      options,
    );
    return { result, gradient };
  },
  'klDivergence from logits': async ({ engine, axis, outputs, teacher }) => {
    const { gradLogits: gradient, ...result } = await engine.klDivergenceGradient(
      outputs,
      { targetLogits: teacher as Tensor<'float32'> },
      { axis, reduction: 'none', temperature: 0.5 },
    );
    return { result, gradient };
  },
  'klDivergence from probabilities': async ({ engine, axis, outputs, dense }) => {
    const { gradLogits: gradient, ...result } = await engine.klDivergenceGradient(
      outputs,
      { targetProbabilities: dense },
      { axis, reduction: 'none' },
    );
    return { result, gradient };
  },
  distillation: async ({ engine, axis, outputs, teacher, targets, rowNumbers }) => {
    const { gradLogits: gradient, ...result } = await engine.distillationGradient(outputs, teacher, targets, {
      axis,
      reduction: 'none',
      temperature: 2,
      ignoreIndex: 0,
      gradOutput: rowNumbers,
    });
    return { result, gradient };
  },
  'binaryCrossEntropyWithLogits, weights of columns': async ({
    engine,
    axis,
    outputs,
    dense,
    columnNumbers,
  }) => {
    const { gradLogits: gradient, ...result } = await engine.binaryCrossEntropyWithLogitsGradient(
      outputs,
      dense,
      { axis, reduction: 'none', weight: columnNumbers, posWeight: columnNumbers },
    );
    return { result, gradient };
  },
  'binaryCrossEntropyWithLogits, weights of elements': async ({ engine, axis, outputs, teacher, dense }) => {
    const { gradLogits: gradient, ...result } = await engine.binaryCrossEntropyWithLogitsGradient(
      outputs,
      dense,
      { axis, reduction: 'none', weight: teacher },
    );
    return { result, gradient };
  },
};

export const positive = (length: number, seed: number): Float32Array =>
  randomValues(length, 0.5, seed).map((value) => value + 0.55);

/** Rows [outer · inner × columns] to [outer × columns × inner] (or, with `back`, the way back). */
export function turned<Values extends NumericVector | Uint16Array>(
  values: Values,
  [outer, columns, inner]: readonly [number, number, number],
  back = false,
): Values {
  const result = values.slice() as Values;
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < columns; j++) {
      for (let i = 0; i < inner; i++) {
        const inRows = (o * inner + i) * columns + j;
        const apart = (o * columns + j) * inner + i;
        result[back ? inRows : apart] = values[back ? apart : inRows]!;
      }
    }
  }
  return result;
}

const storageOf = (type: HalfType) => TYPES.find(({ name }) => name === type)!;

export const narrowed = (values: NumericVector, type: HalfType): Uint16Array =>
  Uint16Array.from(values, (value) => halfBits(storageOf(type), value));

export const widened = (bits: Uint16Array, type: HalfType): Float32Array =>
  Float32Array.from(bits, (half) => halfNumber(storageOf(type), half));

/** Numbers of a batch's rows, from which batches of any layout are made. */
interface Rows {
  readonly outputs: NumericVector;
  readonly teacher: NumericVector;
  readonly dense: NumericVector;
  readonly targets: Int32Array;
  readonly rowNumbers: NumericVector;
  readonly columnNumbers: NumericVector;
}

export function rowsOf(rows: number, columns: number, as: (values: Float32Array) => NumericVector): Rows {
  return {
    outputs: as(positive(rows * columns, 1)),
    teacher: as(positive(rows * columns, 2)),
    dense: as(randomValues(rows * columns, 0.5, 3).map((value) => Math.abs(value))),
    targets: randomTargets(rows, columns, 4),
    rowNumbers: as(positive(rows, 5)),
    columnNumbers: as(positive(columns, 6)),
  };
}

export const typeOf = (values: NumericVector) => (values instanceof Float32Array ? 'float32' : 'float64');

export const tensor = (dims: readonly number[], data: NumericVector): Tensor<FloatType> =>
  ({ type: typeOf(data), dims, data }) as Tensor<FloatType>;

export const plainBatch = (engine: Engine, rows: Rows, columns: number): Batch => {
  const dims = [rows.outputs.length / columns, columns];
  return {
    engine,
    ...rows,
    axis: -1,
    outputs: tensor(dims, rows.outputs),
    teacher: tensor(dims, rows.teacher),
  };
};

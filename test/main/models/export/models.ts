// Models that exports are tried with, rows for them, and what the predictor says of these rows.
import { Predictor, type Serving, standardScaling } from '#softshard/main/index.js';
import { randomValues } from '../../../kernels/workbench.js';

const ROWS = 40;

export interface Exported {
  readonly name: string;
  readonly model: Serving.PredictorModel;
  /** [rows × features]. */
  readonly inputs: Float32Array;
  readonly rows: number;
}

/** Columns far from 0 in comparison with what they vary by: float32 keeps few digits of them. */
const farAway = (features: number): Float32Array =>
  randomValues(ROWS * features, 2, 5).map((value, i) => 1000 * (i % features) + value);

function modelOf(
  features: number,
  classes: number,
  others: Partial<Serving.PredictorModel> = {},
): Serving.PredictorModel {
  const weights = randomValues(features * classes, 1.5, 7);
  return { features, classes, weights, bias: randomValues(classes, 0.5, 9), ...others };
}

const bytes = (features: number): Float32Array =>
  Float32Array.from({ length: ROWS * features }, (_, i) => (i * 7919) % 256);

const standardised = (features: number) => ({
  featureScaling: standardScaling({ type: 'float32', dims: [ROWS, features], data: farAway(features) }),
});

/** A column that is always the same, which has no deviation to divide by. */
function withConstant(features: number): Exported {
  const inputs = farAway(features).map((value, i) => (i % features === 1 ? 12.5 : value));
  const featureScaling = standardScaling({ type: 'float32', dims: [ROWS, features], data: inputs });
  return { name: 'a constant column', model: modelOf(features, 3, { featureScaling }), inputs, rows: ROWS };
}

const withNumbers = (features: number): Serving.PredictorModel =>
  modelOf(features, 4, { classNames: ['7', '-1', '30', '2'], featureScaling: { shift: 0, scale: 1 / 255 } });

export const EXPORTED: readonly Exported[] = [
  { name: 'no scaling, no names', model: modelOf(6, 5), inputs: randomValues(ROWS * 6, 1, 3), rows: ROWS },
  {
    name: 'two classes, standardised',
    model: modelOf(3, 2, { classNames: ['no', 'yes'], ...standardised(3) }),
    inputs: farAway(3),
    rows: ROWS,
  },
  { name: 'two classes', model: modelOf(3, 2), inputs: randomValues(ROWS * 3, 1, 4), rows: ROWS },
  {
    name: 'names beyond ASCII, standardised',
    model: modelOf(5, 3, {
      classNames: ['größer', 'b c', '😀 a'],
      featureNames: ['a', 'b', 'c', 'd', 'é'],
      ...standardised(5),
    }),
    inputs: farAway(5),
    rows: ROWS,
  },
  { name: 'bytes, numbers as names', model: withNumbers(8), inputs: bytes(8), rows: ROWS },
  withConstant(4),
  {
    name: 'a class left out',
    model: modelOf(2, 3, { bias: Float32Array.of(0.2, Number.NEGATIVE_INFINITY, 0.1) }),
    inputs: randomValues(ROWS * 2, 1, 6),
    rows: ROWS,
  },
];

/** Probabilities [rows × classes] and classes [rows]. */
export async function predictionsOf({ model, inputs }: Exported) {
  using predictor = new Predictor(model);
  const { data: probabilities } = await predictor.predictBatchProbabilities(inputs);
  return { probabilities, classes: await predictor.predictBatch(inputs) };
}

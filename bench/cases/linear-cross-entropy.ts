// Cross-entropy over a linear layer with all gradients: three matrix products of many classes.
import {
  crossEntropy,
  crossEntropyGradient,
  linearForward,
  linearGradBias,
  linearGradWeights,
} from '#softshard/kernels/reference/index.js';
import type { Engine, Matrix, Vector } from '#softshard/main/index.js';
import type { BenchCase, PreparedCase } from './case.js';
import { checkClose, fillRandom } from './values.js';

const [ROWS, FEATURES, CLASSES] = [1024, 768, 8192];
/** The rows repeat after this many, so that the reference has few to compute; they are as many of each. */
const DISTINCT_ROWS = 8;

export const linearCrossEntropyCases: readonly BenchCase[] = [
  {
    name: 'linear cross-entropy + gradients',
    shape: `${ROWS} × ${FEATURES} × ${CLASSES}`,
    quick: false,
    bytes: 8 * (ROWS * FEATURES + FEATURES * CLASSES + CLASSES) + 4 * ROWS,
    work: (6 * ROWS * FEATURES * CLASSES) / 1e9,
    rateUnit: 'GFLOP/s',
    prepare,
  },
];

interface Layer {
  readonly inputs: Matrix;
  readonly weights: Matrix;
  readonly bias: Vector<'float32'>;
  readonly targets: Vector<'int32'>;
  readonly into: {
    readonly gradInputs: Matrix;
    readonly gradWeights: Matrix;
    readonly gradBias: Vector<'float32'>;
  };
}

function prepare(engine: Engine): PreparedCase {
  const layer: Layer = {
    inputs: engine.matrix(ROWS, FEATURES),
    weights: engine.matrix(FEATURES, CLASSES),
    bias: engine.vector(CLASSES, 'float32'),
    targets: engine.vector(ROWS, 'int32'),
    into: {
      gradInputs: engine.matrix(ROWS, FEATURES),
      gradWeights: engine.matrix(FEATURES, CLASSES),
      gradBias: engine.vector(CLASSES, 'float32'),
    },
  };
  const { inputs, weights, bias, targets, into } = layer;
  const distinct = inputs.data.subarray(0, DISTINCT_ROWS * FEATURES);
  fillRandom(distinct);
  for (let row = DISTINCT_ROWS; row < ROWS; row += DISTINCT_ROWS) inputs.data.set(distinct, row * FEATURES);
  targets.data.forEach((_, row) => {
    targets.data[row] = ((row % DISTINCT_ROWS) * 1009) % CLASSES;
  });
  fillRandom(weights.data);
  for (let index = 0; index < weights.data.length; index++) weights.data[index]! *= 0.05;
  const run = () => engine.linearCrossEntropy(inputs, weights, bias, targets, { into });
  return {
    async check() {
      const { loss } = await run();
      checkLayer(layer, loss);
    },
    async run() {
      await run();
      return undefined;
    },
    free() {
      for (const array of [inputs, weights, bias, targets, ...Object.values(into)]) array.free();
    },
  };
}

/** The distinct rows alone have the same mean loss, and gradients of the same size. */
function checkLayer({ inputs, weights, bias, targets, into }: Layer, loss: number): void {
  const [X, W] = [inputs.data.subarray(0, DISTINCT_ROWS * FEATURES), weights.data];
  const rowTargets = [...targets.data.subarray(0, DISTINCT_ROWS)];
  const logits = linearForward(X, W, bias.data, DISTINCT_ROWS, FEATURES, CLASSES);
  const expectedLoss = crossEntropy(logits, rowTargets, DISTINCT_ROWS, CLASSES);
  const dZ = crossEntropyGradient(logits, rowTargets, DISTINCT_ROWS, CLASSES, 1 / DISTINCT_ROWS);
  checkClose('loss', [loss], [expectedLoss], { relative: 1e-5, absolute: 0 });
  const tolerance = { relative: 1e-4, absolute: 1e-7 };
  const gradBias = linearGradBias(dZ, DISTINCT_ROWS, CLASSES);
  checkClose('gradBias', into.gradBias.data, gradBias, tolerance);
  const gradWeights = linearGradWeights(X, dZ, DISTINCT_ROWS, FEATURES, CLASSES);
  checkClose('gradWeights', into.gradWeights.data, gradWeights, tolerance);
  const gradInputs = Float64Array.from(
    { length: FEATURES },
    (_, feature) =>
      dZ.subarray(0, CLASSES).reduce((sum, z, c) => sum + z * W[feature * CLASSES + c]!, 0) *
      (DISTINCT_ROWS / ROWS),
  );
  checkClose(
    'gradInputs of the first row',
    into.gradInputs.data.subarray(0, FEATURES),
    gradInputs,
    tolerance,
  );
}

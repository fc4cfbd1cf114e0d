// The loss over a linear layer without its logits, and metrics over a data set.

import {
  crossEntropy,
  crossEntropyGradient,
  evaluateRows,
  linearForward,
  linearGradInputs,
} from '#softshard/kernels/reference/index.js';
import type { Engine } from '#softshard/main/index.js';
import type { BenchCase, PreparedCase } from './case.js';
import { checkClose, fillRandom, fillTargets, sampleRows } from './values.js';

const LAYER = { rows: 512, features: 512, classes: 8192 };
const METRICS = { rows: 65536, classes: 100 };
const ROWS_CHECKED = 4;

export const linearCases: readonly BenchCase[] = [
  {
    name: 'linearCrossEntropy with gradients',
    shape: Object.values(LAYER).join(' × '),
    quick: false,
    bytes: 8 * LAYER.features * (LAYER.classes + LAYER.rows),
    // Three products, each a multiplication and an addition for each row, feature and class.
    work: (6 * LAYER.rows * LAYER.features * LAYER.classes) / 1e9,
    rateUnit: 'GFLOP/s',
    prepare: prepareLayer,
  },
  {
    name: 'metrics',
    shape: Object.values(METRICS).join(' × '),
    quick: false,
    bytes: 4 * METRICS.rows * METRICS.classes,
    work: (METRICS.rows * METRICS.classes) / 1e9,
    rateUnit: 'Ge/s',
    prepare: prepareMetrics,
  },
];

function prepareLayer(engine: Engine): PreparedCase {
  const { rows, features, classes } = LAYER;
  const inputs = engine.matrix(rows, features);
  const weights = engine.matrix(features, classes);
  const targets = engine.vector('int32', rows);
  const into = {
    gradInputs: engine.matrix(rows, features),
    gradWeights: engine.matrix(features, classes),
  };
  fillRandom(inputs.data);
  fillRandom(weights.data);
  for (let index = 0; index < weights.data.length; index++) weights.data[index]! *= 0.01;
  fillTargets(targets.data, classes);
  const compute = () =>
    engine.linearCrossEntropy(inputs, weights, undefined, targets, { into, reduction: 'none' });
  return {
    async check() {
      const { losses } = await compute();
      for (const row of sampleRows(rows, ROWS_CHECKED)) {
        const x = inputs.data.subarray(row * features, (row + 1) * features);
        const target = [targets.data[row]!];
        const logits = linearForward(x, weights.data, new Float32Array(classes), 1, features, classes);
        const loss = crossEntropy(logits, target, 1, classes);
        checkClose('loss', [losses![row]!], [loss], { relative: 1e-5, absolute: 0 });
        const gradLogits = crossEntropyGradient(logits, target, 1, classes, 1);
        const expected = linearGradInputs(gradLogits, weights.data, 1, features, classes);
        const got = into.gradInputs.data.subarray(row * features, (row + 1) * features);
        checkClose(`gradInputs of row ${row}`, got, expected, { relative: 1e-4, absolute: 1e-6 });
      }
    },
    async run() {
      await compute();
      return undefined;
    },
    free() {
      for (const array of [inputs, weights, targets, into.gradInputs, into.gradWeights]) array.free();
    },
  };
}

function prepareMetrics(engine: Engine): PreparedCase {
  const { rows, classes } = METRICS;
  const logits = engine.matrix(rows, classes);
  const targets = engine.vector('int32', rows);
  fillRandom(logits.data);
  fillTargets(targets.data, classes);
  const compute = async () => {
    const metrics = engine.metrics({ classes });
    await metrics.add(logits, targets);
    return metrics.report();
  };
  return {
    async check() {
      const { loss, correct } = await compute();
      const mean = crossEntropy(logits.data, targets.data, rows, classes);
      checkClose('loss', [loss], [mean], { relative: 1e-5, absolute: 0 });
      const { ranks } = evaluateRows(logits.data, rows, classes, targets.data);
      const right = ranks.filter((rank) => rank === 0).length;
      checkClose('correct', [correct], [right], { relative: 0, absolute: 0 });
    },
    async run() {
      await compute();
      return undefined;
    },
    free() {
      for (const array of [logits, targets]) array.free();
    },
  };
}

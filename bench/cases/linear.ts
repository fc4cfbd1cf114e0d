// The loss over a linear layer without its logits, and metrics over a data set.

import { crossEntropy, evaluateRows } from '#softshard/kernels/reference/index.js';
import type { Engine } from '#softshard/main/index.js';
import { linearWorkload, prepareLayer } from '#softshard/main/scaling/workloads/linear.js';
import type { BenchCase, PreparedCase } from './case.js';
import { checkClose, fillRandom, fillTargets } from './values.js';

const LAYER = { rows: 512, features: 512, classes: 8192 };
const METRICS = { rows: 65536, classes: 100 };

export const linearCases: readonly BenchCase[] = [
  {
    name: 'linearCrossEntropy with gradients',
    shape: Object.values(LAYER).join(' × '),
    quick: false,
    bytes: 8 * LAYER.features * (LAYER.classes + LAYER.rows),
    work: linearWorkload(LAYER).work(LAYER.rows).flops / 1e9,
    rateUnit: 'GFLOP/s',
    prepare: (engine) => prepareLayer(engine, LAYER),
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

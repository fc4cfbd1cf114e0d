// The loss over a linear layer and its gradients, without the logits of the batch.

import {
  crossEntropy,
  crossEntropyGradient,
  linearForward,
  linearGradInputs,
} from '../../../kernels/reference/index.js';
import type { Engine } from '../../engine.js';
import { checkClose, fillRandom, fillTargets, sampleRows } from './values.js';
import { freeAll, type PreparedWorkload, type Workload } from './workload.js';

const FLOAT32_BYTES = 4;
const ROWS_CHECKED = 4;
/** Of random weights, so that the logits are as those of a model. */
const WEIGHT_SCALE = 0.01;

export interface Layer {
  readonly rows: number;
  readonly features: number;
  readonly classes: number;
}

/** Of inputs [rows × features] and weights [features × classes]. */
export function linearWorkload({ rows, features, classes }: Layer): Workload {
  const arrayBytes = (count: number) => 2 * FLOAT32_BYTES * features * (classes + count);
  return {
    operation: 'linearCrossEntropy',
    rows,
    columns: undefined,
    features,
    classes,
    // Three products, each a multiplication and an addition for each row, feature and class.
    work: (count) => ({
      flops: 6 * count * features * classes,
      bytes: arrayBytes(count),
      pattern: 'copy',
    }),
    bytes: (count) => arrayBytes(count) + count * FLOAT32_BYTES,
    prepare: (engine, count) => prepareLayer(engine, { rows: count, features, classes }),
  };
}

export function prepareLayer(engine: Engine, { rows, features, classes }: Layer): PreparedWorkload {
  const inputs = engine.matrix(rows, features);
  const weights = engine.matrix(features, classes);
  const targets = engine.vector('int32', rows);
  const into = {
    gradInputs: engine.matrix(rows, features),
    gradWeights: engine.matrix(features, classes),
  };
  fillRandom(inputs.data);
  fillRandom(weights.data);
  for (let index = 0; index < weights.data.length; index++) weights.data[index]! *= WEIGHT_SCALE;
  fillTargets(targets.data, classes);
  let losses = new Float32Array(0);
  const run = async (signal?: AbortSignal) => {
    const options = { into, reduction: 'none', signal } as const;
    const result = await engine.linearCrossEntropy(inputs, weights, undefined, targets, options);
    losses = Float32Array.from(result.losses!);
    return undefined;
  };
  return {
    async check() {
      await run();
      const bias = new Float32Array(classes);
      for (const row of sampleRows(rows, ROWS_CHECKED)) {
        const x = inputs.data.subarray(row * features, (row + 1) * features);
        const target = [targets.data[row]!];
        const logits = linearForward(x, weights.data, bias, 1, features, classes);
        const loss = crossEntropy(logits, target, 1, classes);
        checkClose(`loss of row ${row}`, [losses[row]!], [loss], { relative: 1e-5, absolute: 0 });
        const gradLogits = crossEntropyGradient(logits, target, 1, classes, 1);
        const expected = linearGradInputs(gradLogits, weights.data, 1, features, classes);
        const got = into.gradInputs.data.subarray(row * features, (row + 1) * features);
        checkClose(`gradInputs of row ${row}`, got, expected, { relative: 1e-4, absolute: 1e-6 });
      }
    },
    run,
    results: () => [losses, into.gradInputs.data, into.gradWeights.data],
    free: () => freeAll([inputs, weights, targets, into.gradInputs, into.gradWeights]),
  };
}

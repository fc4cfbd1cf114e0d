// What a linear model says of each row: class, rank and loss, or probabilities. One tile of rows at a time, so that
// the logits of the batch never exist.
import type { Kernels } from '../kernels/kernels.js';
import { STATUS_OK } from '../kernels/layout.js';
import { tileScratch } from '../kernels/strips.js';
import { claimShardsUntil, isStopped, stopped } from './claim.js';
import type { PredictTask, WorkerResult } from './protocol.js';

const FLOAT32_BYTES = 4;

export function predict(kernels: Kernels, words: Int32Array, task: PredictTask): WorkerResult {
  const { rows, shardRows, tileRows, features, classes, targets, probabilities } = task;
  const scratch = tileScratch(task.scratch + task.member * task.scratchBytes, tileRows, task);
  let invalidRow = STATUS_OK;

  const finished = claimShardsUntil(isStopped, words, Math.ceil(rows / shardRows), (shard) => {
    const shardEnd = Math.min(rows, (shard + 1) * shardRows);
    // A shard of a wide model takes long, so a stop is looked for at each tile.
    for (let row = shard * shardRows; row < shardEnd && !isStopped(words); row += tileRows) {
      const count = Math.min(tileRows, shardEnd - row);
      const { inputs, logits } = scratch;
      kernels.gatherInputs(
        inputs,
        scratch.targets,
        task.inputs,
        task.inputsType,
        task.scaling,
        targets,
        task.indices,
        row,
        count,
        features,
      );
      // Probabilities come out where they are wanted: rows of the result are as far apart as those of a tile's logits.
      const output = probabilities === 0 ? logits : probabilities + row * classes * FLOAT32_BYTES;
      kernels.tileForward(output, inputs, task.weights, task.bias, count, features, classes);
      if (probabilities !== 0) {
        kernels.softmaxRows(output, output, count, classes, classes);
        continue;
      }
      const at = row * FLOAT32_BYTES;
      const status = kernels.evaluateRows(
        task.predictions + at,
        targets === 0 ? 0 : task.ranks + at,
        targets === 0 ? 0 : task.losses + at,
        logits,
        targets === 0 ? 0 : scratch.targets,
        count,
        classes,
        classes,
      );
      if (status !== STATUS_OK) invalidRow = row + status;
    }
  });
  if (invalidRow !== STATUS_OK) return { state: 'invalidTarget', row: invalidRow };
  if (finished) return { state: 'done' };
  return stopped(words);
}

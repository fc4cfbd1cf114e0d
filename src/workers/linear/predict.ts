// What a linear model says of each row: class, rank, loss and confidence, or probabilities, or logits. One tile of rows at a time,
// so that the logits of the batch never exist.

import type { Sgemm } from '../../kernels/blas/library.js';
import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES } from '../../kernels/layout.js';
import { tileLossScratch } from '../../kernels/loss-scratch.js';
import { NULL_PTR, offsetBy } from '../../kernels/ptr.js';
import { tileScratch } from '../../kernels/strips.js';
import { claimShardsUntil, isStopped, stopped } from '../gang/claim.js';
import { ownScratch, type PredictTask, type WorkerResult } from '../protocol.js';
import { BlasModel } from './blas-products.js';

const FLOAT64_BYTES = 8;

export function predict(
  kernels: Kernels,
  sgemm: Sgemm,
  control: Int32Array,
  task: PredictTask,
): WorkerResult {
  const { rows, shardRows, tileRows, features, classes, targets, probabilities, loss } = task;
  const memory = ownScratch(task);
  const scratch = tileScratch(memory, tileRows, task);
  const lossScratch = loss && tileLossScratch(offsetBy(memory, loss.scratchOffset), classes);
  const blas = task.blas ? new BlasModel(sgemm, task) : undefined;

  const finished = claimShardsUntil(isStopped, control, Math.ceil(rows / shardRows), (shard) => {
    const shardEnd = Math.min(rows, (shard + 1) * shardRows);
    // A shard of a wide model takes long, so a stop is looked for at each tile.
    for (let row = shard * shardRows; row < shardEnd && !isStopped(control); row += tileRows) {
      const count = Math.min(tileRows, shardEnd - row);
      const { inputs, sums, logits } = scratch;
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
      const output =
        probabilities === NULL_PTR ? logits : offsetBy(probabilities, row * classes * FLOAT32_BYTES);
      if (blas !== undefined) blas.forward(output, classes, inputs, count);
      else kernels.tileForward(output, inputs, task.weights, task.bias, count, features, classes, sums);
      if (probabilities !== NULL_PTR) {
        if (!task.areLogits) kernels.softmaxRows(output, output, count, classes, classes);
        continue;
      }
      const at = row * FLOAT32_BYTES;
      const predictions = offsetBy(task.predictions, at);
      if (targets === NULL_PTR) {
        kernels.evaluateRows(predictions, NULL_PTR, NULL_PTR, logits, NULL_PTR, count, classes, classes);
        continue;
      }
      kernels.predictRows(
        predictions,
        offsetBy(task.ranks, at),
        offsetBy(task.losses, row * FLOAT64_BYTES),
        offsetBy(task.confidences, at),
        logits,
        scratch.targets,
        count,
        classes,
        classes,
      );
      if (loss === undefined || lossScratch === undefined) continue;
      kernels.lossRowsAt(
        loss.call,
        lossScratch.sums,
        NULL_PTR,
        logits,
        loss.softTargets,
        loss.mask,
        task.indices,
        row,
        count,
        classes,
        classes,
        lossScratch.row,
      );
    }
  });
  if (finished) return { state: 'done' };
  return stopped(control);
}

// One-off operations on the rows of a batch: claim shards, run the kernel on each, in place on shared memory.
import type { Kernels } from '../kernels/kernels.js';
import { STATUS_OK } from '../kernels/layout.js';
import { claimShardsUntil, isStopped } from './claim.js';
import {
  ControlWord,
  type CrossEntropyTask,
  type RowMapTask,
  type Stop,
  type WorkerResult,
} from './protocol.js';

const FLOAT32_BYTES = 4;
const FLOAT64_BYTES = 8;

const left = (words: Int32Array): WorkerResult => ({
  state: 'stopped',
  stop: Atomics.load(words, ControlWord.stop) as Stop,
  nextStep: 0,
});

export function mapRows(kernels: Kernels, words: Int32Array, task: RowMapTask): WorkerResult {
  const { rows, columns, shardRows, output, logits } = task;
  const rowBytes = columns * FLOAT32_BYTES;
  const finished = claimShardsUntil(isStopped, words, Math.ceil(rows / shardRows), (shard) => {
    const rowBegin = shard * shardRows;
    const count = Math.min(shardRows, rows - rowBegin);
    const source = logits + rowBegin * rowBytes;
    switch (task.kind) {
      case 'softmax':
        return kernels.softmaxRows(output + rowBegin * rowBytes, source, count, columns, columns);
      case 'logSoftmax':
        return kernels.logSoftmaxRows(output + rowBegin * rowBytes, source, count, columns, columns);
      case 'logSumExp':
        return kernels.logSumExpRows(output + rowBegin * FLOAT32_BYTES, source, count, columns);
      default:
        return task.kind satisfies never;
    }
  });
  return finished ? { state: 'done' } : left(words);
}

export function crossEntropy(kernels: Kernels, words: Int32Array, task: CrossEntropyTask): WorkerResult {
  const { rows, columns, shardRows, gradLogits, losses, lossSums, logits, targets, scale } = task;
  const rowBytes = columns * FLOAT32_BYTES;
  let invalidRow = STATUS_OK;
  const finished = claimShardsUntil(isStopped, words, Math.ceil(rows / shardRows), (shard) => {
    const rowBegin = shard * shardRows;
    const count = Math.min(shardRows, rows - rowBegin);
    const lossesPtr = losses === 0 ? 0 : losses + rowBegin * FLOAT32_BYTES;
    const lossSum = lossSums + shard * FLOAT64_BYTES;
    const source = logits + rowBegin * rowBytes;
    const targetsPtr = targets + rowBegin * FLOAT32_BYTES;
    const status =
      gradLogits === 0
        ? kernels.crossEntropyRows(lossesPtr, lossSum, source, targetsPtr, count, columns)
        : kernels.crossEntropyGradientRows(
            gradLogits + rowBegin * rowBytes,
            lossesPtr,
            lossSum,
            source,
            targetsPtr,
            count,
            columns,
            columns,
            scale,
          );
    if (status !== STATUS_OK) invalidRow = rowBegin + status;
  });
  if (invalidRow !== STATUS_OK) return { state: 'invalidTarget', row: invalidRow };
  return finished ? { state: 'done' } : left(words);
}

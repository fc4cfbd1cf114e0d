// The losses beside crossEntropy, shard by shard.
import type { Kernels } from '../kernels/kernels.js';
import { STATUS_OK } from '../kernels/layout.js';
import { claimShardsUntilStopped } from './claim.js';
import { ControlWord, type OtherLossTask, type Stop, SUMS_A_SHARD, type WorkerResult } from './protocol.js';

const FLOAT32_BYTES = 4;
const FLOAT64_BYTES = 8;

export function otherLoss(kernels: Kernels, words: Int32Array, task: OtherLossTask): WorkerResult {
  const { rows, shardRows } = task;
  const scratch = task.scratch + task.member * task.scratchBytes;
  let invalidRow = STATUS_OK;
  const finished = claimShardsUntilStopped(words, Math.ceil(rows / shardRows), (shard) => {
    const rowBegin = shard * shardRows;
    const status = lossOfShard(kernels, task, shard, Math.min(shardRows, rows - rowBegin), scratch);
    // Shards come in rising order: the first is this worker's lowest row.
    if (status !== STATUS_OK && invalidRow === STATUS_OK) invalidRow = rowBegin + status;
  });
  if (invalidRow !== STATUS_OK) return { state: 'invalidTarget', row: invalidRow };
  if (finished) return { state: 'done' };
  return { state: 'stopped', stop: Atomics.load(words, ControlWord.stop) as Stop, nextStep: 0 };
}

function lossOfShard(
  kernels: Kernels,
  { columns, shardRows, outputs, scale, parameters, ...task }: OtherLossTask,
  shard: number,
  rows: number,
  scratch: number,
): number {
  /** The shard's part of an array that may not be given. */
  const part = (ptr: number, elementsARow: number) =>
    ptr === 0 ? 0 : ptr + shard * shardRows * elementsARow * FLOAT32_BYTES;
  const gradient = part(task.gradient, columns);
  const gradLosses = part(task.gradLosses, 1);
  const losses = part(task.losses, 1);
  const sums = task.sums + shard * SUMS_A_SHARD * FLOAT64_BYTES;
  const source = part(outputs, columns);
  const targets = part(parameters.targets, parameters.loss === 'binary' ? columns : 1);
  switch (parameters.loss) {
    case 'nll': {
      const { weight } = parameters;
      const sampleWeight = part(parameters.sampleWeight, 1);
      kernels.nllRows(
        gradient,
        gradLosses,
        losses,
        sums,
        source,
        targets,
        weight,
        sampleWeight,
        rows,
        columns,
        scale,
      );
      return STATUS_OK;
    }
    case 'probability': {
      const dense = part(parameters.targetProbabilities, columns);
      const { floor } = parameters;
      return kernels.probabilityLossRows(
        gradient,
        gradLosses,
        losses,
        sums,
        source,
        targets,
        dense,
        rows,
        columns,
        floor,
        scale,
      );
    }
    case 'squaredError': {
      const dense = part(parameters.targetValues, columns);
      const throughSoftmax = parameters.throughSoftmax ? 1 : 0;
      kernels.squaredErrorRows(
        gradient,
        gradLosses,
        losses,
        sums,
        source,
        targets,
        dense,
        rows,
        columns,
        throughSoftmax,
        scale,
        scratch,
      );
      return STATUS_OK;
    }
    case 'divergence':
      return kernels.divergenceRows(
        gradient,
        gradLosses,
        losses,
        sums,
        source,
        part(parameters.teacher, columns),
        parameters.teacherIsProbabilities ? 1 : 0,
        targets,
        rows,
        columns,
        parameters.temperature,
        parameters.divergenceFactor,
        parameters.crossEntropyFactor,
        scale,
        scratch,
      );
    case 'binary': {
      const { weight, weightIsByRow, posWeight } = parameters;
      return kernels.binaryCrossEntropyRows(
        gradient,
        gradLosses,
        losses,
        sums,
        source,
        targets,
        weightIsByRow ? part(weight, columns) : weight,
        weightIsByRow ? columns : 0,
        posWeight,
        rows,
        columns,
        scale,
      );
    }
    default:
      throw new Error(`unknown loss ${JSON.stringify(parameters satisfies never)}`);
  }
}

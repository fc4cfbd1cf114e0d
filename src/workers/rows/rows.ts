// One-off operations on the rows of a batch: claim shards, run the kernel on each, in place on shared memory.
import type { Kernels } from '../../kernels/kernels.js';
import { FLOAT32_BYTES, STATUS_OK } from '../../kernels/layout.js';
import { claimRunsUntil, claimsOf, isStopped, stopped } from '../gang/claim.js';
import type { CrossEntropyTask, IgnoredTargets, RowMapTask, WorkerResult } from '../protocol.js';
import { RowFetching } from './row-fetching.js';

const FLOAT64_BYTES = 8;

export function mapRows(kernels: Kernels, words: Int32Array, task: RowMapTask): WorkerResult {
  const { rows, columns, shardRows, output, logits, members } = task;
  const rowBytes = columns * FLOAT32_BYTES;
  const shards = Math.ceil(rows / shardRows);
  const fetching = new RowFetching(kernels, claimsOf(shards) / members);
  const finished = claimRunsUntil(isStopped, words, shards, (shard, goesOn) => {
    fetching.beginShard(goesOn);
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
  return finished ? { state: 'done' } : stopped(words);
}

/** Rows beside each other that are computed by one kernel call. */
export interface Run {
  readonly begin: number;
  readonly end: number;
}

export function crossEntropy(kernels: Kernels, words: Int32Array, task: CrossEntropyTask): WorkerResult {
  const { rows, shardRows, members, ignore } = task;
  const shards = Math.ceil(rows / shardRows);
  // Runs of ignored rows take no time, which says nothing of fetching.
  const fetching = new RowFetching(kernels, ignore === undefined ? claimsOf(shards) / members : 0);
  let invalidRow = STATUS_OK;
  const finished = claimRunsUntil(isStopped, words, shards, (shard, goesOn) => {
    fetching.beginShard(goesOn);
    const begin = shard * shardRows;
    const end = Math.min(rows, begin + shardRows);
    const runs = runsOf(task, begin, end);
    for (const run of runs) {
      const status = crossEntropyOfRun(kernels, task, shard, run);
      // Shards come in rising order: the first is this worker's lowest row.
      if (status !== STATUS_OK && invalidRow === STATUS_OK) invalidRow = run.begin + status;
    }
  });
  if (invalidRow !== STATUS_OK) return { state: 'invalidTarget', row: invalidRow };
  return finished ? { state: 'done' } : stopped(words);
}

/** The rows of [begin, end) that are not ignored; the others get a loss and a gradient of 0. */
function runsOf(task: CrossEntropyTask, begin: number, end: number): readonly Run[] {
  const { targets, columns, gradLogits, losses, ignore, buffer } = task;
  if (ignore === undefined) return [{ begin, end }];
  const classes = new Int32Array(buffer, targets, end);
  const gradient = gradLogits === 0 ? undefined : new Float32Array(buffer, gradLogits, end * columns);
  const lossOf = losses === 0 ? undefined : new Float32Array(buffer, losses, end);
  return keptRuns(classes, columns, ignore, { begin, end }, (row) => {
    gradient?.fill(0, row * columns, (row + 1) * columns);
    if (lossOf !== undefined) lossOf[row] = 0;
  });
}

export function isIgnored(target: number, classes: number, { index, invalid }: IgnoredTargets): boolean {
  return target === index || (invalid && (target < 0 || target >= classes));
}

/** The rows that are not ignored, those beside each other together; tells of each of the others. */
export function keptRuns(
  targets: Int32Array,
  classes: number,
  ignore: IgnoredTargets,
  { begin, end }: Run,
  onIgnored: (row: number) => void,
): readonly Run[] {
  const runs: Run[] = [];
  let runBegin = begin;
  for (let row = begin; row < end; row++) {
    if (!isIgnored(targets[row]!, classes, ignore)) continue;
    if (row > runBegin) runs.push({ begin: runBegin, end: row });
    onIgnored(row);
    runBegin = row + 1;
  }
  if (end > runBegin) runs.push({ begin: runBegin, end });
  return runs;
}

function crossEntropyOfRun(
  kernels: Kernels,
  { columns, gradLogits, losses, lossSums, logits, targets, scale }: CrossEntropyTask,
  shard: number,
  { begin, end }: Run,
): number {
  const rowBytes = columns * FLOAT32_BYTES;
  const lossesPtr = losses === 0 ? 0 : losses + begin * FLOAT32_BYTES;
  const lossSum = lossSums + shard * FLOAT64_BYTES;
  const source = logits + begin * rowBytes;
  const targetsPtr = targets + begin * FLOAT32_BYTES;
  const rows = end - begin;
  if (gradLogits === 0)
    return kernels.crossEntropyRows(lossesPtr, lossSum, source, targetsPtr, rows, columns);
  const gradient = gradLogits + begin * rowBytes;
  return kernels.crossEntropyGradientRows(
    gradient,
    lossesPtr,
    lossSum,
    source,
    targetsPtr,
    rows,
    columns,
    columns,
    scale,
  );
}

// The one-off operations on rows: softmax, log-softmax, log-sum-exp, cross-entropy and its gradient. Each checks its
// arguments, makes the plan, and sends it through the pool in windows.
import type { Kernels } from '../kernels/kernels.js';
import { treeSum } from '../kernels/tree-sum.js';
import type { CrossEntropyTask, GangJob, RowMapTask } from '../workers/protocol.js';
import type { Arena } from './arena.js';
import { arenaMatrix } from './arena-tensor.js';
import { type Batch, checkApart, checkBatch, checkInto, type Float32Rows } from './batches.js';
import { mapOperands, readOperand, targetsOperand, valueOperand } from './operands.js';
import { checkOneOf, checkOptionNames, checkSignal } from './options.js';
import { planRows, type RowsPlan } from './plan.js';
import type { WorkerPool } from './pool.js';
import { type CheckedTargets, checkTargets, type Targets, targetRangeError } from './targets.js';
import type { Matrix, Tensor } from './tensor.js';
import { inWindows } from './windows.js';

/** What an operation needs of the engine. */
export interface Resources {
  readonly arena: Arena;
  readonly pool: WorkerPool;
  /** The main thread's own instance. */
  readonly kernels: Kernels;
}

export interface RowOptions {
  /** How many columns a row has: needed for a bare Float32Array, else left out. */
  columns?: number;
  /** Aborts the call: it rejects with signal.reason within milliseconds, what is in `into` is then undefined. */
  signal?: AbortSignal;
}

export interface RowMapOptions extends RowOptions {
  /** Where to write the result: a matrix, a tensor or a Float32Array; the logits themselves for in-place work. */
  into?: Float32Rows;
}

export type Reduction = 'none' | 'mean' | 'sum';
const REDUCTIONS: readonly Reduction[] = ['none', 'mean', 'sum'];

export interface CrossEntropyOptions extends RowOptions {
  /** 'mean' (default) over the rows, 'sum', or 'none': the loss of each row in `losses`. */
  reduction?: Reduction;
}

export interface CrossEntropyGradientOptions extends CrossEntropyOptions {
  into?: Float32Rows;
}

/** The sums are float64, so that means over batches, accumulation or machines can be made exact. */
export interface CrossEntropyResult {
  /** The mean or the sum; with reduction 'none' the mean as well. NaN for the mean of no rows. */
  readonly loss: number;
  readonly lossSum: number;
  /** What the mean divides by: the number of rows. */
  readonly weightSum: number;
  /** [rows], with reduction 'none' only. */
  readonly losses?: Float32Array;
}

export interface CrossEntropyGradientResult extends CrossEntropyResult {
  /** As the logits: the derivative of `loss` (with reduction 'none': of the sum of the losses) by each logit. */
  readonly gradLogits: Tensor<'float32'>;
}

export async function mapRows(
  resources: Resources,
  kind: 'softmax' | 'logSoftmax',
  logits: Float32Rows,
  options: RowMapOptions,
): Promise<Tensor<'float32'>> {
  checkOptionNames('options', options, ['columns', 'into', 'signal']);
  const { arena, pool } = resources;
  const batch = checkBatch(arena, 'logits', logits, options.columns);
  const signal = checkSignal('options.signal', options.signal);
  signal?.throwIfAborted();
  return withOutput(arena, batch, options.into, async (output) => {
    const { rows, columns } = batch;
    const plan = planRows(rows, columns);
    await inWindows(arena, rows, plan, mapOperands(batch, output), async ({ rowBegin, rowEnd, ptrs }) => {
      const [source, target = source] = ptrs;
      const job: Omit<RowMapTask, 'member' | 'members'> = {
        kind,
        output: target!,
        logits: source!,
        rows: rowEnd - rowBegin,
        columns,
        shardRows: plan.shardRows,
      };
      await runShards(pool, job, plan, rowEnd - rowBegin, signal);
    });
  });
}

export async function logSumExp(
  { arena, pool }: Resources,
  logits: Float32Rows,
  options: RowOptions,
): Promise<Tensor<'float32'>> {
  checkOptionNames('options', options, ['columns', 'signal']);
  const batch = checkBatch(arena, 'logits', logits, options.columns);
  const signal = checkSignal('options.signal', options.signal);
  signal?.throwIfAborted();
  const { rows, columns } = batch;
  const data = new Float32Array(rows);
  const plan = planRows(rows, columns);
  const operands = [readOperand('logits', batch), valueOperand('log-sum-exp', data)];
  await inWindows(arena, rows, plan, operands, async ({ rowBegin, rowEnd, ptrs }) => {
    const job: Omit<RowMapTask, 'member' | 'members'> = {
      kind: 'logSumExp',
      output: ptrs[1]!,
      logits: ptrs[0]!,
      rows: rowEnd - rowBegin,
      columns,
      shardRows: plan.shardRows,
    };
    await runShards(pool, job, plan, rowEnd - rowBegin, signal);
  });
  return { type: 'float32', dims: batch.dims.slice(0, -1), data };
}

export async function crossEntropy(
  resources: Resources,
  logits: Float32Rows,
  targets: Targets,
  options: CrossEntropyOptions,
): Promise<CrossEntropyResult> {
  checkOptionNames('options', options, ['columns', 'reduction', 'signal']);
  const call = checkCrossEntropy(resources, logits, targets, options);
  return lossOf(resources, call, undefined);
}

export async function crossEntropyGradient(
  resources: Resources,
  logits: Float32Rows,
  targets: Targets,
  options: CrossEntropyGradientOptions,
): Promise<CrossEntropyGradientResult> {
  checkOptionNames('options', options, ['columns', 'into', 'reduction', 'signal']);
  const call = checkCrossEntropy(resources, logits, targets, options);
  let result: CrossEntropyResult | undefined;
  const gradLogits = await withOutput(resources.arena, call.batch, options.into, async (output) => {
    const { elements } = call.targets;
    if (elements !== undefined) checkApart(output, elements, 'targets');
    result = await lossOf(resources, call, output);
  });
  return { ...result!, gradLogits };
}

interface CrossEntropyCall {
  readonly batch: Batch;
  readonly targets: CheckedTargets;
  readonly reduction: Reduction;
  readonly signal: AbortSignal | undefined;
}

function checkCrossEntropy(
  { arena, kernels }: Resources,
  logits: Float32Rows,
  targets: Targets,
  options: CrossEntropyOptions,
): CrossEntropyCall {
  const batch = checkBatch(arena, 'logits', logits, options.columns);
  const reduction = checkOneOf('options.reduction', options.reduction ?? 'mean', REDUCTIONS);
  const signal = checkSignal('options.signal', options.signal);
  signal?.throwIfAborted();
  return {
    batch,
    targets: checkTargets(arena, kernels, targets, batch.rows, batch.columns),
    reduction,
    signal,
  };
}

/** The losses, and the gradient where there is an output for it. */
async function lossOf(
  { arena, pool }: Resources,
  { batch, targets, reduction, signal }: CrossEntropyCall,
  output: Batch | undefined,
): Promise<CrossEntropyResult> {
  const { rows, columns } = batch;
  const plan = planRows(rows, columns);
  const losses = reduction === 'none' ? new Float32Array(rows) : undefined;
  const operands = [
    targetsOperand(targets),
    ...(losses === undefined ? [] : [valueOperand('losses', losses)]),
    ...(output === undefined ? [readOperand('logits', batch)] : mapOperands(batch, output)),
  ];
  const rowOperand = losses === undefined ? 1 : 2;
  const scope = arena.scope();
  try {
    const lossSums = scope.allocate(plan.shards * 8, 'partial losses');
    await inWindows(arena, rows, plan, operands, async ({ rowBegin, rowEnd, firstShard, ptrs }) => {
      const source = ptrs[rowOperand]!;
      const job: Omit<CrossEntropyTask, 'member' | 'members'> = {
        kind: 'crossEntropy',
        gradLogits: output === undefined ? 0 : (ptrs[rowOperand + 1] ?? source),
        losses: losses === undefined ? 0 : ptrs[1]!,
        lossSums: lossSums + firstShard * 8,
        logits: source,
        targets: ptrs[0]!,
        rows: rowEnd - rowBegin,
        columns,
        shardRows: plan.shardRows,
        scale: reduction === 'mean' ? 1 / rows : 1,
      };
      await runShards(pool, job, plan, rowEnd - rowBegin, signal, rowBegin);
    });
    const lossSum = treeSum(Float64Array.from(arena.view('float64', lossSums, plan.shards)));
    const loss = reduction === 'sum' ? lossSum : lossSum / rows;
    return { loss, lossSum, weightSum: rows, ...(losses === undefined ? {} : { losses }) };
  } finally {
    scope.release();
  }
}

/** As many workers as have a shard to compute, each of them once. */
async function runShards(
  pool: WorkerPool,
  job: GangJob & { columns: number },
  plan: RowsPlan,
  rows: number,
  signal: AbortSignal | undefined,
  firstRow = 0,
): Promise<void> {
  const members = Math.min(pool.threads, Math.ceil(rows / plan.shardRows));
  for (const result of await pool.run(job, { members, signal })) {
    if (result.state === 'invalidTarget') {
      throw targetRangeError(firstRow + result.row, 'changed while the call was running', job.columns);
    }
  }
}

/** Runs work on the output that `into` names, or on a new one beside the batch (in the arena or out of it). */
async function withOutput(
  arena: Arena,
  batch: Batch,
  into: Float32Rows | undefined,
  work: (output: Batch) => Promise<void>,
): Promise<Tensor<'float32'>> {
  if (into !== undefined) {
    const output = checkInto(arena, into, batch, batch);
    await work(output);
    if (into instanceof Float32Array) return { type: 'float32', dims: batch.dims, data: into };
    return into;
  }
  if (batch.ptr === undefined) {
    const elements = new Float32Array(batch.elements.length);
    await work({ ...batch, elements });
    return { type: 'float32', dims: batch.dims, data: elements };
  }
  const matrix: Matrix = arenaMatrix(arena, batch.rows, batch.columns);
  try {
    await work(checkBatch(arena, 'into', matrix, undefined));
    return matrix;
  } catch (cause) {
    matrix.free();
    throw cause;
  }
}
